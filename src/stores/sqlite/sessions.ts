// The small steps that the sqlite store's writes are made of: find, make, point, hold. Each runs inside the
// caller's transaction.
import { Refused } from '../../core/errors.ts';
import { type SessionId, type SessionKey, type Tenant, type TurnId, tenantOf } from '../../core/ids.ts';
import type { TurnRequest } from '../../core/messages.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Lease, SessionHead, SessionMapping, TurnRecord } from '../../core/records.ts';
import {
  epochSec,
  leaseLost,
  newHead,
  newMapping,
  queuedTurn,
  requireSameMessage,
  sessionExists,
  unknownTurn,
} from '../ledger.ts';
import type { Row, SqliteDatabase } from './database.ts';
import { headOf, insertHead, insertTurn, mappingOf, putMapping, turnOf } from './rows.ts';

export function sqliteSessions(db: SqliteDatabase, clock: Clock) {
  const nowSec = () => epochSec(clock.now());

  const headRow = (tenant: Tenant, sessionId: string): Row | undefined =>
    db.get('SELECT * FROM heads WHERE tenant = ? AND session_id = ?', tenant, sessionId);

  const turnRow = (tenant: Tenant, turnId: TurnId): Row | undefined =>
    db.get('SELECT * FROM turns WHERE tenant = ? AND turn_id = ?', tenant, turnId);

  function liveTurn(tenant: Tenant, turnId: TurnId): TurnRecord | null {
    const row = turnRow(tenant, turnId);
    return row && Number(row.expires_at_sec) > nowSec() ? turnOf(row) : null;
  }

  function knownTurn(tenant: Tenant, turnId: TurnId): TurnRecord {
    const turn = liveTurn(tenant, turnId);
    if (!turn) throw unknownTurn();
    return turn;
  }

  /** The turn that this lease runs; lost when someone else fixed its outcome or took it elsewhere. */
  function runningTurn(lease: Lease, turnId: TurnId): TurnRecord {
    const turn = liveTurn(lease.tenant, turnId);
    if (turn?.status !== 'running' || turn.sessionId !== lease.sessionId) throw leaseLost();
    return turn;
  }

  function liveMapping(key: SessionKey): SessionMapping | null {
    const row = db.get('SELECT * FROM mappings WHERE session_key = ? AND ttl > ?', key, nowSec());
    return row ? mappingOf(row) : null;
  }

  /** The head if the lease is still the one that holds it. */
  function heldHead(lease: Lease): SessionHead {
    const row = headRow(lease.tenant, lease.sessionId);
    if (!row || row.lease_owner !== lease.owner || Number(row.fence) !== lease.fence) throw leaseLost();
    return headOf(row);
  }

  function requireFree(row: Row): void {
    const retryAfterMs = Number(row.lease_until_ms) - clock.now();
    if (row.lease_owner === null || retryAfterMs <= 0) return;
    throw new Refused('lease-busy', 'Another worker runs this session.', { retryAfterMs });
  }

  function grant(
    known: SessionHead,
    owner: string,
    leaseMs: number,
  ): { readonly lease: Lease; readonly head: SessionHead } {
    const head = { ...known, fence: known.fence + 1 };
    const { tenant, sessionId, sessionKey, fence } = head;
    db.run(
      'UPDATE heads SET fence = ?, lease_owner = ?, lease_until_ms = ? WHERE tenant = ? AND session_id = ?',
      fence,
      owner,
      clock.now() + leaseMs,
      tenant,
      sessionId,
    );
    return { lease: { tenant, sessionId, sessionKey, owner, fence }, head };
  }

  function accept(request: TurnRequest, retentionSec: number): TurnRecord {
    const known = liveTurn(tenantOf(request.sessionKey), request.turnId);
    if (known) {
      requireSameMessage(known, request);
      return known;
    }
    const newest = db.get('SELECT max(sequence) AS n FROM turns WHERE session_key = ?', request.sessionKey);
    const turn = queuedTurn(request, Number(newest?.n ?? 0) + 1, clock.now(), retentionSec);
    insertTurn(db, turn);
    return turn;
  }

  function makeHead(
    key: SessionKey,
    sessionId: SessionId,
    retentionSec: number,
    begun?: Pick<SessionHead, 'generation' | 'state'>,
  ): SessionHead {
    const tenant = tenantOf(key);
    if (headRow(tenant, sessionId)) throw sessionExists();
    const head = newHead(key, sessionId, clock.now(), retentionSec, begun);
    insertHead(db, head);
    return head;
  }

  /** Points the conversation at a session, and lets its retention begin anew. */
  function point(key: SessionKey, sessionId: SessionId, retentionSec: number): SessionMapping {
    const createdAt = liveMapping(key)?.created_at;
    const mapping = newMapping(key, sessionId, clock.now(), retentionSec, createdAt);
    putMapping(db, mapping);
    return mapping;
  }

  return {
    headRow,
    turnRow,
    liveTurn,
    knownTurn,
    runningTurn,
    liveMapping,
    heldHead,
    requireFree,
    grant,
    accept,
    makeHead,
    point,
  };
}
