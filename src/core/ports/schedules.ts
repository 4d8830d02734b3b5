// Schedules of conversations, and the time zone that a conversation has chosen. Whoever changes one says which version it
// saw: a person, the agent and the clock may all want to at once.
import type { SessionKey } from '../ids.ts';
import type { Schedule, ScheduleId } from '../schedule.ts';

export interface ScheduleStore {
  /** False when this conversation knows the id: what is there stays as it is. */
  add(schedule: Schedule): Promise<boolean>;
  /** Oldest first; those that ended are among them until they expire. */
  list(key: SessionKey): Promise<readonly Schedule[]>;
  /** Replaces what has this version, and counts it up. Conflict('schedule-changed') when it has another, or is gone. */
  set(schedule: Schedule): Promise<void>;
  /** null: none was chosen. */
  timeZoneOf(key: SessionKey): Promise<string | null>;
  setTimeZone(key: SessionKey, timeZone: string | null): Promise<void>;
  /** Forgets all schedules of the conversation and its time zone. */
  erase(key: SessionKey): Promise<void>;
  /** Absent where timers of the platform wake: see `ScheduleTimers`. */
  readonly due?: DueSchedules;
  /** A timer rang and has nothing to ring for any more. Absent where there are none. */
  rang?(timer: ScheduleTimer): Promise<void>;
  close(): Promise<void>;
}

/** What a clock on this machine needs to know, of all tenants. */
export interface DueSchedules {
  /** Active ones whose due time has come, the longest due first. */
  list(nowMs: number, limit: number): Promise<readonly Schedule[]>;
  /** Until the first one is due or `signal` aborts; returns as soon as that may have changed. */
  wait(signal: AbortSignal): Promise<void>;
}

/** One due time of a schedule. */
export interface ScheduleTimer {
  readonly sessionKey: SessionKey;
  readonly id: ScheduleId;
  readonly dueMs: number;
}

/**
 * Timers of a platform: each rings once, at a due time of a schedule, by putting a message of the kind `due` into the queue.
 * One that rang stays until it is cleared, so that what came of nothing can be rung again.
 */
export interface ScheduleTimers {
  /** Safe to repeat: the same timer is there once. One whose time has passed rings at once, also if it rang before. */
  set(schedule: Schedule, dueMs: number): Promise<void>;
  clear(timer: ScheduleTimer): Promise<void>;
  /** All of a conversation, or of one schedule of it. */
  clearAll(key: SessionKey, id?: ScheduleId): Promise<void>;
  close(): Promise<void>;
}
