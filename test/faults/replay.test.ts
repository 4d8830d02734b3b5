// A short, seeded fault run on every change: real processes, real adapters, a few dozen faults; shorter still without
// `npm run test:all`. Longer runs: `npm run faults` (docs/reliability.md).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { dynamoDbLocalLacks } from '../../testing/aws/dynamodb-local.ts';
import { ACTS } from '../../testing/faults/act.ts';
import { createPlan } from '../../testing/faults/plan.ts';
import { historyOf } from '../../testing/faults/report.ts';
import { type RunResult, runFaults } from '../../testing/faults/run.ts';
import { THOROUGH } from '../thorough.ts';
import { WAIT_MS } from '../waiting.ts';

const ALL = promise('ONCE-IN', 'ORDER', 'ATOMIC', 'FENCED', 'ONCE-OUT', 'ACKED', 'NO-AMNESIA');
const codeFolder = mkdtempSync(join(tmpdir(), 'hybrid-faults-code-'));
afterAll(() => rmSync(codeFolder, { recursive: true, force: true }));
const common = { store: 'local', codeFolder, restWithinMs: WAIT_MS } as const;

/** What did not hold, with how it came to that. */
function told(result: RunResult): string {
  return result.failures
    .map(({ rule, message, text }) =>
      [`${rule} #m${message}: ${text}`, ...(message === null ? [] : historyOf(result.history, message))].join(
        '\n',
      ),
    )
    .join('\n');
}

for (const [seed, hosts] of THOROUGH
  ? ([
      [7, true],
      [11, false],
    ] as const)
  : ([[7, true]] as const)) {
  test.concurrent(`${ALL} 20 turns under faults, seed ${seed}, host processes: ${hosts}`, async ({
    expect,
  }) => {
    const plan = createPlan({ seed, turns: 20, chats: 5, agent: 'light', hosts });
    const result = await runFaults({ ...common, plan, agent: 'light', hosts });
    expect(told(result)).toBe('');
    expect(result.history.filter(({ what }) => what === 'fault').length).toBeGreaterThan(5);
    expect(result.sent.filter(({ message }) => !message.act)).toHaveLength(20);
  });
}

test.concurrent(`${ALL} a few turns with the real CLI`, async ({ expect }) => {
  const plan = createPlan({
    seed: 5,
    turns: 3,
    chats: 2,
    agent: 'real',
    hosts: true,
    workers: 2,
    faultRate: 1,
  });
  const result = await runFaults({ ...common, plan, agent: 'real', hosts: true });
  expect(told(result)).toBe('');
});

test.skipIf(dynamoDbLocalLacks() !== null)(
  `${ALL} a few turns over DynamoDB Local and the S3 and SQS stand-ins`,
  async () => {
    const turns = THOROUGH ? 10 : 5;
    const plan = createPlan({ seed: 2, turns, chats: 4, agent: 'light', hosts: true, faultRate: 0.7 });
    const result = await runFaults({ ...common, store: 'aws', plan, agent: 'light', hosts: true });
    expect(told(result)).toBe('');
    expect(result.sent.filter(({ message }) => !message.act)).toHaveLength(turns);
  },
);

test('what people do besides writing leaves the messages and faults of a seed as they are', () => {
  const options = { seed: 3, turns: 80, chats: 8, agent: 'light', hosts: true } as const;
  const [plain, full] = [createPlan({ ...options, acts: false }), createPlan(options)];
  expect(full.messages.filter(({ act }) => !act)).toEqual(plain.messages);
  expect(full.faults.slice(0, plain.faults.length)).toEqual(plain.faults);
  const plans = [1, 2, 3, 4].map((seed) => createPlan({ ...options, seed }));
  const kinds = plans.flatMap(({ messages }) => messages.flatMap(({ act }) => act?.kind ?? []));
  expect(new Set(kinds)).toEqual(new Set(ACTS));
  const ids = full.faults.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test('the same seed makes the same plan, another one another', () => {
  const options = { turns: 50, chats: 4, agent: 'light' } as const;
  expect(createPlan({ seed: 3, ...options })).toEqual(createPlan({ seed: 3, ...options }));
  expect(createPlan({ seed: 4, ...options }).faults).not.toEqual(createPlan({ seed: 3, ...options }).faults);
});
