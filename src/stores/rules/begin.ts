// What begin leases, and what it shows of the conversation.
import type { SessionId, SessionKey } from '../../core/ids.ts';
import { isCommitted, type SessionMapping, type TurnRecord } from '../../core/records.ts';
import { storeError } from './errors.ts';
import { newMapping } from './new-records.ts';

/**
 * The session to lease for a turn; null when one has to be made. The outbox of a committed turn belongs to the
 * session that committed it, wherever the conversation points now: leasing that one fences the worker that did.
 */
export function sessionToLease(
  turn: Pick<TurnRecord, 'status' | 'sessionId'>,
  mapping: Pick<SessionMapping, 'session_id'> | null,
): SessionId | null {
  return (isCommitted(turn) ? turn.sessionId : null) ?? mapping?.session_id ?? null;
}

/** Corrupt('head-missing') when a session is named but not there: a new one in its place would be silent amnesia. */
export function requireHead<S>(session: S | null | undefined, sessionId: SessionId): S {
  if (session) return session;
  throw storeError('head-missing', { data: { sessionId } });
}

/**
 * The mapping that begin of a committed turn shows when the conversation points nowhere any more. It is not
 * stored: delivering an old reply again does not bring the conversation back.
 */
export function expiredMapping(key: SessionKey, sessionId: SessionId, nowMs: number): SessionMapping {
  return newMapping(key, sessionId, nowMs, 0);
}
