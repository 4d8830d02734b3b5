// Dead letters: set aside with their reason, the conversation goes on; replayed at its end, or dropped.
import { expect } from 'vitest';
import { Gone, Invalid } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import {
  conversation,
  type Declare,
  expectFailure,
  failure,
  message,
  needed,
  withFixture,
} from './contract.ts';
import { allPages } from './session-store-steps.ts';
import type { TurnQueueContract } from './turn-queue-fixture.ts';
import { drain, take, takeOne } from './turn-queue-steps.ts';

export function deadLetterCases({ create }: TurnQueueContract, it: Declare): void {
  it('a dead letter keeps request, reason and count, and frees its conversation', () =>
    withFixture(create, async ({ queue, reopen }) => {
      const of = conversation();
      const poison = message(of, { text: 'poison' });
      await queue.send(poison);
      await queue.send(message(of, { text: 'next' }));
      await (await takeOne(queue)).retry(0);
      await (await takeOne(queue)).deadLetter('The agent died three times. ünï');
      const { items, cursor } = await queue.deadLetters.list();
      expect(cursor).toBeNull();
      expect(items).toEqual([
        {
          id: expect.any(String),
          request: poison,
          reason: 'The agent died three times. ünï',
          receiveCount: 2,
          deadAtMs: expect.any(Number),
        },
      ]);
      if (reopen) expect((await (await reopen()).deadLetters.list()).items).toEqual(items);
      expect(await drain(queue)).toEqual(['next']);
      expect(await queue.depth()).toBe(0);
    }));

  it(`${promise('ORDER')} replay puts it at the end of its conversation, even right away`, () =>
    withFixture(create, async ({ queue }) => {
      const of = conversation();
      for (const text of ['1', '2', '3']) await queue.send(message(of, { text }));
      await (await takeOne(queue)).deadLetter('no');
      const [dead] = (await queue.deadLetters.list()).items;
      await queue.deadLetters.replay(dead!.id);
      expect((await queue.deadLetters.list()).items).toEqual([]);
      await expectFailure(queue.deadLetters.replay(dead!.id), Gone, 'no-dead-letter');
      expect(await drain(queue)).toEqual(['2', '3', '1']);
    }));

  it('a replayed message starts its count again and can die again', () =>
    withFixture(create, async ({ queue }) => {
      await queue.send(message(conversation(), { text: 'x' }));
      await (await takeOne(queue)).deadLetter('first');
      await queue.deadLetters.replay((await queue.deadLetters.list()).items[0]!.id);
      const again = await takeOne(queue);
      expect(again.receiveCount).toBe(1);
      await again.deadLetter('second');
      const { items } = await queue.deadLetters.list();
      expect(items.map(({ reason }) => reason)).toEqual(['second']);
    }));

  it('a dropped dead letter is gone', () =>
    withFixture(create, async ({ queue }) => {
      for (const text of ['a', 'b']) await queue.send(message(conversation(), { text }));
      for (const delivery of await take(queue)) await delivery.deadLetter('no');
      const [first, second] = (await queue.deadLetters.list()).items;
      await queue.deadLetters.drop(first!.id);
      expect((await queue.deadLetters.list()).items).toEqual([second]);
      await expectFailure(queue.deadLetters.replay(first!.id), Gone, 'no-dead-letter');
      expect(await take(queue)).toEqual([]);
    }));

  it('dead letters are listed page by page, each once', () =>
    withFixture(create, async ({ queue }) => {
      for (let i = 0; i < 5; i++) await queue.send(message(conversation(), { text: `${i}` }));
      for (const delivery of await take(queue)) await delivery.deadLetter(delivery.request.text);
      const pages = await allPages((cursor) =>
        queue.deadLetters.list({ limit: 2, ...(cursor && { cursor }) }),
      );
      expect(
        pages
          .flat()
          .map(({ reason }) => reason)
          .sort(),
      ).toEqual(['0', '1', '2', '3', '4']);
      for (const page of pages) expect(page.length).toBeLessThanOrEqual(2);
      await expectFailure(queue.deadLetters.list({ cursor: 'rubbish' }), Invalid, 'bad-cursor');
    }));

  it('an id nobody knows is Gone', () =>
    withFixture(create, async ({ queue }) => {
      for (const id of ['none', '', '0', '-1', '../x']) {
        await expectFailure(queue.deadLetters.replay(id), Gone, 'no-dead-letter');
      }
    }));

  it('a body that is no request is set aside with the reason; its conversation goes on', () =>
    withFixture(create, async ({ queue, sendMalformed }) => {
      const of = conversation();
      await needed(sendMalformed)(message(of), '{"version":1,"text":5}');
      await needed(sendMalformed)(message(of), 'not json');
      await queue.send(message(of, { text: 'fine' }));
      expect(await drain(queue)).toEqual(['fine']);
      const { items } = await queue.deadLetters.list();
      expect(items).toHaveLength(2);
      for (const dead of items) {
        expect(dead.reason).not.toBe('');
        // Putting it back would only bring it here again.
        await failure(queue.deadLetters.replay(dead.id));
        await queue.deadLetters.drop(dead.id);
      }
      expect((await queue.deadLetters.list()).items).toEqual([]);
    }));
}
