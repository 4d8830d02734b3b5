// What the sqlite session store reads and makes within a transaction: sessions, lines, mappings.
import { type SessionId, type SessionKey, type Tenant, type TurnId, tenantOf } from '../../core/ids.ts';
import type { TurnRequest } from '../../core/messages.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Lease, SessionHead, SessionMapping, TurnRecord } from '../../core/records.ts';
import type { StoredTurn } from '../rules/commit.ts';
import { storeError } from '../rules/errors.ts';
import { requireHeld, type StoredSession } from '../rules/lease.ts';
import { queuedTurn } from '../rules/new-records.ts';
import { isLive } from '../rules/retention.ts';
import { requireSameMessage } from '../rules/turn.ts';
import type { SqliteDatabase } from './database.ts';
import { insertHead, insertTurn, mappingOf, sessionOf, storedTurnOf } from './rows.ts';

export function sqliteSessions(db: SqliteDatabase, clock: Clock) {
  function session(tenant: Tenant, sessionId: SessionId): StoredSession | null {
    const row = db.get('SELECT * FROM heads WHERE tenant = ? AND session_id = ?', tenant, sessionId);
    return row ? sessionOf(row) : null;
  }

  /** Conflict('lease-lost'). */
  function heldSession(lease: Lease): StoredSession {
    return requireHeld(session(lease.tenant, lease.sessionId), lease);
  }

  /** The line, expired or not. */
  function line(tenant: Tenant, turnId: TurnId): StoredTurn | null {
    const row = db.get('SELECT * FROM turns WHERE tenant = ? AND turn_id = ?', tenant, turnId);
    return row ? storedTurnOf(row) : null;
  }

  function liveTurn(tenant: Tenant, turnId: TurnId): TurnRecord | null {
    const turn = line(tenant, turnId)?.turn;
    return turn && isLive(turn.expiresAtSec, clock.now()) ? turn : null;
  }

  /** The mapping, expired or not. */
  function mapping(key: SessionKey): SessionMapping | null {
    const row = db.get('SELECT * FROM mappings WHERE session_key = ?', key);
    return row ? mappingOf(row) : null;
  }

  function liveMapping(key: SessionKey): SessionMapping | null {
    const stored = mapping(key);
    return stored && isLive(stored.ttl, clock.now()) ? stored : null;
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

  /** Conflict('session-exists'). */
  function addHead(head: SessionHead): void {
    if (session(head.tenant, head.sessionId)) throw storeError('session-exists');
    insertHead(db, head);
  }

  return { session, heldSession, line, liveTurn, mapping, liveMapping, accept, addHead };
}
