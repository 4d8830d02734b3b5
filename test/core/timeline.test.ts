import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Refused } from '../../src/core/errors.ts';
import { type SessionKey, type TurnId, tenantOf } from '../../src/core/ids.ts';
import type { TurnEvent } from '../../src/core/ports.ts';
import { recordTimeline } from '../../src/core/record-timeline.ts';
import type { ClosedTurn, TurnPoint } from '../../src/core/running-turn.ts';
import type { Timeline } from '../../src/core/timeline.ts';
import { createFixture, type Fixture } from './fixture.ts';

const OUTER = ['queue', 'lease', 'host', 'restore', 'agent', 'checkpoint', 'commit', 'deliver'];
const outerOf = ({ spans }: Timeline) => spans.filter(({ kind }) => OUTER.includes(kind));

async function lineOf({ deps }: Fixture, sessionKey: SessionKey, turnId: TurnId) {
  return await deps.store.getTurn(tenantOf(sessionKey), turnId);
}

test('a turn leaves its timeline with its line, from the message to the delivered reply', async () => {
  const fixture = createFixture();
  const closed: ClosedTurn[] = [];
  const { clock } = fixture;
  const now = () => clock.now();
  fixture.agent = async (run) => {
    await clock.advance(400);
    run.progress({ type: 'text', text: 'I am' });
    run.progress({ type: 'tool', id: 't', name: 'Bash', summary: 'ls', state: 'started', input: 'secret' });
    await clock.advance(250);
    run.progress({ type: 'tool', id: 't', name: 'Bash', summary: 'ls', state: 'done', result: 'secret' });
    const calls = [{ fromMs: now() - 650, toMs: now() - 300 }];
    return { status: 'ok', text: 'here', demo: false, calls };
  };
  fixture.beforeSend = () => clock.advance(30);
  const { sessionKey, turnId } = await fixture.say('hello');
  await clock.advance(70);
  expect(await fixture.step({ onClosed: (turn) => void closed.push(turn) })).toBe('done');
  const line = await lineOf(fixture, sessionKey, turnId);
  expect(line?.timeline).toEqual({
    attempt: 1,
    spans: [
      { kind: 'queue', fromMs: 0, toMs: 70 },
      { kind: 'lease', fromMs: 70, toMs: 70 },
      { kind: 'host', fromMs: 70, toMs: 70 },
      { kind: 'restore', fromMs: 70, toMs: 70 },
      { kind: 'agent', fromMs: 70, toMs: 720 },
      { kind: 'model', fromMs: 70, toMs: 420 },
      { kind: 'tool', name: 'Bash', fromMs: 470, toMs: 720 },
      { kind: 'checkpoint', fromMs: 720, toMs: 720 },
      { kind: 'commit', fromMs: 720, toMs: 720 },
      { kind: 'deliver', fromMs: 720, toMs: 750 },
    ],
    firstTextMs: 470,
    totalMs: 750,
    host: { start: 'new', waitedMs: expect.any(Number), restoredBytes: 0, savedBytes: 0 },
  });
  expect(closed).toMatchObject([{ outcome: 'ok', timeline: line?.timeline, request: { turnId } }]);
  expect(JSON.stringify(line?.timeline)).not.toContain('secret');
});

test('an attempt that failed is waiting in the timeline of the one that ends the turn', async () => {
  const fixture = createFixture();
  let tries = 0;
  fixture.agent = async () => {
    await fixture.clock.advance(500);
    if (tries++ === 0) throw new Refused('disk-full', 'full');
    return { status: 'ok', text: 'here', demo: false };
  };
  const { sessionKey, turnId } = await fixture.say('hello');
  expect(await fixture.step()).toBe('retry');
  await fixture.clock.advance(60_000);
  expect(await fixture.step()).toBe('done');
  const timeline = (await lineOf(fixture, sessionKey, turnId))?.timeline;
  expect(timeline?.spans[0]).toEqual({ kind: 'queue', fromMs: 0, toMs: 60_500 });
  expect(timeline?.totalMs).toBe(61_000);
});

test('a reply that another worker delivers has the spans of that delivery only', async () => {
  const fixture = createFixture();
  let sends = 0;
  fixture.beforeSend = () => {
    if (sends++ === 0) throw new Refused('slow-down', 'not now', { retryAfterMs: 60_000 });
  };
  const { sessionKey, turnId } = await fixture.say('hello');
  await fixture.step();
  await fixture.clock.advance(60 * 60_000);
  expect(await fixture.step()).toBe('done');
  const timeline = (await lineOf(fixture, sessionKey, turnId))?.timeline;
  expect(timeline?.spans.map(({ kind }) => kind)).toEqual(['queue', 'lease', 'deliver']);
  expect(timeline?.host).toBeNull();
});

test('whatever happens when, spans follow each other, inner ones lie in the agent, and the whole stays small', () => {
  const points: TurnPoint[] = [
    'before-lease',
    'after-lease',
    'after-restore',
    'mid-run',
    'after-agent',
    'after-pack',
    'after-commit',
    'after-send',
  ];
  const step = fc.oneof(
    fc.record({ type: fc.constant('clock' as const), ms: fc.integer({ min: -5_000, max: 60_000 }) }),
    fc.record({ type: fc.constant('point' as const) }),
    fc.record({
      type: fc.constant('tool' as const),
      id: fc.integer({ min: 0, max: 600 }),
      state: fc.constantFrom('started', 'done', 'failed'),
    }),
    fc.record({ type: fc.constant('text' as const) }),
    fc.record({ type: fc.constant('call' as const), fromMs: fc.integer(), tookMs: fc.integer({ min: 0 }) }),
  );
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 1_000 }),
      fc.integer({ min: -10_000, max: 10_000 }),
      (steps, skewMs) => {
        let nowMs = 1_000_000 + skewMs;
        const recorder = recordTimeline({ receivedAtMs: 1_000_000 }, { now: () => nowMs });
        const left = [...points];
        const calls: { fromMs: number; toMs: number }[] = [];
        for (const one of steps) {
          if (one.type === 'clock') nowMs += one.ms;
          else if (one.type === 'point' && left.length > 0) recorder.at(left.shift()!);
          else if (one.type === 'text') recorder.progress({ type: 'text', text: 'x' });
          else if (one.type === 'call') calls.push({ fromMs: one.fromMs, toMs: one.fromMs + one.tookMs });
          else if (one.type === 'tool') {
            const event = {
              type: 'tool',
              id: String(one.id),
              name: 'N'.repeat(500),
              summary: '',
              state: one.state,
            };
            recorder.progress(event as TurnEvent);
          }
        }
        recorder.host({ start: 'new', waitedMs: 1e6, restoredBytes: 1, savedBytes: 1 });
        recorder.calls(calls);
        for (const point of left) recorder.at(point);
        const timeline = recorder.done(1);
        let lastMs = 0;
        for (const { fromMs, toMs } of outerOf(timeline)) {
          expect(fromMs).toBe(lastMs);
          expect(toMs).toBeGreaterThanOrEqual(fromMs);
          lastMs = toMs;
        }
        expect(timeline.totalMs).toBe(lastMs);
        const agent = timeline.spans.find(({ kind }) => kind === 'agent')!;
        for (const span of timeline.spans.filter(({ kind }) => kind === 'model' || kind === 'tool')) {
          expect(span.fromMs).toBeGreaterThanOrEqual(agent.fromMs);
          expect(span.toMs).toBeLessThanOrEqual(agent.toMs);
          expect(span.toMs).toBeGreaterThanOrEqual(span.fromMs);
        }
        expect(JSON.parse(JSON.stringify(timeline))).toEqual(timeline);
        expect(JSON.stringify(timeline).length).toBeLessThan(8_000);
      },
    ),
  );
});
