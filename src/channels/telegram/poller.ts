// Long polling: for machines that Telegram cannot reach. Updates are taken in order, one after another. An update is
// confirmed (by asking for what follows it) only after its turn is in the durable queue; a crash in between means
// that Telegram hands it out again, and the ledger finds it known. Telegram keeps the offset, so nothing is stored here.
import { backoffAfterMs } from '../../core/backoff.ts';
import { systemClock } from '../../core/clock.ts';
import { Conflict, Invalid, Refused } from '../../core/errors.ts';
import { errorFields, type Log, silentLog } from '../../core/log.ts';
import type { TurnRequest } from '../../core/messages.ts';
import type { Clock } from '../../core/ports.ts';
import type { BotIdentity, TelegramApi } from './api.ts';
import { commandMenus } from './commands.ts';
import { callFor } from './fixed-reply.ts';
import { createInlet, type FixedReply, type MoveConversation, type StopTurns } from './inlet.ts';
import { ALLOWED_UPDATES, type UpdatePolicy } from './parse-update.ts';

export interface TelegramPollerOptions {
  readonly api: TelegramApi;
  readonly bot: BotIdentity;
  readonly policy: UpdatePolicy;
  /** Resolves once the turn is durable in the queue; while it rejects, the update stays unconfirmed. */
  readonly accept: (request: TurnRequest) => Promise<void>;
  readonly stop: StopTurns;
  readonly move: MoveConversation;
  readonly clock?: Clock;
  readonly log?: Log;
  /** How long Telegram holds an empty answer back. */
  readonly pollSec?: number;
  /** A poll that takes longer is given up, even if its connection never comes back; two minutes by default. */
  readonly watchdogMs?: number;
}

export interface TelegramPoller {
  /** Runs until `signal` aborts. Rejects only with `Invalid('bad-token')`; all else is waited out and logged. */
  run(signal: AbortSignal): Promise<void>;
}

const WATCHDOG_MS = 120_000;
const POLLING = { firstMs: 1_000, maxMs: 30_000 };

export function createTelegramPoller(options: TelegramPollerOptions): TelegramPoller {
  const { api, bot, clock = systemClock, log = silentLog, pollSec = 25, watchdogMs = WATCHDOG_MS } = options;
  const inlet = createInlet({ ...options, log });

  return {
    async run(signal) {
      await announceCommands(api, options.policy.commands, log);
      let offset: number | undefined;
      let failures = 0;
      while (!signal.aborted) {
        try {
          const query = { timeoutSec: pollSec, allowedUpdates: ALLOWED_UPDATES };
          const updates = await watched(watchdogMs, signal, (ended) =>
            api.getUpdates(offset === undefined ? query : { ...query, offset }, ended),
          );
          for (const update of updates) {
            if (signal.aborted) break;
            const reply = await inlet.take(update, clock.now());
            if (reply) await answer(api, log, reply);
            offset = update.update_id + 1;
          }
          failures = 0;
        } catch (error) {
          if (signal.aborted) break;
          if (error instanceof Invalid && error.code === 'bad-token') throw error;
          const waitMs = backoffAfterMs(error, POLLING, ++failures);
          const advice = error instanceof Conflict ? error.advice : undefined;
          log('warn', 'telegram-poll-failed', { bot: bot.id, waitMs, advice, ...errorFields(error) });
          await clock.sleep(waitMs, signal);
        }
      }
      if (offset !== undefined) await confirm(api, offset);
    },
  };
}

/** Ends a poll that hangs. It counts real time, because it watches a connection. The next poll gets the same updates. */
async function watched<T>(
  limitMs: number,
  signal: AbortSignal,
  poll: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const given = new AbortController();
  const hung = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    given.abort();
    hung.reject(new Refused('poll-hung', 'A poll hung and was given up.'));
  }, limitMs);
  const ended = () => hung.reject(new Refused('poll-ended', 'Polling ends.'));
  signal.addEventListener('abort', ended, { once: true });
  try {
    return await Promise.race([poll(AbortSignal.any([signal, given.signal])), hung.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', ended);
  }
}

/** So that Telegram offers them while a person types. */
async function announceCommands(
  api: TelegramApi,
  offered: UpdatePolicy['commands'],
  log: Log,
): Promise<void> {
  try {
    for (const menu of commandMenus(offered)) await api.setCommands(menu);
  } catch (error) {
    log('warn', 'telegram-commands-not-set', errorFields(error));
  }
}

/** Best effort: a lost help text is asked for again. */
async function answer(api: TelegramApi, log: Log, reply: FixedReply): Promise<void> {
  try {
    await callFor(api, reply);
  } catch (error) {
    log('warn', 'telegram-answer-failed', errorFields(error));
  }
}

/** Spares Telegram a redelivery after a clean end. Nothing is lost when it fails. */
async function confirm(api: TelegramApi, offset: number): Promise<void> {
  const query = { offset, limit: 1, timeoutSec: 0, allowedUpdates: ALLOWED_UPDATES };
  await api.getUpdates(query, AbortSignal.timeout(2_000)).catch(() => undefined);
}
