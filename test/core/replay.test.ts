import { expect, test } from 'vitest';
import { Gone } from '../../src/core/errors.ts';
import { tenantOf } from '../../src/core/ids.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import { replayDeadLetter } from '../../src/core/replay.ts';
import { createScene, type Scene } from './scene.ts';

async function theLetter({ deps }: Scene) {
  const { items } = await deps.queue.deadLetters.list();
  expect(items).toHaveLength(1);
  return items[0]!;
}

async function turnOf({ deps }: Scene, request: Pick<TurnRequest, 'sessionKey' | 'turnId'>) {
  return await deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
}

async function givenUp(scene: Scene): Promise<TurnRequest> {
  scene.agent = async () => {
    throw new Error('the process died');
  };
  const request = await scene.say('poison');
  while ((await scene.step()) !== 'dead') await scene.clock.advance(60_000);
  scene.agent = async (run) => ({ status: 'ok', text: `now ${run.request.text}`, demo: false });
  return request;
}

test(`${promise('ONCE-OUT')} a turn that was given up stays so; its message is asked again as a new turn`, async () => {
  const scene = createScene();
  const request = await givenUp(scene);
  const letter = await theLetter(scene);
  const { how, turnId } = await replayDeadLetter(scene.deps, letter);
  expect(how).toBe('asked-again');
  expect(turnId).not.toBe(request.turnId);
  expect((await scene.deps.queue.deadLetters.list()).items).toEqual([]);
  expect(await scene.step()).toBe('done');
  expect(scene.sent.map(({ reply }) => reply.outcome)).toEqual(['failed', 'ok']);
  expect(scene.sent[1]).toMatchObject({ chat: 'c', reply: { text: 'now poison' } });
  expect((await turnOf(scene, request))?.reply?.code).toBe('gave-up');
  expect(await turnOf(scene, { ...request, turnId })).toMatchObject({ status: 'delivered', attempts: 1 });
});

test('a replay cut off before the letter was dropped makes no second turn when it is repeated', async () => {
  const scene = createScene();
  await givenUp(scene);
  const letter = await theLetter(scene);
  const drop = async () => {
    throw new Gone('cut', 'the process died here');
  };
  const { queue } = scene.deps;
  const cut = { ...queue, deadLetters: { ...queue.deadLetters, drop } };
  await expect(replayDeadLetter({ ...scene.deps, queue: cut }, letter)).rejects.toThrow('died here');
  await replayDeadLetter(scene.deps, letter);
  await scene.clock.advance(10 * 60_000);
  while (await scene.step());
  expect(scene.sent.map(({ reply }) => reply.outcome)).toEqual(['failed', 'ok']);
});

test(`${promise('ONCE-OUT')} a reply that could not be delivered is sent again without the model`, async () => {
  const scene = createScene();
  scene.beforeSend = () => {
    throw new Gone('blocked', 'bot was blocked');
  };
  const request = await scene.say('hello');
  expect(await scene.step()).toBe('dead');
  expect(await turnOf(scene, request)).toMatchObject({ status: 'undeliverable' });
  scene.beforeSend = () => {};
  expect(await replayDeadLetter(scene.deps, await theLetter(scene))).toEqual({
    how: 'sent-again',
    turnId: request.turnId,
  });
  expect(await scene.step()).toBe('done');
  expect(scene.sent.map(({ reply }) => reply.text)).toEqual(['heard hello']);
  expect(scene.runs).toHaveLength(1);
  expect(await turnOf(scene, request)).toMatchObject({ status: 'delivered', attempts: 1 });
});

test('a turn that no worker finished goes on; one that was answered is refused; an unreadable letter too', async () => {
  const scene = createScene();
  const request = await scene.say('hello');
  const bury = async () => {
    const [delivery] = await scene.deps.queue.receive({ max: 1, waitMs: 0, visibilityMs: 1_000 });
    await delivery?.deadLetter('received too often');
    return await theLetter(scene);
  };
  expect(await replayDeadLetter(scene.deps, await bury())).toEqual({
    how: 'resumed',
    turnId: request.turnId,
  });
  expect(await scene.step()).toBe('done');
  await scene.clock.advance(10 * 60_000);
  await scene.deps.queue.send(request);
  const letter = await bury();
  await expect(replayDeadLetter(scene.deps, letter)).rejects.toMatchObject({ code: 'already-answered' });
  const unreadable = { ...letter, request: { ...letter.request, dedupeId: 'unreadable' } };
  await expect(replayDeadLetter(scene.deps, unreadable)).rejects.toMatchObject({ code: 'bad-message' });
  expect(await theLetter(scene)).toEqual(letter);
  expect(scene.sent).toHaveLength(1);
});
