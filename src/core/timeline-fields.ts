// A timeline as the fields of one log line, from which metrics are derived: how long each kind of span took together.
import type { LogFields } from './log.ts';
import type { Timeline } from './timeline.ts';

export function timelineFields({
  attempt,
  spans,
  firstTextMs,
  totalMs,
  host,
  infraUsd,
}: Timeline): LogFields {
  const sums: Record<string, number> = {};
  for (const { kind, fromMs, toMs } of spans) {
    sums[`${kind}Ms`] = (sums[`${kind}Ms`] ?? 0) + toMs - fromMs;
  }
  return {
    attempt,
    totalMs,
    ...sums,
    ...(firstTextMs !== null && { firstTextMs }),
    ...(host && { start: host.start, restoredBytes: host.restoredBytes, savedBytes: host.savedBytes }),
    ...(infraUsd !== undefined && { infraUsd }),
    ...(host?.peakMemoryBytes !== undefined && { peakMemoryBytes: host.peakMemoryBytes }),
  };
}
