// What `tenants add` and `tenants set` make of their options: new settings out of the ones that are there. A file
// replaces all of them; then each option changes one field. Secrets are given as references only.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { CHANNELS } from '../channels/index.ts';
import { Invalid } from '../core/errors.ts';
import { secretReferenceSchema } from '../core/secret-reference.ts';
import { type TenantSettings, tenantNameSchema, tenantSettingsSchema } from '../core/tenants.ts';
import { settingFault } from '../setting-fault.ts';

export interface TenantOptions {
  readonly settings?: string;
  readonly title?: string;
  readonly model?: string;
  readonly agent?: string;
  readonly retentionDays?: number;
  readonly bot?: string;
  readonly secret?: readonly string[];
  readonly dropSecret?: readonly string[];
  readonly removeBot?: string;
  readonly allowUsers?: readonly string[];
  readonly allowGroups?: readonly string[];
}

interface SettingsFile {
  readonly settings: unknown;
  /** The version that the file was made from, where it is the output of `tenants show --json`. */
  readonly version: number | null;
}

const recordSchema = z.object({ version: z.int(), settings: z.unknown() });
/** As much of settings as options change; the schema judges the whole afterwards. */
type Draft = {
  -readonly [K in keyof TenantSettings]: TenantSettings[K];
};

export function readTenantName(name: string) {
  const parsed = tenantNameSchema.safeParse(name);
  if (parsed.success) return parsed.data;
  throw new Invalid('usage', `A tenant's name ${parsed.error.issues[0]?.message}.`);
}

export function readSettingsFile(cwd: string, file: string): SettingsFile {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(resolve(cwd, file), 'utf8'));
  } catch (cause) {
    throw new Invalid('bad-config', `${file} cannot be read as JSON.`, { cause });
  }
  const record = recordSchema.safeParse(value);
  return record.success
    ? { settings: record.data.settings, version: record.data.version }
    : { settings: value, version: null };
}

/** Throws `Invalid` that names the field; a value that may be a secret is never in it. */
export function checkSettings(value: unknown, where: string): TenantSettings {
  const parsed = tenantSettingsSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Invalid('bad-config', `${where}: ${settingFault(parsed.error)}.`, {
    advice: 'docs/tenants.md lists every field.',
  });
}

export function changeSettings(before: TenantSettings, options: TenantOptions): TenantSettings {
  const draft: Draft = structuredClone(before);
  if (options.title !== undefined) draft.title = options.title || null;
  if (options.model !== undefined) draft.model = options.model || null;
  if (options.agent !== undefined) draft.agentFolder = options.agent || null;
  if (options.retentionDays !== undefined) draft.retentionDays = options.retentionDays;
  if (options.removeBot !== undefined) draft.bots = withoutBot(draft, options.removeBot);
  if (options.bot !== undefined) draft.bots = withBot(draft, options.bot, options);
  else if (options.secret || options.dropSecret) {
    throw new Invalid('usage', '--secret and --drop-secret belong to a bot.', {
      advice: 'Name it with --bot.',
    });
  }
  draft.access = withPeople(draft.access, 'users', options.allowUsers ?? []);
  draft.access = withPeople(draft.access, 'groups', options.allowGroups ?? []);
  return checkPeople(checkSettings(draft, 'tenant'));
}

/** Ids as the channel itself reads them: a name among numbers would let nobody in, and nobody would know why. */
function checkPeople(settings: TenantSettings): TenantSettings {
  for (const channel of CHANNELS as readonly ChannelDescriptor[]) {
    const access = settings.access[channel.name];
    const given = access && channel.bots?.settings(access);
    for (const [field, value] of Object.entries(given ?? {})) {
      const parsed = channel.settings[field]?.schema.safeParse(value);
      if (!parsed?.error) continue;
      const what = /group/i.test(field) ? 'groups' : 'users';
      throw new Invalid('usage', `access.${channel.name}.${what}: ${parsed.error.issues[0]?.message}.`);
    }
  }
  return settings;
}

function withBot(
  { bots }: TenantSettings,
  name: string,
  { secret = [], dropSecret = [] }: TenantOptions,
): TenantSettings['bots'] {
  const { channel, bot } = botNamed(name);
  const known = bots.find((one) => one.channel === channel && one.bot === bot);
  const secrets: Record<string, string[]> = { ...structuredClone(known?.secrets ?? {}) };
  for (const { field, reference } of secret.map(secretNamed)) {
    // The newest comes first; the one before stays accepted until it is dropped.
    secrets[field] = [reference, ...(secrets[field] ?? []).filter((one) => one !== reference)];
  }
  for (const { field, reference } of dropSecret.map(secretNamed)) {
    const left = (secrets[field] ?? []).filter((one) => one !== reference);
    if (left.length === 0) delete secrets[field];
    else secrets[field] = left;
  }
  const made = { channel, bot, secrets } as TenantSettings['bots'][number];
  return known ? bots.map((one) => (one === known ? made : one)) : [...bots, made];
}

function withoutBot({ bots }: TenantSettings, name: string): TenantSettings['bots'] {
  const { channel, bot } = botNamed(name);
  const left = bots.filter((one) => one.channel !== channel || one.bot !== bot);
  if (left.length < bots.length) return left;
  throw new Invalid('usage', `The tenant has no bot ${name}.`);
}

function withPeople(
  access: TenantSettings['access'],
  list: 'users' | 'groups',
  given: readonly string[],
): TenantSettings['access'] {
  const changed = { ...access };
  for (const text of given) {
    const [channel = '', people = ''] = halves(
      text,
      '=',
      'channel=ids, with commas between them, or channel=anyone',
    );
    const ids = people === 'anyone' ? 'anyone' : people.split(/[\s,]+/).filter((id) => id !== '');
    changed[channel] = { users: [], groups: [], ...changed[channel], [list]: ids };
  }
  return changed;
}

function botNamed(name: string): { channel: string; bot: string } {
  const [channel = '', bot = ''] = halves(name, '/', 'channel/bot, the bot by its id');
  return { channel, bot };
}

function secretNamed(text: string): { field: string; reference: string } {
  const [field = '', given = ''] = halves(text, '=', 'name=reference, such as token=env:BOT_TOKEN');
  const parsed = secretReferenceSchema.safeParse(given);
  if (parsed.success) return { field, reference: parsed.data };
  throw new Invalid('usage', `The secret ${field} ${parsed.error.issues[0]?.message}.`);
}

/** What was given is not repeated: it may be a secret that was meant for another place. */
function halves(text: string, separator: string, shape: string): [string, string] {
  const at = text.indexOf(separator);
  if (at > 0 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)];
  throw new Invalid('usage', `An option must look like ${shape}.`);
}
