// A start must not die at random: alone, two at once on a new data folder, after a kill in its middle, with a worker
// killed under it. A thousand of them: `npm run starts`.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { startOften } from '../../testing/faults/starts.ts';

const launcher = join(import.meta.dirname, '../../bin/hybrid-sessions.mjs');

test(`${promise('UNBLOCK')} starts, some of them two at once on one data folder: none dies that was not killed`, async () => {
  const result = await startOften({ starts: 12, seed: 5, launcher });
  expect(result.failures).toEqual([]);
  expect(result.starts).toBe(12);
  expect(result.inPairs).toBeGreaterThan(1);
  expect(result.killed).toBeGreaterThan(0);
  expect(result.turns).toBeGreaterThan(0);
  expect(result.ready).toBe(12 - result.killed);
});

test('a start that dies by itself is noticed', async () => {
  const result = await startOften({ starts: 1, seed: 1, launcher: '/no/such/program.mjs' });
  expect(result.failures).toHaveLength(1);
});
