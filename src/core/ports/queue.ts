// Order and retries. Delivery is at least once: the ledger, not the queue, makes a turn happen once.
import type { TurnRequest } from '../messages.ts';
import type { ListOptions, Page } from './store.ts';

/** One message handed to a worker. */
export interface ReceivedMessage {
  readonly request: TurnRequest;
  /** 1 on the first receive. */
  readonly receiveCount: number;
  /** Keeps it invisible for `ms` from now. Conflict('receipt-lost') when it was handed to someone else meanwhile. */
  extend(ms: number): Promise<void>;
  /** Done: the next message of its group may go. */
  ack(): Promise<void>;
  /** Not now: it becomes visible after `ms`, ahead of its group. */
  retry(ms: number): Promise<void>;
  /** Set aside for a person, with the reason; the group goes on. */
  deadLetter(reason: string): Promise<void>;
}

export interface DeadLetter {
  readonly id: string;
  readonly request: TurnRequest;
  readonly reason: string;
  readonly receiveCount: number;
  readonly deadAtMs: number;
}

/** Durable; FIFO per session key; at-least-once. */
export interface TurnQueue {
  /** Resolves once durable. The same `queueDedupeId` within five minutes is accepted and dropped. */
  send(request: TurnRequest): Promise<void>;
  /** Up to `max` messages, waiting up to `waitMs` for the first; at most one message per group in flight. */
  receive(options: {
    readonly max: number;
    readonly waitMs: number;
    readonly visibilityMs: number;
    readonly signal?: AbortSignal;
  }): Promise<readonly ReceivedMessage[]>;
  /** Messages waiting (not in flight), for status pages. */
  depth(): Promise<number>;
  readonly deadLetters: {
    list(options?: ListOptions): Promise<Page<DeadLetter>>;
    /** Puts it back at the end of its group, and removes it here. Gone('no-dead-letter'). */
    replay(id: string): Promise<void>;
    drop(id: string): Promise<void>;
  };
  close(): Promise<void>;
}
