// Ports that inject the faults of the plan. `refuse`: the call has no effect and fails. `lose`: it has its effect, but
// the answer is lost. `kill`: the process dies before the call. `slow`: the call is delayed. All other calls go to the
// real adapter.
import { setTimeout as pause } from 'node:timers/promises';
import { Ambiguous, Refused } from '../../src/core/errors.ts';
import type { ObjectStore, ReceivedMessage, SessionStore, TurnQueue } from '../../src/core/ports.ts';
import type { InjectedFaults, Note } from './injected-faults.ts';
import { type Place, STORE_CALLS } from './planned.ts';
import { MAX_RETRY_MS } from './settings.ts';

/** Which message this process works on now; a worker runs one turn at a time. */
export interface Current {
  message: number | null;
  fence: number;
}

const REFUSED = () => new Refused('injected', 'The fault kit refused this call.', { retryAfterMs: 50 });
const LOST = () => new Ambiguous('injected', 'The fault kit lost the answer of this call.');
const FULL = () =>
  new Refused('disk-full', 'The fault kit says that the disk is full.', { retryAfterMs: 50 });

async function injecting<T>(
  faults: InjectedFaults,
  place: Place,
  message: number | null,
  call: () => Promise<T>,
): Promise<T> {
  const fault = faults.take(place, message);
  if (fault === null) return await call();
  if (fault.how === 'kill') {
    process.kill(process.pid, 'SIGKILL');
    await new Promise(() => {});
  }
  if (fault.how === 'refuse') throw REFUSED();
  if (fault.how === 'full') throw FULL();
  if (fault.how === 'slow') await pause(fault.ms ?? 0);
  const result = await call();
  if (fault.how === 'lose') throw LOST();
  return result;
}

export function faultyStore(
  store: SessionStore,
  faults: InjectedFaults,
  current: Current,
  note: Note,
): SessionStore {
  // The history records calls beneath the faults, so it also has those whose answer is lost.
  const noting: SessionStore = {
    ...store,
    async begin(input) {
      const begun = await store.begin(input);
      current.fence = begun.lease.fence;
      note('begun', {
        message: current.message,
        turn: begun.turn.turnId,
        fence: begun.lease.fence,
        attempt: begun.turn.attempts,
        status: begun.turn.status,
        generation: begun.head.generation,
      });
      return begun;
    },
    async commit(input) {
      const committed = await store.commit(input);
      note('committed', {
        message: current.message,
        turn: input.turnId,
        fence: input.lease.fence,
        generation: committed.generation,
        outcome: committed.reply?.code ?? committed.reply?.outcome,
      });
      return committed;
    },
  };
  const faulty: Record<string, unknown> = { ...noting };
  for (const name of [...STORE_CALLS, 'erase'] as const) {
    const call = noting[name] as (...args: unknown[]) => Promise<unknown>;
    faulty[name] = (...args: unknown[]) =>
      injecting(faults, `store.${name}`, current.message, () => call(...args));
  }
  return faulty as unknown as SessionStore;
}

/** `streams`: what is read is read through `stream`, also where it has a file of its own. */
export function faultyObjects(
  objects: ObjectStore,
  faults: InjectedFaults,
  current: Current,
  streams = false,
): ObjectStore {
  const { fileOf: _, ...withoutFiles } = objects;
  return {
    ...(streams ? withoutFiles : objects),
    put: (key, body) => injecting(faults, 'objects.put', current.message, () => objects.put(key, body)),
    get: (key, range) => injecting(faults, 'objects.get', current.message, () => objects.get(key, range)),
    async *stream(key) {
      const fault = faults.take('objects.stream', current.message);
      if (fault?.how === 'refuse') throw REFUSED();
      if (fault?.how === 'slow') await pause(fault.ms ?? 0);
      for await (const piece of objects.stream(key)) {
        if (fault?.how === 'cut') {
          yield piece.subarray(0, Math.floor(piece.length / 2));
          throw REFUSED();
        }
        yield piece;
      }
    },
  };
}

export interface FaultyQueueOptions {
  readonly faults: InjectedFaults;
  readonly current: Current;
  readonly note: Note;
  readonly numberOf: (request: ReceivedMessage['request']) => number | null;
  /** Deliveries that come again, as an at-least-once queue may do: given to whichever worker asks next. */
  readonly redeliveries: {
    put(request: ReceivedMessage['request'], afterMs: number): void;
    take(): ReceivedMessage['request'] | null;
  };
}

export function faultyQueue(
  queue: TurnQueue,
  { faults, current, note, numberOf, redeliveries }: FaultyQueueOptions,
): TurnQueue {
  function faultyDelivery(delivery: ReceivedMessage): ReceivedMessage {
    const { request } = delivery;
    const message = numberOf(request);
    return {
      request,
      receiveCount: delivery.receiveCount,
      extend: (ms) => injecting(faults, 'queue.extend', message, () => delivery.extend(ms)),
      ack: () => injecting(faults, 'queue.ack', message, () => delivery.ack()),
      retry: (ms) =>
        injecting(faults, 'queue.retry', message, () => delivery.retry(Math.min(ms, MAX_RETRY_MS))),
      deadLetter: (reason) => delivery.deadLetter(reason),
    };
  }

  return {
    ...queue,
    async receive(options) {
      // Short polls, so that a redelivery is noticed soon.
      const untilMs = Date.now() + options.waitMs;
      while (!options.signal?.aborted && Date.now() < untilMs) {
        const redelivery = redeliveries.take();
        if (redelivery) {
          current.message = numberOf(redelivery);
          note('received', { message: current.message, redelivery: true });
          const nothing = async () => {};
          return [
            {
              request: redelivery,
              receiveCount: 1,
              extend: nothing,
              ack: nothing,
              retry: nothing,
              deadLetter: nothing,
            },
          ];
        }
        const [delivery] = await queue.receive({ ...options, max: 1, waitMs: 300 });
        if (!delivery) continue;
        current.message = numberOf(delivery.request);
        note('received', {
          message: current.message,
          part: delivery.request.part,
          count: delivery.receiveCount,
        });
        const fault = faults.take('queue.receive', current.message);
        if (fault) redeliveries.put(delivery.request, fault.ms ?? 0);
        return [faultyDelivery(delivery)];
      }
      return [];
    },
  };
}

export { injecting };
