// How long a reply that the chat refuses is tried, and what never costs a message an attempt.
import { expect, test } from 'vitest';
import { Refused } from '../../src/core/errors.ts';
import { tenantOf } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { createScene, type Scene } from './scene.ts';

const MINUTE_MS = 60_000;

/** Refusals of a send come in series of a few tries; the clock moves on while the worker waits between them. */
async function stepThrough(scene: Scene): Promise<string | null> {
  let ended = false;
  const step = scene.step().finally(() => {
    ended = true;
  });
  while (!ended) {
    await new Promise((resolve) => setImmediate(resolve));
    if (!ended) await scene.clock.advance(1_000);
  }
  return await step;
}

test(`${promise('UNBLOCK')} a reply refused for an hour is set aside; the next message is answered`, async () => {
  const scene = createScene();
  let away = true;
  scene.beforeSend = () => {
    if (away) throw new Refused('server-error', 'the platform is down');
  };
  const request = await scene.say('hello');
  await scene.say('next');
  const startedAtMs = scene.clock.now();
  let outcome = await stepThrough(scene);
  while (outcome === 'retry' || outcome === null) {
    expect(scene.clock.now() - startedAtMs).toBeLessThan(62 * MINUTE_MS);
    await scene.clock.advance(MINUTE_MS);
    outcome = await stepThrough(scene);
  }
  expect(outcome).toBe('dead');
  expect(scene.clock.now() - startedAtMs).toBeGreaterThanOrEqual(60 * MINUTE_MS);
  const turn = await scene.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({ status: 'undeliverable', attempts: 1, reply: { text: 'heard hello' } });
  const { items } = await scene.deps.queue.deadLetters.list();
  expect(items).toMatchObject([{ reason: 'undeliverable', request: { turnId: request.turnId } }]);
  away = false;
  expect(await scene.step()).toBe('done');
  expect(scene.sent.map(({ reply }) => reply.text)).toEqual(['heard next']);
  expect(scene.runs).toHaveLength(2);
});

test(`${promise('ONCE-OUT')} a platform that says when to send again is not asked before, and a long outage before the reply counts for nothing`, async () => {
  const scene = createScene();
  scene.agent = async () => ({
    status: 'failed',
    text: '',
    demo: false,
    failure: { code: 'model-unavailable', message: '529' },
  });
  await scene.say('hello');
  for (let minutes = 0; minutes < 120; minutes += 10) {
    expect(await scene.step()).toBe('retry');
    await scene.clock.advance(10 * MINUTE_MS);
  }
  scene.agent = async () => ({ status: 'ok', text: 'back', demo: false });
  const askedAtMs: number[] = [];
  scene.beforeSend = () => {
    askedAtMs.push(scene.clock.now());
    if (askedAtMs.length === 1)
      throw new Refused('rate-limited', 'slow down', { retryAfterMs: 7 * MINUTE_MS });
  };
  expect(await scene.step()).toBe('retry');
  while (askedAtMs.length < 2) {
    await scene.clock.advance(MINUTE_MS / 2);
    await scene.step();
  }
  expect(askedAtMs[1]! - askedAtMs[0]!).toBe(7 * MINUTE_MS);
  expect(scene.sent.map(({ reply }) => reply.text)).toEqual(['back']);
});

test('a worker without the channel of a message leaves it to one that has it, at no attempt', async () => {
  const scene = createScene();
  const request = await scene.say('hello');
  for (let i = 0; i < 5; i++) {
    expect(await scene.step({ channels: new Map() })).toBe('retry');
    await scene.clock.advance(MINUTE_MS);
  }
  expect(await scene.step()).toBe('done');
  const turn = await scene.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({ status: 'delivered', attempts: 1 });
});

test(`${promise('UNBLOCK')} a message that contradicts the ledger is set aside at once, and the next one runs`, async () => {
  const scene = createScene();
  const request = await scene.say('hello');
  expect(await scene.step()).toBe('done');
  await scene.clock.advance(10 * MINUTE_MS);
  await scene.deps.queue.send({ ...request, text: 'something else' });
  await scene.say('next');
  expect(await scene.step()).toBe('dead');
  expect(await scene.step()).toBe('done');
  expect(scene.sent.map(({ reply }) => reply.text)).toEqual(['heard hello', 'heard next']);
  expect((await scene.deps.queue.deadLetters.list()).items).toMatchObject([
    { reason: 'idempotency-mismatch' },
  ]);
});
