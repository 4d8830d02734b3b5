// Telegram in a local system: the worker's outgoing channel, and long polling in the server.

import { parseAllowList } from '../channels/telegram/allow-list.ts';
import { createTelegramApi } from '../channels/telegram/api.ts';
import { createTelegramChannel } from '../channels/telegram/channel.ts';
import { createTelegramPoller } from '../channels/telegram/poller.ts';
import { acceptAndQueue } from '../core/accept.ts';
import { backoffMs } from '../core/backoff.ts';
import { systemClock } from '../core/clock.ts';
import { DEFAULT_TENANT } from '../core/defaults.ts';
import { errorFields, type Log } from '../core/log.ts';
import type { Channel, SessionStore } from '../core/ports.ts';
import { stopTurns } from '../core/stop.ts';
import type { Configuration } from './configuration.ts';

const REACHING = { firstMs: 1_000, maxMs: 60_000 };

type TelegramSettings = NonNullable<Configuration['telegram']>;

export function telegramChannel({ token, apiRoot }: TelegramSettings, log: Log): Channel {
  return createTelegramChannel({ api: createTelegramApi({ token, apiRoot }), log });
}

export interface TelegramInlet {
  /** The bot's name, for the operator. */
  readonly line: string;
  stop(): Promise<void>;
}

/** Begins to poll. An address that does not answer yet is waited for; a wrong token is logged and ends it. */
export function startTelegram(
  { token, apiRoot, allowedUsers }: TelegramSettings,
  deps: Parameters<typeof acceptAndQueue>[0] & { readonly store: SessionStore; readonly log: Log },
): TelegramInlet {
  const ended = new AbortController();
  const api = createTelegramApi({ token, apiRoot });
  const allow = parseAllowList(allowedUsers.map(String));
  const { log } = deps;

  async function run(): Promise<void> {
    const bot = await whoAmI();
    if (bot === null) return;
    log('info', 'telegram-polling', { bot: bot.username });
    const poller = createTelegramPoller({
      api,
      bot,
      policy: { tenant: DEFAULT_TENANT, allow },
      accept: async (request) => void (await acceptAndQueue(deps, request)),
      stop: (key, applies) => stopTurns(deps.store, key, applies),
      log,
    });
    await poller.run(ended.signal);
  }

  async function whoAmI() {
    for (let failures = 1; !ended.signal.aborted; failures++) {
      try {
        return await api.getMe(ended.signal);
      } catch (error) {
        if (isWrongToken(error)) throw error;
        const waitMs = backoffMs(REACHING, failures);
        log('warn', 'telegram-unreachable', { waitMs, ...errorFields(error) });
        await systemClock.sleep(waitMs, ended.signal);
      }
    }
    return null;
  }

  const running = run().catch((error) => log('error', 'telegram-ended', errorFields(error)));
  return {
    line: allow.problem ?? `on, ${allowedUsers.length} allowed user${allowedUsers.length === 1 ? '' : 's'}`,
    async stop() {
      ended.abort();
      await running;
    },
  };
}

function isWrongToken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'bad-token';
}
