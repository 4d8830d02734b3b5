// Outages of minutes and hours, by the clock: what the person reads, how often the part is asked, and that nothing is
// burned. One table for every part that a turn can do nothing without.

import { describe, expect, test } from 'vitest';
import { Ambiguous, Refused } from '../../src/core/errors.ts';
import { tenantOf } from '../../src/core/ids.ts';
import type { TurnEvent } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { outageWaitMs, waitingText } from '../../src/core/waiting.ts';
import type { WorkerDeps } from '../../src/core/worker.ts';
import type { WorkerParts } from '../../testing/worker-parts.ts';
import { createFixture, type Fixture } from './fixture.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

interface Seen {
  readonly atMs: number;
  readonly event: TurnEvent;
}

/** The channel of a fixture, with what it shows. */
function watched(fixture: Fixture): { readonly seen: Seen[]; readonly channels: WorkerDeps['channels'] } {
  const seen: Seen[] = [];
  const channel = fixture.deps.channels.get('http')!;
  const open = () => ({
    push: (event: TurnEvent) => void seen.push({ atMs: fixture.clock.now(), event }),
    async close() {},
  });
  return { seen, channels: new Map([['http', { ...channel, open }]]) };
}

/** Works until the turn has ended, a second at a time; returns when the part was tried. */
async function work(fixture: Fixture, overrides: Partial<WorkerParts>, maxMs: number): Promise<string> {
  const untilMs = fixture.clock.now() + maxMs;
  while (fixture.clock.now() < untilMs) {
    let outcome: string | null | undefined;
    const step = fixture.step(overrides).then((kind) => (outcome = kind));
    while (outcome === undefined) {
      await new Promise((resolve) => setImmediate(resolve));
      if (outcome === undefined) await fixture.clock.advance(1_000);
    }
    await step;
    if (outcome === 'done' || outcome === 'dead') return outcome;
    await fixture.clock.advance(5_000);
  }
  return 'still waiting';
}

type Part = 'model' | 'store at begin' | 'store at restore' | 'store at commit' | 'store, answers lost';

/** `fixture` with one part away until `backAtMs`; `asked` notes every try at it. */
function away(fixture: Fixture, part: Part, backAtMs: number, asked: number[]): Partial<WorkerParts> {
  const { deps } = fixture;
  const ask = (error: Error): void => {
    if (fixture.clock.now() >= backAtMs) return;
    asked.push(fixture.clock.now());
    throw error;
  };
  const gone = new Refused('store-unavailable', 'away');
  if (part === 'model') {
    fixture.agent = async () => {
      try {
        ask(gone);
        return { status: 'ok', text: 'back', demo: false };
      } catch {
        const failure = { code: 'model-unavailable', message: '529', status: 529 } as const;
        return { status: 'failed', text: '', demo: false, failure };
      }
    };
    return {};
  }
  fixture.agent = async () => ({ status: 'ok', text: 'back', demo: false });
  if (part === 'store at begin') {
    const begin: typeof deps.store.begin = async (input) => {
      ask(gone);
      return await deps.store.begin(input);
    };
    return { store: { ...deps.store, begin } };
  }
  if (part === 'store at restore') {
    const restore: typeof deps.state.restore = async (...input) => {
      ask(gone);
      return await deps.state.restore(...input);
    };
    return { state: { ...deps.state, restore } };
  }
  const error = part === 'store at commit' ? gone : new Ambiguous('no-answer', 'lost');
  const commit: typeof deps.store.commit = async (input) => {
    ask(error);
    return await deps.store.commit(input);
  };
  return { store: { ...deps.store, commit } };
}

const PARTS: readonly Part[] = [
  'model',
  'store at begin',
  'store at restore',
  'store at commit',
  'store, answers lost',
];

describe.each(PARTS)(`${promise('HEARD')} %s away`, (part) => {
  test.each([
    ['two minutes', 2 * MINUTE_MS],
    ['an hour', HOUR_MS],
    ['a day and a half', 36 * HOUR_MS],
  ])('for %s: said within 30 s, asked ever less often, and the message is answered', async (_, lengthMs) => {
    const fixture = createFixture();
    const { seen, channels } = watched(fixture);
    const asked: number[] = [];
    const request = await fixture.say('hello');
    const startedAtMs = fixture.clock.now();
    const overrides = { ...away(fixture, part, startedAtMs + lengthMs, asked), channels };
    expect(await work(fixture, overrides, lengthMs + 15 * MINUTE_MS)).toBe('done');
    expect(fixture.sent.map(({ reply }) => reply.text)).toEqual(['back']);
    const turn = await fixture.deps.store.getTurn(tenantOf(request.sessionKey), request.turnId);
    expect(turn).toMatchObject({ status: 'delivered', attempts: 1 });

    const said = seen.filter(({ event }) => event.type === 'status' && event.status === 'waiting');
    expect(said[0]!.atMs - startedAtMs).toBeLessThanOrEqual(30_000);
    const hours = lengthMs / HOUR_MS;
    // A write is first repeated in place for a minute, with the agent's answer at hand.
    const inPlace = part === 'store at commit' || part === 'store, answers lost' ? 12 : 1;
    expect(asked.length).toBeLessThanOrEqual(inPlace * (8 + 7 * hours));
    expect(fixture.clock.now() - startedAtMs - lengthMs).toBeLessThanOrEqual(12 * MINUTE_MS);
  });
});

test(`${promise('HEARD')} the time that the model's server names is kept to the second, and told`, async () => {
  const fixture = createFixture();
  const { seen, channels } = watched(fixture);
  const asked: number[] = [];
  fixture.agent = async () => {
    asked.push(fixture.clock.now());
    if (asked.length > 1) return { status: 'ok', text: 'back', demo: false };
    const failure = {
      code: 'model-unavailable',
      message: '429',
      status: 429,
      retryAfterMs: 900_000,
    } as const;
    return { status: 'failed', text: '', demo: false, failure };
  };
  await fixture.say('hello');
  expect(await work(fixture, { channels }, HOUR_MS)).toBe('done');
  const waitedMs = asked[1]! - asked[0]!;
  expect(waitedMs).toBeGreaterThanOrEqual(900_000);
  expect(waitedMs).toBeLessThanOrEqual(906_000);
  expect(seen.map(({ event }) => event)).toContainEqual({
    type: 'status',
    status: 'waiting',
    waitingFor: 'model',
    nextTryAtMs: asked[0]! + 900_000,
  });
});

test(`${promise('APART', 'ORDER')} a conversation that waits holds up no other, and keeps its own order`, async () => {
  const fixture = createFixture();
  let isAway = true;
  fixture.agent = async ({ request }) =>
    isAway && request.text.startsWith('stuck')
      ? { status: 'failed', text: '', demo: false, failure: { code: 'model-unavailable', message: '529' } }
      : { status: 'ok', text: `heard ${request.text}`, demo: false };
  await fixture.say('stuck', { chat: 'a' });
  await fixture.say('behind it', { chat: 'a' });
  await fixture.say('elsewhere', { chat: 'b' });
  await fixture.step();
  await fixture.step();
  expect(fixture.sent.map(({ reply }) => reply.text)).toEqual(['heard elsewhere']);
  isAway = false;
  await fixture.clock.advance(15_000);
  await fixture.step();
  await fixture.step();
  expect(fixture.sent.map(({ reply }) => reply.text)).toEqual([
    'heard elsewhere',
    'heard stuck',
    'heard behind it',
  ]);
});

describe('a server error that lasts', () => {
  async function failing(status: number, answersOthers: boolean) {
    const fixture = createFixture();
    fixture.agent = async () => {
      const failure = { code: 'model-unavailable', message: `HTTP ${status}`, status } as const;
      return { status: 'failed', text: '', demo: false, failure };
    };
    const runner = { ...fixture.deps.runner, modelAnswers: async () => answersOthers };
    await fixture.say('poison');
    await fixture.say('next');
    const outcome = await work(fixture, { runner }, 3 * HOUR_MS);
    return { fixture, outcome };
  }

  test(`${promise('UNBLOCK')} for this message alone ends in an honest reply with a way on, and the chat goes on`, async () => {
    const { fixture, outcome } = await failing(500, true);
    expect(outcome).toBe('dead');
    expect(fixture.sent.map(({ reply }) => reply.code)).toEqual(['model-refuses']);
    expect(fixture.sent[0]!.reply.text).toMatch(/send it again[\s\S]*\/new/);
    fixture.agent = async () => ({ status: 'ok', text: 'fine', demo: false });
    expect(await fixture.step()).toBe('done');
  });

  test.each([
    [500, false],
    [503, true],
    [529, true],
  ])('HTTP %i, others answered %s: is an outage, and waited out', async (status, answersOthers) => {
    expect((await failing(status, answersOthers)).outcome).toBe('still waiting');
  });
});

test('waits grow from 15 s to 10 min and never beyond', () => {
  for (let tries = 1; tries < 2_000; tries++) {
    const waitMs = outageWaitMs(tries);
    expect(waitMs).toBeGreaterThanOrEqual(13_500);
    expect(waitMs).toBeLessThanOrEqual(600_000);
  }
  expect(outageWaitMs(50)).toBeGreaterThanOrEqual(540_000);
});

test('a time that the other side names is kept, but not for ever where it is not true', () => {
  expect(outageWaitMs(1, 20_000)).toBe(20_000);
  expect(outageWaitMs(20, 20_000)).toBe(20_000);
  expect(outageWaitMs(21, 20_000)).toBeGreaterThanOrEqual(540_000);
  expect(outageWaitMs(21, HOUR_MS)).toBe(HOUR_MS);
});

test.each([0, 1_000, 15_000, 60_000])(
  `${promise('HEARD')} a model that names %d ms at every try, for days, does not use up what a queue counts`,
  (namedMs) => {
    // The most that SQS lets a message be received, as src/cdk/queues.ts sets it.
    let waitedMs = 0;
    for (let receives = 1; receives < 1_000; receives++) waitedMs += outageWaitMs(receives, namedMs);
    expect(waitedMs).toBeGreaterThan(6 * 24 * HOUR_MS);
  },
);

test('what is said names the part, that the message is kept, and when', () => {
  const text = waitingText({ waitingFor: 'model', nextTryAtMs: Date.UTC(2026, 0, 2, 3, 4, 5) });
  expect(text).toMatch(/model.*Your message is kept\. Next try at 03:04:05 UTC\./);
  expect(waitingText({ waitingFor: 'store', nextTryAtMs: null })).not.toMatch(/Next/);
  expect(waitingText({ waitingFor: 'setup', nextTryAtMs: null })).toMatch(/setting of this installation/);
});
