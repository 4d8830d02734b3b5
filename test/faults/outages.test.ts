// Parts that are away for minutes and hours, by the run's own clock: a short run on every change, and each promise broken
// once on purpose. In short: fewer turns over SQLite. Longer runs: `npm run faults -- --outages` (docs/reliability.md).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { dynamoDbLocalLacks } from '../../testing/aws/dynamodb-local.ts';
import { createOutagePlan, hourWithoutModel, PARTS } from '../../testing/faults/outages/plan.ts';
import { outageFailures } from '../../testing/faults/outages/report.ts';
import { runOutages } from '../../testing/faults/outages/run.ts';
import { OUTAGE_MUTATIONS, type OutageMutation } from '../../testing/faults/outages/worker.ts';
import { THOROUGH } from '../thorough.ts';

const ALL = promise('HEARD', 'APART', 'ONCE-IN', 'ONCE-OUT', 'ACKED', 'NO-AMNESIA');
const codeFolder = mkdtempSync(join(tmpdir(), 'hybrid-outages-code-'));
afterAll(() => rmSync(codeFolder, { recursive: true, force: true }));

/** Mutation -> the rule of the check that must be among those that fail. */
const RULES: Readonly<Record<OutageMutation, string>> = {
  'silent-wait': 'heard',
  'outage-as-failure': 'burnt',
};

for (const mutation of OUTAGE_MUTATIONS) {
  test(`${promise('HEARD')} the kit notices: ${mutation}`, async () => {
    const result = await runOutages({ plan: hourWithoutModel(), store: 'local', codeFolder, mutation });
    expect(result.failures.map(({ rule }) => rule)).toContain(RULES[mutation]);
  });
}

test(`${ALL} with nothing broken, the same hour breaks nothing`, async () => {
  const result = await runOutages({ plan: hourWithoutModel(), store: 'local', codeFolder });
  expect(outageFailures(result)).toBe('');
  // Seven tries of each of the two messages at least: it was waited out, not passed by.
  expect(result.history.filter(({ what }) => what === 'waits').length).toBeGreaterThan(14);
});

const TURNS = THOROUGH ? 24 : 8;
test(`${ALL} ${TURNS} turns while each part is away for minutes or hours`, async () => {
  const plan = createOutagePlan({ seed: 3, turns: TURNS, chats: 4 });
  const result = await runOutages({ plan, store: 'local', codeFolder });
  expect(outageFailures(result)).toBe('');
  expect(result.sent).toHaveLength(TURNS);
});

if (THOROUGH)
  test.skipIf(dynamoDbLocalLacks() !== null)(
    `${ALL} a few turns while DynamoDB, S3, SQS, the model and Telegram are away in turn`,
    async () => {
      const plan = createOutagePlan({ seed: 2, turns: 12, chats: 4 });
      const result = await runOutages({ plan, store: 'aws', codeFolder });
      expect(outageFailures(result)).toBe('');
      expect(result.sent).toHaveLength(12);
    },
  );

test('a plan has every part away, for minutes and for hours, and one part at a time', () => {
  for (const seed of [1, 2, 3]) {
    const { outages } = createOutagePlan({ seed, turns: 10, chats: 4 });
    const lasted = outages.map(({ fromMs, untilMs }) => (untilMs - fromMs) / 60_000);
    expect(new Set(outages.map(({ part }) => part))).toEqual(new Set(PARTS));
    expect(lasted.some((minutes) => minutes >= 60)).toBe(true);
    expect(lasted.some((minutes) => minutes < 60)).toBe(true);
    const overlapping = outages.filter(({ fromMs }, index) => fromMs < (outages[index - 1]?.untilMs ?? 0));
    expect(overlapping).toEqual([]);
  }
});
