// Mutations break one promise on purpose, to show that the kit would notice. Each takes away one thing that the product
// relies on, by wrapping a port or dependency of the worker (those of the server are in server-process.ts).
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type {
  Channel,
  ObjectStore,
  ReceivedMessage,
  SendContext,
  SessionStore,
} from '../../src/core/ports.ts';
import type { Lease, SessionHead } from '../../src/core/records.ts';
import type { StoredState } from '../../src/state/session-state.ts';
import type { WorkerParts } from '../worker-parts.ts';
import { forgettingAnswers, movingNothing, undoingWordsOnly, withoutTelling } from './mutations-of-acts.ts';

export const MUTATIONS = [
  'skip-fence',
  'skip-ledger',
  'deliver-before-commit',
  'swallow-upload',
  'ack-first',
  'no-dedupe',
  'out-of-order',
  'empty-session',
  'two-step-commit',
  'forget-continuation',
  'never-extend',
  'lose-retries',
  'send-anew',
  'leak-files',
  'press-twice',
  'lose-steering',
  'undo-keeps-files',
  'erase-ledger-only',
  'move-anew',
  'wake-twice',
  // These need hosts as processes of their own.
  'trust-hosts',
  'outlive-worker',
  'wait-for-hung',
  // And this one an agent that stays between two turns.
  'stale-hot',
] as const;
export type Mutation = (typeof MUTATIONS)[number];

/** Broken on the worker's side of a host process (faulty-hosts.ts); all others run with hosts in the worker's own. */
export const OF_HOSTS: ReadonlySet<Mutation> = new Set([
  'trust-hosts',
  'outlive-worker',
  'wait-for-hung',
  'stale-hot',
]);

/** Those that need the real agent, which stays for its session's next turn. */
export const OF_HOT: ReadonlySet<Mutation> = new Set(['stale-hot']);

/** The worker's dependencies with one promise broken. `folder` is shared by all workers of the run. */
export function mutate(deps: WorkerParts, mutation: Mutation | null, folder: string): WorkerParts {
  switch (mutation) {
    case 'skip-fence':
      return { ...deps, store: unfenced(deps.store, join(folder, 'leases')) };
    case 'skip-ledger':
      return { ...deps, store: forgetful(deps.store) };
    case 'deliver-before-commit':
      return hasty(deps);
    case 'two-step-commit':
      // Without saves on the way, which may be seen before the reply: the next attempt goes on from one of those.
      return {
        ...deps,
        store: inTwoSteps(deps.store),
        timing: { ...deps.timing, checkpointEveryMs: 0 },
      };
    case 'ack-first':
      return withDeliveries(deps, async (delivery) => {
        await delivery.ack();
        return delivery;
      });
    case 'lose-retries':
      return withDeliveries(deps, async (delivery) => ({ ...delivery, retry: () => delivery.ack() }));
    case 'never-extend': {
      const store = { ...deps.store, renew: async () => ({ stopRequested: false }) };
      return withDeliveries({ ...deps, store }, async (delivery) => ({
        ...delivery,
        extend: async () => {},
      }));
    }
    case 'forget-continuation':
      return { ...deps, queue: { ...deps.queue, send: async () => {} } };
    case 'empty-session':
      return startingAnew(deps);
    case 'send-anew':
      return {
        ...deps,
        channels: withChannels(deps, (channel) => ({
          ...channel,
          deliver: (context, reply) => channel.deliver(withoutAnchor(context), reply),
        })),
      };
    case 'leak-files':
      return leaking(deps);
    case 'press-twice':
      return { ...deps, store: forgettingAnswers(deps.store) };
    case 'lose-steering':
      return { ...deps, runner: { run: (run) => deps.runner.run(withoutTelling(run)) } };
    case 'move-anew':
      return { ...deps, store: movingNothing(deps.store) };
    case 'undo-keeps-files':
      return undoingWordsOnly(deps);
    default:
      return deps;
  }
}

/** `erase-ledger-only`: what was said and made stays where it lies. */
export function erasing(state: StoredState, mutation: Mutation | null): StoredState {
  return mutation === 'erase-ledger-only' ? { ...state, erase: async () => {} } : state;
}

/** `swallow-upload`: a put that failed says that it did not. */
export function mutateObjects(objects: ObjectStore, mutation: Mutation | null): ObjectStore {
  if (mutation !== 'swallow-upload') return objects;
  return { ...objects, put: (key, body) => objects.put(key, body).catch(() => 'created' as const) };
}

/** Writes with whichever lease was granted last and over whatever head there is, as a store without conditions would. */
function unfenced(store: SessionStore, folder: string): SessionStore {
  mkdirSync(folder, { recursive: true });
  const newest = (lease: Lease): Lease =>
    JSON.parse(readFileSync(join(folder, lease.sessionId), 'utf8')) as Lease;
  return {
    ...store,
    async begin(input) {
      const begun = await store.begin(input);
      writeFileSync(join(folder, begun.lease.sessionId), JSON.stringify(begun.lease));
      return begun;
    },
    renew: (lease, leaseMs, turnId) => store.renew(newest(lease), leaseMs, turnId),
    check: (lease) => store.check(newest(lease)),
    async commit(input) {
      const lease = newest(input.lease);
      const baseGeneration = (await store.getHead(lease.tenant, lease.sessionId))?.generation ?? 0;
      const generation = baseGeneration + input.generation - input.baseGeneration;
      return await store.commit({ ...input, lease, baseGeneration, generation });
    },
    settle: (lease, turnId, status) => store.settle(newest(lease), turnId, status),
    setAnchor: (lease, turnId, anchor) => store.setAnchor(newest(lease), turnId, anchor),
  };
}

/** Reports every turn as not committed. */
function forgetful(store: SessionStore): SessionStore {
  return {
    ...store,
    async begin(input) {
      const begun = await store.begin(input);
      if (begun.turn.status === 'running') return begun;
      return { ...begun, turn: { ...begun.turn, status: 'running', attempts: 1, reply: null } };
    },
  };
}

function hasty(deps: WorkerParts): WorkerParts {
  let open: { readonly channel: Channel; readonly context: SendContext } | null = null;
  return {
    ...deps,
    channels: withChannels(deps, (channel) => ({
      ...channel,
      open(context) {
        open = { channel, context };
        return channel.open(context);
      },
    })),
    store: {
      ...deps.store,
      async commit(input) {
        await open?.channel.deliver(open.context, input.reply);
        await deps.at?.('after-send');
        return await deps.store.commit(input);
      },
    },
  };
}

/** The state first, then the reply: a fault of the second step leaves the first. */
function inTwoSteps(store: SessionStore): SessionStore {
  return {
    ...store,
    async commit(input) {
      const { lease, baseGeneration, generation, state } = input;
      if (generation === baseGeneration || state === null) return await store.commit(input);
      await store.advance({ lease, baseGeneration, generation, state });
      return await store.commit({ ...input, baseGeneration: generation });
    },
  };
}

/** Treats a state that cannot be read as an empty one. */
function startingAnew(deps: WorkerParts): WorkerParts {
  let anew = false;
  return {
    ...deps,
    state: {
      ...deps.state,
      async restore(head, directory) {
        anew = false;
        try {
          return await deps.state.restore(head, directory);
        } catch {
          anew = true;
          return await deps.state.restore({ ...head, generation: 0, state: null }, directory);
        }
      },
    },
    runner: { run: (run) => deps.runner.run(anew ? { ...run, resume: false } : run) },
  };
}

/** A fresh session finds the files of the one before it. */
function leaking(deps: WorkerParts): WorkerParts {
  let before: SessionHead | null = null;
  return {
    ...deps,
    state: {
      ...deps.state,
      async restore(head, directory) {
        const restored = await deps.state.restore(head, directory);
        if (head.generation > 0) before = head;
        else if (before) {
          const config = join(directory.root, 'tmp', 'other');
          mkdirSync(config);
          await deps.state.restore(before, { ...directory, config });
        }
        return restored;
      },
    },
  };
}

function withDeliveries(
  deps: WorkerParts,
  change: (delivery: ReceivedMessage) => Promise<ReceivedMessage>,
): WorkerParts {
  const receive: WorkerParts['queue']['receive'] = async (options) =>
    await Promise.all((await deps.queue.receive(options)).map(change));
  return { ...deps, queue: { ...deps.queue, receive } };
}

function withChannels(
  deps: WorkerParts,
  change: (channel: Channel) => Channel,
): ReadonlyMap<string, Channel> {
  return new Map([...deps.channels].map(([name, channel]) => [name, change(channel)]));
}

function withoutAnchor(context: SendContext): SendContext {
  let anchor: SendContext['anchor'] = null;
  const { request, tenant, sessionId, generation } = context;
  return {
    request,
    tenant,
    sessionId,
    generation,
    get anchor() {
      return anchor;
    },
    async remember(note) {
      await context.remember(note);
      anchor = note;
    },
  };
}
