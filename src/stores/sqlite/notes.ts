// Notes of channels in SQLite: one table beside the sessions, made with the first note. A write is one transaction. A power
// cut may lose the last ones: their channel makes them anew.
import { systemClock } from '../../core/clock.ts';
import type { Json } from '../../core/messages.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { ChannelNote, ChannelNotes } from '../../core/ports/notes.ts';
import { epochSec, expiryOf } from '../rules/retention.ts';
import { borrowOrOpen, type SqliteDatabase } from './database.ts';
import { parseColumn } from './rows.ts';

export interface SqliteNotesOptions {
  readonly database: string | SqliteDatabase;
  readonly clock?: Clock;
}

const TABLE = `CREATE TABLE IF NOT EXISTS channel_notes (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  version INTEGER NOT NULL,
  expires_at_sec INTEGER NOT NULL
) STRICT, WITHOUT ROWID`;

const PUT = `INSERT INTO channel_notes VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET
  value = excluded.value, version = excluded.version, expires_at_sec = excluded.expires_at_sec`;

export function createSqliteNotes(options: SqliteNotesOptions): ChannelNotes & { close(): Promise<void> } {
  const clock = options.clock ?? systemClock;
  const { db, close } = borrowOrOpen(options.database, { durability: 'relaxed' });
  let isMade = false;

  function hasTable(): boolean {
    isMade ||=
      db.get("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'channel_notes'") !== undefined;
    return isMade;
  }

  function live(name: string): ChannelNote | null {
    if (!hasTable()) return null;
    const row = db.get(
      'SELECT value, version FROM channel_notes WHERE name = ? AND expires_at_sec > ?',
      name,
      epochSec(clock.now()),
    );
    return row
      ? { value: parseColumn<Json>('value', row.value) as Json, version: Number(row.version) }
      : null;
  }

  return {
    async read(name) {
      return live(name);
    },
    async write(name, value, { over, keepSec }) {
      return db.write(() => {
        if (!hasTable()) db.run(TABLE);
        if ((live(name)?.version ?? 0) !== over) return false;
        db.run(PUT, name, JSON.stringify(value), over + 1, expiryOf(clock.now(), keepSec));
        return true;
      });
    },
    async close() {
      close();
    },
  };
}
