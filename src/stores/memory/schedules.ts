// Schedules in memory: for tests, and for a program that need not outlive itself.
import { systemClock } from '../../core/clock.ts';
import type { SessionKey } from '../../core/ids.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { ScheduleStore } from '../../core/ports/schedules.ts';
import { parseSchedule, type Schedule } from '../../core/schedule.ts';
import { storeError } from '../rules/errors.ts';
import { byAge, isKept, scheduleChanged } from '../rules/schedules.ts';
import { createWakeUp } from '../wake-up.ts';

export function createMemorySchedules(options: { readonly clock?: Clock } = {}): ScheduleStore {
  const clock = options.clock ?? systemClock;
  const schedules = new Map<string, Schedule>();
  const timeZones = new Map<SessionKey, string>();
  const changed = createWakeUp();
  let isClosed = false;

  function requireOpen(): void {
    if (isClosed) throw storeError('store-closed');
  }

  function put(schedule: Schedule): void {
    schedules.set(keyOf(schedule), parseSchedule(structuredClone(schedule)));
    changed.wake();
  }

  const active = () =>
    [...schedules.values()].filter(({ status, nextDueMs }) => status === 'active' && nextDueMs !== null);

  return {
    async add(schedule) {
      requireOpen();
      if (schedules.has(keyOf(schedule))) return false;
      put(schedule);
      return true;
    },
    async list(key) {
      requireOpen();
      const found = [...schedules.values()].filter((one) => one.sessionKey === key);
      return found.filter((one) => isKept(one, clock.now())).sort(byAge);
    },
    async set(schedule) {
      requireOpen();
      if (schedules.get(keyOf(schedule))?.version !== schedule.version) throw scheduleChanged();
      put({ ...schedule, version: schedule.version + 1 });
    },
    async timeZoneOf(key) {
      requireOpen();
      return timeZones.get(key) ?? null;
    },
    async setTimeZone(key, timeZone) {
      requireOpen();
      if (timeZone === null) timeZones.delete(key);
      else timeZones.set(key, timeZone);
    },
    async erase(key) {
      requireOpen();
      for (const [at, { sessionKey }] of schedules) if (sessionKey === key) schedules.delete(at);
      timeZones.delete(key);
    },
    due: {
      async list(nowMs, limit) {
        requireOpen();
        const due = active().filter(({ nextDueMs }) => Number(nextDueMs) <= nowMs);
        return due.sort((a, b) => Number(a.nextDueMs) - Number(b.nextDueMs)).slice(0, limit);
      },
      async wait(signal) {
        const next = Math.min(...active().map(({ nextDueMs }) => Number(nextDueMs)));
        const leftMs = Math.min(next - clock.now(), 3_600_000);
        if (leftMs > 0) await changed.wait(clock, leftMs, signal);
      },
    },
    async close() {
      isClosed = true;
    },
  };
}

function keyOf({ sessionKey, id }: Schedule): string {
  return `${sessionKey} ${id}`;
}
