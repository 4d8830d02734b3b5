// What the turn queue contract asks of an adapter: how its queues are made, and how time passes for them.
import type { TurnRequest } from '../../src/core/messages.ts';
import type { TurnQueue } from '../../src/core/ports/queue.ts';
import type { ContractSkip } from './contract.ts';

export interface TurnQueueFixture {
  readonly queue: TurnQueue;
  /** Lets `ms` pass for the queue: moves a manual clock, or really waits where a server keeps the time. */
  advance(ms: number): Promise<void>;
  /** Another queue over the same messages, as a second process would open it; absent where there can be none. */
  reopen?(): Promise<TurnQueue>;
  /** Puts a body that is no request into the group of `request`, as a broken sender would. */
  sendMalformed?(request: TurnRequest, body: string): Promise<void>;
  close(): Promise<void>;
}

export interface TurnQueueContract {
  readonly name: string;
  /** An empty queue. */
  create(): Promise<TurnQueueFixture>;
  /** A queue that cannot reach its messages. */
  createBroken(): Promise<{ queue: TurnQueue; close(): Promise<void> }>;
  readonly skip?: readonly ContractSkip[];
}
