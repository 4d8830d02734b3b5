// The API over in-memory ports with a real worker loop beside it. The agent does what the test says; the state
// layer keeps a count. Time is the machine's.

import { type AppOptions, createApp } from '../../src/api/app.ts';
import { createHttpChannel } from '../../src/channels/http/channel.ts';
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import type { AgentOutcome, AgentRun, SessionState, TurnQueue, Workplace } from '../../src/core/ports.ts';
import type { Lease } from '../../src/core/records.ts';
import { runWorker } from '../../src/core/worker.ts';
import { createMemoryTurnQueue } from '../../src/queues/memory/turn-queue.ts';
import { createMemoryEventLog } from '../../src/stores/memory/event-log.ts';
import { createMemorySessionStore } from '../../src/stores/memory/session-store.ts';
import { createMemoryWebhooks } from '../../src/stores/memory/webhooks.ts';
import { createAnnounce } from '../../src/webhooks/announce.ts';
import { noTimeline } from '../../testing/no-timeline.ts';
import { workerOf } from '../../testing/worker-parts.ts';

export type Agent = (run: AgentRun) => Promise<AgentOutcome>;

/** The members that some answer has; a test reads those it asked for. */
export interface Body {
  readonly turn_id: string;
  readonly session_id: string;
  readonly generation: number;
  readonly chat: string;
  readonly code: string;
  readonly detail: string;
  readonly error_id: string;
  readonly stop_requested: boolean;
  readonly reply: { readonly text: string; readonly outcome: string };
  readonly chats: readonly { readonly chat: string; readonly title: string }[];
  readonly turns: readonly { readonly text: string; readonly status: string }[];
  readonly cursor: string | null;
}

export type ApiResponse = Omit<Response, 'json'> & { json(): Promise<Body> };

export interface ApiFixture {
  readonly options: AppOptions;
  /** Calls the API. A body that is no string is sent as JSON. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<ApiResponse>;
  agent: Agent;
  /** Ids of sessions whose objects were erased. */
  readonly erased: string[];
  /** How often an agent ran. */
  readonly runs: string[];
  close(): Promise<void>;
}

export interface ApiFixtureOptions {
  readonly worker?: boolean;
  readonly queue?: (queue: TurnQueue) => TurnQueue;
  readonly app?: Partial<AppOptions>;
}

export const says = (text: string): AgentOutcome => ({ status: 'ok', text, demo: true });

/** The agent wants to run a command, and says so once. */
export const asksFor =
  (...commands: readonly string[]): Agent =>
  async () => ({
    ...says('I would like to run something.'),
    asked: {
      approvers: null,
      expiresAfterSec: 3_600,
      calls: commands.map((command, at) => ({
        ...{ id: `toolu_${at}`, tool: 'Bash', title: `Bash: ${command}`, detail: command },
        ...{ format: 'command' as const, hash: command, covers: 'call' as const },
        waits: at === 0 ? ('held' as const) : ('again' as const),
      })),
    },
  });

export function createApiFixture(setup: ApiFixtureOptions = {}): ApiFixture {
  const clock = systemClock;
  const store = createMemorySessionStore({ clock });
  const memoryQueue = createMemoryTurnQueue({ clock });
  const queue = setup.queue?.(memoryQueue) ?? memoryQueue;
  const events = createMemoryEventLog();
  const webhooks = createMemoryWebhooks({ clock });
  const erased: string[] = [];
  const runs: string[] = [];
  const state: SessionState = {
    restore: async () => ({ baseline: null, objectsRead: 0, bytesRead: 0, files: 0 }),
    checkpoint: async () => ({
      state: {},
      baseline: null,
      bytesWritten: 0,
      refused: [],
      compactionDue: false,
    }),
    compact: async () => null,
    collect: async () => {},
    erase: async (_tenant, sessionId) => void erased.push(sessionId),
    ...noTimeline,
  };
  const root = (lease: Lease) => `/${lease.sessionId}`;
  const workplace: Workplace = {
    open: async (lease) => ({ root: root(lease), config: `${root(lease)}/c`, workspace: `${root(lease)}/w` }),
    close: async () => {},
  };
  const retentionSec = 3600;
  const options: AppOptions = {
    store,
    queue,
    events,
    webhooks,
    state,
    clock,
    log: silentLog,
    retentionSec,
    info: {
      name: 'hybrid-sessions',
      version: '0.0.0',
      model: { demo: true, name: 'demo' },
      sandbox: 'none',
      tools: ['Bash'],
      workers: 1,
    },
    apiKeys: [],
    knownHosts: [],
    openapi: {},
    page: null,
    ...setup.app,
  };
  const app = createApp(options);
  const ended = new AbortController();
  const fixture: ApiFixture = {
    options,
    erased,
    runs,
    agent: async (run) => says(`heard ${run.request.text}`),
    async call(method, path, body, headers = {}) {
      const json = body !== undefined && typeof body !== 'string';
      return (await app.request(path, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: json ? JSON.stringify(body) : body }),
      })) as ApiResponse;
    },
    async close() {
      ended.abort();
      await working;
    },
  };
  const working =
    setup.worker === false
      ? Promise.resolve()
      : runWorker(
          workerOf({
            store,
            queue: memoryQueue,
            webhooks,
            announcer: (bound) => createAnnounce({ webhooks: bound, channel: 'http', clock, log: silentLog }),
            state,
            workplace,
            runner: {
              async run(run) {
                runs.push(run.request.text);
                return await fixture.agent(run);
              },
            },
            channels: new Map([['http', createHttpChannel({ events, gatherMs: 1 })]]),
            clock,
            log: silentLog,
            timing: { leaseMs: 10_000, heartbeatMs: 20, checkpointEveryMs: 0 },
            retentionSec,
            maxAttempts: 3,
            visibilityMs: 60_000,
          }),
          { signal: ended.signal },
        );
  return fixture;
}

export async function eventsOf(
  response: Pick<Response, 'text'>,
): Promise<{ id?: string; event?: string; data?: unknown }[]> {
  const blocks = (await response.text()).split('\n\n').filter((block) => block.includes('event:'));
  return blocks.map((block) => {
    const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)));
    return { ...fields, ...(fields.data && { data: JSON.parse(fields.data) }) };
  });
}
