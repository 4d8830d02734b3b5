// A durable queue in one SQLite file, shared by all processes of a machine. A message may go when it is the first
// of its conversation and visible: whatever makes the first one wait (in flight, retried later) holds the others.
// Long polls notice another process's messages within about 20 ms, and cost nothing while there are none.
import { randomUUID } from 'node:crypto';
import { systemClock } from '../../core/clock.ts';
import { parseTurnRequest, queueDedupeId, type TurnRequest } from '../../core/messages.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { ReceivedMessage, TurnQueue } from '../../core/ports/queue.ts';
import { borrowOrOpen, type Row, type SqliteDatabase } from '../../stores/sqlite/database.ts';
import { queueClosed, receiptLost } from '../errors.ts';
import { moveRowToDeadLetters, sqliteDeadLetters } from './dead-letters.ts';

export interface SqliteTurnQueueOptions {
  /** Path of the file (made where there is none), or a database opened by `openDatabase`. */
  readonly database: string | SqliteDatabase;
  readonly clock?: Clock;
}

const DEDUPE_MS = 5 * 60_000;

const FIRST_OF_EACH_GROUP = `
  FROM messages JOIN (SELECT min(id) AS first FROM messages GROUP BY session_key) ON id = first`;

export function createSqliteTurnQueue(options: SqliteTurnQueueOptions): TurnQueue {
  const clock = options.clock ?? systemClock;
  const { db, close } = borrowOrOpen(options.database);
  const closing = new AbortController();

  function requireOpen(): void {
    if (closing.signal.aborted) throw queueClosed();
  }

  function dueRows(max: number): Row[] {
    return db.all(
      `SELECT messages.* ${FIRST_OF_EACH_GROUP} WHERE visible_at_ms <= ? ORDER BY id LIMIT ?`,
      clock.now(),
      max,
    );
  }

  /** How long until a message may become visible by the passing of time alone. */
  function untilNextMs(): number {
    const next = db.get(
      `SELECT min(visible_at_ms) AS at ${FIRST_OF_EACH_GROUP} WHERE visible_at_ms > ?`,
      clock.now(),
    );
    return next?.at == null ? Number.POSITIVE_INFINITY : Number(next.at) - clock.now();
  }

  /** Looks without a lock first: an idle queue writes nothing. */
  function takeVisible(max: number, visibilityMs: number): ReceivedMessage[] {
    if (dueRows(1).length === 0) return [];
    return db.write(() => {
      const taken: ReceivedMessage[] = [];
      for (
        let rows = dueRows(max);
        rows.length > 0 && taken.length < max;
        rows = dueRows(max - taken.length)
      ) {
        for (const row of rows) {
          const request = readBody(row);
          if (request instanceof Error)
            moveRowToDeadLetters(db, row, `Unreadable message: ${request.message}`, clock.now());
          else taken.push(receiveMessage(row, request, visibilityMs));
        }
      }
      return taken;
    });
  }

  function receiveMessage(row: Row, request: TurnRequest, visibilityMs: number): ReceivedMessage {
    const id = Number(row.id);
    const receipt = randomUUID();
    const receiveCount = Number(row.receive_count) + 1;
    db.run(
      'UPDATE messages SET receipt = ?, receive_count = ?, visible_at_ms = ? WHERE id = ?',
      receipt,
      receiveCount,
      clock.now() + visibilityMs,
      id,
    );
    return {
      request,
      receiveCount,
      async extend(ms) {
        const sql = 'UPDATE messages SET visible_at_ms = ? WHERE id = ? AND receipt = ?';
        if (db.write(() => db.run(sql, clock.now() + ms, id, receipt)) === 1) return;
        throw receiptLost();
      },
      async ack() {
        db.write(() => db.run('DELETE FROM messages WHERE id = ? AND receipt = ?', id, receipt));
      },
      async retry(ms) {
        const sql = 'UPDATE messages SET visible_at_ms = ?, receipt = NULL WHERE id = ? AND receipt = ?';
        db.write(() => db.run(sql, clock.now() + ms, id, receipt));
      },
      async deadLetter(reason) {
        db.write(() => {
          const mine = db.get('SELECT * FROM messages WHERE id = ? AND receipt = ?', id, receipt);
          if (mine) moveRowToDeadLetters(db, mine, reason, clock.now());
        });
      },
    };
  }

  return {
    async send(request) {
      requireOpen();
      const body = JSON.stringify(parseTurnRequest(request));
      const nowMs = clock.now();
      db.write(() => {
        db.run('DELETE FROM sent WHERE sent_at_ms <= ?', nowMs - DEDUPE_MS);
        const isNew =
          db.run(
            'INSERT INTO sent (dedupe_id, sent_at_ms) VALUES (?, ?) ON CONFLICT DO NOTHING',
            queueDedupeId(request),
            nowMs,
          ) === 1;
        if (isNew) enqueue(db, { session_key: request.sessionKey, turn_id: request.turnId, body });
      });
    },

    async receive({ max, waitMs, visibilityMs, signal }) {
      requireOpen();
      const untilMs = clock.now() + waitMs;
      const stop = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
      for (;;) {
        if (stop.aborted) return [];
        const version = db.dataVersion();
        const received = takeVisible(max, visibilityMs);
        const leftMs = untilMs - clock.now();
        if (received.length > 0 || leftMs <= 0) return received;
        await db.waitForChange(version, clock, Math.min(leftMs, untilNextMs()), stop);
      }
    },

    async depth() {
      requireOpen();
      const row = db.get(
        'SELECT count(*) AS n FROM messages WHERE receipt IS NULL OR visible_at_ms <= ?',
        clock.now(),
      );
      return Number(row?.n);
    },

    deadLetters: sqliteDeadLetters(db, requireOpen, (row) => enqueue(db, row)),

    async close() {
      if (closing.signal.aborted) return;
      closing.abort();
      close();
    },
  };
}

function enqueue(db: SqliteDatabase, row: Row): void {
  db.run(
    `INSERT INTO messages (session_key, turn_id, body, receive_count, visible_at_ms, receipt)
     VALUES (?, ?, ?, 0, 0, NULL)`,
    row.session_key!,
    row.turn_id!,
    row.body!,
  );
}

function readBody(row: Row): TurnRequest | Error {
  try {
    return parseTurnRequest(JSON.parse(String(row.body)));
  } catch (error) {
    return error as Error;
  }
}
