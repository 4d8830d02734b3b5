// Which of a schedule's due times become turns now, and which are passed over. A turn is named by its due time: asked again
// after a crash, one run for many missed times must be the same one, so it has the first of them as its own.
import type { Schedule, ScheduledRun } from './schedule.ts';
import { nextDueMs } from './schedule-times.ts';

/** Later than this is missed: nothing here was running when it was due. */
export const ON_TIME_MS = 120_000;
/** Due times that are counted one by one; a long outage has more than anybody wants to read. */
const MAX_COUNTED = 1_000;

export interface DueRuns {
  /** In order. */
  readonly wake: readonly number[];
  readonly passedOver: readonly ScheduledRun[];
  readonly nextDueMs: number | null;
}

export function dueRuns(schedule: Pick<Schedule, 'when' | 'missed' | 'nextDueMs'>, nowMs: number): DueRuns {
  const due: number[] = [];
  let next = schedule.nextDueMs;
  while (next !== null && next <= nowMs && due.length < MAX_COUNTED) {
    due.push(next);
    next = nextDueMs(schedule.when, next);
  }
  if (next !== null && next <= nowMs) next = nextDueMs(schedule.when, nowMs);
  const late = due.filter((dueMs) => nowMs - dueMs > ON_TIME_MS);
  const onTime = due.slice(late.length);
  const rest = { nextDueMs: next };
  const [first] = late;
  if (first === undefined) return { ...rest, wake: onTime, passedOver: [] };
  switch (schedule.missed.policy) {
    case 'once':
      return { ...rest, wake: [first, ...onTime], passedOver: passed(late.slice(1)) };
    case 'skip':
      return { ...rest, wake: onTime, passedOver: passed(late) };
    case 'all': {
      const { limit } = schedule.missed;
      return { ...rest, wake: [...late.slice(-limit), ...onTime], passedOver: passed(late.slice(0, -limit)) };
    }
  }
}

function passed(due: readonly number[]): ScheduledRun[] {
  const last = due.at(-1);
  return last === undefined ? [] : [{ dueMs: last, outcome: 'missed', turnId: null, times: due.length }];
}
