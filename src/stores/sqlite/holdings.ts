// What the database keeps of one tenant, in every table that has rows of tenants. A table that is added here is counted
// and erased with the others; a test fails for one that names tenants and is not here. (Registry and audit log are no
// part of it: the one is emptied by `remove`, the other stays.)
import type { SessionKey, Tenant } from '../../core/ids.ts';
import type { TenantHoldings } from '../../core/ports/tenants.ts';
import { afterPrefix, keyPrefix } from '../rules/keys.ts';
import { borrowOrOpen, type SqliteDatabase } from './database.ts';

/** By the encoded tenant, or by session keys that begin with it. */
const BY_TENANT = 'tenant = ?';
const BY_KEY = 'session_key >= ? AND session_key < ?';

/** In the order they are removed in. */
const HELD: readonly { readonly kind: string; readonly table: string; readonly where: string }[] = [
  { kind: 'events', table: 'events', where: BY_TENANT },
  { kind: 'usage', table: 'usage', where: BY_TENANT },
  { kind: 'waiting messages', table: 'messages', where: BY_KEY },
  { kind: 'dead letters', table: 'dead_letters', where: BY_KEY },
  { kind: 'turns', table: 'turns', where: BY_TENANT },
  { kind: 'conversations', table: 'mappings', where: BY_KEY },
  { kind: 'sessions', table: 'heads', where: BY_TENANT },
  { kind: 'links', table: 'links', where: BY_TENANT },
  { kind: 'places', table: 'places', where: BY_TENANT },
  { kind: 'schedules', table: 'schedules', where: BY_TENANT },
  { kind: 'time zones', table: 'time_zones', where: BY_TENANT },
  { kind: 'webhooks', table: 'webhooks', where: BY_TENANT },
  { kind: 'webhook messages', table: 'webhook_deliveries', where: BY_TENANT },
];

/** Made with the first line that goes into them. */
const MADE_LATE: ReadonlySet<string> = new Set([
  'usage',
  'places',
  'schedules',
  'time_zones',
  'webhooks',
  'webhook_deliveries',
]);

export function createSqliteTenantHoldings(database: string | SqliteDatabase): TenantHoldings {
  const { db } = borrowOrOpen(database);
  const valuesOf = (tenant: Tenant, where: string) => {
    const prefix = keyPrefix(tenant);
    return where === BY_TENANT ? [tenant] : [prefix, afterPrefix(prefix)];
  };
  const isThere = (table: string) =>
    !MADE_LATE.has(table) ||
    db.get("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", table) !== undefined;
  return {
    async conversations(tenant) {
      const prefix = keyPrefix(tenant);
      const from = ['mappings', 'heads', 'turns', 'messages', 'dead_letters'];
      const rows = db.all(
        from
          .map((table) => `SELECT session_key FROM ${table} WHERE session_key >= ?1 AND session_key < ?2`)
          .join(' UNION '),
        prefix,
        afterPrefix(prefix),
      );
      return rows.map((row) => String(row.session_key) as SessionKey);
    },

    async count(tenant) {
      const counts = HELD.map(({ kind, table, where }) => {
        if (!isThere(table)) return [kind, 0] as const;
        const row = db.get(`SELECT count(*) AS n FROM ${table} WHERE ${where}`, ...valuesOf(tenant, where));
        return [kind, Number(row?.n)] as const;
      });
      return Object.fromEntries(counts);
    },

    async erase(tenant) {
      db.write(() => {
        for (const { table, where } of HELD.filter((held) => isThere(held.table))) {
          db.run(`DELETE FROM ${table} WHERE ${where}`, ...valuesOf(tenant, where));
        }
      });
      // What was removed is overwritten in the file itself, and the log of writes beside it is emptied as far as nobody reads it.
      db.all('PRAGMA wal_checkpoint(TRUNCATE)');
    },
  };
}
