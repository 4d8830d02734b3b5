// Short names for the steps that queue cases are made of: take, drain, let time pass.
import { expect } from 'vitest';
import type { ReceivedMessage, TurnQueue } from '../../src/core/ports/queue.ts';

export const VISIBILITY_MS = 30_000;

/** Receives without waiting. */
export function take(
  queue: TurnQueue,
  max = 10,
  visibilityMs = VISIBILITY_MS,
): Promise<readonly ReceivedMessage[]> {
  return queue.receive({ max, waitMs: 0, visibilityMs });
}

/** Receives exactly one. */
export async function takeOne(queue: TurnQueue, visibilityMs = VISIBILITY_MS): Promise<ReceivedMessage> {
  const deliveries = await take(queue, 1, visibilityMs);
  expect(deliveries).toHaveLength(1);
  return deliveries[0]!;
}

export function texts(deliveries: readonly ReceivedMessage[]): string[] {
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
export async function pass<T>(
  fixture: { advance(ms: number): Promise<void> },
  pending: Promise<T>,
  atMostMs = 30_000,
): Promise<T> {
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
