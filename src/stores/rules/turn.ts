// A turn's line in the ledger: when a message is the same message, and how a line may change.
import type { SessionId, TurnId } from '../../core/ids.ts';
import type { Json, TurnRequest } from '../../core/messages.ts';
import { gatheredBy, isCommitted, type Lease, type TurnRecord } from '../../core/records.ts';
import type { Timeline } from '../../core/timeline.ts';
import { storeError } from './errors.ts';
import { isLive } from './retention.ts';

const MAX_ANCHOR_BYTES = 64_000;

/** As much of a line as decides what may be done with it. */
export type TurnState = Pick<TurnRecord, 'status' | 'sessionKey' | 'sessionId' | 'expiresAtSec'>;

/** What has to be equal in two messages with one id; as text, so that its digest can stand for it. */
export function messageContent(
  message: Pick<TurnRequest, 'kind' | 'text'> & Pick<TurnRecord, 'attachments'>,
): string {
  const { kind, text, attachments } = message;
  // Half a surrogate pair does not survive UTF-8: it must not make a message that comes again differ from itself.
  return JSON.stringify([kind, text.toWellFormed(), ...(attachments ? [attachments] : [])]);
}

/** Invalid('idempotency-mismatch') when the known turn says something else than the message. */
export function requireSameMessage(
  turn: Pick<TurnRecord, 'kind' | 'text' | 'turnId' | 'attachments'>,
  request: TurnRequest,
): void {
  if (messageContent(turn) === messageContent(request)) return;
  throw storeError('idempotency-mismatch', { data: { turnId: turn.turnId } });
}

/** Gone('unknown-turn') for a line that is not there, or has expired. */
export function requireTurn<T extends Pick<TurnState, 'expiresAtSec'>>(
  turn: T | null | undefined,
  nowMs: number,
): T {
  if (turn && isLive(turn.expiresAtSec, nowMs)) return turn;
  throw storeError('unknown-turn');
}

/** A lease opens the lines of its own conversation, and those of its session from before a move. Gone('unknown-turn'). */
export function requireTurnOfLease<T extends TurnState>(
  turn: T | null | undefined,
  lease: Lease,
  nowMs: number,
): T {
  const known = requireTurn(turn, nowMs);
  if (known.sessionKey === lease.sessionKey || known.sessionId === lease.sessionId) return known;
  throw storeError('unknown-turn');
}

/** Only a turn that runs in the lease's session may be written as running. Conflict('lease-lost'). */
export function requireRunning<T extends TurnState>(turn: T | null | undefined, lease: Lease): T {
  const runs = turn?.status === 'running' && turn.sessionId === lease.sessionId;
  if (turn && runs && turn.sessionKey === lease.sessionKey) return turn;
  throw storeError('lease-lost');
}

/** Gone('unknown-turn'), Invalid('not-committed'). */
export function requireCommitted<T extends TurnState>(
  turn: T | null | undefined,
  lease: Lease,
  nowMs: number,
): T {
  const known = requireTurnOfLease(turn, lease, nowMs);
  if (isCommitted(known)) return known;
  throw storeError('not-committed');
}

/** A turn that a worker has just begun on a session. */
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

/** Takes back the attempt that begin counted; null when there is none of this lease's. */
export function forgivenTurn(
  turn: TurnRecord | null | undefined,
  lease: Lease,
  nowMs: number,
): TurnRecord | null {
  const runs = turn?.status === 'running' && turn.sessionId === lease.sessionId;
  if (!runs || turn.attempts === 0) return null;
  return { ...turn, attempts: turn.attempts - 1, updatedAtMs: nowMs };
}

/** A message that another turn of this session takes with it. Conflict('not-queued'). */
export function gatheredTurn(turn: TurnRecord, by: TurnId, lease: Lease, nowMs: number): TurnRecord {
  if (turn.status !== 'queued' || turn.sessionKey !== lease.sessionKey) throw storeError('not-queued');
  return {
    ...turn,
    status: 'delivered',
    sessionId: lease.sessionId,
    reply: gatheredBy(by),
    updatedAtMs: nowMs,
  };
}

export function stoppedTurn(turn: TurnRecord, nowMs: number): TurnRecord {
  return isCommitted(turn) ? turn : { ...turn, stopRequested: true, updatedAtMs: nowMs };
}

export function reopenedTurn(turn: TurnRecord, nowMs: number): TurnRecord {
  return turn.status === 'undeliverable' ? { ...turn, status: 'committed', updatedAtMs: nowMs } : turn;
}

/** The outcome of a delivery is written once; a later one changes nothing. */
export function settledTurn(
  turn: TurnRecord,
  status: 'delivered' | 'undeliverable',
  timeline: Timeline | undefined,
  nowMs: number,
): TurnRecord {
  if (turn.status !== 'committed') return turn;
  return { ...turn, status, timeline: turn.timeline ?? timeline ?? null, updatedAtMs: nowMs };
}

/** Invalid('anchor-too-large'): every change of a line rewrites its note, so it has to stay small. */
export function requireSmallAnchor(anchor: Json): void {
  if (Buffer.byteLength(JSON.stringify(anchor)) > MAX_ANCHOR_BYTES) throw storeError('anchor-too-large');
}
