// The clock of one machine: fires what is due, then sleeps until the next due time or until something changes.
import { backoffAfterMs } from './backoff.ts';
import { errorFields, type Log } from './log.ts';
import type { Clock } from './ports/clock.ts';
import type { DueSchedules } from './ports/schedules.ts';
import type { Scheduling } from './scheduling.ts';

/** After something that is due could not be fired. */
const FIRING = { firstMs: 1_000, maxMs: 60_000 };
const AT_ONCE = 50;

export interface WakeUpsDeps {
  readonly scheduling: Pick<Scheduling, 'fire'>;
  readonly due: DueSchedules;
  readonly clock: Clock;
  readonly log: Log;
}

/** Runs until `signal` aborts. What fails is tried again, and keeps no other schedule waiting. */
export async function runWakeUps(
  { scheduling, due, clock, log }: WakeUpsDeps,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    let failure: unknown;
    try {
      for (const schedule of await due.list(clock.now(), AT_ONCE)) {
        await scheduling.fire(schedule).catch((error: unknown) => {
          failure = error;
          log('error', 'schedule-not-fired', { schedule: schedule.id, ...errorFields(error) });
        });
      }
      if (failure === undefined) {
        failures = 0;
        await due.wait(signal);
      }
    } catch (error) {
      failure = error;
      log('error', 'schedules-unreadable', errorFields(error));
    }
    if (failure !== undefined) await clock.sleep(backoffAfterMs(failure, FIRING, ++failures), signal);
  }
}
