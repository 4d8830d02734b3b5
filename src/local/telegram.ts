// Telegram in a local system: the worker's outgoing channel, and long polling in the server.

import { acceptAndQueue } from '../api/messages.ts';
import { parseAllowList } from '../channels/telegram/allow-list.ts';
import { createTelegramApi } from '../channels/telegram/api.ts';
import { createTelegramChannel } from '../channels/telegram/channel.ts';
import { createTelegramPoller } from '../channels/telegram/poller.ts';
import { systemClock } from '../core/clock.ts';
import { errorFields, type Log } from '../core/log.ts';
import { acceptMove } from '../core/move-conversation.ts';
import type { Channel, SessionStore } from '../core/ports.ts';
import { stopTurns } from '../core/stop.ts';
import type { Configuration } from './configuration.ts';

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
      policy: { tenant: 'default', allow },
      accept: async (request) => void (await acceptAndQueue(deps, request)),
      stop: (key, applies) => stopTurns(deps.store, key, applies),
      move: (from, to, atMs) => acceptMove(deps, from, to, atMs),
      log,
    });
    await poller.run(ended.signal);
  }

  async function whoAmI() {
    for (let waitMs = 1_000; !ended.signal.aborted; waitMs = Math.min(waitMs * 2, 60_000)) {
      try {
        return await api.getMe(ended.signal);
      } catch (error) {
        if (isWrongToken(error)) throw error;
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
