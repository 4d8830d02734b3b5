import { expect, test } from 'vitest';
import { Ambiguous, Conflict, Gone, Refused } from '../../src/core/errors.ts';
import { tenantOf } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { TURN_POINTS } from '../../src/core/turn.ts';
import { processDelivery } from '../../src/core/worker.ts';
import { createScene, frozen } from './scene.ts';

class Killed extends Error {}

test('a turn answers, commits the next generation and leaves no directory', async () => {
  const scene = createScene();
  const request = await scene.say('hello');
  expect(await scene.step()).toBe('done');
  const turn = await scene.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({
    status: 'delivered',
    generation: 1,
    attempts: 1,
    reply: { text: 'heard hello' },
  });
  expect(scene.sent).toHaveLength(1);
  expect(scene.open.size).toBe(0);
  expect(scene.runs[0]).toMatchObject({ resume: false, continuing: false });
  await scene.say('again');
  await scene.step();
  expect(scene.runs[1]).toMatchObject({ resume: true });
});

test(`${promise('ONCE-IN')} the same message ten times is one run and one reply`, async () => {
  const scene = createScene();
  await Promise.all(Array.from({ length: 10 }, () => scene.say('hello', { id: 'same' })));
  while (await scene.step());
  await scene.clock.advance(10 * 60_000);
  await scene.say('hello', { id: 'same' });
  while (await scene.step());
  expect(scene.runs).toHaveLength(1);
  expect(scene.sent).toHaveLength(1);
});

test(`${promise('ORDER')} a failing turn is not overtaken by the next message`, async () => {
  const scene = createScene();
  let failures = 0;
  scene.agent = async (run) => {
    if (run.request.text === 'first' && failures++ === 0) throw new Refused('disk-full', 'full');
    return { status: 'ok', text: run.request.text, demo: false };
  };
  await scene.say('first');
  await scene.say('second');
  expect(await scene.step()).toBe('retry');
  expect(await scene.step()).toBeNull();
  await scene.clock.advance(60_000);
  while (await scene.step());
  expect(scene.sent.map((s) => s.reply.text)).toEqual(['first', 'second']);
});

/** A worker killed at a point: nothing of it runs on, its lease and message time out, a second one takes over. */
for (const point of TURN_POINTS) {
  test(`${promise('ATOMIC', 'ONCE-OUT')} killed at ${point}, the turn still ends in one commit`, async () => {
    const scene = createScene();
    await scene.say('before');
    await scene.step();
    const request = await scene.say('hello');
    const [delivery] = await scene.deps.queue.receive({ max: 1, waitMs: 0, visibilityMs: 60_000 });
    if (!delivery) throw new Error('no message');
    // A killed process never returns: its promise stays pending, and no later step of it happens.
    await new Promise<void>((resolve) => {
      const at = (p: string) => (p === point ? hang(resolve) : undefined);
      processDelivery({ ...scene.deps, ...frozen(scene), at }, delivery, new AbortController().signal);
    });
    const runsBefore = scene.runs.length;
    await scene.clock.advance(61_000);
    expect(await scene.step()).toBe('done');
    const turn = await scene.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
    expect(turn).toMatchObject({ status: 'delivered', generation: 2 });
    const head = await scene.deps.store.getHead(tenantOf(request.sessionKey), turn?.sessionId as never);
    expect(head).toMatchObject({ generation: 2, state: ['before', 'hello'] });
    const committed = TURN_POINTS.indexOf(point) >= TURN_POINTS.indexOf('after-commit');
    expect(scene.runs.length - runsBefore).toBe(committed ? 0 : 1);
  });
}

function hang(reached: () => void): Promise<void> {
  reached();
  return new Promise(() => {});
}

test(`${promise('FENCED')} a paused worker that wakes after a takeover neither commits nor sends`, async () => {
  const scene = createScene();
  const request = await scene.say('hello');
  let wake: () => void = () => {};
  const paused = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const first = scene.step({ ...frozen(scene), at: (p) => (p === 'after-agent' ? paused : undefined) });
  await expect.poll(() => scene.runs.length).toBe(1);
  await scene.clock.advance(61_000);
  expect(await scene.step()).toBe('done');
  wake();
  expect(await first).toBe('retry');
  const turn = await scene.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({ status: 'delivered', generation: 1 });
  expect(scene.sent).toHaveLength(1);
});

test(`${promise('FENCED')} a worker that lost its lease between commit and send does not send`, async () => {
  const scene = createScene();
  await scene.say('hello');
  let wake: () => void = () => {};
  const paused = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const first = scene.step({ ...frozen(scene), at: (p) => (p === 'after-commit' ? paused : undefined) });
  await expect.poll(() => scene.runs.length).toBe(1);
  await new Promise((resolve) => setImmediate(resolve));
  await scene.clock.advance(61_000);
  expect(await scene.step()).toBe('done');
  wake();
  await first;
  expect(scene.sent).toHaveLength(1);
  expect(scene.runs).toHaveLength(1);
});

test(`${promise('ONCE-OUT')} a send that fails is repeated without the model`, async () => {
  const scene = createScene();
  const failures = [new Refused('rate-limited', 'slow down', { retryAfterMs: 30_000 })];
  scene.beforeSend = () => {
    const failure = failures.pop();
    if (failure) throw failure;
  };
  await scene.say('hello');
  expect(await scene.step()).toBe('retry');
  await scene.clock.advance(31_000);
  expect(await scene.step()).toBe('done');
  expect(scene.runs).toHaveLength(1);
  expect(scene.sent).toHaveLength(1);
});

test('an ambiguous send asks the channel again with its note, and a chat that is gone is recorded', async () => {
  const scene = createScene();
  const anchors: unknown[] = [];
  scene.beforeSend = async (context) => {
    anchors.push(context.anchor);
    if (anchors.length === 1) {
      await context.remember({ sending: 1 });
      throw new Ambiguous('no-answer', 'cut');
    }
    throw new Gone('blocked', 'bot was blocked');
  };
  const request = await scene.say('hello');
  const stepping = scene.step();
  await expect.poll(() => anchors.length).toBe(1);
  await scene.clock.advance(5_000);
  expect(await stepping).toBe('dead');
  expect(anchors).toEqual([null, { sending: 1 }]);
  const turn = await scene.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({ status: 'undeliverable', generation: 1 });
  expect((await scene.deps.queue.deadLetters.list()).items).toHaveLength(1);
});

test(`${promise('NO-AMNESIA')} unreadable state: the user is told, the good generation stays, the turn is set aside`, async () => {
  const scene = createScene();
  await scene.say('remember me');
  await scene.step();
  scene.brokenState = true;
  const request = await scene.say('who am I?');
  expect(await scene.step()).toBe('dead');
  expect(scene.runs).toHaveLength(1);
  expect(scene.sent[1]?.reply).toMatchObject({ outcome: 'failed', code: 'state-unreadable' });
  scene.brokenState = false;
  await scene.say('and now?');
  expect(await scene.step()).toBe('done');
  const mapping = await scene.deps.store.getMapping(request.sessionKey);
  const head = await scene.deps.store.getHead(tenantOf(request.sessionKey), mapping?.session_id as never);
  expect(head?.state).toEqual(['remember me', 'and now?']);
});

test(`${promise('UNBLOCK')} a turn that never succeeds is given up after three attempts with one honest message`, async () => {
  const scene = createScene();
  scene.agent = async () => {
    throw new Killed('the process died');
  };
  await scene.say('poison');
  await scene.say('next');
  for (let i = 0; i < 3; i++) {
    expect(await scene.step()).toBe('retry');
    await scene.clock.advance(60_000);
  }
  expect(await scene.step()).toBe('dead');
  expect(scene.sent).toHaveLength(1);
  expect(scene.sent[0]?.reply).toMatchObject({ outcome: 'failed', code: 'gave-up' });
  scene.agent = async () => ({ status: 'ok', text: 'fine', demo: false });
  expect(await scene.step()).toBe('done');
  expect(scene.sent[1]?.reply.text).toBe('fine');
});

test('a model outage never burns a message, however long it lasts', async () => {
  const scene = createScene();
  let away = 12;
  scene.agent = async () =>
    away-- > 0
      ? {
          status: 'failed',
          text: '',
          demo: false,
          failure: { code: 'model-unavailable', message: '529' },
        }
      : { status: 'ok', text: 'back', demo: false };
  await scene.say('hello');
  for (let i = 0; i < 12; i++) {
    expect(await scene.step()).toBe('retry');
    await scene.clock.advance(60_000);
  }
  expect(await scene.step()).toBe('done');
  expect(scene.sent.map((s) => s.reply.text)).toEqual(['back']);
});

test('a stop reaches the running agent, keeps what was done and answers', async () => {
  const scene = createScene();
  scene.agent = (run) =>
    new Promise((resolve) => {
      run.signal.addEventListener('abort', () =>
        resolve({
          status: run.signal.reason === 'stop' ? 'stopped' : 'failed',
          text: 'one, two',
          demo: false,
        }),
      );
    });
  const request = await scene.say('count');
  const stepping = scene.step();
  await expect.poll(() => scene.runs.length).toBe(1);
  await scene.deps.store.requestStop(tenantOf(request.sessionKey), request.turnId);
  await scene.clock.advance(1_500);
  expect(await stepping).toBe('done');
  expect(scene.sent[0]?.reply).toMatchObject({ outcome: 'stopped', text: 'one, two\n\n_(stopped)_' });
});

test('a message stopped while it waited is answered without a run', async () => {
  const scene = createScene();
  const request = await scene.say('never mind');
  await scene.deps.store.requestStop(tenantOf(request.sessionKey), request.turnId);
  expect(await scene.step()).toBe('done');
  expect(scene.runs).toHaveLength(0);
  expect(scene.sent[0]?.reply.outcome).toBe('stopped');
});

test('/new keeps its place in the queue: earlier messages stay with the old session', async () => {
  const scene = createScene();
  const first = await scene.say('old');
  await scene.say('', { kind: 'new' });
  await scene.say('fresh');
  while (await scene.step());
  expect(scene.runs.map((r) => r.resume)).toEqual([false, false]);
  expect(scene.runs[0]?.sessionId).not.toBe(scene.runs[1]?.sessionId);
  const mapping = await scene.deps.store.getMapping(first.sessionKey);
  expect(mapping?.session_id).toBe(scene.runs[1]?.sessionId);
});

test('at the deadline the state is saved and the rest is queued behind what was written meanwhile', async () => {
  const scene = createScene();
  scene.agent = async (run) =>
    run.signal.aborted && !run.continuing
      ? { status: 'deadline', text: '', demo: false }
      : { status: 'ok', text: `did ${run.request.text}`, demo: false };
  const request = await scene.say('long work');
  await scene.say('meanwhile');
  expect(await scene.step({}, AbortSignal.abort())).toBe('continue');
  expect(await scene.step()).toBe('done');
  expect(await scene.step()).toBe('done');
  expect(scene.runs.map((r) => [r.request.text, r.continuing])).toEqual([
    ['long work', false],
    ['meanwhile', false],
    ['long work', true],
  ]);
  expect(scene.sent.map((s) => s.reply.text)).toEqual(['did meanwhile', 'did long work']);
  const turn = await scene.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({ status: 'delivered', generation: 3, attempts: 1 });
});

test('an agent that lost its lease is ended and its work thrown away', async () => {
  const scene = createScene();
  await scene.say('hello');
  scene.agent = (run) =>
    new Promise((resolve) => {
      run.signal.addEventListener('abort', () => resolve({ status: 'stopped', text: '', demo: false }));
    });
  const store = {
    ...scene.deps.store,
    renew: async () => {
      throw new Conflict('lease-lost', 'taken');
    },
  };
  const stepping = scene.step({ store });
  await expect.poll(() => scene.runs.length).toBe(1);
  await scene.clock.advance(1_500);
  expect(await stepping).toBe('retry');
  expect(scene.runs[0]?.signal.reason).toBe('lost');
  expect(scene.sent).toHaveLength(0);
});
