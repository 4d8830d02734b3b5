// The contract of every `TurnQueue`: FIFO per conversation, one in flight each, at least once, nothing lost.
// Times are whole seconds, because some servers count in seconds.
import { describe } from 'vitest';
import type { TurnRequest } from '../../src/core/messages.ts';
import type { TurnQueue } from '../../src/core/ports/queue.ts';
import { type ContractSkip, cases } from './contract.ts';
import { deadLetterCases } from './turn-queue-dead-letters.ts';
import { orderCases } from './turn-queue-order.ts';
import { receiptCases } from './turn-queue-receipts.ts';
import { waitingCases } from './turn-queue-waiting.ts';

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

export function turnQueueContract(contract: TurnQueueContract): void {
  describe(`turn queue: ${contract.name}`, () => {
    const { it, finish } = cases(contract.skip);
    orderCases(contract, it);
    receiptCases(contract, it);
    deadLetterCases(contract, it);
    waitingCases(contract, it);
    finish();
  });
}
