// Places in SQLite: one table beside the sessions, made with the first place. A take is one transaction, so processes may
// take at once and no list gets fuller than it may. A power cut may lose the last ones, a killed process loses none.
import { systemClock } from '../../core/clock.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { PlaceList, Places } from '../../core/ports/places.ts';
import { epochSec, expiryOf } from '../rules/retention.ts';
import { borrowOrOpen, type SqliteDatabase } from './database.ts';

export interface SqlitePlacesOptions {
  /** A path is best: the places then have a connection of their own that does not wait for the disk. */
  readonly database: string | SqliteDatabase;
  readonly clock?: Clock;
}

const TABLE = `CREATE TABLE IF NOT EXISTS places (
  tenant TEXT NOT NULL,
  scope TEXT NOT NULL,
  id TEXT NOT NULL,
  list TEXT NOT NULL,
  holder TEXT NOT NULL,
  taken_at_ms INTEGER NOT NULL,
  expires_at_sec INTEGER NOT NULL,
  PRIMARY KEY (tenant, scope, id, list, holder)
) STRICT, WITHOUT ROWID`;

const OF_ACCOUNT = 'tenant = ? AND scope = ? AND id = ?';
const IN_LIST = `${OF_ACCOUNT} AND list = ?`;
const SWEEP_EVERY_MS = 10 * 60_000;

export function createSqlitePlaces(options: SqlitePlacesOptions): Places {
  const clock = options.clock ?? systemClock;
  const { db, close } = borrowOrOpen(options.database, { durability: 'relaxed' });
  let sweptAtMs = Number.NEGATIVE_INFINITY;
  let isMade = false;

  function hasTable(): boolean {
    isMade ||= db.get("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'places'") !== undefined;
    return isMade;
  }

  function sweep(): void {
    if (clock.now() - sweptAtMs < SWEEP_EVERY_MS) return;
    db.run('DELETE FROM places WHERE expires_at_sec <= ?', epochSec(clock.now()));
    sweptAtMs = clock.now();
  }

  return {
    async take(list, holder, { limit, keepSec }) {
      return db.write(() => {
        if (!hasTable()) db.run(TABLE);
        sweep();
        const at = placeOf(list);
        db.run(`DELETE FROM places WHERE ${IN_LIST} AND expires_at_sec <= ?`, ...at, epochSec(clock.now()));
        if (db.get(`SELECT 1 FROM places WHERE ${IN_LIST} AND holder = ?`, ...at, holder)) return 'held';
        const held = db.get(`SELECT count(*) AS n FROM places WHERE ${IN_LIST}`, ...at);
        if (Number(held?.n) >= limit) return 'full';
        const values = [...at, holder, clock.now(), expiryOf(clock.now(), keepSec)];
        db.run('INSERT INTO places VALUES (?, ?, ?, ?, ?, ?, ?)', ...values);
        return 'taken';
      });
    },
    async holders(list) {
      if (!hasTable()) return [];
      const sql = `SELECT holder, taken_at_ms FROM places WHERE ${IN_LIST} AND expires_at_sec > ?`;
      return db.all(sql, ...placeOf(list), epochSec(clock.now())).map((row) => ({
        holder: String(row.holder),
        takenAtMs: Number(row.taken_at_ms),
      }));
    },
    async leave(list, holders) {
      if (!hasTable()) return;
      db.write(() => {
        for (const holder of holders) {
          db.run(`DELETE FROM places WHERE ${IN_LIST} AND holder = ?`, ...placeOf(list), holder);
        }
      });
    },
    async erase({ tenant, scope, id }) {
      if (!hasTable()) return;
      db.write(() => db.run(`DELETE FROM places WHERE ${OF_ACCOUNT}`, tenant, scope, id));
    },
    async close() {
      close();
    },
  };
}

function placeOf({ tenant, scope, id, list }: PlaceList): string[] {
  return [tenant, scope, id, list];
}
