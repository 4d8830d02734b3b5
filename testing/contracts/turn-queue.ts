// The contract of every `TurnQueue`: FIFO per conversation, one in flight each, at least once, nothing lost.
// Times are whole seconds, because some servers count in seconds.
import { describe, expect } from 'vitest';
import type { TurnRequest } from '../../src/core/messages.ts';
import type { Delivery, TurnQueue } from '../../src/core/ports/queue.ts';
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

export const VISIBILITY_MS = 30_000;

/** Receives without waiting. */
export function take(queue: TurnQueue, max = 10, visibilityMs = VISIBILITY_MS): Promise<readonly Delivery[]> {
  return queue.receive({ max, waitMs: 0, visibilityMs });
}

/** Receives exactly one. */
export async function takeOne(queue: TurnQueue, visibilityMs = VISIBILITY_MS): Promise<Delivery> {
  const deliveries = await take(queue, 1, visibilityMs);
  expect(deliveries).toHaveLength(1);
  return deliveries[0]!;
}

export function texts(deliveries: readonly Delivery[]): string[] {
  return deliveries.map(({ request }) => request.text);
}

/** Receives and acknowledges until nothing more comes; the texts in the order they came. */
export async function drain(queue: TurnQueue): Promise<string[]> {
  const all: string[] = [];
  for (let deliveries = await take(queue); deliveries.length > 0; deliveries = await take(queue)) {
    for (const delivery of deliveries) {
      all.push(delivery.request.text);
      await delivery.ack();
    }
  }
  return all;
}

/** Lets time pass in small steps until `pending` is settled; fails after `atMostMs`. */
export async function pass<T>(fixture: TurnQueueFixture, pending: Promise<T>, atMostMs = 30_000): Promise<T> {
  let settled = false;
  const mark = () => {
    settled = true;
  };
  pending.then(mark, mark);
  await fixture.advance(0);
  for (let passedMs = 0; !settled && passedMs < atMostMs; passedMs += 50) await fixture.advance(50);
  if (!settled) throw new Error(`Still waiting after ${atMostMs} ms.`);
  return pending;
}
