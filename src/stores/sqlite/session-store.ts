// Sessions in one SQLite file: mapping, heads, leases, ledger. Every write is one `BEGIN IMMEDIATE` transaction,
// so several processes may share the file. Expired lines and mappings are swept now and then; heads stay until
// they are removed by name, because they alone name the objects that have to go with them.
import { systemClock } from '../../core/clock.ts';
import { conversationOf, type SessionId, type SessionKey } from '../../core/ids.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { BeginInput, BeginResult, CommitInput, SessionStore } from '../../core/ports/store.ts';
import { isCommitted, type TurnRecord } from '../../core/records.ts';
import { expiredMapping, requireHead, sessionToLease } from '../rules/begin.ts';
import {
  advance,
  commitTurn,
  requireCommitInput,
  requireGeneration,
  requireNextGeneration,
} from '../rules/commit.ts';
import { storeError } from '../rules/errors.ts';
import { requireSessionId } from '../rules/keys.ts';
import { grantLease, isHeldBy, requireFree, type StoredSession, unleased } from '../rules/lease.ts';
import { newHead, newMapping } from '../rules/new-records.ts';
import { epochSec, isLive } from '../rules/retention.ts';
import {
  forgivenTurn,
  gatheredTurn,
  reopenedTurn,
  requireCommitted,
  requireRunning,
  requireSmallAnchor,
  requireTurn,
  requireTurnOfLease,
  runningTurn,
  settledTurn,
  stoppedTurn,
} from '../rules/turn.ts';
import { borrowOrOpen, type Row, type SqliteDatabase } from './database.ts';
import { eraseConversation, removeExpired, sweepExpired } from './erase.ts';
import { sqliteLists } from './lists.ts';
import { leaveKey } from './move.ts';
import { headOf, putMapping, sessionOf, updateHead, updateLease, updateTurn } from './rows.ts';
import { sqliteSessions } from './sessions.ts';

export interface SqliteSessionStoreOptions {
  /** Path of the file (made where there is none), or a database opened by `openDatabase`. */
  readonly database: string | SqliteDatabase;
  readonly clock?: Clock;
}

const SWEEP_EVERY_MS = 60 * 60_000;

export function createSqliteSessionStore(options: SqliteSessionStoreOptions): SessionStore {
  const clock = options.clock ?? systemClock;
  const { db, close } = borrowOrOpen(options.database);
  const sessions = sqliteSessions(db, clock);
  let sweptAtMs = Number.NEGATIVE_INFINITY;

  function sweep(): void {
    if (clock.now() - sweptAtMs < SWEEP_EVERY_MS) return;
    sweepExpired(db, epochSec(clock.now()));
    sweptAtMs = clock.now();
  }

  function makeSession(key: SessionKey, sessionId: SessionId, retentionSec: number): StoredSession {
    const head = newHead(key, sessionId, clock.now(), retentionSec);
    sessions.addHead(head);
    putMapping(db, newMapping(key, sessionId, clock.now(), retentionSec));
    return unleased(head);
  }

  function begin({ request, owner, leaseMs, newSessionId, retentionSec }: BeginInput): BeginResult {
    requireSessionId(newSessionId);
    const { sessionKey: key } = request;
    const nowMs = clock.now();
    const turn = sessions.accept(request, retentionSec);
    const sessionId = sessionToLease(turn, sessions.liveMapping(key));
    const known =
      sessionId === null
        ? makeSession(key, newSessionId, retentionSec)
        : requireHead(sessions.session(turn.tenant, sessionId), sessionId);
    const { session, lease } = grantLease(known, owner, leaseMs, nowMs);
    updateLease(db, session);
    const mapping = sessions.liveMapping(key) ?? expiredMapping(key, lease.sessionId, nowMs);
    const begun = isCommitted(turn) ? turn : changed(runningTurn(turn, lease.sessionId, nowMs));
    return { lease, head: session.head, mapping, turn: begun };
  }

  function commit(input: CommitInput): TurnRecord {
    const { lease, turnId, repointTo, moveTo, returnTo, fork } = input;
    const fresh = repointTo ?? fork?.sessionId;
    const other = moveTo ?? fork?.sessionKey;
    const found = {
      line: sessions.line(lease.tenant, turnId),
      session: sessions.session(lease.tenant, lease.sessionId),
      mapping: sessions.mapping(lease.sessionKey),
      isTaken: fresh !== undefined && sessions.session(lease.tenant, fresh) !== null,
      there: other === undefined ? null : sessions.liveMapping(other),
      earlier: returnTo && sessions.session(lease.tenant, returnTo),
    };
    const { turn, writes } = commitTurn(input, found, clock.now());
    if (!writes) return turn;
    updateHead(db, writes.head);
    for (const head of writes.otherHeads) {
      if (head.sessionId === returnTo) updateHead(db, head);
      else sessions.addHead(head);
    }
    if (writes.forkMapping) putMapping(db, writes.forkMapping);
    if (writes.leftKey) leaveKey(db, writes.leftKey, writes.head);
    putMapping(db, writes.mapping);
    updateTurn(db, turn, lease.fence);
    return turn;
  }

  function changed(turn: TurnRecord): TurnRecord {
    updateTurn(db, turn);
    return turn;
  }

  return {
    async accept(request, retentionSec) {
      return db.write(() => {
        sweep();
        return sessions.accept(request, retentionSec);
      });
    },

    async begin(input) {
      return db.write(() => begin(input));
    },

    async renew(lease, leaseMs, turnId) {
      return db.write(() => {
        updateLease(db, { ...sessions.heldSession(lease), leaseUntilMs: clock.now() + leaseMs });
        return { stopRequested: sessions.line(lease.tenant, turnId)?.turn.stopRequested ?? false };
      });
    },

    async commit(input) {
      requireCommitInput(input);
      return db.write(() => commit(input));
    },

    async advance(input) {
      requireNextGeneration(input.baseGeneration, input.generation);
      const { lease, turnId } = input;
      db.write(() => {
        const session = sessions.session(lease.tenant, lease.sessionId);
        const line = turnId === undefined ? null : sessions.line(lease.tenant, turnId);
        const { head, turn } = advance(input, session, line?.turn, clock.now());
        updateHead(db, head);
        if (turn) updateTurn(db, turn);
      });
    },

    async gather({ lease, turnId, followers }) {
      db.write(() => {
        sessions.heldSession(lease);
        requireRunning(sessions.line(lease.tenant, turnId)?.turn, lease);
        for (const id of followers) {
          const turn = requireTurn(sessions.line(lease.tenant, id)?.turn, clock.now());
          updateTurn(db, gatheredTurn(turn, turnId, lease, clock.now()));
        }
      });
    },

    async setAnchor(lease, turnId, anchor) {
      requireSmallAnchor(anchor);
      db.write(() => {
        sessions.heldSession(lease);
        const line = sessions.line(lease.tenant, turnId);
        const turn = requireTurnOfLease(line?.turn, lease, clock.now());
        updateTurn(db, { ...turn, anchor, updatedAtMs: clock.now() });
      });
    },

    async check(lease) {
      sessions.heldSession(lease);
    },

    async settle(lease, turnId, status, timeline) {
      db.write(() => {
        sessions.heldSession(lease);
        const turn = requireCommitted(sessions.line(lease.tenant, turnId)?.turn, lease, clock.now());
        updateTurn(db, settledTurn(turn, status, timeline, clock.now()));
      });
    },

    async release(lease, releaseOptions) {
      db.write(() => {
        const session = sessions.session(lease.tenant, lease.sessionId);
        if (!session || !isHeldBy(session, lease)) return;
        updateLease(db, unleased(session.head));
        const { forgive } = releaseOptions ?? {};
        const turn = forgive === undefined ? null : sessions.line(lease.tenant, forgive)?.turn;
        const forgiven = forgivenTurn(turn, lease, clock.now());
        if (forgiven) updateTurn(db, forgiven);
      });
    },

    async lease({ tenant, sessionId, owner, leaseMs }) {
      return db.write(() => {
        const known = sessions.session(tenant, sessionId);
        if (!known) throw storeError('unknown-session');
        const { session, lease } = grantLease(known, owner, leaseMs, clock.now());
        updateLease(db, session);
        return { lease, head: session.head };
      });
    },

    async requestStop(tenant, turnId) {
      return db.write(() => {
        const turn = requireTurn(sessions.line(tenant, turnId)?.turn, clock.now());
        return changed(stoppedTurn(turn, clock.now()));
      });
    },

    async reopen(tenant, turnId) {
      return db.write(() => {
        const turn = requireTurn(sessions.line(tenant, turnId)?.turn, clock.now());
        return changed(reopenedTurn(turn, clock.now()));
      });
    },

    async getTurn(tenant, turnId) {
      return sessions.liveTurn(tenant, turnId);
    },

    async getMapping(key) {
      return sessions.liveMapping(key);
    },

    async getHead(tenant, sessionId, { expired = false } = {}) {
      const head = sessions.session(tenant, sessionId)?.head;
      return head && (expired || isLive(head.expiresAtSec, clock.now())) ? head : null;
    },

    ...sqliteLists(db, clock),

    async adopt({ sessionKey: key, sessionId, generation, state, retentionSec }) {
      conversationOf(key);
      requireSessionId(sessionId);
      requireGeneration(generation);
      db.write(() => {
        const nowMs = clock.now();
        sessions.addHead(newHead(key, sessionId, nowMs, retentionSec, { generation, state }));
        const createdAt = sessions.liveMapping(key)?.created_at;
        putMapping(db, newMapping(key, sessionId, nowMs, retentionSec, createdAt));
      });
    },

    async erase(key, keep) {
      const requireFreeRow = (row: Row) => requireFree(sessionOf(row), clock.now());
      return db.write(() => eraseConversation(db, key, requireFreeRow, keep));
    },

    expired: {
      async list(limit) {
        const sql = 'SELECT * FROM heads WHERE expires_at_sec <= ? ORDER BY expires_at_sec LIMIT ?';
        return db.all(sql, epochSec(clock.now()), limit).map(headOf);
      },

      async remove(lease) {
        db.write(() => {
          sessions.heldSession(lease);
          removeExpired(db, lease, epochSec(clock.now()));
        });
      },
    },

    async close() {
      close();
    },
  };
}
