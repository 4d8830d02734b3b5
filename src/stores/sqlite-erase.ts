// What goes, and when: all of a conversation at once, or lines whose retention is over.
import type { SessionId, SessionKey } from '../core/ids.ts';
import type { Row, SqliteDatabase } from './sqlite-database.ts';

/** Also removes the events and dead letters kept in the same file; `requireFree` throws while a turn runs. */
export function eraseConversation(
  db: SqliteDatabase,
  key: SessionKey,
  requireFree: (head: Row) => void,
): readonly SessionId[] {
  const heads = db.all('SELECT * FROM heads WHERE session_key = ? ORDER BY created_at_ms', key);
  for (const head of heads) requireFree(head);
  db.run('DELETE FROM mappings WHERE session_key = ?', key);
  db.run('DELETE FROM heads WHERE session_key = ?', key);
  db.run(
    `DELETE FROM events WHERE (tenant, turn_id) IN (SELECT tenant, turn_id FROM turns WHERE session_key = ?)`,
    key,
  );
  db.run('DELETE FROM turns WHERE session_key = ?', key);
  db.run('DELETE FROM dead_letters WHERE session_key = ?', key);
  return heads.map((head) => String(head.session_id) as SessionId);
}

/** Removes ledger lines, their events, and mappings whose retention is over. */
export function sweepExpired(db: SqliteDatabase, nowSec: number): void {
  db.run(
    'DELETE FROM events WHERE (tenant, turn_id) IN (SELECT tenant, turn_id FROM turns WHERE expires_at_sec <= ?)',
    nowSec,
  );
  db.run('DELETE FROM turns WHERE expires_at_sec <= ?', nowSec);
  db.run('DELETE FROM mappings WHERE ttl <= ?', nowSec);
}
