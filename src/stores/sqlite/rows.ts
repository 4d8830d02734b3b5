// Rows to records and back. What cannot be read back as it was written is Corrupt, never absent.

import type { Attachment } from '../../core/attachments.ts';
import type { SessionId, SessionKey, Tenant, TurnId } from '../../core/ids.ts';
import type { TurnRequest } from '../../core/messages.ts';
import type { Reply, SessionHead, SessionMapping, TurnRecord, TurnStatus } from '../../core/records.ts';
import type { Timeline } from '../../core/timeline.ts';
import type { StoredTurn } from '../rules/commit.ts';
import { storeError } from '../rules/errors.ts';
import type { StoredSession } from '../rules/lease.ts';
import type { Row, SqliteDatabase } from './database.ts';

export function parseColumn<T>(name: string, value: unknown): T | null {
  if (value === null || value === undefined) return null;
  try {
    return JSON.parse(String(value)) as T;
  } catch (cause) {
    throw storeError('record-unreadable', { cause, data: { column: name } });
  }
}

function text(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}

export function mappingOf(row: Row): SessionMapping {
  return {
    session_key: String(row.session_key) as SessionKey,
    session_id: String(row.session_id) as SessionId,
    chat_id: String(row.chat_id),
    thread_id: text(row.thread_id),
    created_at: String(row.created_at),
    updated_at: String(row.updated_at),
    ttl: Number(row.ttl),
  };
}

export function headOf(row: Row): SessionHead {
  return {
    tenant: String(row.tenant) as Tenant,
    sessionId: String(row.session_id) as SessionId,
    sessionKey: String(row.session_key) as SessionKey,
    generation: Number(row.generation),
    fence: Number(row.fence),
    state: parseColumn('state', row.state),
    consent: parseColumn('consent', row.consent),
    createdAtMs: Number(row.created_at_ms),
    updatedAtMs: Number(row.updated_at_ms),
    expiresAtSec: Number(row.expires_at_sec),
  };
}

export function sessionOf(row: Row): StoredSession {
  return { head: headOf(row), owner: text(row.lease_owner), leaseUntilMs: Number(row.lease_until_ms) };
}

export function turnOf(row: Row): TurnRecord {
  return {
    turnId: String(row.turn_id) as TurnId,
    sessionKey: String(row.session_key) as SessionKey,
    tenant: String(row.tenant) as Tenant,
    kind: String(row.kind) as TurnRequest['kind'],
    dedupeId: String(row.dedupe_id),
    text: String(row.text),
    ...(row.written_in !== null && { writtenIn: String(row.written_in) as SessionKey }),
    ...(row.attachments !== null && {
      attachments: parseColumn<readonly Attachment[]>('attachments', row.attachments) ?? [],
    }),
    status: String(row.status) as TurnStatus,
    attempts: Number(row.attempts),
    stopRequested: row.stop_requested === 1,
    sessionId: text(row.session_id) as SessionId | null,
    generation: row.generation === null ? null : Number(row.generation),
    reply: parseColumn<Reply>('reply', row.reply),
    anchor: parseColumn('anchor', row.anchor),
    timeline: parseColumn<Timeline>('timeline', row.timeline),
    sequence: Number(row.sequence),
    receivedAtMs: Number(row.received_at_ms),
    updatedAtMs: Number(row.updated_at_ms),
    expiresAtSec: Number(row.expires_at_sec),
  };
}

export function storedTurnOf(row: Row): StoredTurn {
  const { committed_fence: fence } = row;
  return { turn: turnOf(row), committedFence: fence === null ? null : Number(fence) };
}

function json(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}

/** Writes a new line; an expired one of the same id makes room for it. */
export function insertTurn(db: SqliteDatabase, turn: TurnRecord): void {
  db.run(
    `INSERT OR REPLACE INTO turns (tenant, turn_id, session_key, kind, dedupe_id, text, written_in, attachments, status, attempts,
       stop_requested, session_id, generation, reply, anchor, sequence, received_at_ms, updated_at_ms,
       expires_at_sec, committed_fence)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'queued', 0, 0, NULL, NULL, NULL, NULL, ?, ?, ?, ?, NULL)`,
    turn.tenant,
    turn.turnId,
    turn.sessionKey,
    turn.kind,
    turn.dedupeId,
    turn.text,
    turn.writtenIn ?? null,
    json(turn.attachments ?? null),
    turn.sequence,
    turn.receivedAtMs,
    turn.updatedAtMs,
    turn.expiresAtSec,
  );
}

/** Writes all that can change in a line; without a fence, the one it was committed with stays. */
export function updateTurn(db: SqliteDatabase, turn: TurnRecord, committedFence: number | null = null): void {
  db.run(
    `UPDATE turns SET status = ?, attempts = ?, stop_requested = ?, session_id = ?, generation = ?, reply = ?,
       anchor = ?, timeline = ?, updated_at_ms = ?, expires_at_sec = ?, committed_fence = coalesce(?, committed_fence)
     WHERE tenant = ? AND turn_id = ?`,
    turn.status,
    turn.attempts,
    turn.stopRequested ? 1 : 0,
    turn.sessionId,
    turn.generation,
    json(turn.reply),
    json(turn.anchor),
    json(turn.timeline),
    turn.updatedAtMs,
    turn.expiresAtSec,
    committedFence,
    turn.tenant,
    turn.turnId,
  );
}

/** A fresh session at generation 0 (or the given one), leased by nobody. */
export function insertHead(db: SqliteDatabase, head: SessionHead): void {
  db.run(
    `INSERT INTO heads (tenant, session_id, session_key, generation, fence, state, consent, created_at_ms,
       updated_at_ms, expires_at_sec, lease_owner, lease_until_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, 0)`,
    head.tenant,
    head.sessionId,
    head.sessionKey,
    head.generation,
    head.fence,
    json(head.state),
    json(head.consent ?? null),
    head.createdAtMs,
    head.updatedAtMs,
    head.expiresAtSec,
  );
}

export function updateHead(db: SqliteDatabase, head: SessionHead): void {
  db.run(
    `UPDATE heads SET generation = ?, state = ?, consent = ?, updated_at_ms = ?, expires_at_sec = ?
     WHERE tenant = ? AND session_id = ?`,
    head.generation,
    json(head.state),
    json(head.consent ?? null),
    head.updatedAtMs,
    head.expiresAtSec,
    head.tenant,
    head.sessionId,
  );
}

/** Writes who holds a session until when, and the fence that says so. */
export function updateLease(db: SqliteDatabase, { head, owner, leaseUntilMs }: StoredSession): void {
  db.run(
    'UPDATE heads SET fence = ?, lease_owner = ?, lease_until_ms = ? WHERE tenant = ? AND session_id = ?',
    head.fence,
    owner,
    leaseUntilMs,
    head.tenant,
    head.sessionId,
  );
}

export function putMapping(db: SqliteDatabase, mapping: SessionMapping): void {
  db.run(
    `INSERT OR REPLACE INTO mappings (session_key, session_id, chat_id, thread_id, created_at, updated_at, ttl)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    mapping.session_key,
    mapping.session_id,
    mapping.chat_id,
    mapping.thread_id,
    mapping.created_at,
    mapping.updated_at,
    mapping.ttl,
  );
}
