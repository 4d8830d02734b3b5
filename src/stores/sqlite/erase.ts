// What goes, and when: all of a conversation at once, or lines whose retention is over.
import type { SessionId, SessionKey, TurnId } from '../../core/ids.ts';
import type { Lease } from '../../core/records.ts';
import type { Row, SqliteDatabase } from './database.ts';
import { movedFrom } from './move.ts';

/** Also removes what it left under the key that it was moved from, and the events and dead letters kept in the same file; `requireFree` throws while a turn runs. */
export function eraseConversation(
  db: SqliteDatabase,
  key: SessionKey,
  requireFree: (head: Row) => void,
  keep: TurnId | null = null,
): readonly SessionId[] {
  const heads = db.all('SELECT * FROM heads WHERE session_key = ? ORDER BY created_at_ms', key);
  for (const head of heads) requireFree(head);
  const left = movedFrom(db, key).flatMap((from) => eraseConversation(db, from, requireFree));
  db.run('DELETE FROM mappings WHERE session_key = ?', key);
  db.run('DELETE FROM heads WHERE session_key = ?', key);
  db.run(
    `DELETE FROM events WHERE (tenant, turn_id) IN
       (SELECT tenant, turn_id FROM turns WHERE session_key = ? AND turn_id IS NOT ?)`,
    key,
    keep,
  );
  db.run('DELETE FROM turns WHERE session_key = ? AND turn_id IS NOT ?', key, keep);
  db.run('DELETE FROM dead_letters WHERE session_key = ?', key);
  return [...heads.map((head) => String(head.session_id) as SessionId), ...left];
}

/** Removes a session's head, and of its conversation what has expired; the dead letters go with the last session. */
export function removeExpired(
  db: SqliteDatabase,
  { tenant, sessionId, sessionKey: key }: Lease,
  nowSec: number,
): void {
  db.run('DELETE FROM heads WHERE tenant = ? AND session_id = ?', tenant, sessionId);
  db.run(
    `DELETE FROM events WHERE (tenant, turn_id) IN
       (SELECT tenant, turn_id FROM turns WHERE session_key = ? AND expires_at_sec <= ?)`,
    key,
    nowSec,
  );
  db.run('DELETE FROM turns WHERE session_key = ? AND expires_at_sec <= ?', key, nowSec);
  db.run('DELETE FROM mappings WHERE session_key = ? AND ttl <= ?', key, nowSec);
  db.run(
    `DELETE FROM dead_letters WHERE session_key = ?1
       AND NOT EXISTS (SELECT 1 FROM heads WHERE session_key = ?1)
       AND NOT EXISTS (SELECT 1 FROM turns WHERE session_key = ?1)`,
    key,
  );
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
