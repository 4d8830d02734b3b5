// Notes on linked conversations in SQLite: read by name, changed together in one transaction.
import { randomUUID } from 'node:crypto';
import type { Json } from '../../core/messages.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { SessionStore } from '../../core/ports/store.ts';
import { changedLink, liveLink, mayChange, type StoredLink } from '../rules/links.ts';
import { epochSec } from '../rules/retention.ts';
import type { SqliteDatabase } from './database.ts';
import { parseColumn } from './rows.ts';

export function sqliteLinks(
  db: SqliteDatabase,
  clock: Clock,
): Pick<SessionStore, 'readLinks' | 'writeLinks'> {
  function stored(tenant: string, name: string): StoredLink | null {
    const row = db.get(
      'SELECT value, version, expires_at_sec FROM links WHERE tenant = ? AND name = ?',
      tenant,
      name,
    );
    if (!row) return null;
    const { value, version, expires_at_sec: expiresAtSec } = row;
    return {
      value: parseColumn<Json>('value', value) as Json,
      version: String(version),
      expiresAtSec: expiresAtSec === null ? null : Number(expiresAtSec),
    };
  }

  return {
    async readLinks(tenant, names) {
      return names.map((name) => liveLink(stored(tenant, name), clock.now()));
    },
    async writeLinks(tenant, changes) {
      return db.write(() => {
        const nowMs = clock.now();
        if (!changes.every((change) => mayChange(stored(tenant, change.name), change, nowMs))) return false;
        db.run('DELETE FROM links WHERE expires_at_sec <= ?', epochSec(nowMs));
        for (const change of changes) {
          db.run('DELETE FROM links WHERE tenant = ? AND name = ?', tenant, change.name);
          const next = changedLink(change, randomUUID());
          if (!next) continue;
          const { value, version, expiresAtSec } = next;
          const row = [tenant, change.name, JSON.stringify(value), version, expiresAtSec];
          db.run(
            'INSERT INTO links (tenant, name, value, version, expires_at_sec) VALUES (?, ?, ?, ?, ?)',
            ...row,
          );
        }
        return true;
      });
    },
  };
}
