// Tables that compare rows within one run: the first row is 1.00, the others are ratios to it.

export interface Row {
  /** The same in every run, for rows that are compared between runs. */
  readonly key?: string | undefined;
  readonly what: string;
  readonly medianMs: number;
  readonly ratio: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[middle - 1] ?? 0, sorted[middle] ?? 0];
  return sorted.length % 2 === 0 ? (low + high) / 2 : high;
}

export function printRows(title: string, rows: readonly Row[]): void {
  const width = Math.max(...rows.map((row) => row.what.length));
  console.log(`\n${title}\n`);
  console.log(`${'what'.padEnd(width)}  ${'median ms'.padStart(10)}  ${'ratio'.padStart(6)}`);
  for (const { what, medianMs, ratio } of rows) {
    console.log(
      `${what.padEnd(width)}  ${medianMs.toFixed(1).padStart(10)}  ${ratio.toFixed(2).padStart(6)}`,
    );
  }
}
