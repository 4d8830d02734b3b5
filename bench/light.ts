// The light version, fit for CI: a few rounds of turns, each row's ratio beside the one that is expected of it. Only a ratio
// that is worse by half is a failure, and only if a second run finds it again: machines of CI are shared.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from './table.ts';

/** Ratios by key of a row. */
export type Expected = Readonly<Record<string, number>>;

const WORSE_BY = 1.5;

export interface Worse {
  readonly what: string;
  readonly ratio: number;
  readonly expected: number;
}

/** Rows that nothing is expected of are only shown; one that is expected and missing is a fault of the bench. */
export function worseThan(rows: readonly Row[], expected: Expected): readonly Worse[] {
  const missing = Object.keys(expected).filter((key) => !rows.some((row) => row.key === key));
  if (missing.length > 0) throw new Error(`The bench has no row ${missing.join(', ')}.`);
  return rows.flatMap(({ key, what, ratio }) => {
    const wanted = key === undefined ? undefined : expected[key];
    return wanted !== undefined && !(ratio <= wanted * WORSE_BY) ? [{ what, ratio, expected: wanted }] : [];
  });
}

export async function benchLight(
  measure: () => Promise<readonly Row[]>,
  expected: Expected,
  show: (rows: readonly Row[]) => void,
): Promise<readonly Worse[]> {
  let worse: readonly Worse[] = [];
  for (let runs = 0; runs < 2; runs++) {
    const rows = await measure();
    show(rows);
    const found = worseThan(rows, expected);
    worse = runs === 0 ? found : worse.filter(({ what }) => found.some((again) => again.what === what));
    if (worse.length === 0) return [];
  }
  return worse;
}

export function expectedRatios(folder: string): Expected {
  return JSON.parse(readFileSync(join(folder, 'expected-ratios.json'), 'utf8')) as Expected;
}
