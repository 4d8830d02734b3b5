// Dead letters of the sqlite queue. A body that could not be read is kept too, shown as text, and never replayed.
import { Gone, Invalid } from '../../core/errors.ts';
import { type Conversation, conversationOf, type SessionKey, type TurnId } from '../../core/ids.ts';
import { MAX_TEXT_LENGTH, parseTurnRequest, type TurnRequest } from '../../core/messages.ts';
import type { DeadLetter, TurnQueue } from '../../core/ports/queue.ts';
import { decodeCursor, encodeCursor, pageSize } from '../../stores/paging.ts';
import type { Row, SqliteDatabase } from '../../stores/sqlite/database.ts';
import { cutText } from '../../text/cut-text.ts';

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
    if (!row) throw new Gone('no-dead-letter', 'There is no such dead letter.');
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
        if (!readRequest(row)) {
          throw new Invalid('bad-message', 'This dead letter is no message that can be sent again.', {
            advice: 'Drop it.',
          });
        }
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
  return {
    id: String(row.id),
    request: readRequest(row) ?? placeholderRequest(row),
    reason: String(row.reason),
    receiveCount: Number(row.receive_count),
    deadAtMs: Number(row.dead_at_ms),
  };
}

function readRequest(row: Row): TurnRequest | null {
  try {
    return parseTurnRequest(JSON.parse(String(row.body)));
  } catch {
    return null;
  }
}

/** What is known of a message whose body cannot be read: where it was sent, and the body itself as text. */
function placeholderRequest(row: Row): TurnRequest {
  const sessionKey = String(row.session_key) as SessionKey;
  return {
    version: 1,
    turnId: String(row.turn_id) as TurnId,
    sessionKey,
    dedupeId: 'unreadable',
    conversation: placeOf(sessionKey),
    kind: 'message',
    part: 0,
    text: cutText(String(row.body), MAX_TEXT_LENGTH),
    sender: null,
    replyTarget: null,
    receivedAtMs: Number(row.dead_at_ms),
    sessionHint: null,
  };
}

function placeOf(key: SessionKey): Conversation {
  try {
    return conversationOf(key);
  } catch {
    return { tenant: '', channel: '', bot: '', chat: '', thread: null };
  }
}
