// Stores and platforms that are away for a while: waited out, without burning the message and without losing the lease.
import { expect, test } from 'vitest';
import { Ambiguous, Corrupt, Refused } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import { createFixture, type Fixture } from './fixture.ts';

test(`${promise('NO-AMNESIA')} an object store that is away before the agent ran never burns a message`, async () => {
  const fixture = createFixture();
  const request = await fixture.say('hello');
  let left = 8;
  const state = {
    ...fixture.deps.state,
    async restore(...args: Parameters<typeof fixture.deps.state.restore>) {
      if (left-- > 0) throw new Refused('store-unavailable', 'away', { retryAfterMs: 100 });
      return await fixture.deps.state.restore(...args);
    },
  };
  for (let tries = 0; tries < 8; tries++) {
    expect(await fixture.step({ state })).toBe('retry');
    await fixture.clock.advance(10 * 60_000);
  }
  expect(await fixture.step({ state })).toBe('done');
  expect(fixture.sent.map(({ reply }) => reply.text)).toEqual(['heard hello']);
  expect(fixture.runs).toHaveLength(1);
  expect((await fixture.deps.store.getTurn('default' as never, request.turnId))?.attempts).toBe(1);
});

test(`${promise('UNBLOCK')} a disk that stays full ends in an honest message`, async () => {
  const fixture = createFixture();
  await fixture.say('hello');
  const state = {
    ...fixture.deps.state,
    restore: () => Promise.reject(new Refused('disk-full', 'full', { retryAfterMs: 100 })),
  };
  const outcomes: (string | null)[] = [];
  for (let tries = 0; tries < 4; tries++) {
    outcomes.push(await fixture.step({ state }));
    await fixture.clock.advance(60_000);
  }
  expect(outcomes).toEqual(['retry', 'retry', 'retry', 'dead']);
  expect(fixture.sent.map(({ reply }) => reply.code)).toEqual(['gave-up']);
});

test(`${promise('ONCE-OUT', 'FENCED')} a committed reply that waits for the platform keeps its lease`, async () => {
  const fixture = createFixture();
  await fixture.say('hello');
  fixture.beforeSend = () => {
    throw new Refused('rate-limited', 'later', { retryAfterMs: 20_000 });
  };
  expect(await fixture.step()).toBe('retry');
  await fixture.clock.advance(20_000);
  // Ten seconds is the longest wait in place; with a lease of four, only a heartbeat keeps it.
  let sends = 0;
  fixture.beforeSend = () => {
    if (++sends === 1) throw new Refused('rate-limited', 'later', { retryAfterMs: 9_000 });
  };
  const timing = { ...fixture.deps.timing, leaseMs: 4_000, heartbeatMs: 1_000 };
  const working = fixture.step({ timing });
  for (let second = 0; second < 8; second++) await fixture.clock.advance(1_000);
  const other = await fixture.deps.store
    .begin({
      request: await fixture.say('hello', { id: 'm1' }),
      owner: 'other',
      leaseMs: 4_000,
      newSessionId: 'unused' as never,
      retentionSec: 1_000,
    })
    .catch((error: unknown) => error);
  expect(other).toBeInstanceOf(Refused);
  await fixture.clock.advance(2_000);
  expect(await working).toBe('done');
  expect(fixture.sent).toHaveLength(1);
});

/** A step whose waits pass: the clock runs on until it has ended. */
async function stepping(fixture: Fixture, overrides: Parameters<Fixture['step']>[0]): Promise<string | null> {
  let ended = false;
  const step = fixture.step(overrides).finally(() => {
    ended = true;
  });
  while (!ended) await fixture.clock.advance(500);
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
  const fixture = createFixture();
  const request = await fixture.say('hello');
  const { state, store } = fixture.deps;
  const outcome = await stepping(fixture, {
    state: { ...state, checkpoint: failing(state.checkpoint, [refused(), lost(), refused()]) },
    store: { ...store, commit: failing(store.commit, [refused(), lost()]) },
  });
  expect(outcome).toBe('done');
  expect(fixture.runs).toHaveLength(1);
  expect(fixture.sent.map(({ reply }) => reply.text)).toEqual(['heard hello']);
  const turn = await store.getTurn('default' as never, request.turnId);
  expect(turn).toMatchObject({ status: 'delivered', attempts: 1 });
});

test(`${promise('ONCE-OUT')} a commit that went through without an answer is told so when it is repeated`, async () => {
  const fixture = createFixture();
  await fixture.say('hello');
  const { store } = fixture.deps;
  let commits = 0;
  const commit: typeof store.commit = async (input) => {
    const committed = await store.commit(input);
    if (++commits === 1) throw lost();
    return committed;
  };
  expect(await stepping(fixture, { store: { ...store, commit } })).toBe('done');
  expect(commits).toBe(2);
  expect(fixture.runs).toHaveLength(1);
  expect(fixture.sent).toHaveLength(1);
});

test(`${promise('UNBLOCK')} a write is not waited for for ever: after a minute the queue takes the turn back`, async () => {
  const fixture = createFixture();
  await fixture.say('hello');
  const startedAtMs = fixture.clock.now();
  const store = { ...fixture.deps.store, commit: () => Promise.reject(refused()) };
  expect(await stepping(fixture, { store })).toBe('retry');
  expect(fixture.clock.now() - startedAtMs).toBeGreaterThan(30_000);
  expect(fixture.clock.now() - startedAtMs).toBeLessThanOrEqual(61_000);
});

test(`${promise('NO-AMNESIA')} a session that is not where its conversation points: told, set aside, nothing begun anew`, async () => {
  const fixture = createFixture();
  const request = await fixture.say('hello');
  const begin = () => Promise.reject(new Corrupt('head-missing', 'The head is gone.'));
  expect(await fixture.step({ store: { ...fixture.deps.store, begin } })).toBe('dead');
  expect(fixture.sent.map(({ reply }) => reply.code)).toEqual(['session-unreadable']);
  expect(fixture.runs).toEqual([]);
  const { items } = await fixture.deps.queue.deadLetters.list();
  expect(items).toMatchObject([{ reason: 'head-missing', request: { turnId: request.turnId } }]);
});

test('where that cannot be told either, it is set aside all the same', async () => {
  const fixture = createFixture();
  await fixture.say('hello');
  fixture.beforeSend = () => Promise.reject(new Refused('away', 'away'));
  const begin = () => Promise.reject(new Corrupt('head-missing', 'The head is gone.'));
  expect(await fixture.step({ store: { ...fixture.deps.store, begin } })).toBe('dead');
});
