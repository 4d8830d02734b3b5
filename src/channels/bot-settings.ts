// Settings of a bot that the registry of tenants names: configuration from its record and the installation, secrets from
// where its references point. While a secret is changed there are several; they are tried in the record's order.

import { Invalid } from '../core/errors.ts';
import { errorFields, type Log } from '../core/log.ts';
import type { TenantBot, TenantRecord } from '../core/tenants.ts';
import type { SecretReader } from '../tenants/secrets.ts';
import type { ChannelDescriptor, Part } from './descriptor.ts';
import type { ChannelSettings } from './settings.ts';

export interface BotDeps {
  readonly secrets: SecretReader;
  /** The installation's own configuration of a channel, such as the address of its platform. */
  readonly configurationOf: (channel: ChannelDescriptor) => ChannelSettings;
  readonly log: Log;
}

export interface BotSettings {
  readonly settings: ChannelSettings;
  /** Other values of secrets that are still accepted from callers, by field. */
  readonly alsoAccepted: Readonly<Record<string, readonly string[]>>;
}

export function botOf(record: TenantRecord, channel: string, bot: string): TenantBot | undefined {
  return record.settings.bots.find((one) => one.channel === channel && one.bot === bot);
}

/** Best first, never empty. Throws `Invalid` that names the setting which is missing or wrong, never its value. */
export async function settingsOfBot(
  channel: ChannelDescriptor,
  part: Part,
  record: TenantRecord,
  bot: TenantBot,
  deps: BotDeps,
): Promise<readonly [BotSettings, ...BotSettings[]]> {
  const used = Object.entries(channel.settings).filter(([, { usedBy }]) => usedBy.includes(part));
  const given: Record<string, unknown> = {
    ...deps.configurationOf(channel),
    ...channel.bots?.settings(record.settings.access[channel.name]),
  };
  const secrets = new Map<string, readonly string[]>();
  for (const [field, { kind }] of used) {
    if (kind === 'secret') secrets.set(field, await valuesOf(channel, field, bot, deps));
  }
  const count = Math.max(1, ...[...secrets.values()].map((values) => values.length));
  const made = Array.from({ length: count }, (_, at): BotSettings => {
    const chosen = [...secrets].map(([field, values]) => [field, values[Math.min(at, values.length - 1)]]);
    const raw: Record<string, unknown> = { ...given, ...Object.fromEntries(chosen) };
    const settings = Object.fromEntries(
      used.map(([field, setting]) => {
        const parsed = setting.schema.safeParse(raw[field]);
        if (parsed.success) return [field, parsed.data];
        throw wrong(channel, bot, `${field} ${parsed.error.issues[0]?.message}`);
      }),
    );
    const id = channel.bots?.idOf?.(settings) ?? null;
    if (id !== null && id !== bot.bot) throw wrong(channel, bot, 'its secret is that of another bot');
    const others = [...secrets].map(([field, values]) => [
      field,
      values.filter((v) => v !== settings[field]),
    ]);
    return { settings, alsoAccepted: Object.fromEntries(others) };
  });
  return made as [BotSettings, ...BotSettings[]];
}

/** Those that can be read; one of two may be gone already, or not there yet. */
async function valuesOf(
  channel: ChannelDescriptor,
  field: string,
  bot: TenantBot,
  { secrets, log }: BotDeps,
): Promise<readonly string[]> {
  const references = bot.secrets[field] ?? [];
  const read = await Promise.allSettled(references.map((reference) => secrets.read(reference)));
  const values = read.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = read.find((one) => one.status === 'rejected');
  if (values.length > 0) {
    if (failed)
      log('warn', 'secret-not-read', { channel: channel.name, bot: bot.bot, ...errorFields(failed.reason) });
    return values;
  }
  throw failed?.reason ?? wrong(channel, bot, `${field} is missing (${channel.settings[field]?.about})`);
}

function wrong(channel: ChannelDescriptor, { bot }: TenantBot, what: string): Invalid {
  return new Invalid('bad-bot', `${channel.title} bot ${bot}: ${what}.`, {
    advice: `Change it with \`hybrid-sessions tenants set\`, --bot ${channel.name}/${bot} and --secret.`,
  });
}

/** True when a platform does not know this secret (any more): another one may do. */
export function isSecretRefused(error: unknown): boolean {
  return error instanceof Invalid && error.code === 'bad-token';
}
