// Stores and platforms that are away for a while: waited out, without burning the message and without losing the lease.
import { expect, test } from 'vitest';
import { Ambiguous, Corrupt, Refused } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import { createScene, type Scene } from './scene.ts';

test(`${promise('NO-AMNESIA')} an object store that is away before the agent ran never burns a message`, async () => {
  const scene = createScene();
  const request = await scene.say('hello');
  let left = 8;
  const state = {
    ...scene.deps.state,
    async restore(...args: Parameters<typeof scene.deps.state.restore>) {
      if (left-- > 0) throw new Refused('store-unavailable', 'away', { retryAfterMs: 100 });
      return await scene.deps.state.restore(...args);
    },
  };
  for (let tries = 0; tries < 8; tries++) {
    expect(await scene.step({ state })).toBe('retry');
    await scene.clock.advance(5_000);
  }
  expect(await scene.step({ state })).toBe('done');
  expect(scene.sent.map(({ reply }) => reply.text)).toEqual(['heard hello']);
  expect(scene.runs).toHaveLength(1);
  expect((await scene.deps.store.getTurn('default' as never, request.turnId))?.attempts).toBe(1);
});

test(`${promise('UNBLOCK')} a disk that stays full ends in an honest message`, async () => {
  const scene = createScene();
  await scene.say('hello');
  const state = {
    ...scene.deps.state,
    restore: () => Promise.reject(new Refused('disk-full', 'full', { retryAfterMs: 100 })),
  };
  const outcomes: (string | null)[] = [];
  for (let tries = 0; tries < 4; tries++) {
    outcomes.push(await scene.step({ state }));
    await scene.clock.advance(60_000);
  }
  expect(outcomes).toEqual(['retry', 'retry', 'retry', 'dead']);
  expect(scene.sent.map(({ reply }) => reply.code)).toEqual(['gave-up']);
});

test(`${promise('ONCE-OUT', 'FENCED')} a committed reply that waits for the platform keeps its lease`, async () => {
  const scene = createScene();
  await scene.say('hello');
  scene.beforeSend = () => {
    throw new Refused('rate-limited', 'later', { retryAfterMs: 20_000 });
  };
  expect(await scene.step()).toBe('retry');
  await scene.clock.advance(20_000);
  // Ten seconds is the longest wait in place; with a lease of four, only a heartbeat keeps it.
  let sends = 0;
  scene.beforeSend = () => {
    if (++sends === 1) throw new Refused('rate-limited', 'later', { retryAfterMs: 9_000 });
  };
  const timing = { ...scene.deps.timing, leaseMs: 4_000, heartbeatMs: 1_000 };
  const working = scene.step({ timing });
  for (let second = 0; second < 8; second++) await scene.clock.advance(1_000);
  const other = await scene.deps.store
    .begin({
      request: await scene.say('hello', { id: 'm1' }),
      owner: 'other',
      leaseMs: 4_000,
      newSessionId: 'unused' as never,
      retentionSec: 1_000,
    })
    .catch((error: unknown) => error);
  expect(other).toBeInstanceOf(Refused);
  await scene.clock.advance(2_000);
  expect(await working).toBe('done');
  expect(scene.sent).toHaveLength(1);
});

/** A step whose waits pass: the clock runs on until it has ended. */
async function stepping(scene: Scene, overrides: Parameters<Scene['step']>[0]): Promise<string | null> {
  let ended = false;
  const step = scene.step(overrides).finally(() => {
    ended = true;
  });
  while (!ended) await scene.clock.advance(500);
  return await step;
}

/** `call` that throws `errors`, one after the other, before it does its work. */
function failing<A extends unknown[], R>(call: (...args: A) => Promise<R>, errors: Error[]) {
  return async (...args: A): Promise<R> => {
    const error = errors.shift();
    if (error) throw error;
    return await call(...args);
  };
}

const refused = () => new Refused('store-unavailable', 'away', { retryAfterMs: 500 });
const lost = () => new Ambiguous('commit-unknown', 'no answer');

test(`${promise('ONCE-OUT')} uploads and commits that are refused for a while do not run the agent again`, async () => {
  const scene = createScene();
  const request = await scene.say('hello');
  const { state, store } = scene.deps;
  const outcome = await stepping(scene, {
    state: { ...state, checkpoint: failing(state.checkpoint, [refused(), lost(), refused()]) },
    store: { ...store, commit: failing(store.commit, [refused(), lost()]) },
  });
  expect(outcome).toBe('done');
  expect(scene.runs).toHaveLength(1);
  expect(scene.sent.map(({ reply }) => reply.text)).toEqual(['heard hello']);
  const turn = await store.getTurn('default' as never, request.turnId);
  expect(turn).toMatchObject({ status: 'delivered', attempts: 1 });
});

test(`${promise('ONCE-OUT')} a commit that went through without an answer is told so when it is repeated`, async () => {
  const scene = createScene();
  await scene.say('hello');
  const { store } = scene.deps;
  let commits = 0;
  const commit: typeof store.commit = async (input) => {
    const committed = await store.commit(input);
    if (++commits === 1) throw lost();
    return committed;
  };
  expect(await stepping(scene, { store: { ...store, commit } })).toBe('done');
  expect(commits).toBe(2);
  expect(scene.runs).toHaveLength(1);
  expect(scene.sent).toHaveLength(1);
});

test(`${promise('UNBLOCK')} a write is not waited for for ever: after a minute the queue takes the turn back`, async () => {
  const scene = createScene();
  await scene.say('hello');
  const startedAtMs = scene.clock.now();
  const store = { ...scene.deps.store, commit: () => Promise.reject(refused()) };
  expect(await stepping(scene, { store })).toBe('retry');
  expect(scene.clock.now() - startedAtMs).toBeGreaterThan(30_000);
  expect(scene.clock.now() - startedAtMs).toBeLessThanOrEqual(61_000);
});

test(`${promise('NO-AMNESIA')} a session that is not where its conversation points: told, set aside, nothing begun anew`, async () => {
  const scene = createScene();
  const request = await scene.say('hello');
  const begin = () => Promise.reject(new Corrupt('head-missing', 'The head is gone.'));
  expect(await scene.step({ store: { ...scene.deps.store, begin } })).toBe('dead');
  expect(scene.sent.map(({ reply }) => reply.code)).toEqual(['session-unreadable']);
  expect(scene.runs).toEqual([]);
  const { items } = await scene.deps.queue.deadLetters.list();
  expect(items).toMatchObject([{ reason: 'head-missing', request: { turnId: request.turnId } }]);
});

test('where that cannot be told either, it is set aside all the same', async () => {
  const scene = createScene();
  await scene.say('hello');
  scene.beforeSend = () => Promise.reject(new Refused('away', 'away'));
  const begin = () => Promise.reject(new Corrupt('head-missing', 'The head is gone.'));
  expect(await scene.step({ store: { ...scene.deps.store, begin } })).toBe('dead');
});
