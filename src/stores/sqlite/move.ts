// A conversation that goes on under another key, inside the commit's transaction.
import type { SessionKey } from '../../core/ids.ts';
import type { Lease } from '../../core/records.ts';
import { conversationTaken } from '../ledger.ts';
import type { SqliteDatabase } from './database.ts';
import type { sqliteSessions } from './sessions.ts';

export function moveConversation(
  db: SqliteDatabase,
  sessions: ReturnType<typeof sqliteSessions>,
  lease: Lease,
  to: SessionKey,
  retentionSec: number,
): void {
  const there = sessions.liveMapping(to);
  if (there && there.session_id !== lease.sessionId) throw conversationTaken();
  sessions.point(to, lease.sessionId, retentionSec);
  db.run('DELETE FROM mappings WHERE session_key = ?', lease.sessionKey);
  db.run(
    'UPDATE heads SET session_key = ? WHERE tenant = ? AND session_id = ?',
    to,
    lease.tenant,
    lease.sessionId,
  );
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
