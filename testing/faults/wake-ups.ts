// The clock of a run, in the server's process: the product's own where the store knows what is due; otherwise it plays the
// platform's, which wakes at least once. Here every wake-up is fired twice.
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../src/core/clock.ts';
import { RETENTION_SEC } from '../../src/core/defaults.ts';
import { silentLog } from '../../src/core/log.ts';
import type { DueSchedules } from '../../src/core/ports/schedules.ts';
import type { SessionStore, TurnQueue } from '../../src/core/ports.ts';
import { createScheduling } from '../../src/core/scheduling.ts';
import { runWakeUps } from '../../src/core/wake-ups.ts';
import type { OpenPorts } from './ports.ts';
import type { Settings } from './settings.ts';
import { schedulingKeys } from './turn-numbers.ts';

const LOOK_EVERY_MS = 200;

export function startWakeUps(
  { schedules, store, queue }: Pick<OpenPorts, 'schedules'> & { store: SessionStore; queue: TurnQueue },
  { folder, mutation }: Settings,
): void {
  const clock = systemClock;
  const parts = {
    schedules,
    store,
    queue,
    retentionSec: RETENTION_SEC,
    clock,
    log: silentLog,
    timeZone: 'UTC',
  };
  const scheduling = createScheduling(parts);
  const platform: DueSchedules = {
    async list(nowMs) {
      const all = await Promise.all(schedulingKeys(folder).map((key) => schedules.list(key)));
      return all
        .flat()
        .filter(({ status, nextDueMs }) => status === 'active' && nextDueMs !== null && nextDueMs <= nowMs);
    },
    wait: async (signal) => {
      await pause(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
    },
  };
  const fire: typeof scheduling.fire = async (schedule) => {
    // The mutation `wake-twice`: a wake-up that is fired again is another one.
    const again =
      mutation === 'wake-twice' ? { ...schedule, nextDueMs: (schedule.nextDueMs ?? 0) - 1 } : schedule;
    await Promise.all([scheduling.fire(schedule), scheduling.fire(again)]);
  };
  const due = schedules.due ?? platform;
  void runWakeUps({ scheduling: { fire }, due, clock, log: silentLog }, new AbortController().signal);
}
