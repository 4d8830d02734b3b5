// What is the same in every session store whatever it is built on: how a message becomes a ledger line, what may
// be committed, and the words of the errors.
import { Conflict, Corrupt, Gone, Invalid } from '../core/errors.ts';
import { conversationOf, type SessionId, type SessionKey, tenantId, tenantOf } from '../core/ids.ts';
import type { TurnRequest } from '../core/messages.ts';
import { GATHERED, type SessionHead, type SessionMapping, type TurnRecord } from '../core/records.ts';

export function epochSec(nowMs: number): number {
  return Math.floor(nowMs / 1_000);
}

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
    status: 'queued',
    attempts: 0,
    stopRequested: false,
    sessionId: null,
    generation: null,
    reply: null,
    anchor: null,
    sequence,
    receivedAtMs: request.receivedAtMs,
    updatedAtMs: nowMs,
    expiresAtSec: epochSec(nowMs) + retentionSec,
  };
}

/** A session's head before its first turn, or with the state it was brought with. */
export function newHead(
  key: SessionKey,
  sessionId: SessionId,
  nowMs: number,
  retentionSec: number,
  begun: Pick<SessionHead, 'generation' | 'state'> = { generation: 0, state: null },
): SessionHead {
  return {
    tenant: tenantOf(key),
    sessionId,
    sessionKey: key,
    ...begun,
    fence: 0,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    expiresAtSec: epochSec(nowMs) + retentionSec,
  };
}

/** A mapping of this conversation, all seven fields. */
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
    ttl: epochSec(nowMs) + retentionSec,
  };
}

/** Throws Invalid('idempotency-mismatch') when the known turn says something else than the message. */
export function requireSameMessage(turn: TurnRecord, request: TurnRequest): void {
  // Stores keep UTF-8: half a surrogate pair does not survive them, and must not make a message differ from itself.
  if (turn.text.toWellFormed() === request.text.toWellFormed() && turn.kind === request.kind) return;
  throw new Invalid(
    'idempotency-mismatch',
    'A message with this id but another content was accepted before.',
    {
      advice: 'Use a new Idempotency-Key for a new message.',
      data: { turnId: turn.turnId },
    },
  );
}

/** The line of a turn that a worker has just begun on a session. */
export function runningTurn(turn: TurnRecord, sessionId: SessionId, nowMs: number): TurnRecord {
  // What an earlier attempt saved in another session (one that has expired since) is not in this one's state.
  const generation = turn.sessionId === sessionId ? turn.generation : null;
  return {
    ...turn,
    status: 'running',
    attempts: turn.attempts + 1,
    sessionId,
    generation,
    updatedAtMs: nowMs,
  };
}

/** The line of a turn whose last attempt is not held against it. */
export function forgivenTurn(turn: TurnRecord, nowMs: number): TurnRecord {
  return { ...turn, attempts: Math.max(0, turn.attempts - 1), updatedAtMs: nowMs };
}

/** A write keeps the generation or makes the next one. */
export function requireNextGeneration(baseGeneration: number, generation: number): void {
  if (generation === baseGeneration || generation === baseGeneration + 1) return;
  throw new Invalid('bad-generation', `Generation ${generation} cannot follow ${baseGeneration}.`);
}

export function leaseLost(): Conflict {
  return new Conflict('lease-lost', 'This worker no longer holds the session.');
}

/** A conversation points at a session that is not there: told as it is, never answered with a new session. */
export function headMissing(): Corrupt {
  return new Corrupt('head-missing', 'The conversation points at a session whose head is missing.', {
    advice:
      'Run `hybrid-sessions sessions verify`, then restore the store from a backup or erase the conversation.',
  });
}

export function unknownTurn(): Gone {
  return new Gone('unknown-turn', 'There is no such turn.');
}

export function unknownSession(): Gone {
  return new Gone('unknown-session', 'There is no such session.');
}

export function sessionExists(): Conflict {
  return new Conflict('session-exists', 'A session with this id exists already.', {
    advice: 'Erase the session that has the id, or keep it: it is the same one.',
  });
}

export function conversationTaken(): Conflict {
  return new Conflict('conversation-taken', 'The new key of the conversation points at another session.');
}

/** The line of a message that another turn of this session took with it. */
export function gatheredTurn(turn: TurnRecord, sessionId: SessionId, nowMs: number): TurnRecord {
  return { ...turn, status: 'delivered', sessionId, reply: GATHERED, updatedAtMs: nowMs };
}

export function notQueued(): Conflict {
  return new Conflict('not-queued', 'A message that was to be gathered does not wait any more.');
}

export function notCommitted(): Invalid {
  return new Invalid('not-committed', 'Only a committed turn can be settled.');
}

/** What the keys of one tenant (and channel) begin with. */
export function keyPrefix(tenant: string, channel?: string): string {
  return channel === undefined ? `${tenant}/` : `${tenant}/${tenantId(channel)}/`;
}

/** The range of keys under a prefix that ends in `/`: from it, up to but without this. */
export function afterPrefix(prefix: string): string {
  return `${prefix.slice(0, -1)}0`;
}
