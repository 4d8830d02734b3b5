// A session grows turn by turn through the real Agent SDK, each turn in a directory of its own: what a turn writes
// and what a restore reads must not grow with it. (The long run, over synthetic transcripts, is test/state/growth.)
import { afterAll, beforeAll, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import type { SessionHead } from '../../src/core/records.ts';
import { createSessionState } from '../../src/state/session-state.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/index.ts';
import { bash, createFixture, type Fixture, leaseOf } from '../agent/turn-fixture.ts';

const TURNS = 12;
const limits = { maxWorkspaceBytes: 1e8, maxWorkspaceFiles: 10_000 };

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.close());

test(`${promise('DELTA', 'WHOLE')} ${TURNS} turns through the real SDK, restored before each one`, async () => {
  const state = createSessionState({ objects: createMemoryObjectStore(), limits });
  const lease = leaseOf(fixture.lease.sessionId);
  let head: SessionHead = {
    tenant: lease.tenant,
    sessionId: lease.sessionId,
    sessionKey: lease.sessionKey,
    generation: 0,
    fence: 1,
    state: null,
    createdAtMs: 0,
    updatedAtMs: 0,
    expiresAtSec: 2 ** 31,
  };
  const written: number[] = [];
  const read: number[] = [];
  for (let turn = 1; turn <= TURNS; turn++) {
    await fixture.workplace.close(fixture.lease);
    const directory = await fixture.workplace.open(fixture.lease);
    const restored = await state.restore(head, directory);
    read.push(restored.objectsRead);
    const asked = bash(`echo line-${turn} >> diary.txt && wc -l < diary.txt`);
    const outcome = await fixture.turn(asked, { resume: turn > 1 });
    expect(outcome.text.trim(), `turn ${turn}`).toBe(String(turn));
    const generation = head.generation + 1;
    const saved = await state.checkpoint({
      head,
      generation,
      fence: 1,
      baseline: restored.baseline,
      directory,
    });
    written.push(saved.bytesWritten);
    head = { ...head, generation, state: saved.state };
    const merged = saved.compactionDue ? await state.compact(head, 1) : null;
    if (merged) {
      head = { ...head, state: merged.state };
      await state.collect(merged.garbage);
    }
  }
  expect(Math.max(...read)).toBeLessThanOrEqual(8);
  const mean = (values: readonly number[]) => values.reduce((sum, bytes) => sum + bytes, 0) / values.length;
  // The first turns also write what there is only one of: settings of the CLI, the snapshot of the environment.
  expect(mean(written.slice(-4))).toBeLessThan(mean(written.slice(2, 6)) * 1.5);
});
