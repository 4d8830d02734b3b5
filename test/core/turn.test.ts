import { expect, test } from 'vitest';
import { Ambiguous, Conflict, Gone, Refused } from '../../src/core/errors.ts';
import { tenantOf } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { TURN_POINTS } from '../../src/core/running-turn.ts';
import { processMessage } from '../../src/core/worker.ts';
import { workerOf } from '../../testing/worker-parts.ts';
import { createFixture, frozen } from './fixture.ts';

class Killed extends Error {}

test('a turn answers, commits the next generation and leaves no directory', async () => {
  const fixture = createFixture();
  const request = await fixture.say('hello');
  expect(await fixture.step()).toBe('done');
  const turn = await fixture.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({
    status: 'delivered',
    generation: 1,
    attempts: 1,
    reply: { text: 'heard hello' },
  });
  expect(fixture.sent).toHaveLength(1);
  expect(fixture.open.size).toBe(0);
  expect(fixture.runs[0]).toMatchObject({ resume: false, continuing: false });
  await fixture.say('again');
  await fixture.step();
  expect(fixture.runs[1]).toMatchObject({ resume: true });
});

test(`${promise('ONCE-IN')} the same message ten times is one run and one reply`, async () => {
  const fixture = createFixture();
  await Promise.all(Array.from({ length: 10 }, () => fixture.say('hello', { id: 'same' })));
  while (await fixture.step());
  await fixture.clock.advance(10 * 60_000);
  await fixture.say('hello', { id: 'same' });
  while (await fixture.step());
  expect(fixture.runs).toHaveLength(1);
  expect(fixture.sent).toHaveLength(1);
});

test(`${promise('ORDER')} a failing turn is not overtaken by the next message`, async () => {
  const fixture = createFixture();
  let failures = 0;
  fixture.agent = async (run) => {
    if (run.request.text === 'first' && failures++ === 0) throw new Refused('disk-full', 'full');
    return { status: 'ok', text: run.request.text, demo: false };
  };
  await fixture.say('first');
  await fixture.say('second');
  expect(await fixture.step()).toBe('retry');
  expect(await fixture.step()).toBeNull();
  await fixture.clock.advance(60_000);
  while (await fixture.step());
  expect(fixture.sent.map((s) => s.reply.text)).toEqual(['first', 'second']);
});

/** A worker killed at a point: nothing of it runs on, its lease and message time out, a second one takes over. */
for (const point of TURN_POINTS) {
  test(`${promise('ATOMIC', 'ONCE-OUT')} killed at ${point}, the turn still ends in one commit`, async () => {
    const fixture = createFixture();
    await fixture.say('before');
    await fixture.step();
    const request = await fixture.say('hello');
    const [delivery] = await fixture.deps.queue.receive({ max: 1, waitMs: 0, visibilityMs: 60_000 });
    if (!delivery) throw new Error('no message');
    // A killed process never returns: its promise stays pending, and no later step of it happens.
    await new Promise<void>((resolve) => {
      const at = (p: string) => (p === point ? hang(resolve) : undefined);
      processMessage(
        workerOf({ ...fixture.deps, ...frozen(fixture), at }),
        delivery,
        new AbortController().signal,
      );
    });
    const runsBefore = fixture.runs.length;
    await fixture.clock.advance(61_000);
    expect(await fixture.step()).toBe('done');
    const turn = await fixture.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
    expect(turn).toMatchObject({ status: 'delivered', generation: 2 });
    const head = await fixture.deps.store.getHead(tenantOf(request.sessionKey), turn?.sessionId as never);
    expect(head).toMatchObject({ generation: 2, state: ['before', 'hello'] });
    const committed = TURN_POINTS.indexOf(point) >= TURN_POINTS.indexOf('after-commit');
    expect(fixture.runs.length - runsBefore).toBe(committed ? 0 : 1);
  });
}

function hang(reached: () => void): Promise<void> {
  reached();
  return new Promise(() => {});
}

test(`${promise('FENCED')} a paused worker that wakes after a takeover neither commits nor sends`, async () => {
  const fixture = createFixture();
  const request = await fixture.say('hello');
  let wake: () => void = () => {};
  const paused = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const first = fixture.step({ ...frozen(fixture), at: (p) => (p === 'after-agent' ? paused : undefined) });
  await expect.poll(() => fixture.runs.length).toBe(1);
  await fixture.clock.advance(61_000);
  expect(await fixture.step()).toBe('done');
  wake();
  expect(await first).toBe('retry');
  const turn = await fixture.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({ status: 'delivered', generation: 1 });
  expect(fixture.sent).toHaveLength(1);
});

test(`${promise('FENCED')} a worker that lost its lease between commit and send does not send`, async () => {
  const fixture = createFixture();
  await fixture.say('hello');
  let wake: () => void = () => {};
  const paused = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const first = fixture.step({ ...frozen(fixture), at: (p) => (p === 'after-commit' ? paused : undefined) });
  await expect.poll(() => fixture.runs.length).toBe(1);
  await new Promise((resolve) => setImmediate(resolve));
  await fixture.clock.advance(61_000);
  expect(await fixture.step()).toBe('done');
  wake();
  await first;
  expect(fixture.sent).toHaveLength(1);
  expect(fixture.runs).toHaveLength(1);
});

test(`${promise('ONCE-OUT')} a send that fails is repeated without the model`, async () => {
  const fixture = createFixture();
  const failures = [new Refused('rate-limited', 'slow down', { retryAfterMs: 30_000 })];
  fixture.beforeSend = () => {
    const failure = failures.pop();
    if (failure) throw failure;
  };
  await fixture.say('hello');
  expect(await fixture.step()).toBe('retry');
  await fixture.clock.advance(31_000);
  expect(await fixture.step()).toBe('done');
  expect(fixture.runs).toHaveLength(1);
  expect(fixture.sent).toHaveLength(1);
});

test('an ambiguous send asks the channel again with its note, and a chat that is gone is recorded', async () => {
  const fixture = createFixture();
  const anchors: unknown[] = [];
  fixture.beforeSend = async (context) => {
    anchors.push(context.anchor);
    if (anchors.length === 1) {
      await context.remember({ sending: 1 });
      throw new Ambiguous('no-answer', 'cut');
    }
    throw new Gone('blocked', 'bot was blocked');
  };
  const request = await fixture.say('hello');
  const stepping = fixture.step();
  await expect.poll(() => anchors.length).toBe(1);
  await fixture.clock.advance(5_000);
  expect(await stepping).toBe('dead');
  expect(anchors).toEqual([null, { sending: 1 }]);
  const turn = await fixture.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({ status: 'undeliverable', generation: 1 });
  expect((await fixture.deps.queue.deadLetters.list()).items).toHaveLength(1);
});

test(`${promise('NO-AMNESIA')} unreadable state: the user is told, the good generation stays, the turn is set aside`, async () => {
  const fixture = createFixture();
  await fixture.say('remember me');
  await fixture.step();
  fixture.brokenState = true;
  const request = await fixture.say('who am I?');
  expect(await fixture.step()).toBe('dead');
  expect(fixture.runs).toHaveLength(1);
  expect(fixture.sent[1]?.reply).toMatchObject({ outcome: 'failed', code: 'state-unreadable' });
  fixture.brokenState = false;
  await fixture.say('and now?');
  expect(await fixture.step()).toBe('done');
  const mapping = await fixture.deps.store.getMapping(request.sessionKey);
  const head = await fixture.deps.store.getHead(tenantOf(request.sessionKey), mapping?.session_id as never);
  expect(head?.state).toEqual(['remember me', 'and now?']);
});

test(`${promise('UNBLOCK')} a turn that never succeeds is given up after three attempts with one honest message`, async () => {
  const fixture = createFixture();
  fixture.agent = async () => {
    throw new Killed('the process died');
  };
  await fixture.say('poison');
  await fixture.say('next');
  for (let i = 0; i < 3; i++) {
    expect(await fixture.step()).toBe('retry');
    await fixture.clock.advance(60_000);
  }
  expect(await fixture.step()).toBe('dead');
  expect(fixture.sent).toHaveLength(1);
  expect(fixture.sent[0]?.reply).toMatchObject({ outcome: 'failed', code: 'gave-up' });
  fixture.agent = async () => ({ status: 'ok', text: 'fine', demo: false });
  expect(await fixture.step()).toBe('done');
  expect(fixture.sent[1]?.reply.text).toBe('fine');
});

test('a model outage never burns a message, however long it lasts', async () => {
  const fixture = createFixture();
  let away = 12;
  fixture.agent = async () =>
    away-- > 0
      ? {
          status: 'failed',
          text: '',
          demo: false,
          failure: { code: 'model-unavailable', message: '529' },
        }
      : { status: 'ok', text: 'back', demo: false };
  await fixture.say('hello');
  for (let i = 0; i < 12; i++) {
    expect(await fixture.step()).toBe('retry');
    await fixture.clock.advance(10 * 60_000);
  }
  expect(await fixture.step()).toBe('done');
  expect(fixture.sent.map((s) => s.reply.text)).toEqual(['back']);
});

test('a stop reaches the running agent, keeps what was done and answers', async () => {
  const fixture = createFixture();
  fixture.agent = (run) =>
    new Promise((resolve) => {
      run.signal.addEventListener('abort', () =>
        resolve({
          status: run.signal.reason === 'stop' ? 'stopped' : 'failed',
          text: 'one, two',
          demo: false,
        }),
      );
    });
  const request = await fixture.say('count');
  const stepping = fixture.step();
  await expect.poll(() => fixture.runs.length).toBe(1);
  await fixture.deps.store.requestStop(tenantOf(request.sessionKey), request.turnId);
  await fixture.clock.advance(1_500);
  expect(await stepping).toBe('done');
  expect(fixture.sent[0]?.reply).toMatchObject({ outcome: 'stopped', text: 'one, two\n\n_(stopped)_' });
});

test('a message stopped while it waited is answered without a run', async () => {
  const fixture = createFixture();
  const request = await fixture.say('never mind');
  await fixture.deps.store.requestStop(tenantOf(request.sessionKey), request.turnId);
  expect(await fixture.step()).toBe('done');
  expect(fixture.runs).toHaveLength(0);
  expect(fixture.sent[0]?.reply.outcome).toBe('stopped');
});

test('/new keeps its place in the queue: earlier messages stay with the old session', async () => {
  const fixture = createFixture();
  const first = await fixture.say('old');
  await fixture.say('', { kind: 'new' });
  await fixture.say('fresh');
  while (await fixture.step());
  expect(fixture.runs.map((r) => r.resume)).toEqual([false, false]);
  expect(fixture.runs[0]?.sessionId).not.toBe(fixture.runs[1]?.sessionId);
  const mapping = await fixture.deps.store.getMapping(first.sessionKey);
  expect(mapping?.session_id).toBe(fixture.runs[1]?.sessionId);
});

test('at the deadline the state is saved and the rest is queued behind what was written meanwhile', async () => {
  const fixture = createFixture();
  fixture.agent = async (run) =>
    run.signal.aborted && !run.continuing
      ? { status: 'deadline', text: '', demo: false }
      : { status: 'ok', text: `did ${run.request.text}`, demo: false };
  const request = await fixture.say('long work');
  await fixture.say('meanwhile');
  expect(await fixture.step({}, AbortSignal.abort())).toBe('continue');
  expect(await fixture.step()).toBe('done');
  expect(await fixture.step()).toBe('done');
  expect(fixture.runs.map((r) => [r.request.text, r.continuing])).toEqual([
    ['long work', false],
    ['meanwhile', false],
    ['long work', true],
  ]);
  expect(fixture.sent.map((s) => s.reply.text)).toEqual(['did meanwhile', 'did long work']);
  const turn = await fixture.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({ status: 'delivered', generation: 3, attempts: 1 });
});

test('an agent that lost its lease is ended and its work thrown away', async () => {
  const fixture = createFixture();
  await fixture.say('hello');
  fixture.agent = (run) =>
    new Promise((resolve) => {
      run.signal.addEventListener('abort', () => resolve({ status: 'stopped', text: '', demo: false }));
    });
  const store = {
    ...fixture.deps.store,
    renew: async () => {
      throw new Conflict('lease-lost', 'taken');
    },
  };
  const stepping = fixture.step({ store });
  await expect.poll(() => fixture.runs.length).toBe(1);
  await fixture.clock.advance(1_500);
  expect(await stepping).toBe('retry');
  expect(fixture.runs[0]?.signal.reason).toBe('lost');
  expect(fixture.sent).toHaveLength(0);
});
