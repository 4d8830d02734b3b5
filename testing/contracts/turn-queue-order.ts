// Order within a conversation, parallel conversations, the same message twice.
import { expect } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { conversation, type Declare, failure, message, needed, withFixture } from './contract.ts';
import type { TurnQueueContract } from './turn-queue-fixture.ts';
import { drain, take, takeOne, texts } from './turn-queue-steps.ts';

const DEDUPE_WINDOW_MS = 5 * 60_000;

export function orderCases({ create, createBroken }: TurnQueueContract, it: Declare): void {
  it('a message comes back as it was sent', () =>
    withFixture(create, async ({ queue }) => {
      const request = message(conversation({ chat: '群/聊', thread: '-' }), {
        text: 'Grüße 👋 "\\\n</x>',
        sender: { id: 'u1', name: null },
        replyTarget: { chat: 5, deep: { list: [1, 'a', null] } },
        sessionHint: 'hint',
      });
      await queue.send(request);
      const delivery = await takeOne(queue);
      expect(delivery.request).toEqual(request);
      expect(delivery.receiveCount).toBe(1);
      await delivery.ack();
      expect(await take(queue)).toEqual([]);
    }));

  it('the longest text fits', () =>
    withFixture(create, async ({ queue }) => {
      const request = message(conversation(), { text: '好'.repeat(80_000) });
      await queue.send(request);
      expect((await takeOne(queue)).request).toEqual(request);
    }));

  it(`${promise('ORDER')} messages of one conversation come one at a time, in order`, () =>
    withFixture(create, async ({ queue }) => {
      const of = conversation();
      for (const text of ['1', '2', '3']) await queue.send(message(of, { text }));
      const first = await takeOne(queue);
      expect(first.request.text).toBe('1');
      expect(await take(queue)).toEqual([]);
      await first.ack();
      const second = await takeOne(queue);
      expect(second.request.text).toBe('2');
      await queue.send(message(of, { text: '4' }));
      expect(await take(queue)).toEqual([]);
      await second.ack();
      expect(await drain(queue)).toEqual(['3', '4']);
    }));

  it(`${promise('ORDER')} conversations go in parallel, one message each`, () =>
    withFixture(create, async ({ queue }) => {
      const [a, b, c] = [conversation(), conversation(), conversation()];
      for (const of of [a, a, b, a, c, b]) await queue.send(message(of, { text: of.chat }));
      const deliveries = await take(queue, 10);
      expect(texts(deliveries).sort()).toEqual([a.chat, b.chat, c.chat].sort());
      expect(await take(queue, 10)).toEqual([]);
      await deliveries.find(({ request }) => request.text === b.chat)?.ack();
      expect(texts(await take(queue, 10))).toEqual([b.chat]);
    }));

  it('no more than max come at once', () =>
    withFixture(create, async ({ queue }) => {
      for (let i = 0; i < 5; i++) await queue.send(message(conversation()));
      expect(await take(queue, 2)).toHaveLength(2);
      expect(await take(queue, 2)).toHaveLength(2);
      expect(await take(queue, 2)).toHaveLength(1);
    }));

  it(`${promise('ORDER')} receivers at once never hold two messages of one conversation`, () =>
    withFixture(create, async ({ queue }) => {
      const all = [conversation(), conversation(), conversation()];
      for (let i = 0; i < 5; i++) for (const of of all) await queue.send(message(of, { text: `${i}` }));
      const seen = new Map<string, string[]>();
      for (let round = 0; round < 5; round++) {
        const batches = await Promise.all(Array.from({ length: 8 }, () => take(queue, 2)));
        const deliveries = batches.flat();
        expect(deliveries).toHaveLength(3);
        for (const { request } of deliveries) {
          seen.set(request.sessionKey, [...(seen.get(request.sessionKey) ?? []), request.text]);
        }
        await Promise.all(deliveries.map((delivery) => delivery.ack()));
      }
      for (const order of seen.values()) expect(order).toEqual(['0', '1', '2', '3', '4']);
      expect(seen.size).toBe(3);
      expect(await take(queue)).toEqual([]);
    }));

  it(`${promise('ONCE-IN')} the same turn sent again within five minutes is dropped: waiting, in flight or done`, () =>
    withFixture(create, async ({ queue, advance }) => {
      const request = message(conversation());
      await Promise.all(Array.from({ length: 5 }, () => queue.send(request)));
      const delivery = await takeOne(queue);
      await queue.send(request);
      await delivery.ack();
      await queue.send(request);
      expect(await take(queue)).toEqual([]);
      await advance(DEDUPE_WINDOW_MS - 10_000);
      await queue.send(request);
      expect(await take(queue)).toEqual([]);
    }));

  it('after five minutes the same turn is accepted again: the ledger, not the queue, is the real memory', () =>
    withFixture(create, async ({ queue, advance }) => {
      const request = message(conversation());
      await queue.send(request);
      await (await takeOne(queue)).ack();
      await advance(DEDUPE_WINDOW_MS + 5_000);
      await queue.send(request);
      expect((await takeOne(queue)).request.turnId).toBe(request.turnId);
    }));

  it('the next part of a turn is a message of its own', () =>
    withFixture(create, async ({ queue }) => {
      const request = message(conversation());
      for (const part of [0, 1, 2, 1, 0]) await queue.send({ ...request, part });
      const parts: number[] = [];
      for (let got = await take(queue); got.length > 0; got = await take(queue)) {
        parts.push(got[0]!.request.part);
        await got[0]!.ack();
      }
      expect(parts).toEqual([0, 1, 2]);
    }));

  it('the same text in two messages or two conversations is two messages', () =>
    withFixture(create, async ({ queue }) => {
      const [a, b] = [conversation(), conversation()];
      await queue.send(message(a, { text: 'hi', dedupeId: '1' }));
      await queue.send(message(a, { text: 'hi', dedupeId: '2' }));
      await queue.send(message(b, { text: 'hi', dedupeId: '1' }));
      expect(await drain(queue)).toHaveLength(3);
    }));

  it('hostile conversation ids are groups of their own', () =>
    withFixture(create, async ({ queue }) => {
      const ids = ['a', 'A', 'a/b', 'a%', '%', '_', '-', '..', "a'--", 'é', 'e\u0301', '👋', 'x'.repeat(256)];
      for (const chat of ids) {
        await queue.send(message(conversation({ chat }), { text: chat }));
        await queue.send(message(conversation({ chat: 'c', thread: chat }), { text: chat }));
      }
      const held = [];
      for (let got = await take(queue); got.length > 0; got = await take(queue)) held.push(...got);
      expect(texts(held).sort()).toEqual([...ids, ...ids].sort());
    }));

  it('depth counts what waits, not what is in flight', () =>
    withFixture(create, async ({ queue }) => {
      expect(await queue.depth()).toBe(0);
      const of = conversation();
      for (let i = 0; i < 3; i++) await queue.send(message(of));
      expect(await queue.depth()).toBe(3);
      const delivery = await takeOne(queue);
      expect(await queue.depth()).toBe(2);
      await delivery.ack();
      expect(await queue.depth()).toBe(2);
      await drain(queue);
      expect(await queue.depth()).toBe(0);
    }));

  it(`${promise('ACKED')} what was sent is there after a restart, in order`, () =>
    withFixture(create, async ({ queue, reopen, advance }) => {
      const of = conversation();
      for (const text of ['1', '2', '3']) await queue.send(message(of, { text }));
      await (await takeOne(queue)).ack();
      await takeOne(queue, 5_000);
      await queue.close();
      const second = await needed(reopen)();
      expect(await take(second)).toEqual([]);
      await advance(6_000);
      const again = await takeOne(second);
      expect(again.request.text).toBe('2');
      expect(again.receiveCount).toBe(2);
      await again.ack();
      expect(await drain(second)).toEqual(['3']);
    }));

  it(`${promise('ACKED')} a send that could not be stored fails`, () =>
    withFixture(createBroken, async ({ queue }) => {
      await failure(queue.send(message(conversation())));
      await failure(take(queue));
      await failure(queue.depth());
      await failure(queue.deadLetters.list());
    }));
}
