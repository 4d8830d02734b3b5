// Who may run a session's turns: a lease is granted if the session is free, and holds until the fence moves on or the
// lease is given back. A clock only says when somebody else may take over, never that a holder has lost.
import type { Lease, SessionHead } from '../../core/records.ts';
import { storeError } from './errors.ts';

/** A session as stores keep it: the head, and who holds the lease until when. */
export interface StoredSession {
  readonly head: SessionHead;
  readonly owner: string | null;
  readonly leaseUntilMs: number;
}

/** As much of a stored session as decides about its lease. */
export interface LeaseState {
  readonly head: Pick<SessionHead, 'fence' | 'generation'>;
  readonly owner: string | null;
  readonly leaseUntilMs: number;
}

/** A new session, leased by nobody. */
export function unleased(head: SessionHead): StoredSession {
  return { head, owner: null, leaseUntilMs: 0 };
}

/** True for the newest lease granted, until it is given back. */
export function isHeldBy(session: LeaseState | null | undefined, lease: Lease): session is LeaseState {
  return session?.owner === lease.owner && session.head.fence === lease.fence;
}

/** Conflict('lease-lost'). */
export function requireHeld<S extends LeaseState>(session: S | null | undefined, lease: Lease): S {
  if (session && isHeldBy(session, lease)) return session;
  throw storeError('lease-lost');
}

/** Refused('lease-busy') while another lease runs, with the time it has left. */
export function requireFree({ owner, leaseUntilMs }: Omit<LeaseState, 'head'>, nowMs: number): void {
  const retryAfterMs = leaseUntilMs - nowMs;
  if (owner !== null && retryAfterMs > 0) throw storeError('lease-busy', { retryAfterMs });
}

export function leaseOf(head: SessionHead, owner: string): Lease {
  const { tenant, sessionId, sessionKey, fence } = head;
  return { tenant, sessionId, sessionKey, owner, fence };
}

/** The session leased to `owner`: fence + 1. Refused('lease-busy'). */
export function grantLease(
  session: StoredSession,
  owner: string,
  leaseMs: number,
  nowMs: number,
): { readonly session: StoredSession; readonly lease: Lease } {
  requireFree(session, nowMs);
  const head = { ...session.head, fence: session.head.fence + 1 };
  return { session: { head, owner, leaseUntilMs: nowMs + leaseMs }, lease: leaseOf(head, owner) };
}
