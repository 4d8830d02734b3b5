// A start must not die at random: alone, two at once on a new data folder, after a kill in its middle, with a worker
// killed under it. Five without `npm run test:all`; a thousand of them: `npm run starts`.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { startOften } from '../../testing/faults/starts.ts';
import { THOROUGH } from '../thorough.ts';

const STARTS = THOROUGH ? 12 : 5;
const launcher = join(import.meta.dirname, '../../bin/hybrid-sessions.mjs');

test(`${promise('UNBLOCK')} starts, some of them two at once on one data folder: none dies that was not killed`, async () => {
  const result = await startOften({ starts: STARTS, seed: 5, launcher });
  expect(result.failures).toEqual([]);
  expect(result.starts).toBe(STARTS);
  expect(result.inPairs).toBeGreaterThan(1);
  expect(result.killed).toBeGreaterThan(0);
  expect(result.turns).toBeGreaterThan(0);
  expect(result.ready).toBe(STARTS - result.killed);
});

test('a start that dies by itself is noticed', async () => {
  const result = await startOften({ starts: 1, seed: 1, launcher: '/no/such/program.mjs' });
  expect(result.failures).toHaveLength(1);
});
