// The report of a run with outages: what was away and for how long, how long it took, and what did not hold, with the
// history that led to it.
import { historyOf } from '../report.ts';
import type { OutagePlan } from './plan.ts';
import type { OutageRunResult } from './run.ts';

const SHOWN_FAILURES = 12;

export function outageSummary(plan: OutagePlan, result: OutageRunResult): string {
  const count = (what: string) => result.history.filter((line) => line.what === what).length;
  const away = plan.outages.map(({ part, fromMs, untilMs, namedSec, chat }) =>
    [
      `${part} ${duration(untilMs - fromMs)}`,
      ...(namedSec === null ? [] : [`naming ${namedSec} s`]),
      ...(chat === null ? [] : [`for chat ${chat}`]),
    ].join(' '),
  );
  return [
    `${result.sent.length} messages in ${duration(result.lastedMs)} by its clock, ${(result.tookMs / 1_000).toFixed(1)} s by the machine's`,
    `away: ${away.join(', ')}`,
    `${count('received')} tries, ${count('waits')} waits, ${count('away-call')} calls of parts that were away, ${count('died')} workers died`,
  ].join('\n');
}

export function outageFailures(result: OutageRunResult): string {
  const shown = result.failures.slice(0, SHOWN_FAILURES).map(({ rule, message, text }) => {
    const lines = message === null ? [] : historyOf(result.history, message).slice(-60);
    return [
      `FAILED ${rule}${message === null ? '' : ` #m${message}`}: ${text}`,
      ...lines.map((line) => `  ${line}`),
    ].join('\n');
  });
  const more = result.failures.length - shown.length;
  return [...shown, ...(more > 0 ? [`... and ${more} more`] : [])].join('\n');
}

function duration(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
