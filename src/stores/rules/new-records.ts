// Records as they begin: the ledger line of an accepted message, a session's head, a conversation's mapping.
import { conversationOf, type SessionId, type SessionKey, tenantOf } from '../../core/ids.ts';
import { type TurnRequest, writtenIn } from '../../core/messages.ts';
import type { SessionHead, SessionMapping, TurnRecord } from '../../core/records.ts';
import { expiryOf } from './retention.ts';

/** The line of a message just accepted. */
export function queuedTurn(
  request: TurnRequest,
  sequence: number,
  nowMs: number,
  retentionSec: number,
): TurnRecord {
  return {
    turnId: request.turnId,
    sessionKey: request.sessionKey,
    tenant: tenantOf(request.sessionKey),
    kind: request.kind,
    dedupeId: request.dedupeId,
    text: request.text,
    ...(request.linked && { writtenIn: writtenIn(request) }),
    ...(request.attachments && { attachments: request.attachments }),
    status: 'queued',
    attempts: 0,
    stopRequested: false,
    sessionId: null,
    generation: null,
    reply: null,
    anchor: null,
    timeline: null,
    sequence,
    receivedAtMs: request.receivedAtMs,
    updatedAtMs: nowMs,
    expiresAtSec: expiryOf(nowMs, retentionSec),
  };
}

/** A session's head before its first turn, or with the state it was brought with. */
export function newHead(
  key: SessionKey,
  sessionId: SessionId,
  nowMs: number,
  retentionSec: number,
  brought: Pick<SessionHead, 'generation' | 'state'> & Partial<Pick<SessionHead, 'consent'>> = {
    generation: 0,
    state: null,
  },
): SessionHead {
  return {
    tenant: tenantOf(key),
    sessionId,
    sessionKey: key,
    generation: brought.generation,
    fence: 0,
    state: brought.state,
    consent: brought.consent ?? null,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    expiresAtSec: expiryOf(nowMs, retentionSec),
  };
}

/** A mapping of this conversation, all seven fields. `createdAt`: of the one it replaces. */
export function newMapping(
  key: SessionKey,
  sessionId: SessionId,
  nowMs: number,
  retentionSec: number,
  createdAt: string = new Date(nowMs).toISOString(),
): SessionMapping {
  const { chat, thread } = conversationOf(key);
  return {
    session_key: key,
    session_id: sessionId,
    chat_id: chat,
    thread_id: thread,
    created_at: createdAt,
    updated_at: new Date(nowMs).toISOString(),
    ttl: expiryOf(nowMs, retentionSec),
  };
}
