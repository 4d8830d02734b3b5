// Long polls: they end at once when something comes, when they are called off, or when the queue closes.
import { expect } from 'vitest';
import { conversation, type Declare, failure, message, needed, withFixture } from './contract.ts';
import type { TurnQueueContract } from './turn-queue-fixture.ts';
import { pass, take, takeOne, texts, VISIBILITY_MS } from './turn-queue-steps.ts';

const LONG = { max: 1, waitMs: 20_000, visibilityMs: VISIBILITY_MS };

export function waitingCases({ create }: TurnQueueContract, it: Declare): void {
  it('waiting ends with nothing after its time', () =>
    withFixture(create, async (fixture) => {
      const pending = fixture.queue.receive({ max: 1, waitMs: 1_000, visibilityMs: VISIBILITY_MS });
      expect(await pass(fixture, pending)).toEqual([]);
    }));

  it('waiting ends when a message is sent', () =>
    withFixture(create, async (fixture) => {
      const pending = fixture.queue.receive(LONG);
      await fixture.advance(100);
      await fixture.queue.send(message(conversation(), { text: 'now' }));
      expect(texts(await pass(fixture, pending, 10_000))).toEqual(['now']);
    }));

  it('waiting ends when another process sends', () =>
    withFixture(create, async (fixture) => {
      const { queue, reopen } = fixture;
      const second = await needed(reopen)();
      const pending = queue.receive(LONG);
      await fixture.advance(100);
      await second.send(message(conversation(), { text: 'elsewhere' }));
      expect(texts(await pass(fixture, pending, 10_000))).toEqual(['elsewhere']);
    }));

  it('waiting ends when the message before is done', () =>
    withFixture(create, async (fixture) => {
      const { queue } = fixture;
      const of = conversation();
      for (const text of ['1', '2']) await queue.send(message(of, { text }));
      const first = await takeOne(queue);
      const pending = queue.receive(LONG);
      await fixture.advance(100);
      await first.ack();
      expect(texts(await pass(fixture, pending, 10_000))).toEqual(['2']);
    }));

  it('waiting ends when the message before is set aside', () =>
    withFixture(create, async (fixture) => {
      const { queue } = fixture;
      const of = conversation();
      for (const text of ['1', '2']) await queue.send(message(of, { text }));
      const first = await takeOne(queue);
      const pending = queue.receive(LONG);
      await fixture.advance(100);
      await first.deadLetter('no');
      expect(texts(await pass(fixture, pending, 10_000))).toEqual(['2']);
    }));

  it('waiting ends when a message becomes visible again', () =>
    withFixture(create, async (fixture) => {
      const { queue } = fixture;
      await queue.send(message(conversation(), { text: 'again' }));
      await takeOne(queue, 3_000);
      const pending = queue.receive(LONG);
      expect(texts(await pass(fixture, pending, 10_000))).toEqual(['again']);
    }));

  it('two who wait get one message each', () =>
    withFixture(create, async (fixture) => {
      const { queue } = fixture;
      const pending = [queue.receive(LONG), queue.receive(LONG)];
      await fixture.advance(100);
      await queue.send(message(conversation(), { text: 'a' }));
      await queue.send(message(conversation(), { text: 'b' }));
      const got = await pass(fixture, Promise.all(pending), 10_000);
      expect(got.flatMap(texts).sort()).toEqual(['a', 'b']);
    }));

  it('waiting ends when it is called off, and takes nothing', () =>
    withFixture(create, async (fixture) => {
      const { queue } = fixture;
      const stop = new AbortController();
      const pending = queue.receive({ ...LONG, signal: stop.signal });
      await fixture.advance(100);
      stop.abort();
      expect(await pass(fixture, pending, 5_000)).toEqual([]);
      await queue.send(message(conversation(), { text: 'kept' }));
      expect(await queue.receive({ ...LONG, signal: stop.signal })).toEqual([]);
      expect(texts(await take(queue))).toEqual(['kept']);
    }));

  it('close ends the waiting, and everything after it fails', () =>
    withFixture(create, async (fixture) => {
      const { queue } = fixture;
      const pending = queue.receive(LONG);
      await fixture.advance(100);
      await queue.close();
      expect(await pass(fixture, pending, 5_000)).toEqual([]);
      await failure(queue.send(message(conversation())));
      await failure(take(queue));
      await queue.close();
    }));
}
