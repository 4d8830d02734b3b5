// How long a reply that the chat refuses is tried, and what never costs a message an attempt.
import { expect, test } from 'vitest';
import { Owed, Refused } from '../../src/core/errors.ts';
import { tenantOf } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { createFixture, type Fixture } from './fixture.ts';

const MINUTE_MS = 60_000;

/** Refusals of a send come in series of a few tries; the clock moves on while the worker waits between them. */
async function stepThrough(fixture: Fixture): Promise<string | null> {
  let ended = false;
  const step = fixture.step().finally(() => {
    ended = true;
  });
  while (!ended) {
    await new Promise((resolve) => setImmediate(resolve));
    if (!ended) await fixture.clock.advance(1_000);
  }
  return await step;
}

test(`${promise('UNBLOCK')} a reply refused for a day is set aside; the next message is answered`, async () => {
  const fixture = createFixture();
  let away = true;
  fixture.beforeSend = () => {
    if (away) throw new Refused('server-error', 'the platform is down');
  };
  const request = await fixture.say('hello');
  await fixture.say('next');
  const startedAtMs = fixture.clock.now();
  let outcome = await stepThrough(fixture);
  while (outcome === 'retry' || outcome === null) {
    expect(fixture.clock.now() - startedAtMs).toBeLessThan((24 * 60 + 12) * MINUTE_MS);
    await fixture.clock.advance(MINUTE_MS);
    outcome = await stepThrough(fixture);
  }
  expect(outcome).toBe('dead');
  expect(fixture.clock.now() - startedAtMs).toBeGreaterThanOrEqual(24 * 60 * MINUTE_MS);
  const turn = await fixture.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({ status: 'undeliverable', attempts: 1, reply: { text: 'heard hello' } });
  const { items } = await fixture.deps.queue.deadLetters.list();
  expect(items).toMatchObject([{ reason: 'undeliverable', request: { turnId: request.turnId } }]);
  away = false;
  expect(await fixture.step()).toBe('done');
  expect(fixture.sent.map(({ reply }) => reply.text)).toEqual(['heard next']);
  expect(fixture.runs).toHaveLength(2);
});

test(`${promise('ONCE-OUT')} a platform that says when to send again is not asked before, and a long outage before the reply counts for nothing`, async () => {
  const fixture = createFixture();
  fixture.agent = async () => ({
    status: 'failed',
    text: '',
    demo: false,
    failure: { code: 'model-unavailable', message: '529' },
  });
  await fixture.say('hello');
  for (let minutes = 0; minutes < 120; minutes += 10) {
    expect(await fixture.step()).toBe('retry');
    await fixture.clock.advance(10 * MINUTE_MS);
  }
  fixture.agent = async () => ({ status: 'ok', text: 'back', demo: false });
  const askedAtMs: number[] = [];
  fixture.beforeSend = () => {
    askedAtMs.push(fixture.clock.now());
    if (askedAtMs.length === 1)
      throw new Refused('rate-limited', 'slow down', { retryAfterMs: 7 * MINUTE_MS });
  };
  expect(await fixture.step()).toBe('retry');
  while (askedAtMs.length < 2) {
    await fixture.clock.advance(MINUTE_MS / 2);
    await fixture.step();
  }
  expect(askedAtMs[1]! - askedAtMs[0]!).toBe(7 * MINUTE_MS);
  expect(fixture.sent.map(({ reply }) => reply.text)).toEqual(['back']);
});

test('a worker without the channel of a message leaves it to one that has it, at no attempt', async () => {
  const fixture = createFixture();
  const request = await fixture.say('hello');
  for (let i = 0; i < 5; i++) {
    expect(await fixture.step({ channels: new Map() })).toBe('retry');
    await fixture.clock.advance(MINUTE_MS);
  }
  expect(await fixture.step()).toBe('done');
  const turn = await fixture.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({ status: 'delivered', attempts: 1 });
});

test(`${promise('UNBLOCK')} a message that contradicts the ledger is set aside at once, and the next one runs`, async () => {
  const fixture = createFixture();
  const request = await fixture.say('hello');
  expect(await fixture.step()).toBe('done');
  await fixture.clock.advance(10 * MINUTE_MS);
  await fixture.deps.queue.send({ ...request, text: 'something else' });
  await fixture.say('next');
  expect(await fixture.step()).toBe('dead');
  expect(await fixture.step()).toBe('done');
  expect(fixture.sent.map(({ reply }) => reply.text)).toEqual(['heard hello', 'heard next']);
  expect((await fixture.deps.queue.deadLetters.list()).items).toMatchObject([
    { reason: 'idempotency-mismatch' },
  ]);
});

test(`${promise('UNBLOCK')} a reply that its channel brings later is no dead letter and holds nothing up; a later turn says that it came`, async () => {
  const fixture = createFixture();
  const owed = await fixture.say('hello');
  await fixture.say('next');
  const found: string[] = [];
  fixture.beforeSend = async ({ request, earlier }) => {
    if (request.text === 'hello') throw new Owed('not-now', 'The platform takes nothing now.');
    for (const { turnId, status, sequence } of (await earlier?.turns()) ?? []) {
      found.push(`${sequence} ${status}`);
      if (turnId !== request.turnId) await earlier?.brought(turnId);
    }
  };
  expect(await fixture.step()).toBe('done');
  const statusOf = async () =>
    (await fixture.deps.store.getTurn(tenantOf(owed.sessionKey), owed.turnId))?.status;
  expect(await statusOf()).toBe('undeliverable');
  expect(await fixture.step()).toBe('done');
  expect(found).toEqual(['1 undeliverable', '2 committed']);
  expect(await statusOf()).toBe('delivered');
  expect((await fixture.deps.queue.deadLetters.list()).items).toEqual([]);
});
