// The ports of a run with outages: what is done over them is done while time stands still; a part that is away refuses,
// or its answer is lost. With the AWS stand-ins whole parts are cut off on the wire instead (see `onWire`), so that the
// real adapters say what that means. A worker that has died hears nothing any more, from any of them.
import { Ambiguous, Refused } from '../../../src/core/errors.ts';
import type {
  Clock,
  EventLog,
  ObjectStore,
  ReceivedMessage,
  SessionStore,
  TurnQueue,
} from '../../../src/core/ports.ts';
import type { Note } from '../injected-faults.ts';
import { numberIn } from '../planned.ts';
import type { Random } from '../random.ts';
import type { Service } from '../stand-ins.ts';
import type { Outage, OutagePlan, Part } from './plan.ts';
import type { SimulatedTime } from './simulated-time.ts';

type Call = (name: string, work: () => Promise<unknown>) => Promise<unknown>;

/** The port with every call going through `call`. For ports whose functions all return promises. */
export function through<T extends object>(port: T, call: Call): T {
  const entries = Object.entries(port).map(([name, value]) => [
    name,
    typeof value === 'function'
      ? (...args: unknown[]) => call(name, async () => await value.apply(port, args))
      : value,
  ]);
  return Object.fromEntries(entries) as T;
}

export interface Weather {
  /** The outage that this part is in now, for this chat. */
  away(part: Part, chat: number | null): Outage | null;
  /** For the stand-ins' proxies. */
  onWire(service: Service): boolean;
}

const SERVICES: Readonly<Record<Service, Part>> = { dynamodb: 'store', s3: 'objects', sqs: 'queue' };

export function createWeather(plan: OutagePlan, clock: Clock, startMs: number): Weather {
  const away: Weather['away'] = (part, chat) => {
    const atMs = clock.now() - startMs;
    const now = plan.outages.find(({ fromMs, untilMs }) => fromMs <= atMs && atMs < untilMs);
    return now?.part === part && (now.chat === null || now.chat === chat) ? now : null;
  };
  return { away, onWire: (service) => away(SERVICES[service], null) !== null };
}

export interface AwayOptions {
  readonly time: SimulatedTime;
  readonly weather: Weather;
  readonly random: Random;
  readonly note: Note;
  /** Whole parts are cut off elsewhere. */
  readonly isOnWire: boolean;
}

/** Goes around the calls of one part. `chat` where it is known whose call this is. */
function aroundPart(part: Part, { time, weather, random, note, isOnWire }: AwayOptions) {
  return async <T>(name: string, work: () => Promise<T>, chat: number | null = null): Promise<T> => {
    const outage = weather.away(part, chat);
    if (outage !== null) note('away-call', { part, name });
    if (outage === null || (isOnWire && outage.chat === null)) return await time.during(work);
    if (random.chance(0.3)) throw new Ambiguous('injected', 'The fault kit gives no answer.');
    throw new Refused('store-unavailable', 'The fault kit says that this part is away.', {
      retryAfterMs: 1_000,
    });
  };
}

/** Which chat a session belongs to: the store learns it, objects are told apart by it. */
export type ChatsOfSessions = Map<string, number>;

export function storeInOutages(
  store: SessionStore,
  chats: ChatsOfSessions,
  chatOf: (message: number | null) => number | null,
  options: AwayOptions,
): SessionStore {
  const { note } = options;
  const away = through(store, aroundPart('store', options));
  return {
    ...away,
    async begin(input) {
      const begun = await away.begin(input);
      const message = numberIn(input.request.text);
      const chat = chatOf(message);
      if (chat !== null) chats.set(begun.lease.sessionId, chat);
      const { lease, turn, head } = begun;
      note('begun', {
        message,
        turn: turn.turnId,
        fence: lease.fence,
        attempt: turn.attempts,
        status: turn.status,
        generation: head.generation,
      });
      return begun;
    },
    async commit(input) {
      const committed = await away.commit(input);
      note('committed', {
        turn: input.turnId,
        fence: input.lease.fence,
        generation: committed.generation,
        outcome: committed.reply?.code ?? committed.reply?.outcome,
      });
      return committed;
    },
  };
}

export function eventsInOutages(events: EventLog, options: AwayOptions): EventLog {
  const away = through(events, aroundPart('store', options));
  return {
    ...away,
    async append(tenant, turnId, batch) {
      await away.append(tenant, turnId, batch);
      const kinds = batch.map((event) => (event.type === 'status' ? event.status : event.type));
      options.note('event', { turn: turnId, kinds });
    },
  };
}

export function objectsInOutages(
  objects: ObjectStore,
  chats: ChatsOfSessions,
  options: AwayOptions,
): ObjectStore {
  const around = aroundPart('objects', options);
  const chatOf = (key: string) => chats.get(key.split('/')[1] ?? '') ?? null;
  return {
    ...objects,
    put: (key, body) => around('put', () => objects.put(key, body), chatOf(key)),
    get: (key, range) => around('get', () => objects.get(key, range), chatOf(key)),
    async *stream(key) {
      await around('stream', async () => {}, chatOf(key));
      yield* objects.stream(key);
    },
  };
}

/** What all queues of a run know together: when a hidden message may show, and that one came or went. */
export interface QueueNews {
  readonly dueMs: Map<string, number>;
  changed: AbortController;
}

export const createQueueNews = (): QueueNews => ({ dueMs: new Map(), changed: new AbortController() });

/** Polls at the moments when something may have become visible, so that hours cost few looks. */
export function queueInOutages(
  queue: TurnQueue,
  news: QueueNews,
  clock: Clock,
  options: AwayOptions,
): TurnQueue {
  const { note } = options;
  const around = aroundPart('queue', options);
  const change = () => {
    news.changed.abort();
    news.changed = new AbortController();
  };
  // SQS counts in whole seconds.
  const untilShown = (ms: number) => clock.now() + (options.isOnWire ? Math.ceil(ms / 1_000) * 1_000 : ms);
  const hidden = (turnId: string, ms: number) => {
    news.dueMs.set(turnId, untilShown(ms));
    change();
  };

  function known(delivery: ReceivedMessage): ReceivedMessage {
    const { request, receiveCount } = delivery;
    const { turnId } = request;
    const message = numberIn(request.text);
    const gone = (what: string) => {
      news.dueMs.delete(turnId);
      note(what, { message, turn: turnId });
      change();
    };
    return {
      request,
      receiveCount,
      async extend(ms) {
        await around('extend', () => delivery.extend(ms));
        hidden(turnId, ms);
      },
      async retry(ms) {
        await around('retry', () => delivery.retry(ms));
        note('put-back', { message, turn: turnId, ms });
        hidden(turnId, ms);
      },
      async ack() {
        await around('ack', () => delivery.ack());
        gone('acked');
      },
      async deadLetter(reason) {
        await around('deadLetter', () => delivery.deadLetter(reason));
        gone('dead');
      },
    };
  }

  return {
    ...queue,
    async send(request) {
      await around('send', () => queue.send(request));
      change();
    },
    async receive({ waitMs, signal, visibilityMs }) {
      const untilMs = clock.now() + waitMs;
      for (;;) {
        const { changed } = news;
        if (signal?.aborted) return [];
        const [delivery] = await around('receive', () => queue.receive({ max: 1, waitMs: 0, visibilityMs }));
        if (delivery) {
          const { turnId, text, part } = delivery.request;
          note('received', { message: numberIn(text), turn: turnId, part, count: delivery.receiveCount });
          news.dueMs.set(turnId, untilShown(visibilityMs));
          return [known(delivery)];
        }
        const nowMs = clock.now();
        if (nowMs >= untilMs) return [];
        const next = Math.min(untilMs, ...[...news.dueMs.values()].filter((dueMs) => dueMs > nowMs));
        const woken = signal ? AbortSignal.any([signal, changed.signal]) : changed.signal;
        await clock.sleep(next - nowMs, woken);
      }
    },
  };
}
