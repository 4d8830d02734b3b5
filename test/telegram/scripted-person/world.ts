// A chat platform with people in it and the product behind it: the fake Bot API, the real inlet, core, worker, turn and
// channel, over the stores and the queue that a wiring gives. Only the agent is a script. A person writes, waits until
// nothing goes on any more, and reads the chat.
import { serve } from '@hono/node-server';
import { parseAllowList } from '../../../src/channels/telegram/allow-list.ts';
import { createTelegramApi } from '../../../src/channels/telegram/api.ts';
import { createTelegramChannel } from '../../../src/channels/telegram/channel.ts';
import { groupPolicySchema } from '../../../src/channels/telegram/group-policy.ts';
import type { InletOptions } from '../../../src/channels/telegram/inlet.ts';
import { ALLOWED_UPDATES } from '../../../src/channels/telegram/parse-update.ts';
import { createTelegramPoller } from '../../../src/channels/telegram/poller.ts';
import { createTelegramWebhook } from '../../../src/channels/telegram/webhook.ts';
import { acceptAndQueue } from '../../../src/core/accept.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { SessionKey } from '../../../src/core/ids.ts';
import { silentLog } from '../../../src/core/log.ts';
import { acceptMove } from '../../../src/core/move-conversation.ts';
import type { Clock, SessionStore, TurnQueue } from '../../../src/core/ports.ts';
import { stopTurns } from '../../../src/core/stop.ts';
import { whileRunningSchema } from '../../../src/core/while-running.ts';
import { processMessage } from '../../../src/core/worker.ts';
import { createMemoryUsageLedger } from '../../../src/stores/memory/index.ts';
import type { FakeBot } from '../../../testing/telegram/fake-bot.ts';
import { startFakeTelegram } from '../../../testing/telegram/fake-telegram.ts';
import { workerOf } from '../../../testing/worker-parts.ts';
import { createFixture } from '../../core/fixture.ts';
import { until } from '../../waiting.ts';
import { scriptedAgent } from './agent.ts';
import { type PLACES, placeOf } from './places.ts';

export interface Wiring {
  readonly inlet: 'polling' | 'webhook';
  readonly store: SessionStore;
  readonly queue: TurnQueue;
  /** The time that stores and queue go by; the world can move it on. */
  readonly clock: ShiftedClock;
}

export interface ShiftedClock extends Clock {
  shift(ms: number): void;
}

/** The machine's own time, moved on when a scenario waits. */
export function createShiftedClock(): ShiftedClock {
  let byMs = 0;
  return {
    now: () => systemClock.now() + byMs,
    sleep: systemClock.sleep,
    shift(ms) {
      byMs += ms;
    },
  };
}

export interface World {
  readonly bot: FakeBot;
  readonly clock: ShiftedClock;
  readonly release: () => void;
  /** Resolves when every update is taken in and no turn runs or could run. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

const TOKEN = '4242:SCRIPTED-PERSON';
const SECRET = 'a-webhook-secret_0123456789';
const VISIBILITY_MS = 60_000;
const TURNS_AT_ONCE = 4;
const NEXT_TRY_MS = 5_000;

export async function startWorld({ inlet, store, queue, clock }: Wiring, scenarios: number): Promise<World> {
  const telegram = await startFakeTelegram();
  const bot = telegram.addBot({ token: TOKEN, username: 'hybrid_test_bot' });
  const api = createTelegramApi({ token: TOKEN, apiRoot: telegram.apiRoot });
  const fixture = createFixture();
  const agent = scriptedAgent();
  const ends = new AbortController();
  const usage = createMemoryUsageLedger({ clock });

  const numbers = Array.from({ length: scenarios }, (_, number) => number);
  const every = (kind: keyof typeof PLACES) => numbers.map((number) => placeOf(kind, number));
  const modes = (['steer', 'interrupt'] as const).flatMap((mode) =>
    every(mode).map((chat) => [`telegram/${chat}`, mode] as const),
  );
  const policies = (['all', 'commands'] as const).flatMap((policy) =>
    every(policy).map((chat) => [String(chat), policy] as const),
  );
  const accepting = {
    ...{ store, queue, retentionSec: fixture.deps.retentionSec },
    whileRunning: whileRunningSchema.parse({ chats: Object.fromEntries(modes) }),
  };
  const people = [...every('private'), ...every('steer'), ...every('interrupt')];
  const conversations = new Set<SessionKey>();
  const options: InletOptions = {
    bot: { id: String(bot.id), username: bot.username },
    policy: {
      tenant: 'default',
      allow: parseAllowList(people, [
        ...every('group'),
        ...every('supergroup'),
        ...every('all'),
        ...every('commands'),
      ]),
      groups: groupPolicySchema.parse({ chats: Object.fromEntries(policies) }),
      gatherMs: 3_000,
      commands: [{ name: 'hours', help: 'When we are open' }],
    },
    async accept(request) {
      conversations.add(request.sessionKey);
      await acceptAndQueue(accepting, request);
    },
    stop: (key, applies) => stopTurns(store, key, applies),
    move: (from, to, atMs) => acceptMove(accepting, from, to, atMs),
    log: silentLog,
  };
  const closeInlet =
    inlet === 'polling' ? await poll(api, options, ends.signal) : await listen(telegram.apiRoot, options);

  const worker = workerOf({
    ...fixture.deps,
    ...{ store, queue, clock, usage, visibilityMs: VISIBILITY_MS },
    runner: agent.runner,
    state: {
      ...fixture.deps.state,
      branch: async ({ generation, state }) => ({ generation, state, branch: state, owners: [] }),
    },
    channels: new Map([
      ['telegram', createTelegramChannel({ api, clock, editEveryMs: { private: 20, group: 20 } })],
    ]),
    timing: { leaseMs: 30_000, heartbeatMs: 50, stopEveryMs: 50, checkpointEveryMs: 0 },
    forget: async () => {},
  });
  const running = new Set<Promise<unknown>>();
  let rounds = 0;
  const working = work();

  async function isAnythingOpen(): Promise<boolean> {
    for (const key of conversations) {
      const { items } = await store.listTurns(key, { limit: 20 });
      if (items.some(({ status }) => status !== 'delivered' && status !== 'undeliverable')) return true;
    }
    conversations.clear();
    return false;
  }

  async function work(): Promise<void> {
    while (!ends.signal.aborted) {
      const [delivery] = await queue.receive({ max: 1, waitMs: 0, visibilityMs: VISIBILITY_MS });
      if (delivery) {
        const turn = processMessage(worker, delivery, new AbortController().signal);
        running.add(turn);
        void turn.finally(() => running.delete(turn));
        if (running.size >= TURNS_AT_ONCE) await Promise.race(running);
      } else {
        rounds++;
        await clock.sleep(5, ends.signal);
      }
    }
  }

  return {
    bot,
    clock,
    release: agent.release,
    async settled() {
      for (;;) {
        const from = rounds;
        await until(() => bot.feed.pending.length === 0, 'the updates to be taken in');
        await until(() => running.size === 0 && rounds >= from + 3, 'the turns to end');
        if (bot.feed.pending.length > 0) continue;
        if (!(await isAnythingOpen())) return;
        // What is left waits for its next try.
        if (running.size === 0) clock.shift(NEXT_TRY_MS);
      }
    },
    async close() {
      ends.abort();
      agent.release();
      await working;
      await Promise.all(running);
      await closeInlet();
      await telegram.close();
    },
  };
}

async function poll(
  api: ReturnType<typeof createTelegramApi>,
  options: InletOptions,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const polling = createTelegramPoller({ ...options, api, pollSec: 5 }).run(signal);
  return async () => await polling;
}

async function listen(apiRoot: string, options: InletOptions): Promise<() => Promise<void>> {
  const fetch = createTelegramWebhook({ ...options, secret: SECRET });
  let close = () => {};
  const url = await new Promise<string>((resolve) => {
    const server = serve({ fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => {
      resolve(`http://127.0.0.1:${port}/telegram`);
    });
    close = () => void server.close();
  });
  const api = createTelegramApi({ token: TOKEN, apiRoot });
  await api.setWebhook({ url, secret: SECRET, allowedUpdates: ALLOWED_UPDATES });
  return async () => close();
}
