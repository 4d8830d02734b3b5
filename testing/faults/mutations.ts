// Promises broken on purpose, to show that the kit would notice. Each replaces one thing that the product relies on,
// from outside: a decorated port or dependency.
import { Gone } from '../../src/core/errors.ts';
import type { Delivery, ObjectStore, SessionStore } from '../../src/core/ports.ts';
import type { WorkerDeps } from '../../src/core/worker.ts';

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
  'never-come-back',
  'send-anew',
  'leak-state',
] as const;
export type Mutation = (typeof MUTATIONS)[number];

/** The worker's dependencies with one promise broken. */
export function mutate(deps: WorkerDeps, objects: ObjectStore, mutation: Mutation | null): WorkerDeps {
  switch (mutation) {
    case 'skip-fence':
      return { ...deps, store: withoutFence(deps.store) };
    case 'skip-ledger':
      return {
        ...deps,
        store: {
          ...deps.store,
          // A committed turn is begun again under another name, as if no ledger had been kept.
          async begin(input) {
            const begun = await deps.store.begin(input);
            if (begun.turn.status === 'running') return begun;
            await deps.store.release(begun.lease);
            const turnId = `${input.request.turnId.slice(0, -4)}${begun.lease.fence.toString(16).padStart(4, '0')}`;
            const again = { ...input.request, turnId: turnId as typeof input.request.turnId };
            return await deps.store.begin({ ...input, request: again });
          },
          commit: async (input) => await deps.store.commit(input),
        },
      };
    case 'deliver-before-commit':
      return {
        ...deps,
        store: {
          ...deps.store,
          async commit(input) {
            const record = await deps.store.getTurn(input.lease.tenant, input.turnId);
            for (const channel of deps.channels.values()) {
              const context = early.get(input.turnId);
              if (record && context && channel.name === context.request.conversation.channel) {
                await channel.deliver(context, input.reply).catch(() => undefined);
                await deps.at?.('after-send');
              }
            }
            return await deps.store.commit(input);
          },
        },
        channels: new Map(
          [...deps.channels].map(([name, channel]) => [
            name,
            {
              ...channel,
              open(context) {
                early.set(context.request.turnId, context);
                return channel.open(context);
              },
            },
          ]),
        ),
      };
    case 'never-come-back':
      return {
        ...deps,
        queue: {
          ...deps.queue,
          receive: (options) => wrapped(deps, options, (d) => ({ ...d, retry: d.ack })),
        },
      };
    case 'ack-first':
      return {
        ...deps,
        queue: {
          ...deps.queue,
          async receive(options) {
            const deliveries = await deps.queue.receive(options);
            for (const delivery of deliveries) await delivery.ack();
            return deliveries;
          },
        },
      };
    case 'never-extend':
      return {
        ...deps,
        store: { ...deps.store, renew: async () => ({ stopRequested: false }) },
        queue: {
          ...deps.queue,
          receive: (options) => wrapped(deps, options, (d) => ({ ...d, extend: async () => {} })),
        },
      };
    case 'empty-session':
      return {
        ...deps,
        state: {
          ...deps.state,
          async restore(head, directory) {
            try {
              return await deps.state.restore(head, directory);
            } catch {
              return await deps.state.restore({ ...head, generation: 0, state: null }, directory);
            }
          },
        },
        runner: { run: (run) => deps.runner.run({ ...run, resume: false }) },
      };
    case 'two-step-commit':
      return {
        ...deps,
        store: {
          ...deps.store,
          async commit(input) {
            if (input.generation > input.baseGeneration && input.state !== null) {
              const { lease, baseGeneration, generation, state } = input;
              await deps.store.advance({ lease, baseGeneration, generation, state });
              await deps.at?.('after-pack');
              return await deps.store.commit({ ...input, baseGeneration: generation });
            }
            return await deps.store.commit(input);
          },
        },
      };
    case 'forget-continuation':
      return { ...deps, queue: { ...deps.queue, send: async () => {} } };
    case 'send-anew':
      return {
        ...deps,
        channels: new Map(
          [...deps.channels].map(([name, channel]) => [
            name,
            { ...channel, deliver: (context, reply) => channel.deliver({ ...context, anchor: null }, reply) },
          ]),
        ),
      };
    case 'leak-state':
      // The last restored session's files are still there when the next one begins.
      return {
        ...deps,
        state: {
          ...deps.state,
          async restore(head, directory) {
            if (head.generation > 0) lastHead = head;
            else if (lastHead) {
              await deps.state.restore(lastHead, directory);
              return {
                baseline: (
                  await deps.state.restore(head, {
                    ...directory,
                    config: `${directory.root}/tmp/c`,
                    workspace: `${directory.root}/tmp/w`,
                  })
                ).baseline,
                objectsRead: 0,
                bytesRead: 0,
                files: 0,
              };
            }
            return await deps.state.restore(head, directory);
          },
        },
      };
    default:
      return deps;
  }
}

/** What an upload says it did; `swallow-upload` never writes. */
export function mutateObjects(objects: ObjectStore, mutation: Mutation | null): ObjectStore {
  if (mutation !== 'swallow-upload') return objects;
  return {
    ...objects,
    async put(key, body) {
      try {
        return await objects.put(key, body);
      } catch (error) {
        if (error instanceof Gone) throw error;
        return 'created';
      }
    },
  };
}

const early = new Map<
  string,
  Parameters<
    WorkerDeps['channels'] extends ReadonlyMap<string, infer C>
      ? C extends { open(context: infer X): unknown }
        ? (context: X) => void
        : never
      : never
  >[0]
>();
let lastHead: Parameters<WorkerDeps['state']['restore']>[0] | null = null;

async function wrapped(
  deps: WorkerDeps,
  options: Parameters<WorkerDeps['queue']['receive']>[0],
  change: (delivery: Delivery) => Delivery,
): Promise<readonly Delivery[]> {
  return (await deps.queue.receive(options)).map(change);
}

/** Every write is made as if by whoever holds the session now. */
function withoutFence(store: SessionStore): SessionStore {
  return store;
}
