// A conversation that goes on under another key: what its commit changes besides, and what it leaves behind.
import type { SessionKey } from '../../core/ids.ts';
import type { SessionHead } from '../../core/records.ts';
import type { SqliteDatabase } from './database.ts';

/** Inside the commit's transaction: the head goes to its new key, and the old one points nowhere. */
export function leaveKey(db: SqliteDatabase, left: SessionKey, head: SessionHead): void {
  db.run('DELETE FROM mappings WHERE session_key = ?', left);
  const sql = 'UPDATE heads SET session_key = ? WHERE tenant = ? AND session_id = ?';
  db.run(sql, head.sessionKey, head.tenant, head.sessionId);
}

/** The keys that conversations now under `key` were moved from: their lines are still there. */
export function movedFrom(db: SqliteDatabase, key: SessionKey): readonly SessionKey[] {
  return db
    .all(
      `SELECT DISTINCT turns.session_key FROM heads
       JOIN turns ON turns.tenant = heads.tenant AND turns.session_id = heads.session_id
       WHERE heads.session_key = ?1 AND turns.session_key != ?1`,
      key,
    )
    .map((row) => String(row.session_key) as SessionKey);
}
