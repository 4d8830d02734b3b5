import { expect, test } from 'vitest';
import { benchLight, expectedRatios, worseThan } from '../../bench/light.ts';
import type { Row } from '../../bench/table.ts';

const row = (key: string, ratio: number): Row => ({ key, what: `row ${key}`, medianMs: 1, ratio });
const EXPECTED = { live: 1.2, cold: 2 };
const good = [row('bare', 1), row('live', 1.79), row('cold', 2.9), { ...row('x', 99), key: undefined }];
const bad = [row('bare', 1), row('live', 1.81), row('cold', 2)];

test('a ratio that is worse by half is named, others are not', () => {
  expect(worseThan(good, EXPECTED)).toEqual([]);
  expect(worseThan(bad, EXPECTED)).toEqual([{ what: 'row live', ratio: 1.81, expected: 1.2 }]);
  expect(worseThan([row('live', Number.NaN), row('cold', 1)], EXPECTED)).toHaveLength(1);
});

test('a row that is expected and not measured is a fault', () => {
  expect(() => worseThan([row('live', 1)], EXPECTED)).toThrow(/no row cold/);
});

test.each([
  ['good at once', [good], 0],
  ['bad once', [bad, good], 0],
  ['bad twice', [bad, bad], 1],
  ['bad in another way', [bad, [row('live', 1), row('cold', 9)]], 0],
])('%s', async (_name, runs, worse) => {
  const shown: (readonly Row[])[] = [];
  const left = [...runs];
  const found = await benchLight(
    async () => left.shift() as Row[],
    EXPECTED,
    (rows) => void shown.push(rows),
  );
  expect(found).toHaveLength(worse);
  expect(shown).toEqual(runs);
});

test('what is expected is no worse than the targets allow', () => {
  const expected = expectedRatios('bench');
  expect(expected.hot).toBeLessThan(expected.live as number);
  expect(expected.live).toBeLessThan(expected.cold as number);
  expect(expected.cold).toBeLessThanOrEqual(2.3);
});
