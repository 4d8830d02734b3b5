// What a turn leaves behind when something takes it off its way: a killed worker, the model gone half-way, a deadline.
import { expect, test } from 'vitest';
import { Invalid, Refused } from '../../src/core/errors.ts';
import { tenantOf } from '../../src/core/ids.ts';
import type { AgentOutcome } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { processDelivery } from '../../src/core/worker.ts';
import { createScene, frozen, type Scene } from './scene.ts';

/** A worker process that takes the next message and dies in the middle of its agent's run. */
async function killedWorker(scene: Scene): Promise<void> {
  const { deps } = scene;
  const [delivery] = await deps.queue.receive({ max: 1, waitMs: 0, visibilityMs: deps.visibilityMs });
  if (!delivery) throw new Error('no message');
  await new Promise<void>((reached) => {
    const at = (point: string) => {
      if (point !== 'mid-run') return;
      reached();
      return new Promise<void>(() => {});
    };
    void processDelivery({ ...deps, ...frozen(scene), at }, delivery, new AbortController().signal);
  });
}

test(`${promise('UNBLOCK')} a message that kills every worker costs its conversation about three minutes and one honest reply`, async () => {
  const scene = createScene();
  const request = await scene.say('poison');
  await scene.say('next');
  const startedAtMs = scene.clock.now();
  for (let kills = 0; kills < 3; kills++) {
    await killedWorker(scene);
    await scene.clock.advance(scene.deps.visibilityMs);
  }
  expect(await scene.step()).toBe('dead');
  expect(await scene.step()).toBe('done');
  expect(scene.clock.now() - startedAtMs).toBeLessThanOrEqual(3 * 60_000);
  expect(scene.sent.map(({ reply }) => reply.outcome)).toEqual(['failed', 'ok']);
  expect(scene.sent[0]?.reply).toMatchObject({ code: 'gave-up' });
  expect(scene.sent[0]?.reply.text).toContain('Support id');
  const { items } = await scene.deps.queue.deadLetters.list();
  expect(items).toMatchObject([{ request: { turnId: request.turnId } }]);
});

test(`${promise('UNBLOCK')} other conversations do not wait for one whose worker was killed`, async () => {
  const scene = createScene();
  await scene.say('poison', { chat: 'a' });
  await scene.say('hello', { chat: 'b' });
  await killedWorker(scene);
  expect(await scene.step()).toBe('done');
  expect(scene.sent).toMatchObject([{ chat: 'b' }]);
});

const away: AgentOutcome = {
  status: 'failed',
  text: '',
  demo: false,
  failure: { code: 'model-unavailable', message: '529' },
};

test(`${promise('LONG')} the model goes away after a tool ran: what was done is kept, and the turn goes on from it`, async () => {
  const scene = createScene();
  scene.agent = async (run) => {
    if (run.continuing) return { status: 'ok', text: 'done', demo: false };
    run.progress({ type: 'tool', id: '1', name: 'Bash', summary: 'pays', state: 'done' });
    return away;
  };
  const request = await scene.say('pay once');
  expect(await scene.step()).toBe('retry');
  await scene.clock.advance(60_000);
  expect(await scene.step()).toBe('done');
  expect(scene.runs.map(({ continuing }) => continuing)).toEqual([false, true]);
  const turn = await scene.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({ status: 'delivered', attempts: 1, generation: 2 });
});

test(`${promise('LONG')} what tools did before an outage is saved though the store refuses it once, and no attempt is lost`, async () => {
  const scene = createScene();
  scene.agent = async (run) => {
    if (run.continuing) return { status: 'ok', text: 'done', demo: false };
    run.progress({ type: 'tool', id: '1', name: 'Bash', summary: 'pays', state: 'done' });
    return away;
  };
  const request = await scene.say('pay once');
  const { store } = scene.deps;
  let refusals = 1;
  const advance: typeof store.advance = async (input) => {
    if (refusals-- > 0) throw new Refused('store-unavailable', 'away', { retryAfterMs: 500 });
    await store.advance(input);
  };
  const stepping = scene.step({ store: { ...store, advance } });
  await expect.poll(() => refusals).toBe(0);
  await scene.clock.advance(1_000);
  expect(await stepping).toBe('retry');
  await scene.clock.advance(60_000);
  expect(await scene.step()).toBe('done');
  expect(scene.runs.map(({ continuing }) => continuing)).toEqual([false, true]);
  const turn = await store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({ status: 'delivered', attempts: 1 });
});

test('a model that is away from the start leaves no generation behind, however often it is asked', async () => {
  const scene = createScene();
  scene.agent = async () => away;
  const request = await scene.say('hello');
  for (let i = 0; i < 4; i++) {
    expect(await scene.step()).toBe('retry');
    await scene.clock.advance(60_000);
  }
  const turn = await scene.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({ status: 'running', attempts: 0, generation: null });
  expect(scene.runs.every(({ continuing }) => !continuing)).toBe(true);
});

const crashed: AgentOutcome = {
  status: 'failed',
  text: '',
  demo: false,
  failure: { code: 'agent-crashed', message: 'it was ended by SIGKILL' },
};

test('an agent whose process was killed is run again, knowing of the tools that ran', async () => {
  const scene = createScene();
  scene.agent = async (run) => {
    if (run.continuing) return { status: 'ok', text: 'done', demo: false };
    run.progress({ type: 'tool', id: '1', name: 'Bash', summary: 'pays', state: 'done' });
    return crashed;
  };
  await scene.say('pay once');
  expect(await scene.step()).toBe('retry');
  await scene.clock.advance(60_000);
  expect(await scene.step()).toBe('done');
  expect(scene.runs.map(({ continuing }) => continuing)).toEqual([false, true]);
  expect(scene.sent.map(({ reply }) => reply.text)).toEqual(['done']);
});

test(`${promise('UNBLOCK')} an agent that is killed each time is given up after three attempts, honestly`, async () => {
  const scene = createScene();
  scene.agent = async () => crashed;
  await scene.say('eat all memory');
  const startedAtMs = scene.clock.now();
  const outcomes: (string | null)[] = [];
  for (let tries = 0; tries < 4; tries++) {
    outcomes.push(await scene.step());
    await scene.clock.advance(30_000);
  }
  expect(outcomes).toEqual(['retry', 'retry', 'retry', 'dead']);
  expect(scene.runs).toHaveLength(3);
  expect(scene.sent.map(({ reply }) => reply.code)).toEqual(['gave-up']);
  expect(scene.clock.now() - startedAtMs).toBeLessThanOrEqual(3 * 60_000);
});

test(`${promise('LONG')} a deadline over a workspace that cannot be kept ends the turn instead of repeating it`, async () => {
  const scene = createScene();
  scene.agent = async () => ({ status: 'deadline', text: 'so far', demo: false });
  const state = {
    ...scene.deps.state,
    checkpoint: async () => {
      throw new Invalid('workspace-too-large', 'too large', { advice: 'Delete something.' });
    },
  };
  await scene.say('fill the disk');
  expect(await scene.step({ state }, AbortSignal.abort())).toBe('done');
  expect(scene.sent[0]?.reply).toMatchObject({ outcome: 'failed', code: 'workspace-too-large' });
  expect(scene.sent[0]?.reply.text).toContain('Delete something.');
  expect(scene.runs).toHaveLength(1);
});

test('a stop is heard between heartbeats that are far apart', async () => {
  const scene = createScene();
  scene.agent = (run) =>
    new Promise((resolve) => {
      run.signal.addEventListener('abort', () => resolve({ status: 'stopped', text: 'one', demo: false }));
    });
  const request = await scene.say('count');
  const timing = { leaseMs: 45_000, heartbeatMs: 12_000, stopEveryMs: 1_500, checkpointEveryMs: 0 };
  const stepping = scene.step({ timing });
  await expect.poll(() => scene.runs.length).toBe(1);
  await scene.deps.store.requestStop(tenantOf(request.sessionKey), request.turnId);
  await scene.clock.advance(2_000);
  expect(await stepping).toBe('done');
  expect(scene.sent[0]?.reply).toMatchObject({ outcome: 'stopped', text: 'one\n\n_(stopped)_' });
});

test(`${promise('NO-AMNESIA')} a first turn is not saved before its agent shows a sign of life: that state would look like a lost conversation`, async () => {
  const scene = createScene();
  const finish = Promise.withResolvers<AgentOutcome>();
  scene.agent = () => finish.promise;
  const request = await scene.say('hello');
  const timing = { leaseMs: 30_000, heartbeatMs: 1_000, checkpointEveryMs: 250 };
  const stepping = scene.step({ timing });
  await expect.poll(() => scene.runs.length).toBe(1);
  const tenant = tenantOf(request.sessionKey);
  const generation = async () =>
    (await scene.deps.store.getHead(tenant, scene.runs[0]!.sessionId))?.generation;
  await scene.clock.advance(1_000);
  expect(await generation()).toBe(0);
  scene.runs[0]?.progress({ type: 'text', text: 'I' });
  await scene.clock.advance(1_000);
  expect(await generation()).toBeGreaterThan(0);
  finish.resolve({ status: 'ok', text: 'I am here.', demo: false });
  await scene.clock.advance(1_000);
  expect(await stepping).toBe('done');
});
