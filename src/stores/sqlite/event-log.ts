// The event log in SQLite: readable from any process of the machine. Events are for watchers only, so a power cut
// may lose the last ones; those of turns that have long ended are pruned.
import { systemClock } from '../../core/clock.ts';
import { RETENTION_SEC } from '../../core/defaults.ts';
import type { EventLog, LoggedEvent, TurnEvent } from '../../core/ports/channel.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { isFinal, upToFinal } from '../rules/turn-events.ts';
import { borrowOrOpen, type Row, type SqliteDatabase } from './database.ts';
import { parseColumn } from './rows.ts';

export interface SqliteEventLogOptions {
  /** A path is best: the log then has a connection of its own that does not wait for the disk. */
  readonly database: string | SqliteDatabase;
  readonly clock?: Clock;
  /** Events of turns whose last one is older than this are removed (default: as long as conversations are kept by default). */
  readonly keepMs?: number;
}

/** It reads the whole table; with a session store in the same file, turns take their events along anyway. */
const PRUNE_EVERY_MS = 24 * 60 * 60_000;
const MAX_AT_ONCE = 1_000;

export function createSqliteEventLog(options: SqliteEventLogOptions): EventLog & { close(): Promise<void> } {
  const clock = options.clock ?? systemClock;
  const keepMs = options.keepMs ?? RETENTION_SEC * 1_000;
  const { db, close } = borrowOrOpen(options.database, { durability: 'relaxed' });
  let prunedAtMs = clock.now();

  function prune(): void {
    if (clock.now() - prunedAtMs < Math.min(PRUNE_EVERY_MS, keepMs)) return;
    db.run(
      `DELETE FROM events WHERE (tenant, turn_id) IN
         (SELECT tenant, turn_id FROM events GROUP BY tenant, turn_id HAVING max(at_ms) < ?)`,
      clock.now() - keepMs,
    );
    prunedAtMs = clock.now();
  }

  return {
    async append(tenant, turnId, events) {
      if (events.length === 0) return;
      db.write(() => {
        prune();
        const newest = db.get(
          `SELECT sequence, at_ms, event FROM events WHERE tenant = ? AND turn_id = ?
           ORDER BY sequence DESC LIMIT 1`,
          tenant,
          turnId,
        );
        const last = newest && loggedEvent(newest);
        if (isFinal(last?.event)) return;
        const before = last?.sequence ?? 0;
        for (const [i, event] of upToFinal(events).entries()) {
          db.run(
            'INSERT INTO events (tenant, turn_id, sequence, at_ms, event) VALUES (?, ?, ?, ?, ?)',
            tenant,
            turnId,
            before + i + 1,
            clock.now(),
            JSON.stringify(event),
          );
        }
      });
    },

    async read(tenant, turnId, afterSequence, { waitMs, signal }) {
      const untilMs = clock.now() + waitMs;
      for (;;) {
        const version = db.dataVersion();
        const rows = db.all(
          `SELECT sequence, at_ms, event FROM events WHERE tenant = ? AND turn_id = ? AND sequence > ?
           ORDER BY sequence LIMIT ?`,
          tenant,
          turnId,
          afterSequence,
          MAX_AT_ONCE,
        );
        const leftMs = untilMs - clock.now();
        if (rows.length > 0 || leftMs <= 0 || signal?.aborted) return rows.map(loggedEvent);
        await db.waitForChange(version, clock, leftMs, signal);
      }
    },

    async close() {
      close();
    },
  };
}

function loggedEvent(row: Row): LoggedEvent {
  return {
    sequence: Number(row.sequence),
    atMs: Number(row.at_ms),
    event: parseColumn<TurnEvent>('event', row.event)!,
  };
}
