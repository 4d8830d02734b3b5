// A store of schedules whose due times are timers of a platform. The timer is set before the record says the time: a record without
// its timer would be missed in silence, a timer without its record rings, finds nothing and is cleared. No timer is moved:
// each has its due time in its name, and a schedule's due times only go up, so what is cleared is never needed again.
import { systemClock } from '../core/clock.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { ScheduleStore, ScheduleTimers } from '../core/ports/schedules.ts';
import type { Schedule } from '../core/schedule.ts';

/** A timer that is due about now may have rung, and have been cleared, before the record was there. */
const ABOUT_NOW_MS = 10_000;

export function withTimers(
  store: ScheduleStore,
  timers: ScheduleTimers,
  clock: Clock = systemClock,
): ScheduleStore {
  async function timed<T>(schedule: Schedule, write: () => Promise<T>): Promise<T> {
    const { status, nextDueMs } = schedule;
    if (status !== 'active' || nextDueMs === null) return await write();
    await timers.set(schedule, nextDueMs);
    const written = await write();
    if (nextDueMs < clock.now() + ABOUT_NOW_MS) await timers.set(schedule, nextDueMs);
    return written;
  }

  return {
    add: (schedule) => timed(schedule, () => store.add(schedule)),
    async set(schedule) {
      await timed(schedule, () => store.set(schedule));
      // One that is left over rings for nothing, and is cleared then.
      if (schedule.nextDueMs === null)
        await timers.clearAll(schedule.sessionKey, schedule.id).catch(() => {});
    },
    list: (key) => store.list(key),
    timeZoneOf: (key) => store.timeZoneOf(key),
    setTimeZone: (key, timeZone) => store.setTimeZone(key, timeZone),
    async erase(key) {
      // A list of the platform's may lag behind: what the records name is cleared by name.
      for (const { sessionKey, id, nextDueMs } of await store.list(key)) {
        if (nextDueMs !== null) await timers.clear({ sessionKey, id, dueMs: nextDueMs });
      }
      await timers.clearAll(key);
      await store.erase(key);
    },
    rang: (timer) => timers.clear(timer),
    async close() {
      await timers.close();
      await store.close();
    },
  };
}
