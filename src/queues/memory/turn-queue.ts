// A queue in this process's memory: for tests, and the reference model of the port. A list in order of sending; a
// message may go when it is the first of its conversation and visible. Nothing survives the process.
import { systemClock } from '../../core/clock.ts';
import { parseTurnRequest, queueDedupeId, type TurnRequest } from '../../core/messages.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { DeadLetter, ReceivedMessage, TurnQueue } from '../../core/ports/queue.ts';
import { decodeCursor, encodeCursor, pageSize } from '../../stores/rules/paging.ts';
import { createWakeUp } from '../../stores/wake-up.ts';
import { noDeadLetter, queueClosed, receiptLost } from '../errors.ts';

export interface MemoryTurnQueueOptions {
  readonly clock?: Clock;
}

interface Message {
  readonly request: TurnRequest;
  receiveCount: number;
  visibleAtMs: number;
  /** Whoever holds this very object holds the message. */
  receipt: object | null;
}

const DEDUPE_MS = 5 * 60_000;

export function createMemoryTurnQueue(options: MemoryTurnQueueOptions = {}): TurnQueue {
  const clock = options.clock ?? systemClock;
  let messages: Message[] = [];
  let deadLetters: (DeadLetter & { order: number })[] = [];
  const sentAtMs = new Map<string, number>();
  const changed = createWakeUp();
  let deadCount = 0;
  let closed = false;

  function requireOpen(): void {
    if (closed) throw queueClosed();
  }

  function enqueue(request: TurnRequest): void {
    messages.push({
      request: parseTurnRequest(structuredClone(request)),
      receiveCount: 0,
      visibleAtMs: 0,
      receipt: null,
    });
    changed.wake();
  }

  function remove(message: Message): void {
    messages = messages.filter((other) => other !== message);
    changed.wake();
  }

  function receiveMessage(message: Message, visibilityMs: number): ReceivedMessage {
    const receipt = {};
    message.receipt = receipt;
    message.receiveCount += 1;
    message.visibleAtMs = clock.now() + visibilityMs;
    const { receiveCount } = message;
    const mine = () => message.receipt === receipt && messages.includes(message);
    return {
      request: structuredClone(message.request),
      receiveCount,
      async extend(ms) {
        if (!mine()) throw receiptLost();
        message.visibleAtMs = clock.now() + ms;
        changed.wake();
      },
      async ack() {
        if (mine()) remove(message);
      },
      async retry(ms) {
        if (!mine()) return;
        message.receipt = null;
        message.visibleAtMs = clock.now() + ms;
        changed.wake();
      },
      async deadLetter(reason) {
        if (!mine()) return;
        deadCount += 1;
        const { request } = message;
        deadLetters.push({
          id: `dead-${deadCount}`,
          order: deadCount,
          request,
          reason,
          receiveCount,
          deadAtMs: clock.now(),
        });
        remove(message);
      },
    };
  }

  function takeVisible(max: number, visibilityMs: number): ReceivedMessage[] {
    const groups = new Set<string>();
    const due: Message[] = [];
    for (const message of messages) {
      const first = !groups.has(message.request.sessionKey);
      groups.add(message.request.sessionKey);
      if (first && message.visibleAtMs <= clock.now() && due.length < max) due.push(message);
    }
    return due.map((message) => receiveMessage(message, visibilityMs));
  }

  /** How long until some message may become visible by the passing of time alone. */
  function untilNextMs(): number {
    return Math.min(...messages.map((m) => m.visibleAtMs - clock.now()).filter((ms) => ms > 0));
  }

  return {
    async send(request) {
      requireOpen();
      const nowMs = clock.now();
      const before = sentAtMs.get(queueDedupeId(request));
      if (before !== undefined && nowMs - before < DEDUPE_MS) return;
      enqueue(request);
      sentAtMs.set(queueDedupeId(request), nowMs);
    },

    async receive({ max, waitMs, visibilityMs, signal }) {
      requireOpen();
      const untilMs = clock.now() + waitMs;
      for (;;) {
        if (closed || signal?.aborted) return [];
        const received = takeVisible(max, visibilityMs);
        const leftMs = untilMs - clock.now();
        if (received.length > 0 || leftMs <= 0) return received;
        await changed.wait(clock, Math.min(leftMs, untilNextMs()), signal);
      }
    },

    async depth() {
      requireOpen();
      const inFlight = (m: Message) => m.receipt !== null && m.visibleAtMs > clock.now();
      return messages.filter((message) => !inFlight(message)).length;
    },

    deadLetters: {
      async list(options) {
        requireOpen();
        const [after = 0] = decodeCursor(options?.cursor, ['number']) ?? [];
        const rest = deadLetters.filter(({ order }) => order > Number(after));
        const shown = rest.slice(0, pageSize(options));
        const last = shown.at(-1);
        return {
          items: shown.map(({ order: _, ...letter }) => structuredClone(letter)),
          cursor: last && rest.length > shown.length ? encodeCursor([last.order]) : null,
        };
      },
      async replay(id) {
        requireOpen();
        enqueue(takeDead(id).request);
      },
      async drop(id) {
        requireOpen();
        takeDead(id);
      },
    },

    async close() {
      closed = true;
      changed.wake();
    },
  };

  function takeDead(id: string): DeadLetter {
    const found = deadLetters.find((letter) => letter.id === id);
    if (!found) throw noDeadLetter();
    deadLetters = deadLetters.filter((letter) => letter !== found);
    return found;
  }
}
