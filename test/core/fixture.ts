// A whole worker over in-memory ports: real store and queue logic, a state that is a list of words, an agent that
// does what the message says. For tests of the turn's order and of what each failure leaves behind.

import { RETENTION_SEC } from '../../src/core/defaults.ts';
import { Corrupt } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/log.ts';
import { type TurnRequest, turnRequest } from '../../src/core/messages.ts';
import type {
  AgentOutcome,
  AgentRun,
  Channel,
  Clock,
  SendContext,
  SessionState,
  Workplace,
} from '../../src/core/ports.ts';
import type { Lease, Reply } from '../../src/core/records.ts';
import { processMessage, type WorkerDeps } from '../../src/core/worker.ts';
import { createMemoryTurnQueue } from '../../src/queues/memory/turn-queue.ts';
import { createMemorySessionStore } from '../../src/stores/memory/index.ts';
import { createManualClock } from '../../testing/clock.ts';
import { noTimeline } from '../../testing/no-timeline.ts';
import { type WorkerParts, workerOf } from '../../testing/worker-parts.ts';

export interface Fixture {
  readonly deps: WorkerParts;
  readonly clock: ReturnType<typeof createManualClock>;
  /** Every prompt an agent was run with. */
  readonly runs: AgentRun[];
  /** Every final text that reached the chat. */
  readonly sent: { chat: string; reply: Reply }[];
  /** Directories open now. */
  readonly open: Set<string>;
  /** Replaces what the agent does. */
  agent: (run: AgentRun) => Promise<AgentOutcome>;
  /** Called before each delivery; throw to make it fail. */
  beforeSend: (context: SendContext) => void | Promise<void>;
  brokenState: boolean;
  say(
    text: string,
    options?: {
      id?: string;
      chat?: string;
      kind?: TurnRequest['kind'];
      answer?: TurnRequest['answer'];
      sender?: TurnRequest['sender'];
    },
  ): Promise<TurnRequest>;
  /** Receives and processes one message, as a worker would. Null when nothing is visible. */
  step(overrides?: Partial<WorkerParts>, deadline?: AbortSignal): Promise<string | null>;
}

export function createFixture(): Fixture {
  const clock = createManualClock();
  const runs: AgentRun[] = [];
  const sent: Fixture['sent'] = [];
  const open = new Set<string>();
  const words = new Map<string, string[]>();

  const state: SessionState = {
    async restore(head, directory) {
      if (fixture.brokenState) throw new Corrupt('corrupt-pack', 'flipped on purpose');
      words.set(directory.root, [...((head.state as string[] | null) ?? [])]);
      return { baseline: null, objectsRead: 0, bytesRead: 0, files: 0 };
    },
    async checkpoint({ directory }) {
      return {
        state: [...(words.get(directory.root) ?? [])],
        baseline: null,
        bytesWritten: 0,
        refused: [],
        compactionDue: false,
      };
    },
    compact: async () => null,
    collect: async () => {},
    erase: async () => {},
    ...noTimeline,
  };
  const root = (lease: Lease) => `/${lease.sessionId}/${lease.fence}`;
  const workplace: Workplace = {
    pause: async () => ({ resume() {} }),
    async open(lease) {
      open.add(root(lease));
      return { root: root(lease), config: `${root(lease)}/config`, workspace: `${root(lease)}/workspace` };
    },
    async close(lease) {
      open.delete(root(lease));
    },
  };
  const channel: Channel = {
    name: 'http',
    capabilities: { edit: false, markdown: true, maxTextLength: 1_000_000 },
    open: () => ({ push() {}, async close() {} }),
    async deliver(context, reply) {
      await fixture.beforeSend(context);
      sent.push({ chat: context.request.conversation.chat, reply });
    },
  };
  const deps: WorkerParts = {
    store: createMemorySessionStore({ clock }),
    queue: createMemoryTurnQueue({ clock }),
    state,
    workplace,
    runner: {
      async run(run) {
        runs.push(run);
        words.get(run.directory.root)?.push(run.request.text);
        return await fixture.agent(run);
      },
    },
    channels: new Map([['http', channel]]),
    clock,
    log: silentLog,
    timing: { leaseMs: 30_000, heartbeatMs: 1_000, checkpointEveryMs: 0 },
    retentionSec: RETENTION_SEC,
    maxAttempts: 3,
    visibilityMs: 60_000,
  };
  let messages = 0;
  const fixture: Fixture = {
    deps,
    clock,
    runs,
    sent,
    open,
    agent: async (run) => ({ status: 'ok', text: `heard ${run.request.text}`, demo: false }),
    beforeSend: () => {},
    brokenState: false,
    async say(text, options = {}) {
      const request = turnRequest({
        conversation: {
          tenant: 'default',
          channel: 'http',
          bot: 'local',
          chat: options.chat ?? 'c',
          thread: null,
        },
        dedupeId: options.id ?? `m${++messages}`,
        kind: options.kind ?? (options.answer ? 'answer' : 'message'),
        text,
        sender: options.sender ?? null,
        ...(options.answer && { answer: options.answer }),
        receivedAtMs: clock.now(),
      });
      await deps.store.accept(request, deps.retentionSec);
      await deps.queue.send(request);
      return request;
    },
    async step(overrides = {}, deadline = new AbortController().signal) {
      const [delivery] = await deps.queue.receive({ max: 1, waitMs: 0, visibilityMs: deps.visibilityMs });
      if (!delivery) return null;
      const outcome = await processMessage(workerOf({ ...deps, ...overrides }), delivery, deadline);
      return outcome.kind;
    },
  };
  return fixture;
}

/** The clock of a process that does not run: it never wakes anyone, so no heartbeat keeps its lease alive. */
export function frozen(fixture: Fixture): Pick<WorkerDeps, 'clock'> {
  const sleep: Clock['sleep'] = (_ms, signal) =>
    new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }));
  return { clock: { now: () => fixture.clock.now(), sleep } };
}
