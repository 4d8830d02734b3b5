// Dead letters of the sqlite queue. A body that could not be read is kept too, shown as text, and never replayed.
import type { DeadLetter, TurnQueue } from '../../core/ports/queue.ts';
import { decodeCursor, encodeCursor, pageSize } from '../../stores/rules/paging.ts';
import type { Row, SqliteDatabase } from '../../stores/sqlite/database.ts';
import { noDeadLetter, unreadableDeadLetter } from '../errors.ts';
import { placeholderRequest, readRequest } from '../unreadable-message.ts';

/** Moves a message out of its group. Inside the caller's transaction. */
export function moveRowToDeadLetters(db: SqliteDatabase, message: Row, reason: string, nowMs: number): void {
  db.run(
    `INSERT INTO dead_letters (session_key, turn_id, body, reason, receive_count, dead_at_ms)
     VALUES (?, ?, ?, ?, ?, ?)`,
    message.session_key!,
    message.turn_id!,
    message.body!,
    reason,
    message.receive_count!,
    nowMs,
  );
  db.run('DELETE FROM messages WHERE id = ?', message.id!);
}

export function sqliteDeadLetters(
  db: SqliteDatabase,
  requireOpen: () => void,
  enqueue: (row: Row) => void,
): TurnQueue['deadLetters'] {
  function find(id: string): Row {
    const row = /^[1-9][0-9]{0,14}$/.test(id)
      ? db.get('SELECT * FROM dead_letters WHERE id = ?', Number(id))
      : undefined;
    if (!row) throw noDeadLetter();
    return row;
  }

  return {
    async list(options) {
      requireOpen();
      const [after = 0] = decodeCursor(options?.cursor, ['number']) ?? [];
      const limit = pageSize(options);
      const rows = db.all('SELECT * FROM dead_letters WHERE id > ? ORDER BY id LIMIT ?', after, limit + 1);
      const items = rows.slice(0, limit).map(deadLetter);
      const last = items.at(-1);
      return { items, cursor: last && rows.length > limit ? encodeCursor([Number(last.id)]) : null };
    },

    async replay(id) {
      requireOpen();
      db.write(() => {
        const row = find(id);
        if (!readRequest(String(row.body))) throw unreadableDeadLetter();
        enqueue(row);
        db.run('DELETE FROM dead_letters WHERE id = ?', row.id!);
      });
    },

    async drop(id) {
      requireOpen();
      db.write(() => db.run('DELETE FROM dead_letters WHERE id = ?', find(id).id!));
    },
  };
}

function deadLetter(row: Row): DeadLetter {
  const body = String(row.body);
  const deadAtMs = Number(row.dead_at_ms);
  const unread = { id: String(row.turn_id), sessionKey: String(row.session_key), body, atMs: deadAtMs };
  return {
    id: String(row.id),
    request: readRequest(body) ?? placeholderRequest(unread),
    reason: String(row.reason),
    receiveCount: Number(row.receive_count),
    deadAtMs,
  };
}
