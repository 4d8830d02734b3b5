// A host that hangs gives way to another one at once, and to no third; one over a limit is told to the person.
import { describe, expect, test } from 'vitest';
import { hostHung, hostOverLimit } from '../../src/core/host-trouble.ts';
import type { AgentRun } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { createFixture, type Fixture } from './fixture.ts';

const answer = (run: AgentRun) => ({ status: 'ok', text: `heard ${run.request.text}`, demo: false }) as const;

/** Hangs in its first `times` runs. */
function hanging(fixture: Fixture, times: number): void {
  fixture.agent = async (run) => {
    if (fixture.runs.length <= times) throw hostHung('run', 'it stopped answering');
    return answer(run);
  };
}

test(`${promise('UNBLOCK')} a host that hangs once costs neither the message nor an attempt`, async () => {
  const fixture = createFixture();
  const { turnId } = await fixture.say('hello');
  hanging(fixture, 1);
  expect(await fixture.step()).toBe('done');
  expect(fixture.sent).toMatchObject([{ reply: { outcome: 'ok', text: 'heard hello' } }]);
  expect(await fixture.deps.store.getTurn('default' as never, turnId)).toMatchObject({ attempts: 1 });
  expect(fixture.open.size).toBe(0);
});

test(`${promise('UNBLOCK')} one that hangs twice in the same step is given up, with a reply that says so`, async () => {
  const fixture = createFixture();
  await fixture.say('hello');
  hanging(fixture, 9);
  expect(await fixture.step()).toBe('dead');
  expect(fixture.runs).toHaveLength(2);
  expect(fixture.sent).toMatchObject([{ reply: { outcome: 'failed', code: 'agent-hung' } }]);
  expect(fixture.sent[0]?.reply.text).toContain('stopped responding twice while working on this message');
  fixture.agent = async (run) => answer(run);
  await fixture.say('again');
  expect(await fixture.step()).toBe('done');
});

test('in two different steps it may hang once each', async () => {
  const fixture = createFixture();
  await fixture.say('hello');
  hanging(fixture, 1);
  let restores = 0;
  const state: Fixture['deps']['state'] = {
    ...fixture.deps.state,
    async restore(head, directory) {
      restores++;
      if (restores === 1) throw hostHung('restore', 'it took too long');
      return await fixture.deps.state.restore(head, directory);
    },
  };
  expect(await fixture.step({ state })).toBe('done');
  expect(restores).toBe(3);
});

test('the second host goes on from what was saved on the way', async () => {
  const fixture = createFixture();
  const { deps, clock } = fixture;
  await fixture.say('hello');
  fixture.agent = async (run) => {
    if (fixture.runs.length > 1) return answer(run);
    run.progress({ type: 'text', text: 'so far' });
    await clock.advance(1_000);
    throw hostHung('run', 'it stopped answering');
  };
  const timing = { ...deps.timing, checkpointEveryMs: 1_000 };
  expect(await fixture.step({ timing })).toBe('done');
  expect(fixture.runs.map(({ continuing, resume }) => [continuing, resume])).toEqual([
    [false, false],
    [true, true],
  ]);
  expect(fixture.sent).toMatchObject([{ reply: { outcome: 'ok' } }]);
});

describe('hung when it was to end anyway', () => {
  test(`${promise('LONG')} at a deadline the turn is continued elsewhere`, async () => {
    const fixture = createFixture();
    await fixture.say('hello');
    const deadline = new AbortController();
    fixture.agent = async () => {
      deadline.abort();
      throw hostHung('run', 'it took too long');
    };
    expect(await fixture.step({}, deadline.signal)).toBe('continue');
    expect(fixture.runs).toHaveLength(1);
    fixture.agent = async (run) => answer(run);
    expect(await fixture.step()).toBe('done');
    expect(fixture.sent).toMatchObject([{ reply: { outcome: 'ok' } }]);
  });
});

test.each(['restore', 'run', 'save'])(
  'over a limit in %s: the person reads which one, and nothing is tried again',
  async (step) => {
    const fixture = createFixture();
    await fixture.say('hello');
    const over = () => {
      throw hostOverLimit(
        'memoryBytes',
        'The programs of this session used more than 2.0 GB of memory together.',
      );
    };
    const { state } = fixture.deps;
    if (step === 'run') fixture.agent = async () => over();
    const outcome = await fixture.step({
      state: {
        ...state,
        restore: step === 'restore' ? async () => over() : state.restore,
        checkpoint: step === 'save' ? async () => over() : state.checkpoint,
      },
    });
    expect(outcome).toBe('done');
    expect(fixture.runs.length).toBeLessThanOrEqual(1);
    const [sent] = fixture.sent;
    expect(sent?.reply).toMatchObject({ outcome: 'failed', code: 'over-limit' });
    expect(sent?.reply.text).toContain('more than 2.0 GB of memory');
    expect(sent?.reply.text).toContain('Ask me for less at a time');
    expect(sent?.reply.text).toContain('`limits.memoryBytes`');
    fixture.agent = async (run) => answer(run);
    await fixture.say('and now');
    expect(await fixture.step()).toBe('done');
    expect(fixture.sent).toHaveLength(2);
  },
);
