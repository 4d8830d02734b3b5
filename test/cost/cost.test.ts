// The cost formula: what must hold of it whatever the use, and that it charges what docs/aws-calls.md counts.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ALTERNATIVES, breakEvenUsers, OURS, turnsFor } from '../../src/cost/alternatives.ts';
import { awsPricesSchema, US_EAST_1 } from '../../src/cost/aws-prices.ts';
import { chartPage } from '../../src/cost/chart.ts';
import { monthlyCost, sum, TYPICAL, turnCost, type Usage } from '../../src/cost/turn-cost.ts';

const usages = fc.record({
  users: fc.integer({ min: 1, max: 100_000 }),
  turnsPerDay: fc.integer({ min: 1, max: 200 }),
  secondsPerTurn: fc.double({ min: 0.5, max: 800, noNaN: true }),
  hotRate: fc.double({ min: 0, max: 1, noNaN: true }),
  memoryMb: fc.integer({ min: 128, max: 10_240 }),
  agents: fc.constantFrom('isolated' as const, 'shared' as const),
  modelCallsPerTurn: fc.integer({ min: 1, max: 50 }),
  promptMbPerTurn: fc.double({ min: 0, max: 50, noNaN: true }),
  storedMbPerUser: fc.double({ min: 0, max: 1_000, noNaN: true }),
});

const month = (usage: Usage) => monthlyCost(usage, US_EAST_1).dollars;

describe('whatever the use', () => {
  test('the month is its turns and what stands without them', () => {
    fc.assert(
      fc.property(usages, (usage) => {
        const { turns, perTurn, fixed, dollars } = monthlyCost(usage, US_EAST_1);
        expect(turns).toBe(usage.users * usage.turnsPerDay * 30);
        expect(dollars).toBeCloseTo(turns * sum(perTurn) + sum(fixed), 6);
        for (const part of [...perTurn, ...fixed]) expect(part.dollars).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  test('more users, longer turns and fewer hot ones never cost less', () => {
    fc.assert(
      fc.property(usages, fc.double({ min: 0, max: 1, noNaN: true }), (usage, less) => {
        expect(month({ ...usage, users: usage.users + 1 })).toBeGreaterThan(month(usage));
        expect(month({ ...usage, secondsPerTurn: usage.secondsPerTurn + 1 })).toBeGreaterThan(month(usage));
        expect(month({ ...usage, hotRate: usage.hotRate * less })).toBeGreaterThanOrEqual(month(usage));
      }),
    );
  });

  test('at a break-even point the cheaper one changes', () => {
    let crossings = 0;
    fc.assert(
      fc.property(
        usages,
        fc.constantFrom(...OURS),
        fc.constantFrom(...ALTERNATIVES),
        (usage, ours, other) => {
          const crossing = breakEvenUsers(ours, other, usage, US_EAST_1);
          if (crossing === null) return;
          crossings++;
          const oursCheaper = (users: number) =>
            ours.month({ ...usage, users }, US_EAST_1) <= other.month({ ...usage, users }, US_EAST_1);
          expect(oursCheaper(crossing.users)).toBe(crossing.cheaperAbove === 'ours');
          expect(oursCheaper(crossing.users - 1)).toBe(crossing.cheaperAbove === 'other');
        },
      ),
      { numRuns: 300 },
    );
    expect(crossings).toBeGreaterThan(0);
  });

  test('what a budget buys costs no more than the budget, and one turn more does', () => {
    fc.assert(
      fc.property(usages, fc.integer({ min: 10, max: 10_000 }), (usage, budget) => {
        const { perTurn, fixed } = monthlyCost({ ...usage, users: 1 }, US_EAST_1);
        const costOf = (turns: number) => turns * sum(perTurn) + sum(fixed);
        const turns = turnsFor(budget, usage, US_EAST_1);
        if (turns === 0) return;
        expect(costOf(turns)).toBeLessThanOrEqual(budget);
        expect(costOf(turns + 1)).toBeGreaterThan(budget);
      }),
    );
  });
});

/** US$ for a million turns, as the table of docs/aws-calls.md says in the row that begins so. */
function documented(row: string): number {
  const page = readFileSync(new URL('../../docs/aws-calls.md', import.meta.url), 'utf8');
  const line = page.split('\n').find((each) => each.startsWith(`| ${row}`)) ?? '';
  return Number(/\$([\d.]+) \|$/.exec(line)?.[1]);
}

test.each([
  ['a cold turn', { hotRate: 0 }, 'Next message |'],
  ['a hot turn', { hotRate: 1 }, 'Next message, on the worker'],
])('%s is charged the requests that are counted', (_, part, row) => {
  const usage: Usage = { ...TYPICAL, ...part, secondsPerTurn: 1, modelCallsPerTurn: 0 };
  const requests = ['queue', 'lease, ledger, usage counters', 'packs of the session'];
  const charged = sum(turnCost(usage, US_EAST_1).filter(({ name }) => requests.includes(name)));
  const counted = documented(row);
  expect(counted).toBeGreaterThan(0);
  // An S3 GET more or less is 0.4 for a million.
  expect(Math.abs(charged * 1e6 - counted)).toBeLessThan(2);
});

test('the price list is one that `--prices` takes, and a wrong field is refused', () => {
  expect(awsPricesSchema.parse(structuredClone(US_EAST_1))).toEqual(US_EAST_1);
  expect(awsPricesSchema.safeParse({ ...US_EAST_1, alarmMonths: 1 }).success).toBe(false);
  expect(awsPricesSchema.safeParse({ ...US_EAST_1, egressGb: -1 }).success).toBe(false);
});

test('the chart has every line, inside its frame', () => {
  const page = chartPage(TYPICAL, US_EAST_1);
  for (const { title } of [...OURS, ...ALTERNATIVES]) expect(page).toContain(title);
  const points = [...page.matchAll(/points="([^"]+)"/g)].flatMap(([, text]) => (text ?? '').split(' '));
  expect(points.length).toBeGreaterThan(100);
  for (const point of points) {
    const [x, y] = point.split(',').map(Number);
    expect(x).toBeGreaterThanOrEqual(0);
    expect(x).toBeLessThanOrEqual(920);
    expect(y).toBeGreaterThanOrEqual(0);
    expect(y).toBeLessThanOrEqual(520);
  }
});
