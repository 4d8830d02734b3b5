// The report of a run: the injected faults, the failed assertions with the history that led to them, and the line
// `N passed, N failed` at the end.

import type { HistoryLine } from './injected-faults.ts';
import type { RunResult } from './run.ts';

const SHOWN_FAILURES = 12;

export function summaryOf(result: RunResult): string {
  const faults = result.history.filter(({ what }) => what === 'fault' || what === 'laid');
  const kinds = new Map<string, number>();
  for (const { place, how } of faults) {
    const name = `${String(place)} ${String(how)}`;
    kinds.set(name, (kinds.get(name) ?? 0) + 1);
  }
  const count = (what: string) => result.history.filter((line) => line.what === what).length;
  const begun = result.history.filter(({ what, status }) => what === 'begun' && status === 'running').length;
  const gaveUp = new Set(
    result.history.flatMap((l) => (l.what === 'committed' && l.outcome === 'gave-up' ? [l.turn] : [])),
  ).size;
  return [
    `${result.sent.length} messages, ${begun} attempts, ${(result.tookMs / 1_000).toFixed(1)} s`,
    `faults: ${faults.length} planned ones struck, ${count('network')} in the network; ` +
      `${result.workerDeaths} worker and ${result.serverDeaths} server processes died, ${count('paused')} paused`,
    `given up: ${gaveUp}; lone placeholders: ${result.leftovers}; orphan objects: ${result.orphans}`,
    `struck: ${[...kinds]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([name, times]) => `${name} ${times}`)
      .join(', ')}`,
  ].join('\n');
}

export function failuresOf(result: RunResult): string {
  const shown = result.failures.slice(0, SHOWN_FAILURES).map((failure) => {
    const whose = failure.message === null ? '' : ` #m${failure.message}`;
    const lines = failure.message === null ? [] : historyOf(result.history, failure.message);
    return [`FAILED ${failure.rule}${whose}: ${failure.text}`, ...lines.map((line) => `  ${line}`)].join(
      '\n',
    );
  });
  const more = result.failures.length - shown.length;
  return [...shown, ...(more > 0 ? [`... and ${more} more`] : [])].join('\n');
}

export function historyOf(history: readonly HistoryLine[], message: number): string[] {
  const mine = history.filter((line) => line.message === message);
  const turn = mine.find((line) => line.turn !== undefined)?.turn;
  const startMs = history[0]?.atMs ?? 0;
  return history
    .filter((line) => line.message === message || (turn !== undefined && line.turn === turn))
    .map(({ atMs, who, what, message: _, turn: __, id: ___, ...fields }) => {
      const rest = Object.entries(fields).map(
        ([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
      );
      return `${((atMs - startMs) / 1_000).toFixed(3).padStart(8)} ${who.padEnd(11)} ${what} ${rest.join(' ')}`;
    });
}

export const verdictOf = (result: RunResult): string =>
  `${result.passed} passed, ${result.failures.length} failed`;
