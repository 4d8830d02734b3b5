// Visibility: a message whose holder fell silent comes again; the holder that comes back late harms nobody.
import { expect } from 'vitest';
import { Conflict } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import { conversation, type Declare, expectFailure, message, withFixture } from './contract.ts';
import type { TurnQueueContract, TurnQueueFixture } from './turn-queue-fixture.ts';
import { drain, take, takeOne } from './turn-queue-steps.ts';

/** Two messages of one conversation; the first was received, ran out, and is held by someone else. */
async function takenOver({ queue, advance }: TurnQueueFixture) {
  const of = conversation();
  await queue.send(message(of, { text: '1' }));
  await queue.send(message(of, { text: '2' }));
  const stale = await takeOne(queue, 5_000);
  await advance(6_000);
  const fresh = await takeOne(queue);
  expect(fresh.request.text).toBe('1');
  return { stale, fresh };
}

export function receiptCases({ create }: TurnQueueContract, it: Declare): void {
  it(`${promise('ORDER')} an unanswered message comes again first, counted`, () =>
    withFixture(create, async ({ queue, advance }) => {
      const of = conversation();
      for (const text of ['1', '2']) await queue.send(message(of, { text }));
      for (const receiveCount of [1, 2, 3]) {
        const delivery = await takeOne(queue, 5_000);
        expect([delivery.request.text, delivery.receiveCount]).toEqual(['1', receiveCount]);
        await advance(3_000);
        expect(await take(queue)).toEqual([]);
        await advance(3_000);
      }
      expect(await drain(queue)).toEqual(['1', '2']);
    }));

  it('extend keeps it invisible for that long from now', () =>
    withFixture(create, async ({ queue, advance }) => {
      await queue.send(message(conversation()));
      const delivery = await takeOne(queue, 5_000);
      for (let i = 0; i < 3; i++) {
        await advance(3_000);
        await delivery.extend(5_000);
        expect(await take(queue)).toEqual([]);
      }
      await advance(6_000);
      expect((await takeOne(queue)).receiveCount).toBe(2);
    }));

  it('extend can shorten too', () =>
    withFixture(create, async ({ queue, advance }) => {
      await queue.send(message(conversation()));
      const delivery = await takeOne(queue, 300_000);
      await delivery.extend(2_000);
      await advance(3_000);
      expect((await takeOne(queue)).receiveCount).toBe(2);
    }));

  it(`${promise('FENCED')} a lost receipt cannot be extended, and the new holder keeps its own time`, () =>
    withFixture(create, async (fixture) => {
      const { stale, fresh } = await takenOver(fixture);
      await expectFailure(stale.extend(60_000), Conflict, 'receipt-lost');
      await fresh.extend(5_000);
      await fixture.advance(6_000);
      expect((await takeOne(fixture.queue)).receiveCount).toBe(3);
    }));

  it(`${promise('FENCED')} acknowledging with a lost receipt removes nothing`, () =>
    withFixture(create, async (fixture) => {
      const { stale, fresh } = await takenOver(fixture);
      await stale.ack();
      expect(await take(fixture.queue)).toEqual([]);
      await fresh.retry(0);
      expect(await drain(fixture.queue)).toEqual(['1', '2']);
    }));

  it(`${promise('FENCED')} retrying with a lost receipt frees nothing`, () =>
    withFixture(create, async (fixture) => {
      const { stale, fresh } = await takenOver(fixture);
      await stale.retry(0);
      expect(await take(fixture.queue)).toEqual([]);
      await fresh.ack();
      expect(await drain(fixture.queue)).toEqual(['2']);
    }));

  it(`${promise('FENCED')} dead-lettering with a lost receipt sets nothing aside`, () =>
    withFixture(create, async (fixture) => {
      const { queue } = fixture;
      const { stale, fresh } = await takenOver(fixture);
      await stale.deadLetter('too late').catch(() => undefined);
      expect((await queue.deadLetters.list()).items).toEqual([]);
      expect(await take(queue)).toEqual([]);
      await fresh.ack();
      expect(await drain(queue)).toEqual(['2']);
    }));

  it('a receipt is lost once used', () =>
    withFixture(create, async ({ queue }) => {
      const of = conversation();
      for (const text of ['1', '2']) await queue.send(message(of, { text }));
      const first = await takeOne(queue);
      await first.ack();
      await first.ack();
      const second = await takeOne(queue);
      await first.retry(0);
      await first.ack();
      await expectFailure(first.extend(1_000), Conflict, 'receipt-lost');
      expect(await take(queue)).toEqual([]);
      await second.retry(0);
      expect(await drain(queue)).toEqual(['2']);
    }));

  it(`${promise('ORDER')} retry keeps the conversation waiting for that long, and its order`, () =>
    withFixture(create, async ({ queue, advance }) => {
      const of = conversation();
      const other = conversation();
      for (const text of ['1', '2']) await queue.send(message(of, { text }));
      await (await takeOne(queue)).retry(10_000);
      await queue.send(message(other, { text: 'other' }));
      expect(await drain(queue)).toEqual(['other']);
      await advance(8_000);
      expect(await take(queue)).toEqual([]);
      await advance(3_000);
      const again = await takeOne(queue);
      expect([again.request.text, again.receiveCount]).toEqual(['1', 2]);
      await again.ack();
      expect(await drain(queue)).toEqual(['2']);
    }));
}
