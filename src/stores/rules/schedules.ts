// What every store of schedules holds to.
import { Conflict } from '../../core/errors.ts';
import type { Schedule } from '../../core/schedule.ts';

export function scheduleChanged(): Conflict {
  return new Conflict('schedule-changed', 'Somebody else changed this schedule just now.', {
    advice: 'Look at it again, then repeat.',
  });
}

/** By the clock, whether or not it has been deleted. */
export function isKept({ expiresAtMs }: Schedule, nowMs: number): boolean {
  return expiresAtMs === null || expiresAtMs > nowMs;
}

/** The same order everywhere, so that people can name a schedule by its number. */
export function byAge(a: Schedule, b: Schedule): number {
  return a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1);
}
