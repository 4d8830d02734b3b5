// The simulation behind docs/scaling.md, against what must hold of any queueing system.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventQueue } from '../../bench/scaling/event-queue.ts';
import { DEFAULT_QUOTAS } from '../../bench/scaling/quotas.ts';
import { type Scenario, simulate, TYPICAL_SCENARIO } from '../../bench/scaling/simulate.ts';

const UNLIMITED = {
  queues: 1_000,
  quotas: { ...DEFAULT_QUOTAS, concurrency: 1e9, rampPer10Sec: 1e9, queueRampPerMin: 1e9 },
};
const scenario = (part: Partial<Scenario> = {}): Scenario => ({
  ...TYPICAL_SCENARIO,
  people: { conversations: 20_000, turnsPerDay: 10, turnsPerSitting: 4, pauseSec: 45 },
  pattern: 'even',
  agents: 'isolated',
  ...part,
});

test('events come out by time, and in the order they came in within one moment', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (times) => {
      const queue = new EventQueue<number>();
      for (const [order, at] of times.entries()) queue.push(at, order);
      const out = times.map(() => queue.pop());
      expect(out).toEqual(
        times.map((_, order) => order).sort((a, b) => (times[a] ?? 0) - (times[b] ?? 0) || a - b),
      );
      expect(queue.nextAt()).toBe(Number.POSITIVE_INFINITY);
    }),
  );
});

describe('whatever the quotas and the pattern', () => {
  const scenarios = fc.record({
    seed: fc.integer(),
    agents: fc.constantFrom('isolated' as const, 'shared' as const),
    pattern: fc.constantFrom('even' as const, 'busy-hour' as const, 'broadcast' as const),
    concurrency: fc.integer({ min: 3, max: 300 }),
    idleSec: fc.integer({ min: 0, max: 900 }),
  });

  test('each message has finished, runs or waits, and no quota is passed', () => {
    fc.assert(
      fc.property(scenarios, ({ concurrency, ...part }) => {
        const quotas = { ...DEFAULT_QUOTAS, concurrency };
        const outcome = simulate(scenario({ ...part, quotas, seconds: 600, warmUpSec: 300 }));
        expect(outcome.finished + outcome.running + outcome.waiting).toBe(outcome.turns);
        expect(outcome.waiting).toBeGreaterThanOrEqual(0);
        expect(outcome.load.executions).toBeLessThanOrEqual(1);
        expect(outcome.load['new environments']).toBeLessThanOrEqual(1);
        expect(outcome.load['turns at once of a queue']).toBeLessThanOrEqual(1);
      }),
      { numRuns: 40 },
    );
  });

  test('the seed decides everything', () => {
    expect(simulate(scenario({ seed: 7 }))).toEqual(simulate(scenario({ seed: 7 })));
    expect(simulate(scenario({ seed: 8 }))).not.toEqual(simulate(scenario({ seed: 7 })));
  });
});

test('with nothing refused, people wait for their own conversation only, and what is held follows Little', () => {
  const outcome = simulate(scenario({ ...UNLIMITED, agents: 'shared', seconds: 3_600 }));
  expect(outcome.waitSec.median).toBe(0);
  const perSec = (20_000 * 10) / 86_400;
  expect(outcome.peak.executions).toBeGreaterThan(perSec * outcome.heldSec);
  expect(outcome.peak.executions).toBeLessThan(perSec * outcome.heldSec * 3);
});

test('a sitting finds its process alive from its second turn on, and never where nothing is kept', () => {
  // The first of four turns on average is the one that starts a process.
  expect(simulate(scenario({ ...UNLIMITED, idleSec: 3_000 })).hotShare).toBeGreaterThan(0.7);
  expect(simulate(scenario({ ...UNLIMITED, idleSec: 3_000 })).hotShare).toBeLessThan(0.85);
  // A message that waits behind its own conversation comes at the very moment at which the turn before it ends.
  expect(simulate(scenario({ ...UNLIMITED, idleSec: 0 })).hotShare).toBeLessThan(0.01);
});

test('a quota that is too small is named, and one that is raised ends the waiting', () => {
  const small = simulate(scenario({ pattern: 'busy-hour', quotas: { ...DEFAULT_QUOTAS, concurrency: 100 } }));
  expect(small.waitSec.p99).toBeGreaterThan(60);
  expect(Math.max(...Object.values(small.load))).toBeGreaterThan(0.98);
  const raised = simulate(
    scenario({ pattern: 'busy-hour', quotas: { ...DEFAULT_QUOTAS, concurrency: 2_000 } }),
  );
  expect(raised.waitSec.p99).toBeLessThan(30);
});
