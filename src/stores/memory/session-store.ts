// Sessions in memory. Four maps; every rule of the port is one line of plain code here.
import { systemClock } from '../../core/clock.ts';
import { Refused } from '../../core/errors.ts';
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
import {
  isCommitted,
  type Lease,
  type SessionHead,
  type SessionMapping,
  type TurnRecord,
} from '../../core/records.ts';
import {
  conversationTaken,
  epochSec,
  forgivenTurn,
  gatheredTurn,
  headMissing,
  leaseLost,
  newHead,
  newMapping,
  notCommitted,
  notQueued,
  queuedTurn,
  requireNextGeneration,
  requireSameMessage,
  runningTurn,
  sessionExists,
  unknownSession,
  unknownTurn,
} from '../ledger.ts';
import { memoryLists } from './lists.ts';

export interface MemorySessionStoreOptions {
  readonly clock?: Clock;
}

interface Session {
  head: SessionHead;
  owner: string | null;
  leaseUntilMs: number;
}

interface Line {
  turn: TurnRecord;
  committedFence: number | null;
}

export function createMemorySessionStore(options: MemorySessionStoreOptions = {}): SessionStore {
  const clock = options.clock ?? systemClock;
  const mappings = new Map<SessionKey, SessionMapping>();
  const sessions = new Map<string, Session>();
  const lines = new Map<string, Line>();
  let sequence = 0;
  let closed = false;

  const nowSec = () => epochSec(clock.now());
  const named = (tenant: Tenant, id: string) => `${tenant}/${id}`;
  const live = <T extends { expiresAtSec: number }>(item: T | undefined) =>
    item && item.expiresAtSec > nowSec() ? item : null;
  const liveMapping = (key: SessionKey) => {
    const mapping = mappings.get(key);
    return mapping && mapping.ttl > nowSec() ? mapping : null;
  };

  /** Everything that comes in or goes out is copied, so that nobody shares an object with the store. */
  function open<T>(work: () => T): Promise<T> {
    return new Promise((resolve) => {
      if (closed) throw new Refused('store-closed', 'The session store is closed.');
      resolve(structuredClone(work()));
    });
  }

  function held(lease: Lease): Session {
    const session = sessions.get(named(lease.tenant, lease.sessionId));
    if (!session || session.owner !== lease.owner || session.head.fence !== lease.fence) throw leaseLost();
    return session;
  }

  function lineOf(tenant: Tenant, turnId: TurnId): Line {
    const line = lines.get(named(tenant, turnId));
    if (!line || !live(line.turn)) throw unknownTurn();
    return line;
  }

  function acceptNow(request: TurnRequest, retentionSec: number): Line {
    const id = named(tenantOf(request.sessionKey), request.turnId);
    const known = lines.get(id);
    if (known && live(known.turn)) {
      requireSameMessage(known.turn, request);
      return known;
    }
    sequence += 1;
    const line = { turn: queuedTurn(request, sequence, clock.now(), retentionSec), committedFence: null };
    lines.set(id, line);
    return line;
  }

  function makeSession(key: SessionKey, sessionId: SessionId, retentionSec: number): Session {
    const tenant = tenantOf(key);
    if (sessions.has(named(tenant, sessionId))) throw sessionExists();
    const head = newHead(key, sessionId, clock.now(), retentionSec);
    const session = { head, owner: null, leaseUntilMs: 0 };
    sessions.set(named(tenant, sessionId), session);
    return session;
  }

  function point(key: SessionKey, sessionId: SessionId, retentionSec: number): SessionMapping {
    const createdAt = liveMapping(key)?.created_at;
    const mapping = newMapping(key, sessionId, clock.now(), retentionSec, createdAt);
    mappings.set(key, mapping);
    return mapping;
  }

  function moveMapping(from: SessionKey, to: SessionKey, session: Session, retentionSec: number): void {
    const there = liveMapping(to);
    if (there && there.session_id !== session.head.sessionId) throw conversationTaken();
    point(to, session.head.sessionId, retentionSec);
    mappings.delete(from);
    session.head = { ...session.head, sessionKey: to };
  }

  /** Also what the conversation left under the key that it was moved from. */
  function eraseAll(key: SessionKey): readonly SessionId[] {
    const mine = [...sessions].filter(([, { head }]) => head.sessionKey === key);
    for (const [, session] of mine) requireFree(session);
    const ids = new Set(mine.map(([, { head }]) => head.sessionId));
    const left = [...lines.values()].flatMap(({ turn }) =>
      turn.sessionKey !== key && turn.sessionId !== null && ids.has(turn.sessionId) ? turn.sessionKey : [],
    );
    for (const [id] of mine) sessions.delete(id);
    for (const [id, { turn }] of lines) if (turn.sessionKey === key) lines.delete(id);
    mappings.delete(key);
    return [...ids, ...[...new Set(left)].flatMap(eraseAll)];
  }

  function requireFree({ owner, leaseUntilMs }: Session): void {
    const retryAfterMs = leaseUntilMs - clock.now();
    if (owner === null || retryAfterMs <= 0) return;
    throw new Refused('lease-busy', 'Another worker runs this session.', { retryAfterMs });
  }

  function grant(session: Session, owner: string, leaseMs: number): Lease {
    session.owner = owner;
    session.leaseUntilMs = clock.now() + leaseMs;
    session.head = { ...session.head, fence: session.head.fence + 1 };
    const { tenant, sessionId, sessionKey, fence } = session.head;
    return { tenant, sessionId, sessionKey, owner, fence };
  }

  return {
    accept: (request, retentionSec) => open(() => acceptNow(request, retentionSec).turn),

    begin: ({ request, owner, leaseMs, newSessionId, retentionSec }) =>
      open(() => {
        const key = request.sessionKey;
        const tenant = tenantOf(key);
        const line = acceptNow(request, retentionSec);
        // The outbox of a committed turn belongs to the session that made it, wherever the conversation points now.
        const pointed = liveMapping(key)?.session_id;
        const of = isCommitted(line.turn) ? (line.turn.sessionId ?? pointed) : pointed;
        const known = of === undefined ? undefined : sessions.get(named(tenant, of));
        if (of !== undefined && !known) throw headMissing();
        const session = known ?? makeSession(key, newSessionId, retentionSec);
        requireFree(session);
        const mapping = liveMapping(key) ?? point(key, session.head.sessionId, retentionSec);
        const lease = grant(session, owner, leaseMs);
        if (!isCommitted(line.turn)) line.turn = runningTurn(line.turn, lease.sessionId, clock.now());
        return { lease, head: session.head, mapping, turn: line.turn };
      }),

    renew: (lease, leaseMs, turnId) =>
      open(() => {
        held(lease).leaseUntilMs = clock.now() + leaseMs;
        return { stopRequested: lines.get(named(lease.tenant, turnId))?.turn.stopRequested ?? false };
      }),

    commit: (input) =>
      open(() => {
        const { lease, baseGeneration, generation, retentionSec } = input;
        const line = lines.get(named(lease.tenant, input.turnId));
        if (line?.committedFence === lease.fence && line.turn.sessionId === lease.sessionId) return line.turn;
        requireNextGeneration(baseGeneration, generation);
        const session = held(lease);
        const mapping = mappings.get(lease.sessionKey);
        const mine = line && line.turn.status === 'running' && line.turn.sessionId === lease.sessionId;
        if (!mine || session.head.generation !== baseGeneration) throw leaseLost();
        if (mapping && mapping.session_id !== lease.sessionId) throw leaseLost();
        if (input.repointTo) makeSession(lease.sessionKey, input.repointTo, retentionSec);
        if (input.moveTo) moveMapping(lease.sessionKey, input.moveTo, session, retentionSec);
        else point(lease.sessionKey, input.repointTo ?? lease.sessionId, retentionSec);
        const updatedAtMs = clock.now();
        const expiresAtSec = nowSec() + retentionSec;
        const state = generation === baseGeneration ? session.head.state : structuredClone(input.state);
        session.head = { ...session.head, generation, state, updatedAtMs, expiresAtSec };
        const reply = structuredClone(input.reply);
        line.turn = { ...line.turn, status: 'committed', generation, reply, updatedAtMs, expiresAtSec };
        line.committedFence = lease.fence;
        return line.turn;
      }),

    advance: ({ lease, baseGeneration, generation, state, turnId }) =>
      open(() => {
        requireNextGeneration(baseGeneration, generation);
        const session = held(lease);
        if (session.head.generation !== baseGeneration) throw leaseLost();
        if (turnId !== undefined) {
          const line = lines.get(named(lease.tenant, turnId));
          if (line?.turn.status !== 'running' || line.turn.sessionId !== lease.sessionId) throw leaseLost();
          line.turn = { ...line.turn, generation, updatedAtMs: clock.now() };
        }
        session.head = {
          ...session.head,
          generation,
          state: structuredClone(state),
          updatedAtMs: clock.now(),
        };
      }),

    gather: ({ lease, turnId, followers }) =>
      open(() => {
        held(lease);
        if (lineOf(lease.tenant, turnId).turn.status !== 'running') throw leaseLost();
        const taken = followers.map((id) => lineOf(lease.tenant, id));
        if (taken.some(({ turn }) => turn.status !== 'queued')) throw notQueued();
        for (const line of taken) line.turn = gatheredTurn(line.turn, lease.sessionId, clock.now());
      }),

    setAnchor: (lease, turnId, anchor) =>
      open(() => {
        held(lease);
        const line = lineOf(lease.tenant, turnId);
        line.turn = { ...line.turn, anchor: structuredClone(anchor), updatedAtMs: clock.now() };
      }),

    check: (lease) => open(() => void held(lease)),

    settle: (lease, turnId, status) =>
      open(() => {
        held(lease);
        const line = lineOf(lease.tenant, turnId);
        if (!isCommitted(line.turn)) throw notCommitted();
        if (line.turn.status === 'committed') line.turn = { ...line.turn, status, updatedAtMs: clock.now() };
      }),

    release: (lease, options) =>
      open(() => {
        const session = sessions.get(named(lease.tenant, lease.sessionId));
        if (!session || session.owner !== lease.owner || session.head.fence !== lease.fence) return;
        session.owner = null;
        const line = options?.forgive && lines.get(named(lease.tenant, options.forgive));
        if (line && line.turn.status === 'running') line.turn = forgivenTurn(line.turn, clock.now());
      }),

    lease: ({ tenant, sessionId, owner, leaseMs }) =>
      open(() => {
        const session = sessions.get(named(tenant, sessionId));
        if (!session) throw unknownSession();
        requireFree(session);
        return { lease: grant(session, owner, leaseMs), head: session.head };
      }),

    requestStop: (tenant, turnId) =>
      open(() => {
        const line = lineOf(tenant, turnId);
        if (!isCommitted(line.turn)) {
          line.turn = { ...line.turn, stopRequested: true, updatedAtMs: clock.now() };
        }
        return line.turn;
      }),

    reopen: (tenant, turnId) =>
      open(() => {
        const line = lineOf(tenant, turnId);
        if (line.turn.status === 'undeliverable') {
          line.turn = { ...line.turn, status: 'committed', updatedAtMs: clock.now() };
        }
        return line.turn;
      }),

    getTurn: (tenant, turnId) => open(() => live(lines.get(named(tenant, turnId))?.turn)),
    getMapping: (key) => open(() => liveMapping(key)),
    getHead: (tenant, sessionId) => open(() => live(sessions.get(named(tenant, sessionId))?.head)),

    ...memoryLists({
      open,
      mappings: () => [...mappings.values()].filter((mapping) => mapping.ttl > nowSec()),
      heads: () => [...sessions.values()].flatMap(({ head }) => live(head) ?? []),
      turns: () => [...lines.values()].flatMap(({ turn }) => live(turn) ?? []),
    }),

    adopt: ({ sessionKey, sessionId, generation, state, retentionSec }) =>
      open(() => {
        conversationOf(sessionKey);
        const session = makeSession(sessionKey, sessionId, retentionSec);
        session.head = { ...session.head, generation, state: structuredClone(state) };
        point(sessionKey, sessionId, retentionSec);
      }),

    erase: (key) => open(() => eraseAll(key)),

    expired: {
      list: (limit) =>
        open(() =>
          [...sessions.values()]
            .map(({ head }) => head)
            .filter((head) => !live(head))
            .sort((a, b) => a.expiresAtSec - b.expiresAtSec)
            .slice(0, limit),
        ),

      remove: (lease) =>
        open(() => {
          const { head } = held(lease);
          sessions.delete(named(lease.tenant, lease.sessionId));
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
