import { expect, test } from 'vitest';
import { Gone } from '../../src/core/errors.ts';
import { tenantOf } from '../../src/core/ids.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import { replayDeadLetter } from '../../src/core/replay.ts';
import { createFixture, type Fixture } from './fixture.ts';

async function theLetter({ deps }: Fixture) {
  const { items } = await deps.queue.deadLetters.list();
  expect(items).toHaveLength(1);
  return items[0]!;
}

async function turnOf({ deps }: Fixture, request: Pick<TurnRequest, 'sessionKey' | 'turnId'>) {
  return await deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
}

async function givenUp(fixture: Fixture): Promise<TurnRequest> {
  fixture.agent = async () => {
    throw new Error('the process died');
  };
  const request = await fixture.say('poison');
  while ((await fixture.step()) !== 'dead') await fixture.clock.advance(60_000);
  fixture.agent = async (run) => ({ status: 'ok', text: `now ${run.request.text}`, demo: false });
  return request;
}

test(`${promise('ONCE-OUT')} a turn that was given up stays so; its message is asked again as a new turn`, async () => {
  const fixture = createFixture();
  const request = await givenUp(fixture);
  const letter = await theLetter(fixture);
  const { how, turnId } = await replayDeadLetter(fixture.deps, letter);
  expect(how).toBe('asked-again');
  expect(turnId).not.toBe(request.turnId);
  expect((await fixture.deps.queue.deadLetters.list()).items).toEqual([]);
  expect(await fixture.step()).toBe('done');
  expect(fixture.sent.map(({ reply }) => reply.outcome)).toEqual(['failed', 'ok']);
  expect(fixture.sent[1]).toMatchObject({ chat: 'c', reply: { text: 'now poison' } });
  expect((await turnOf(fixture, request))?.reply?.code).toBe('gave-up');
  expect(await turnOf(fixture, { ...request, turnId })).toMatchObject({ status: 'delivered', attempts: 1 });
});

test('a replay cut off before the letter was dropped makes no second turn when it is repeated', async () => {
  const fixture = createFixture();
  await givenUp(fixture);
  const letter = await theLetter(fixture);
  const drop = async () => {
    throw new Gone('cut', 'the process died here');
  };
  const { queue } = fixture.deps;
  const cut = { ...queue, deadLetters: { ...queue.deadLetters, drop } };
  await expect(replayDeadLetter({ ...fixture.deps, queue: cut }, letter)).rejects.toThrow('died here');
  await replayDeadLetter(fixture.deps, letter);
  await fixture.clock.advance(10 * 60_000);
  while (await fixture.step());
  expect(fixture.sent.map(({ reply }) => reply.outcome)).toEqual(['failed', 'ok']);
});

test(`${promise('ONCE-OUT')} a reply that could not be delivered is sent again without the model`, async () => {
  const fixture = createFixture();
  fixture.beforeSend = () => {
    throw new Gone('blocked', 'bot was blocked');
  };
  const request = await fixture.say('hello');
  expect(await fixture.step()).toBe('dead');
  expect(await turnOf(fixture, request)).toMatchObject({ status: 'undeliverable' });
  fixture.beforeSend = () => {};
  expect(await replayDeadLetter(fixture.deps, await theLetter(fixture))).toEqual({
    how: 'sent-again',
    turnId: request.turnId,
  });
  expect(await fixture.step()).toBe('done');
  expect(fixture.sent.map(({ reply }) => reply.text)).toEqual(['heard hello']);
  expect(fixture.runs).toHaveLength(1);
  expect(await turnOf(fixture, request)).toMatchObject({ status: 'delivered', attempts: 1 });
});

test('a turn that no worker finished goes on; one that was answered is refused; an unreadable letter too', async () => {
  const fixture = createFixture();
  const request = await fixture.say('hello');
  const moveToDeadLetters = async () => {
    const [delivery] = await fixture.deps.queue.receive({ max: 1, waitMs: 0, visibilityMs: 1_000 });
    await delivery?.deadLetter('received too often');
    return await theLetter(fixture);
  };
  expect(await replayDeadLetter(fixture.deps, await moveToDeadLetters())).toEqual({
    how: 'resumed',
    turnId: request.turnId,
  });
  expect(await fixture.step()).toBe('done');
  await fixture.clock.advance(10 * 60_000);
  await fixture.deps.queue.send(request);
  const letter = await moveToDeadLetters();
  await expect(replayDeadLetter(fixture.deps, letter)).rejects.toMatchObject({ code: 'already-answered' });
  const unreadable = { ...letter, request: { ...letter.request, dedupeId: 'unreadable' } };
  await expect(replayDeadLetter(fixture.deps, unreadable)).rejects.toMatchObject({ code: 'bad-message' });
  expect(await theLetter(fixture)).toEqual(letter);
  expect(fixture.sent).toHaveLength(1);
});
