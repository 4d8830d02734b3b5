// A worker of a run with outages: the product's `runWorker` with the times of production, several turns at once, in this
// process. When it dies, nothing that it waits for ever comes: no answer, no wake-up, as after a SIGKILL.

import { endProcesses } from '../../../src/agent/processes.ts';
import { createWorkplace } from '../../../src/agent/workplace.ts';
import { createHttpChannel } from '../../../src/channels/http/channel.ts';
import { createTelegramApi } from '../../../src/channels/telegram/api.ts';
import { createTelegramChannel } from '../../../src/channels/telegram/channel.ts';
import {
  CHECKPOINT_EVERY_SEC,
  LAMBDA_TIMES,
  LOCAL_TIMES,
  MAX_ATTEMPTS,
  RETENTION_SEC,
} from '../../../src/core/defaults.ts';
import type { Log } from '../../../src/core/log.ts';
import type { AgentRunner, Channel, Clock, SessionState, TurnEvent } from '../../../src/core/ports.ts';
import { runWorker, type WorkerDeps } from '../../../src/core/worker.ts';
import { type WorkerParts, workerOf } from '../../worker-parts.ts';
import type { Note } from '../injected-faults.ts';
import { createLightRunner } from '../light-runner.ts';
import { numberIn } from '../planned.ts';
import { type OpenPorts, openState } from '../ports.ts';
import {
  type AwayOptions,
  type ChatsOfSessions,
  eventsInOutages,
  objectsInOutages,
  type QueueNews,
  queueInOutages,
  storeInOutages,
  through,
} from './ports-in-outages.ts';

/** Promises broken on purpose, to show that a run with outages would notice. */
export const OUTAGE_MUTATIONS = ['silent-wait', 'outage-as-failure'] as const;
export type OutageMutation = (typeof OUTAGE_MUTATIONS)[number];

export const timesOf = (store: 'local' | 'aws') => (store === 'aws' ? LAMBDA_TIMES : LOCAL_TIMES);

export interface SimulatedWorkerOptions extends AwayOptions {
  readonly store: 'local' | 'aws';
  readonly clock: Clock;
  readonly ports: OpenPorts;
  readonly news: QueueNews;
  readonly chats: ChatsOfSessions;
  readonly chatOf: (message: number | null) => number | null;
  /** For the turns' directories. */
  readonly folder: string;
  readonly codeFolder: string;
  readonly modelUrl: string;
  readonly telegram: { readonly token: string; readonly apiRoot: string };
  readonly note: Note;
  readonly mutation: OutageMutation | null;
}

export interface SimulatedWorker {
  die(): Promise<void>;
  /** Ends it when its running turns have ended. */
  stop(): Promise<void>;
}

/** The name of an agent's work on a message, in which the model lets time pass. */
export const agentsWork = (message: number | null): string => `agent on ${message}`;

const TURNS_AT_ONCE = 8;
/** By the machine's own time: the model's server may be slow, never silent. */
const MODEL_TIMEOUT_MS = 120_000;

export function startSimulatedWorker(options: SimulatedWorkerOptions): SimulatedWorker {
  const { time, ports, note, news, chats, chatOf, folder, telegram } = options;
  const stopping = new AbortController();
  const fences = new Map<string, number>();
  const roots = new Map<string, string>();
  let isDead = false;
  const never = new Promise<never>(() => {});

  const mortal = <T extends object>(port: T): T =>
    through(port, async (_name, work) => {
      if (isDead) return await never;
      try {
        const result = await work();
        return isDead ? await never : result;
      } catch (error) {
        if (isDead) await never;
        throw error;
      }
    });
  /** Work on this machine's disk: none of it waits. */
  const done = <T extends object>(port: T): T => mortal(through(port, (_name, work) => time.during(work)));
  /** What a head's record says is answered at once, so those calls are left as they are. */
  const mortalState = (state: SessionState): SessionState => {
    const { restore, checkpoint, compact, collect, erase, lent, branch } = state;
    return { ...state, ...done({ restore, checkpoint, compact, collect, erase, lent, branch }) };
  };
  const clock: Clock = {
    now: () => options.clock.now(),
    async sleep(ms, signal) {
      await options.clock.sleep(ms, signal);
      if (isDead) await never;
    },
  };

  const log: Log = (level, event, fields) => {
    const { message: text, ...rest } = fields ?? {};
    if (isDead || (level === 'info' && event !== 'turn-ended') || level === 'debug') return;
    note(event === 'turn-waits' ? 'waits' : 'log', { ...rest, level, event, text });
  };
  const api = done(createTelegramApi(telegram));
  const channels: Channel[] = [
    createTelegramChannel({ api, clock, log }),
    createHttpChannel({ events: mortal(eventsInOutages(ports.events, options)), log, gatherMs: 0 }),
  ];
  const { visibilityMs, ...timing } = timesOf(options.store);
  const store = storeInOutages(ports.store, chats, chatOf, options);
  const queue = queueInOutages(ports.queue, news, clock, options);
  const deps: WorkerParts = {
    store: mortal({
      ...store,
      async begin(input) {
        const begun = await store.begin(input);
        fences.set(begun.turn.turnId, begun.lease.fence);
        return begun;
      },
    } satisfies WorkerDeps['store']),
    queue: mortal({
      ...queue,
      receive: async (wanted) => (await queue.receive(wanted)).map((delivery) => mortal(delivery)),
    } satisfies WorkerDeps['queue']),
    state: mortalState(openState(objectsInOutages(ports.objects, chats, options))),
    workplace: done(createWorkplace({ root: folder })),
    runner: mortal(agentRunner(options, fences, roots)),
    channels: new Map(channels.map((channel) => [channel.name, channel])),
    clock,
    log,
    timing: { ...timing, checkpointEveryMs: CHECKPOINT_EVERY_SEC * 1_000 },
    retentionSec: RETENTION_SEC,
    maxAttempts: MAX_ATTEMPTS,
    visibilityMs,
  };
  const ended = runWorker(workerOf(mutated(deps, options.mutation)), {
    signal: stopping.signal,
    turnsAtOnce: TURNS_AT_ONCE,
  });
  return {
    async die() {
      isDead = true;
      await Promise.all([...roots.values()].map((root) => endProcesses(root).catch(() => {})));
    },
    async stop() {
      stopping.abort();
      if (!isDead) await ended;
    },
  };
}

/** Time stands still while the agent works, but for the time that the model takes. */
function agentRunner(
  { time, weather, note, modelUrl, codeFolder }: SimulatedWorkerOptions,
  fences: ReadonlyMap<string, number>,
  roots: Map<string, string>,
): AgentRunner {
  return {
    async run(run) {
      const { turnId, text } = run.request;
      const fence = fences.get(turnId) ?? 0;
      note('agent-run', { message: numberIn(text), turn: turnId, fence, continuing: run.continuing });
      roots.set(turnId, run.directory.root);
      const runner = createLightRunner({
        modelUrl: `${modelUrl}/run/${turnId}/${fence}`,
        modelTimeoutMs: MODEL_TIMEOUT_MS,
        environment: { NODE_COMPILE_CACHE: codeFolder },
      });
      try {
        return await time.during(() => runner.run(run), agentsWork(numberIn(text)));
      } finally {
        roots.delete(turnId);
      }
    },
    modelAnswers: async () => weather.away('model', null) === null,
  };
}

function mutated(deps: WorkerParts, mutation: OutageMutation | null): WorkerParts {
  if (mutation === 'silent-wait') {
    const silent = (channel: Channel): Channel => ({
      ...channel,
      open(context) {
        const sink = channel.open(context);
        const tells = (event: TurnEvent) => event.type !== 'status' || event.status !== 'waiting';
        return { ...sink, push: (event) => (tells(event) ? sink.push(event) : undefined) };
      },
    });
    const channels = new Map([...deps.channels].map(([name, channel]) => [name, silent(channel)]));
    return { ...deps, channels };
  }
  if (mutation === 'outage-as-failure') {
    return { ...deps, store: { ...deps.store, release: (lease) => deps.store.release(lease) } };
  }
  return deps;
}
