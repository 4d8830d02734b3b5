// The lists of the sqlite store. Paging goes by the last item's position, never by an offset, so that a page is not
// shifted by what was written meanwhile.
import type { Clock } from '../../core/ports/clock.ts';
import type { SessionStore } from '../../core/ports/store.ts';
import { afterPrefix, keyPrefix } from '../rules/keys.ts';
import { decodeCursor, encodeCursor, type Position, pageSize } from '../rules/paging.ts';
import { epochSec } from '../rules/retention.ts';
import type { Row, SqliteDatabase } from './database.ts';
import { headOf, mappingOf, turnOf } from './rows.ts';

/** Cuts the one row too many that tells whether there is a next page. */
function page<T>(rows: Row[], limit: number, positionOf: (item: T) => Position, read: (row: Row) => T) {
  const items = rows.slice(0, limit).map(read);
  const last = items.at(-1);
  return { items, cursor: last && rows.length > limit ? encodeCursor(positionOf(last)) : null };
}

export function sqliteLists(
  db: SqliteDatabase,
  clock: Clock,
): Pick<SessionStore, 'listMappings' | 'listHeads' | 'listTurns'> {
  const nowSec = () => epochSec(clock.now());
  return {
    async listMappings(tenant, options) {
      const prefix = keyPrefix(tenant, options);
      const [updatedAt = '\uFFFF', key = ''] = decodeCursor(options?.cursor, ['string', 'string']) ?? [];
      const limit = pageSize(options);
      const rows = db.all(
        `SELECT * FROM mappings
         WHERE session_key >= ? AND session_key < ? AND ttl > ?
           AND (updated_at < ? OR (updated_at = ? AND session_key > ?))
         ORDER BY updated_at DESC, session_key LIMIT ?`,
        prefix,
        afterPrefix(prefix),
        nowSec(),
        updatedAt,
        updatedAt,
        key,
        limit + 1,
      );
      return page(rows, limit, (mapping) => [mapping.updated_at, mapping.session_key], mappingOf);
    },

    async listHeads(tenant, options) {
      const [updatedAtMs = Number.MAX_SAFE_INTEGER, id = ''] =
        decodeCursor(options?.cursor, ['number', 'string']) ?? [];
      const limit = pageSize(options);
      const narrow = options?.sessionKey === undefined ? '' : 'AND session_key = ?';
      const rows = db.all(
        `SELECT * FROM heads
         WHERE tenant = ? ${narrow} AND expires_at_sec > ?
           AND (updated_at_ms < ? OR (updated_at_ms = ? AND session_id > ?))
         ORDER BY updated_at_ms DESC, session_id LIMIT ?`,
        tenant,
        ...(options?.sessionKey === undefined ? [] : [options.sessionKey]),
        nowSec(),
        updatedAtMs,
        updatedAtMs,
        id,
        limit + 1,
      );
      return page(rows, limit, (head) => [head.updatedAtMs, head.sessionId], headOf);
    },

    async listTurns(key, options) {
      const [before = Number.MAX_SAFE_INTEGER] = decodeCursor(options?.cursor, ['number']) ?? [];
      const limit = pageSize(options);
      const rows = db.all(
        `SELECT * FROM turns WHERE session_key = ? AND sequence < ? AND expires_at_sec > ?
         ORDER BY sequence DESC LIMIT ?`,
        key,
        before,
        nowSec(),
        limit + 1,
      );
      const newestFirst = page(rows, limit, (turn) => [turn.sequence], turnOf);
      return { ...newestFirst, items: newestFirst.items.reverse() };
    },
  };
}
