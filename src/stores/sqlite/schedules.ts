// Schedules in SQLite: beside the sessions, made with the first one. The server's clock waits on the database itself, so what a
// worker or a command writes is seen at once, and a machine that slept looks at the time when it is awake again.
import { systemClock } from '../../core/clock.ts';
import { tenantOf } from '../../core/ids.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { ScheduleStore } from '../../core/ports/schedules.ts';
import { parseSchedule, type Schedule } from '../../core/schedule.ts';
import { byAge, isKept, scheduleChanged } from '../rules/schedules.ts';
import { borrowOrOpen, type Row, type SqliteDatabase } from './database.ts';

export interface SqliteSchedulesOptions {
  readonly database: string | SqliteDatabase;
  readonly clock?: Clock;
}

const TABLES = [
  `CREATE TABLE IF NOT EXISTS schedules (
  tenant TEXT NOT NULL,
  session_key TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  due_ms INTEGER,
  expires_at_ms INTEGER,
  record TEXT NOT NULL,
  PRIMARY KEY (session_key, id)
) STRICT, WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS schedules_due ON schedules (due_ms) WHERE due_ms IS NOT NULL',
  `CREATE TABLE IF NOT EXISTS time_zones (
  tenant TEXT NOT NULL,
  session_key TEXT NOT NULL PRIMARY KEY,
  time_zone TEXT NOT NULL
) STRICT, WITHOUT ROWID`,
];

/** A timer is never longer: what Node can count, and a look at the clock now and then. */
const LONGEST_WAIT_MS = 3_600_000;

export function createSqliteSchedules(options: SqliteSchedulesOptions): ScheduleStore {
  const clock = options.clock ?? systemClock;
  const { db, close } = borrowOrOpen(options.database);
  let isMade = false;

  function hasTables(): boolean {
    isMade ||=
      db.get("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'time_zones'") !== undefined;
    return isMade;
  }

  function make(): void {
    if (!hasTables()) for (const sql of TABLES) db.run(sql);
  }

  function rowOf(schedule: Schedule) {
    const due = schedule.status === 'active' ? schedule.nextDueMs : null;
    return [schedule.version, due, schedule.expiresAtMs, JSON.stringify(schedule)] as const;
  }

  function nextDueMs(): number {
    if (!hasTables()) return Number.POSITIVE_INFINITY;
    const due = db.get('SELECT min(due_ms) AS due FROM schedules WHERE due_ms IS NOT NULL')?.due;
    return due === null || due === undefined ? Number.POSITIVE_INFINITY : Number(due);
  }

  return {
    async add(schedule) {
      return db.write(() => {
        make();
        db.run('DELETE FROM schedules WHERE expires_at_ms <= ?', clock.now());
        const { sessionKey, id } = schedule;
        const values = [tenantOf(sessionKey), sessionKey, id, ...rowOf(schedule)];
        return db.run('INSERT OR IGNORE INTO schedules VALUES (?, ?, ?, ?, ?, ?, ?)', ...values) === 1;
      });
    },
    async list(key) {
      if (!hasTables()) return [];
      const rows = db.all('SELECT record FROM schedules WHERE session_key = ?', key);
      return rows
        .map(read)
        .filter((one) => isKept(one, clock.now()))
        .sort(byAge);
    },
    async set(schedule) {
      const { sessionKey, id, version } = schedule;
      const changed = db.write(() => {
        make();
        return db.run(
          'UPDATE schedules SET version = ?, due_ms = ?, expires_at_ms = ?, record = ? WHERE session_key = ? AND id = ? AND version = ?',
          ...rowOf({ ...schedule, version: version + 1 }),
          sessionKey,
          id,
          version,
        );
      });
      if (changed === 0) throw scheduleChanged();
    },
    async timeZoneOf(key) {
      if (!hasTables()) return null;
      const row = db.get('SELECT time_zone FROM time_zones WHERE session_key = ?', key);
      return row ? String(row.time_zone) : null;
    },
    async setTimeZone(key, timeZone) {
      db.write(() => {
        make();
        db.run('DELETE FROM time_zones WHERE session_key = ?', key);
        if (timeZone !== null)
          db.run('INSERT INTO time_zones VALUES (?, ?, ?)', tenantOf(key), key, timeZone);
      });
    },
    async erase(key) {
      if (!hasTables()) return;
      db.write(() => {
        db.run('DELETE FROM schedules WHERE session_key = ?', key);
        db.run('DELETE FROM time_zones WHERE session_key = ?', key);
      });
    },
    due: {
      async list(nowMs, limit) {
        if (!hasTables()) return [];
        const sql = 'SELECT record FROM schedules WHERE due_ms <= ? ORDER BY due_ms LIMIT ?';
        return db.all(sql, nowMs, limit).map(read);
      },
      async wait(signal) {
        const version = db.dataVersion();
        const leftMs = Math.min(nextDueMs() - clock.now(), LONGEST_WAIT_MS);
        if (leftMs > 0) await db.waitForChange(version, clock, leftMs, signal);
      },
    },
    async close() {
      close();
    },
  };
}

function read(row: Row): Schedule {
  return parseSchedule(JSON.parse(String(row.record)));
}
