// Polls the bots that the registry of tenants names, and goes on following the registry: a bot that is added is polled
// within seconds, one whose record or secrets changed is polled anew, one that is taken away no more. A tenant that is
// switched off is still polled: whoever writes is told so.
import { type BotDeps, isSecretRefused, settingsOfBot } from '../channels/bot-settings.ts';
import { BOTS_PATH, createBotWebhooks } from '../channels/bot-webhooks.ts';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { type InletDeps, inletContext } from '../channels/inlets.ts';
import { pollerOf } from '../channels/settings.ts';
import { backoffMs } from '../core/backoff.ts';
import { systemClock } from '../core/clock.ts';
import { errorFields } from '../core/log.ts';
import type { TenantRegistry } from '../core/ports.ts';
import { botKey, type TenantBot, type TenantRecord } from '../core/tenants.ts';
import type { TenantDirectory } from '../tenants/directory.ts';

export interface BotInletsOptions extends BotDeps {
  readonly registry: Pick<TenantRegistry, 'list'>;
  readonly directory: TenantDirectory;
  readonly inlets: InletDeps;
  readonly everyMs?: number;
}

interface Polled {
  readonly stamp: string;
  readonly end: AbortController;
  readonly ended: Promise<void>;
}

const EVERY_MS = 5_000;
/** After no secret of a bot was taken, or none could be read; the first wait is short, for one that has just changed. */
const AGAIN = { firstMs: 1_000, maxMs: 30_000 };
/** One that was polled for so long had a secret that was taken. */
const WORKED_MS = 10_000;

export interface TenantInlets {
  /** null when no bot of a tenant answers at this path. */
  fetch(request: Request): Promise<Response> | null;
  stop(): Promise<void>;
}

/** A bot that can be polled needs no address; one that cannot has its webhook below /bots. */
export function startTenantInlets(
  channels: readonly ChannelDescriptor[],
  options: BotInletsOptions,
): TenantInlets {
  const several = channels.filter(({ bots }) => bots !== undefined);
  const webhooks = createBotWebhooks({
    ...options,
    channels: several.filter(({ poller }) => !poller || poller.by),
  });
  const polling = startPolling(several, options);
  return {
    fetch(request) {
      const { pathname } = new URL(request.url);
      return pathname.startsWith(`${BOTS_PATH}/`) ? Promise.resolve(webhooks.fetch(request)) : null;
    },
    stop: polling.stop,
  };
}

function startPolling(
  channels: readonly ChannelDescriptor[],
  options: BotInletsOptions,
): { stop(): Promise<void> } {
  const { registry, inlets, log, secrets, everyMs = EVERY_MS } = options;
  const pollers = new Map(
    channels.filter(({ poller }) => poller).map((channel) => [channel.name, channel] as const),
  );
  const polled = new Map<string, Polled>();
  const ended = new AbortController();

  function start(channel: ChannelDescriptor, record: TenantRecord, bot: TenantBot, stamp: string): Polled {
    const end = new AbortController();
    return { stamp, end, ended: poll(channel, record, bot, end.signal) };
  }

  /** With each of its secrets in turn, until one is taken. */
  async function poll(
    channel: ChannelDescriptor,
    record: TenantRecord,
    bot: TenantBot,
    signal: AbortSignal,
  ): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const startedAtMs = systemClock.now();
      try {
        const ways = await settingsOfBot(channel, 'poller', record, bot, options);
        for (const { settings } of ways) {
          if (signal.aborted) return;
          try {
            await channel.poller?.run({ ...inletContext(inlets, record), settings }, signal);
          } catch (error) {
            if (!isSecretRefused(error)) throw error;
            log('warn', 'secret-refused', { channel: channel.name, bot: bot.bot, ...errorFields(error) });
          }
        }
      } catch (error) {
        log('error', 'bot-not-polled', { channel: channel.name, bot: bot.bot, ...errorFields(error) });
      }
      secrets.forget();
      failures = systemClock.now() - startedAtMs > WORKED_MS ? 1 : failures + 1;
      await systemClock.sleep(backoffMs(AGAIN, failures), signal);
    }
  }

  async function follow(): Promise<void> {
    const wanted = new Map<
      string,
      { channel: ChannelDescriptor; record: TenantRecord; bot: TenantBot; stamp: string }
    >();
    for (const record of await allTenants(registry)) {
      for (const bot of record.settings.bots) {
        const channel = pollers.get(bot.channel);
        if (!channel || !pollerOf(channel, bot.secrets)) continue;
        const { access, retentionDays } = record.settings;
        const stamp = JSON.stringify([record.name, bot, access[bot.channel], retentionDays]);
        wanted.set(botKey(bot), { channel, record, bot, stamp });
      }
    }
    for (const [key, one] of polled) {
      if (wanted.get(key)?.stamp === one.stamp) continue;
      one.end.abort();
      // A platform refuses two that poll one bot: the next begins when this one has ended.
      await one.ended;
      polled.delete(key);
    }
    for (const [key, { channel, record, bot, stamp }] of wanted) {
      if (!polled.has(key) && !ended.signal.aborted) polled.set(key, start(channel, record, bot, stamp));
    }
  }

  const following = (async () => {
    while (!ended.signal.aborted) {
      await follow().catch((error: unknown) => log('warn', 'tenants-not-read', errorFields(error)));
      await systemClock.sleep(everyMs, ended.signal);
    }
  })();

  return {
    async stop() {
      ended.abort();
      await following;
      for (const { end } of polled.values()) end.abort();
      await Promise.all([...polled.values()].map((one) => one.ended));
    },
  };
}

async function allTenants(registry: Pick<TenantRegistry, 'list'>): Promise<readonly TenantRecord[]> {
  const all: TenantRecord[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page = await registry.list({ limit: 200, ...(cursor && { cursor }) });
    all.push(...page.items);
    cursor = page.cursor;
  }
  return all;
}
