// Sessions in memory. Three maps; what may be written is decided by the rules, and written here.
import { systemClock } from '../../core/clock.ts';
import {
  conversationOf,
  type SessionId,
  type SessionKey,
  type Tenant,
  type TurnId,
  tenantOf,
} from '../../core/ids.ts';
import type { TurnRequest } from '../../core/messages.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { SessionStore } from '../../core/ports/store.ts';
import { isCommitted, type SessionHead, type SessionMapping, type TurnRecord } from '../../core/records.ts';
import { expiredMapping, requireHead, sessionToLease } from '../rules/begin.ts';
import {
  advance,
  commitTurn,
  requireCommitInput,
  requireGeneration,
  requireNextGeneration,
  type StoredTurn,
} from '../rules/commit.ts';
import { storeError } from '../rules/errors.ts';
import { requireSessionId } from '../rules/keys.ts';
import {
  grantLease,
  isHeldBy,
  requireFree,
  requireHeld,
  type StoredSession,
  unleased,
} from '../rules/lease.ts';
import { newHead, newMapping, queuedTurn } from '../rules/new-records.ts';
import { isLive } from '../rules/retention.ts';
import {
  forgivenTurn,
  gatheredTurn,
  reopenedTurn,
  requireCommitted,
  requireRunning,
  requireSameMessage,
  requireSmallAnchor,
  requireTurn,
  requireTurnOfLease,
  runningTurn,
  settledTurn,
  stoppedTurn,
} from '../rules/turn.ts';
import { memoryLists } from './lists.ts';

export interface MemorySessionStoreOptions {
  readonly clock?: Clock;
}

export function createMemorySessionStore(options: MemorySessionStoreOptions = {}): SessionStore {
  const clock = options.clock ?? systemClock;
  const mappings = new Map<SessionKey, SessionMapping>();
  const sessions = new Map<string, StoredSession>();
  const lines = new Map<string, StoredTurn>();
  let sequence = 0;
  let closed = false;

  const mapKey = (tenant: Tenant, id: string) => `${tenant}/${id}`;
  const sessionOf = (of: { tenant: Tenant; sessionId: SessionId }) =>
    sessions.get(mapKey(of.tenant, of.sessionId));
  const turnOf = (tenant: Tenant, turnId: string) => lines.get(mapKey(tenant, turnId))?.turn;
  const live = <T extends { expiresAtSec: number }>(item: T | undefined) =>
    item && isLive(item.expiresAtSec, clock.now()) ? item : null;
  const liveMapping = (key: SessionKey) => {
    const mapping = mappings.get(key);
    return mapping && isLive(mapping.ttl, clock.now()) ? mapping : null;
  };

  /** What goes out is a copy, as is what comes in, so that nobody shares an object with the store. */
  function atomically<T>(work: () => T): Promise<T> {
    return new Promise((resolve) => {
      if (closed) throw storeError('store-closed');
      resolve(structuredClone(work()));
    });
  }

  function putSession(session: StoredSession): void {
    sessions.set(mapKey(session.head.tenant, session.head.sessionId), session);
  }

  function putHead(head: SessionHead): void {
    putSession({ ...(sessionOf(head) ?? unleased(head)), head: structuredClone(head) });
  }

  function putTurn(turn: TurnRecord, committedFence?: number): TurnRecord {
    const id = mapKey(turn.tenant, turn.turnId);
    const fence = committedFence ?? lines.get(id)?.committedFence ?? null;
    lines.set(id, { turn: structuredClone(turn), committedFence: fence });
    return turn;
  }

  function accept(request: TurnRequest, retentionSec: number): TurnRecord {
    const id = mapKey(tenantOf(request.sessionKey), request.turnId);
    const known = live(lines.get(id)?.turn);
    if (known) {
      requireSameMessage(known, request);
      return known;
    }
    sequence += 1;
    lines.delete(id);
    return putTurn(queuedTurn(request, sequence, clock.now(), retentionSec));
  }

  function requireNewId(tenant: Tenant, sessionId: SessionId): void {
    if (sessionOf({ tenant, sessionId })) throw storeError('session-exists');
  }

  function makeSession(key: SessionKey, sessionId: SessionId, retentionSec: number): StoredSession {
    requireNewId(tenantOf(key), sessionId);
    mappings.set(key, newMapping(key, sessionId, clock.now(), retentionSec));
    return unleased(newHead(key, sessionId, clock.now(), retentionSec));
  }

  /** Also what the conversation left under the key that it was moved from. */
  function erase(key: SessionKey, keep?: TurnId): readonly SessionId[] {
    const mine = [...sessions].filter(([, { head }]) => head.sessionKey === key);
    for (const [, session] of mine) requireFree(session, clock.now());
    const ids = new Set(mine.map(([, { head }]) => head.sessionId));
    const left = [...lines.values()].flatMap(({ turn }) =>
      turn.sessionKey !== key && turn.sessionId !== null && ids.has(turn.sessionId) ? turn.sessionKey : [],
    );
    for (const [id] of mine) sessions.delete(id);
    for (const [id, { turn }] of lines) {
      if (turn.sessionKey === key && turn.turnId !== keep) lines.delete(id);
    }
    mappings.delete(key);
    return [...ids, ...[...new Set(left)].flatMap((from) => erase(from))];
  }

  return {
    accept: (request, retentionSec) => atomically(() => accept(request, retentionSec)),

    begin: ({ request, owner, leaseMs, newSessionId, retentionSec }) =>
      atomically(() => {
        requireSessionId(newSessionId);
        const { sessionKey: key } = request;
        const nowMs = clock.now();
        const turn = accept(request, retentionSec);
        const sessionId = sessionToLease(turn, liveMapping(key));
        const known =
          sessionId === null
            ? makeSession(key, newSessionId, retentionSec)
            : requireHead(sessionOf({ tenant: turn.tenant, sessionId }), sessionId);
        const { session, lease } = grantLease(known, owner, leaseMs, nowMs);
        putSession(session);
        const mapping = liveMapping(key) ?? expiredMapping(key, lease.sessionId, nowMs);
        const begun = isCommitted(turn) ? turn : putTurn(runningTurn(turn, lease.sessionId, nowMs));
        return { lease, head: session.head, mapping, turn: begun };
      }),

    renew: (lease, leaseMs, turnId) =>
      atomically(() => {
        putSession({ ...requireHeld(sessionOf(lease), lease), leaseUntilMs: clock.now() + leaseMs });
        return { stopRequested: turnOf(lease.tenant, turnId)?.stopRequested ?? false };
      }),

    commit: (input) =>
      atomically(() => {
        requireCommitInput(input);
        const { lease, repointTo, moveTo, returnTo, fork } = input;
        const fresh = repointTo ?? fork?.sessionId;
        const other = moveTo ?? fork?.sessionKey;
        const found = {
          line: lines.get(mapKey(lease.tenant, input.turnId)),
          session: sessionOf(lease),
          mapping: mappings.get(lease.sessionKey),
          isTaken: fresh !== undefined && sessions.has(mapKey(lease.tenant, fresh)),
          there: other === undefined ? null : liveMapping(other),
          earlier: returnTo && sessionOf({ tenant: lease.tenant, sessionId: returnTo }),
        };
        const { turn, writes } = commitTurn(input, found, clock.now());
        if (!writes) return turn;
        putHead(writes.head);
        for (const head of writes.otherHeads) putHead(head);
        if (writes.forkMapping) mappings.set(writes.forkMapping.session_key, writes.forkMapping);
        if (writes.leftKey) mappings.delete(writes.leftKey);
        mappings.set(writes.mapping.session_key, writes.mapping);
        return putTurn(turn, lease.fence);
      }),

    advance: (input) =>
      atomically(() => {
        requireNextGeneration(input.baseGeneration, input.generation);
        const { lease, turnId } = input;
        const line = turnId === undefined ? null : turnOf(lease.tenant, turnId);
        const { head, turn } = advance(input, sessionOf(lease), line, clock.now());
        putHead(head);
        if (turn) putTurn(turn);
      }),

    gather: ({ lease, turnId, followers }) =>
      atomically(() => {
        requireHeld(sessionOf(lease), lease);
        requireRunning(turnOf(lease.tenant, turnId), lease);
        const taken = followers.map((id) =>
          gatheredTurn(requireTurn(turnOf(lease.tenant, id), clock.now()), turnId, lease, clock.now()),
        );
        for (const turn of taken) putTurn(turn);
      }),

    setAnchor: (lease, turnId, anchor) =>
      atomically(() => {
        requireSmallAnchor(anchor);
        requireHeld(sessionOf(lease), lease);
        const turn = requireTurnOfLease(turnOf(lease.tenant, turnId), lease, clock.now());
        putTurn({ ...turn, anchor, updatedAtMs: clock.now() });
      }),

    check: (lease) => atomically(() => void requireHeld(sessionOf(lease), lease)),

    settle: (lease, turnId, status, timeline) =>
      atomically(() => {
        requireHeld(sessionOf(lease), lease);
        const turn = requireCommitted(turnOf(lease.tenant, turnId), lease, clock.now());
        putTurn(settledTurn(turn, status, timeline, clock.now()));
      }),

    release: (lease, options) =>
      atomically(() => {
        const session = sessionOf(lease);
        if (!session || !isHeldBy(session, lease)) return;
        putSession(unleased(session.head));
        const turn = options?.forgive === undefined ? null : turnOf(lease.tenant, options.forgive);
        const forgiven = forgivenTurn(turn, lease, clock.now());
        if (forgiven) putTurn(forgiven);
      }),

    lease: ({ tenant, sessionId, owner, leaseMs }) =>
      atomically(() => {
        const known = sessionOf({ tenant, sessionId });
        if (!known) throw storeError('unknown-session');
        const { session, lease } = grantLease(known, owner, leaseMs, clock.now());
        putSession(session);
        return { lease, head: session.head };
      }),

    requestStop: (tenant, turnId) =>
      atomically(() => putTurn(stoppedTurn(requireTurn(turnOf(tenant, turnId), clock.now()), clock.now()))),

    reopen: (tenant, turnId) =>
      atomically(() => putTurn(reopenedTurn(requireTurn(turnOf(tenant, turnId), clock.now()), clock.now()))),

    getTurn: (tenant, turnId) => atomically(() => live(turnOf(tenant, turnId))),
    getMapping: (key) => atomically(() => liveMapping(key)),
    getHead: (tenant, sessionId, { expired = false } = {}) =>
      atomically(() => {
        const head = sessionOf({ tenant, sessionId })?.head;
        return expired ? (head ?? null) : live(head);
      }),

    ...memoryLists({
      atomically,
      mappings: () => [...mappings.values()].filter((mapping) => isLive(mapping.ttl, clock.now())),
      heads: () => [...sessions.values()].flatMap(({ head }) => live(head) ?? []),
      turns: () => [...lines.values()].flatMap(({ turn }) => live(turn) ?? []),
    }),

    adopt: ({ sessionKey: key, sessionId, generation, state, retentionSec }) =>
      atomically(() => {
        conversationOf(key);
        requireSessionId(sessionId);
        requireGeneration(generation);
        requireNewId(tenantOf(key), sessionId);
        const nowMs = clock.now();
        putHead(newHead(key, sessionId, nowMs, retentionSec, { generation, state }));
        mappings.set(key, newMapping(key, sessionId, nowMs, retentionSec, liveMapping(key)?.created_at));
      }),

    erase: (key, keep) => atomically(() => erase(key, keep)),

    expired: {
      list: (limit) =>
        atomically(() =>
          [...sessions.values()]
            .map(({ head }) => head)
            .filter((head) => !live(head))
            .sort((a, b) => a.expiresAtSec - b.expiresAtSec)
            .slice(0, limit),
        ),

      remove: (lease) =>
        atomically(() => {
          const { head } = requireHeld(sessionOf(lease), lease);
          sessions.delete(mapKey(lease.tenant, lease.sessionId));
          for (const [id, { turn }] of lines) {
            if (turn.sessionKey === head.sessionKey && !live(turn)) lines.delete(id);
          }
          if (!liveMapping(head.sessionKey)) mappings.delete(head.sessionKey);
        }),
    },

    async close() {
      closed = true;
    },
  };
}
