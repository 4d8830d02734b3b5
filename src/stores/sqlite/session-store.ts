// Sessions in one SQLite file: mapping, heads, leases, ledger. Every write is one `BEGIN IMMEDIATE` transaction,
// so several processes may share the file. Expired lines and mappings are swept now and then; heads stay until
// they are removed by name, because they alone name the objects that have to go with them.
import { systemClock } from '../../core/clock.ts';
import { tenantOf } from '../../core/ids.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { BeginInput, BeginResult, CommitInput, SessionStore } from '../../core/ports/store.ts';
import { isCommitted, type TurnRecord } from '../../core/records.ts';
import {
  epochSec,
  forgivenTurn,
  gatheredTurn,
  headMissing,
  leaseLost,
  notCommitted,
  notQueued,
  requireNextGeneration,
  runningTurn,
  unknownSession,
} from '../ledger.ts';
import { borrowOrOpen, type SqliteDatabase } from './database.ts';
import { eraseConversation, removeExpired, sweepExpired } from './erase.ts';
import { sqliteLists } from './lists.ts';
import { moveConversation } from './move.ts';
import { headOf, turnOf, updateHead, updateTurn } from './rows.ts';
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

  function begin({ request, owner, leaseMs, newSessionId, retentionSec }: BeginInput): BeginResult {
    const key = request.sessionKey;
    const tenant = tenantOf(key);
    const turn = sessions.accept(request, retentionSec);
    const pointed = sessions.liveMapping(key);
    // The outbox of a committed turn belongs to the session that made it, wherever the conversation points now:
    // leasing that one is what fences the worker that committed it.
    const of = isCommitted(turn) && turn.sessionId !== null ? turn.sessionId : pointed?.session_id;
    const row = of === undefined ? undefined : sessions.headRow(tenant, of);
    if (of !== undefined && !row) throw headMissing();
    if (row) sessions.requireFree(row);
    const known = row ? headOf(row) : sessions.makeHead(key, newSessionId, retentionSec);
    const mapping = pointed ?? sessions.point(key, known.sessionId, retentionSec);
    const { lease, head } = sessions.grant(known, owner, leaseMs);
    if (isCommitted(turn)) return { lease, head, mapping, turn };
    const running = runningTurn(turn, head.sessionId, clock.now());
    updateTurn(db, running);
    return { lease, head, mapping, turn: running };
  }

  function commit(input: CommitInput): TurnRecord {
    const { lease, turnId, baseGeneration, generation, retentionSec } = input;
    const row = sessions.turnRow(lease.tenant, turnId);
    const turn = row ? turnOf(row) : null;
    const ours = turn?.sessionId === lease.sessionId;
    if (turn && ours && row?.committed_fence === lease.fence) return turn;
    requireNextGeneration(baseGeneration, generation);
    const head = sessions.heldHead(lease);
    if (!turn || !ours || turn.status !== 'running' || head.generation !== baseGeneration) throw leaseLost();
    const mapping = db.get('SELECT session_id FROM mappings WHERE session_key = ?', lease.sessionKey);
    if (mapping && mapping.session_id !== lease.sessionId) throw leaseLost();
    if (input.repointTo) sessions.makeHead(lease.sessionKey, input.repointTo, retentionSec);
    if (input.moveTo) moveConversation(db, sessions, lease, input.moveTo, retentionSec);
    else sessions.point(lease.sessionKey, input.repointTo ?? lease.sessionId, retentionSec);
    const updatedAtMs = clock.now();
    const expiresAtSec = epochSec(updatedAtMs) + retentionSec;
    const state = generation === baseGeneration ? head.state : input.state;
    updateHead(db, { ...head, generation, state, updatedAtMs, expiresAtSec });
    const committed: TurnRecord = {
      ...turn,
      status: 'committed',
      generation,
      reply: input.reply,
      updatedAtMs,
      expiresAtSec,
    };
    updateTurn(db, committed);
    db.run(
      'UPDATE turns SET committed_fence = ? WHERE tenant = ? AND turn_id = ?',
      lease.fence,
      lease.tenant,
      turnId,
    );
    return committed;
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
        sessions.heldHead(lease);
        db.run(
          'UPDATE heads SET lease_until_ms = ? WHERE tenant = ? AND session_id = ?',
          clock.now() + leaseMs,
          lease.tenant,
          lease.sessionId,
        );
        return { stopRequested: sessions.turnRow(lease.tenant, turnId)?.stop_requested === 1 };
      });
    },

    async commit(input) {
      return db.write(() => commit(input));
    },

    async advance({ lease, baseGeneration, generation, state, turnId }) {
      requireNextGeneration(baseGeneration, generation);
      db.write(() => {
        const head = sessions.heldHead(lease);
        if (head.generation !== baseGeneration) throw leaseLost();
        const updatedAtMs = clock.now();
        updateHead(db, { ...head, generation, state, updatedAtMs });
        if (turnId === undefined) return;
        const turn = sessions.runningTurn(lease, turnId);
        updateTurn(db, { ...turn, generation, updatedAtMs });
      });
    },

    async gather({ lease, turnId, followers }) {
      db.write(() => {
        sessions.heldHead(lease);
        sessions.runningTurn(lease, turnId);
        for (const id of followers) {
          const turn = sessions.knownTurn(lease.tenant, id);
          if (turn.status !== 'queued') throw notQueued();
          updateTurn(db, gatheredTurn(turn, lease.sessionId, clock.now()));
        }
      });
    },

    async setAnchor(lease, turnId, anchor) {
      db.write(() => {
        sessions.heldHead(lease);
        updateTurn(db, { ...sessions.knownTurn(lease.tenant, turnId), anchor, updatedAtMs: clock.now() });
      });
    },

    async check(lease) {
      sessions.heldHead(lease);
    },

    async settle(lease, turnId, status) {
      db.write(() => {
        sessions.heldHead(lease);
        const turn = sessions.knownTurn(lease.tenant, turnId);
        if (!isCommitted(turn)) throw notCommitted();
        if (turn.status === 'committed') updateTurn(db, { ...turn, status, updatedAtMs: clock.now() });
      });
    },

    async release(lease, releaseOptions) {
      db.write(() => {
        const given = db.run(
          `UPDATE heads SET lease_owner = NULL, lease_until_ms = 0
           WHERE tenant = ? AND session_id = ? AND lease_owner = ? AND fence = ?`,
          lease.tenant,
          lease.sessionId,
          lease.owner,
          lease.fence,
        );
        if (given === 0 || !releaseOptions?.forgive) return;
        const turn = sessions.liveTurn(lease.tenant, releaseOptions.forgive);
        if (turn?.status === 'running') updateTurn(db, forgivenTurn(turn, clock.now()));
      });
    },

    async lease({ tenant, sessionId, owner, leaseMs }) {
      return db.write(() => {
        const row = sessions.headRow(tenant, sessionId);
        if (!row) throw unknownSession();
        sessions.requireFree(row);
        return sessions.grant(headOf(row), owner, leaseMs);
      });
    },

    async requestStop(tenant, turnId) {
      return db.write(() => {
        const turn = sessions.knownTurn(tenant, turnId);
        if (isCommitted(turn)) return turn;
        const stopped = { ...turn, stopRequested: true, updatedAtMs: clock.now() };
        updateTurn(db, stopped);
        return stopped;
      });
    },

    async reopen(tenant, turnId) {
      return db.write(() => {
        const turn = sessions.knownTurn(tenant, turnId);
        if (turn.status !== 'undeliverable') return turn;
        const reopened: TurnRecord = { ...turn, status: 'committed', updatedAtMs: clock.now() };
        updateTurn(db, reopened);
        return reopened;
      });
    },

    async getTurn(tenant, turnId) {
      return sessions.liveTurn(tenant, turnId);
    },

    async getMapping(key) {
      return sessions.liveMapping(key);
    },

    async getHead(tenant, sessionId) {
      const row = sessions.headRow(tenant, sessionId);
      return row && Number(row.expires_at_sec) > epochSec(clock.now()) ? headOf(row) : null;
    },

    ...sqliteLists(db, clock),

    async adopt({ sessionKey, sessionId, generation, state, retentionSec }) {
      db.write(() => {
        sessions.point(sessionKey, sessionId, retentionSec);
        sessions.makeHead(sessionKey, sessionId, retentionSec, { generation, state });
      });
    },

    async erase(key) {
      return db.write(() => eraseConversation(db, key, (row) => sessions.requireFree(row)));
    },

    expired: {
      async list(limit) {
        const sql = 'SELECT * FROM heads WHERE expires_at_sec <= ? ORDER BY expires_at_sec LIMIT ?';
        return db.all(sql, epochSec(clock.now()), limit).map(headOf);
      },

      async remove(lease) {
        db.write(() => {
          sessions.heldHead(lease);
          removeExpired(db, lease, epochSec(clock.now()));
        });
      },
    },

    async close() {
      close();
    },
  };
}
