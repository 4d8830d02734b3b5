// Every promise broken on purpose once: the kit must notice each, every time and for its own reason, and must find
// nothing where nothing is broken. In short: one way to break each promise.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { mutationPlan } from '../../testing/faults/mutation-plan.ts';
import { MUTATIONS, type Mutation, OF_HOSTS, OF_HOT } from '../../testing/faults/mutations.ts';
import { runFaults } from '../../testing/faults/run.ts';
import { THOROUGH } from '../thorough.ts';
import { WAIT_MS } from '../waiting.ts';

interface Broken {
  readonly promise: string;
  /** The checker's rule that must be among those that failed. */
  readonly rule: string;
  /** Where the broken promise leaves turns that never end: there is no use in waiting long for those. */
  readonly restWithinMs?: number;
}

const BROKEN: Readonly<Record<Mutation, Broken>> = {
  'skip-fence': { promise: promise('FENCED'), rule: 'fenced' },
  'skip-ledger': { promise: promise('ONCE-OUT'), rule: 'once-out' },
  'deliver-before-commit': { promise: promise('ATOMIC'), rule: 'one-reply' },
  'swallow-upload': { promise: promise('NO-AMNESIA'), rule: 'whole' },
  'ack-first': { promise: promise('ACKED'), rule: 'settled', restWithinMs: 6_000 },
  'no-dedupe': { promise: promise('ONCE-IN'), rule: 'once-in' },
  'out-of-order': { promise: promise('ORDER'), rule: 'order' },
  'empty-session': { promise: promise('NO-AMNESIA'), rule: 'memory' },
  'two-step-commit': { promise: promise('ATOMIC'), rule: 'transcript' },
  'forget-continuation': { promise: promise('ACKED'), rule: 'settled', restWithinMs: 6_000 },
  // A message that nothing happened to but that it took long, and that is given up all the same.
  'never-extend': { promise: promise('ORDER'), rule: 'answer' },
  'lose-retries': { promise: promise('ACKED'), rule: 'settled', restWithinMs: 6_000 },
  'send-anew': { promise: promise('ONCE-OUT'), rule: 'one-reply' },
  'leak-files': { promise: promise('WHOLE'), rule: 'apart' },
  'trust-hosts': { promise: promise('NO-AMNESIA'), rule: 'host-lied' },
  'outlive-worker': { promise: promise('FORGET'), rule: 'host-left' },
  'wait-for-hung': { promise: promise('UNBLOCK'), rule: 'settled', restWithinMs: 12_000 },
  'stale-hot': { promise: promise('NO-AMNESIA'), rule: 'memory' },
  'press-twice': { promise: promise('ASK'), rule: 'ask' },
  'lose-steering': { promise: promise('ONCE-IN'), rule: 'told' },
  // Undone and still there.
  'undo-keeps-files': { promise: promise('WHOLE'), rule: 'workspace' },
  'erase-ledger-only': { promise: promise('EXPIRE'), rule: 'erased' },
  'move-anew': { promise: promise('NO-AMNESIA'), rule: 'session' },
  'wake-twice': { promise: promise('ONCE-IN'), rule: 'once-in' },
};

const codeFolder = mkdtempSync(join(tmpdir(), 'hybrid-faults-code-'));
afterAll(() => rmSync(codeFolder, { recursive: true, force: true }));

const common = { store: 'local', agent: 'light', codeFolder, restWithinMs: WAIT_MS } as const;

/** One for each promise, the quickest. */
const IN_SHORT: readonly Mutation[] = [
  'skip-fence',
  'skip-ledger',
  'no-dedupe',
  'out-of-order',
  'empty-session',
  'two-step-commit',
  'forget-continuation',
  'leak-files',
  'press-twice',
  'erase-ledger-only',
  'outlive-worker',
  'wait-for-hung',
];

test('the part in short breaks every promise once', () => {
  expect(IN_SHORT.map((mutation) => BROKEN[mutation].promise).sort()).toEqual(
    [...new Set(Object.values(BROKEN).map((broken) => broken.promise))].sort(),
  );
});

for (const mutation of THOROUGH ? MUTATIONS : IN_SHORT) {
  const { promise: broken, rule, restWithinMs = common.restWithinMs } = BROKEN[mutation];
  test.concurrent(`${broken} the kit notices: ${mutation}`, async ({ expect }) => {
    const hosts = OF_HOSTS.has(mutation);
    const result = await runFaults({
      ...common,
      ...(OF_HOT.has(mutation) && { agent: 'real' as const }),
      plan: mutationPlan(mutation),
      mutation,
      hosts,
      restWithinMs,
    });
    expect(result.failures.map((failure) => failure.rule)).toContain(rule);
  });
}

// Last, and alone: the others start a dozen processes each. In short, replay.test.ts shows the same.
if (THOROUGH)
  test.each([false, true])(
    'with nothing broken, the same faults break nothing (host processes: %s)',
    async (hosts) => {
      const result = await runFaults({ ...common, plan: mutationPlan(null), hosts });
      expect(result.failures).toEqual([]);
      expect(result.passed).toBeGreaterThan(150);
      const lies = result.history.filter(({ what, barred }) => what === 'lied' && barred);
      expect(lies.length).toBe(hosts ? 3 : 0);
    },
  );
