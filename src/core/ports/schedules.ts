// Schedules of conversations, and the time zone that a conversation has chosen. Whoever changes one says which version it
// saw: a person, the agent and the clock may all want to at once.
import type { SessionKey } from '../ids.ts';
import type { Schedule } from '../schedule.ts';

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
  /** Absent where the platform wakes by itself. */
  readonly due?: DueSchedules;
  close(): Promise<void>;
}

/** What a clock on this machine needs to know, of all tenants. */
export interface DueSchedules {
  /** Active ones whose due time has come, the longest due first. */
  list(nowMs: number, limit: number): Promise<readonly Schedule[]>;
  /** Until the first one is due or `signal` aborts; returns as soon as that may have changed. */
  wait(signal: AbortSignal): Promise<void>;
}
