// What a turn leaves behind when something takes it off its way: a killed worker, the model gone half-way, a deadline.

import { expect, test } from 'vitest';
import { MAX_TURN_PARTS } from '../../src/core/defaults.ts';
import { Invalid, Refused } from '../../src/core/errors.ts';
import { tenantOf } from '../../src/core/ids.ts';
import type { AgentOutcome } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { processMessage } from '../../src/core/worker.ts';
import { workerOf } from '../../testing/worker-parts.ts';
import { createFixture, type Fixture, frozen } from './fixture.ts';

/** A worker process that takes the next message and dies in the middle of its agent's run. */
async function killedWorker(fixture: Fixture): Promise<void> {
  const { deps } = fixture;
  const [delivery] = await deps.queue.receive({ max: 1, waitMs: 0, visibilityMs: deps.visibilityMs });
  if (!delivery) throw new Error('no message');
  await new Promise<void>((reached) => {
    const at = (point: string) => {
      if (point !== 'mid-run') return;
      reached();
      return new Promise<void>(() => {});
    };
    void processMessage(
      workerOf({ ...deps, ...frozen(fixture), at }),
      delivery,
      new AbortController().signal,
    );
  });
}

test(`${promise('UNBLOCK')} a message that kills every worker costs its conversation about three minutes and one honest reply`, async () => {
  const fixture = createFixture();
  const request = await fixture.say('poison');
  await fixture.say('next');
  const startedAtMs = fixture.clock.now();
  for (let kills = 0; kills < 3; kills++) {
    await killedWorker(fixture);
    await fixture.clock.advance(fixture.deps.visibilityMs);
  }
  expect(await fixture.step()).toBe('dead');
  expect(await fixture.step()).toBe('done');
  expect(fixture.clock.now() - startedAtMs).toBeLessThanOrEqual(3 * 60_000);
  expect(fixture.sent.map(({ reply }) => reply.outcome)).toEqual(['failed', 'ok']);
  expect(fixture.sent[0]?.reply).toMatchObject({ code: 'gave-up' });
  expect(fixture.sent[0]?.reply.text).toContain('Support id');
  const { items } = await fixture.deps.queue.deadLetters.list();
  expect(items).toMatchObject([{ request: { turnId: request.turnId } }]);
});

test(`${promise('UNBLOCK')} other conversations do not wait for one whose worker was killed`, async () => {
  const fixture = createFixture();
  await fixture.say('poison', { chat: 'a' });
  await fixture.say('hello', { chat: 'b' });
  await killedWorker(fixture);
  expect(await fixture.step()).toBe('done');
  expect(fixture.sent).toMatchObject([{ chat: 'b' }]);
});

const away: AgentOutcome = {
  status: 'failed',
  text: '',
  demo: false,
  failure: { code: 'model-unavailable', message: '529' },
};

test(`${promise('LONG')} the model goes away after a tool ran: what was done is kept, and the turn goes on from it`, async () => {
  const fixture = createFixture();
  fixture.agent = async (run) => {
    if (run.continuing) return { status: 'ok', text: 'done', demo: false };
    run.progress({ type: 'tool', id: '1', name: 'Bash', summary: 'pays', state: 'done' });
    return away;
  };
  const request = await fixture.say('pay once');
  expect(await fixture.step()).toBe('retry');
  await fixture.clock.advance(60_000);
  expect(await fixture.step()).toBe('done');
  expect(fixture.runs.map(({ continuing }) => continuing)).toEqual([false, true]);
  const turn = await fixture.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({ status: 'delivered', attempts: 1, generation: 2 });
});

test(`${promise('LONG')} what tools did before an outage is saved though the store refuses it once, and no attempt is lost`, async () => {
  const fixture = createFixture();
  fixture.agent = async (run) => {
    if (run.continuing) return { status: 'ok', text: 'done', demo: false };
    run.progress({ type: 'tool', id: '1', name: 'Bash', summary: 'pays', state: 'done' });
    return away;
  };
  const request = await fixture.say('pay once');
  const { store } = fixture.deps;
  let refusals = 1;
  const advance: typeof store.advance = async (input) => {
    if (refusals-- > 0) throw new Refused('store-unavailable', 'away', { retryAfterMs: 500 });
    await store.advance(input);
  };
  const stepping = fixture.step({ store: { ...store, advance } });
  await expect.poll(() => refusals).toBe(0);
  await fixture.clock.advance(1_000);
  expect(await stepping).toBe('retry');
  await fixture.clock.advance(60_000);
  expect(await fixture.step()).toBe('done');
  expect(fixture.runs.map(({ continuing }) => continuing)).toEqual([false, true]);
  const turn = await store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({ status: 'delivered', attempts: 1 });
});

test('a model that is away from the start leaves no generation behind, however often it is asked', async () => {
  const fixture = createFixture();
  fixture.agent = async () => away;
  const request = await fixture.say('hello');
  for (let i = 0; i < 4; i++) {
    expect(await fixture.step()).toBe('retry');
    await fixture.clock.advance(60_000);
  }
  const turn = await fixture.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
  expect(turn).toMatchObject({ status: 'running', attempts: 0, generation: null });
  expect(fixture.runs.every(({ continuing }) => !continuing)).toBe(true);
});

const crashed: AgentOutcome = {
  status: 'failed',
  text: '',
  demo: false,
  failure: { code: 'agent-crashed', message: 'it was ended by SIGKILL' },
};

test('an agent whose process was killed is run again, knowing of the tools that ran', async () => {
  const fixture = createFixture();
  fixture.agent = async (run) => {
    if (run.continuing) return { status: 'ok', text: 'done', demo: false };
    run.progress({ type: 'tool', id: '1', name: 'Bash', summary: 'pays', state: 'done' });
    return crashed;
  };
  await fixture.say('pay once');
  expect(await fixture.step()).toBe('retry');
  await fixture.clock.advance(60_000);
  expect(await fixture.step()).toBe('done');
  expect(fixture.runs.map(({ continuing }) => continuing)).toEqual([false, true]);
  expect(fixture.sent.map(({ reply }) => reply.text)).toEqual(['done']);
});

test(`${promise('UNBLOCK')} an agent that is killed each time is given up after three attempts, honestly`, async () => {
  const fixture = createFixture();
  fixture.agent = async () => crashed;
  await fixture.say('eat all memory');
  const startedAtMs = fixture.clock.now();
  const outcomes: (string | null)[] = [];
  for (let tries = 0; tries < 4; tries++) {
    outcomes.push(await fixture.step());
    await fixture.clock.advance(30_000);
  }
  expect(outcomes).toEqual(['retry', 'retry', 'retry', 'dead']);
  expect(fixture.runs).toHaveLength(3);
  expect(fixture.sent.map(({ reply }) => reply.code)).toEqual(['gave-up']);
  expect(fixture.clock.now() - startedAtMs).toBeLessThanOrEqual(3 * 60_000);
});

test(`${promise('LONG')} a deadline over a workspace that cannot be kept ends the turn instead of repeating it`, async () => {
  const fixture = createFixture();
  fixture.agent = async () => ({ status: 'deadline', text: 'so far', demo: false });
  const state = {
    ...fixture.deps.state,
    checkpoint: async () => {
      throw new Invalid('workspace-too-large', 'too large', { advice: 'Delete something.' });
    },
  };
  await fixture.say('fill the disk');
  expect(await fixture.step({ state }, AbortSignal.abort())).toBe('done');
  expect(fixture.sent[0]?.reply).toMatchObject({ outcome: 'failed', code: 'workspace-too-large' });
  expect(fixture.sent[0]?.reply.text).toContain('Delete something.');
  expect(fixture.runs).toHaveLength(1);
});

test(`${promise('LONG')} a turn that never ends goes on for so many parts, then ends with a word and its files kept`, async () => {
  const fixture = createFixture();
  fixture.agent = async () => ({ status: 'deadline', text: 'still at it', demo: false });
  const { sessionKey } = await fixture.say('for ever');
  const outcomes: (string | null)[] = [];
  while (outcomes.length < 2 * MAX_TURN_PARTS && outcomes.at(-1) !== 'done') {
    outcomes.push(await fixture.step({}, AbortSignal.abort()));
  }
  expect(outcomes).toEqual([...Array(MAX_TURN_PARTS - 1).fill('continue'), 'done']);
  expect(fixture.sent).toHaveLength(1);
  expect(fixture.sent[0]?.reply).toMatchObject({ outcome: 'failed', code: 'turn-too-long' });
  expect(fixture.sent[0]?.reply.text).toMatch(/^still at it[\s\S]+continued 99 times[\s\S]+go on from there/);
  const mapping = await fixture.deps.store.getMapping(sessionKey);
  const head = await fixture.deps.store.getHead(tenantOf(sessionKey), mapping?.session_id as never);
  expect(head?.generation).toBe(MAX_TURN_PARTS);

  fixture.agent = async () => ({ status: 'ok', text: 'done now', demo: false });
  await fixture.say('go on');
  expect(await fixture.step()).toBe('done');
  expect(fixture.sent[1]?.reply.outcome).toBe('ok');
});

test('a stop is heard between heartbeats that are far apart', async () => {
  const fixture = createFixture();
  fixture.agent = (run) =>
    new Promise((resolve) => {
      run.signal.addEventListener('abort', () => resolve({ status: 'stopped', text: 'one', demo: false }));
    });
  const request = await fixture.say('count');
  const timing = { leaseMs: 45_000, heartbeatMs: 12_000, stopEveryMs: 1_500, checkpointEveryMs: 0 };
  const stepping = fixture.step({ timing });
  await expect.poll(() => fixture.runs.length).toBe(1);
  await fixture.deps.store.requestStop(tenantOf(request.sessionKey), request.turnId);
  await fixture.clock.advance(2_000);
  expect(await stepping).toBe('done');
  expect(fixture.sent[0]?.reply).toMatchObject({ outcome: 'stopped', text: 'one\n\n_(stopped)_' });
});

test(`${promise('NO-AMNESIA')} a first turn is not saved before its agent shows a sign of life: that state would look like a lost conversation`, async () => {
  const fixture = createFixture();
  const finish = Promise.withResolvers<AgentOutcome>();
  fixture.agent = () => finish.promise;
  const request = await fixture.say('hello');
  const timing = { leaseMs: 30_000, heartbeatMs: 1_000, checkpointEveryMs: 250 };
  const stepping = fixture.step({ timing });
  await expect.poll(() => fixture.runs.length).toBe(1);
  const tenant = tenantOf(request.sessionKey);
  const generation = async () =>
    (await fixture.deps.store.getHead(tenant, fixture.runs[0]!.sessionId))?.generation;
  await fixture.clock.advance(1_000);
  expect(await generation()).toBe(0);
  fixture.runs[0]?.progress({ type: 'text', text: 'I' });
  await fixture.clock.advance(1_000);
  expect(await generation()).toBeGreaterThan(0);
  finish.resolve({ status: 'ok', text: 'I am here.', demo: false });
  await fixture.clock.advance(1_000);
  expect(await stepping).toBe('done');
});
