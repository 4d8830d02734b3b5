// What may be committed, and what a commit makes of head, line and mapping. Local stores write the result in one
// transaction; DynamoDB states the same as conditions and asks here, over what it reads back, why one failed.
import { type SessionKey, tenantOf } from '../../core/ids.ts';
import type { AdvanceInput, CommitInput, ForkInput } from '../../core/ports/store.ts';
import type { Lease, SessionHead, SessionMapping, TurnRecord } from '../../core/records.ts';
import { storeError } from './errors.ts';
import { requireSessionId } from './keys.ts';
import { type LeaseState, requireFree, requireHeld, type StoredSession } from './lease.ts';
import { newHead, newMapping } from './new-records.ts';
import { expiryOf, isLive } from './retention.ts';
import { requireRunning } from './turn.ts';

/** A ledger line as stores keep it. */
export interface StoredTurn {
  readonly turn: TurnRecord;
  /** The fence of the lease that committed it. */
  readonly committedFence: number | null;
}

/** What a commit finds stored. */
export interface CommitFound {
  readonly line: StoredTurn | null | undefined;
  readonly session: StoredSession | null | undefined;
  /** The conversation's mapping, expired or not. */
  readonly mapping: SessionMapping | null | undefined;
  /** A session has the id of `repointTo`, or of the fork. */
  readonly isTaken: boolean;
  /** The mapping under `moveTo`, or under the fork's key, if it lives. */
  readonly there?: SessionMapping | null;
  /** The session `returnTo`, expired or not. */
  readonly earlier?: StoredSession | null | undefined;
}

export interface CommitResult {
  readonly turn: TurnRecord;
  /** Absent when this lease had committed the turn already: then there is nothing to write. */
  readonly writes?: {
    readonly head: SessionHead;
    readonly mapping: SessionMapping;
    /** The session that the conversation moves to, new or an earlier one; a fork. */
    readonly otherHeads: readonly SessionHead[];
    readonly forkMapping: SessionMapping | null;
    /** The key that points nowhere from now on. */
    readonly leftKey: SessionKey | null;
  };
}

/** Invalid('bad-generation') unless it is a whole number from 0. */
export function requireGeneration(generation: number): void {
  if (Number.isSafeInteger(generation) && generation >= 0) return;
  throw storeError('bad-generation', { data: { generation } });
}

/** A write keeps the generation or makes the next one. Invalid('bad-generation'). */
export function requireNextGeneration(baseGeneration: number, generation: number): void {
  requireGeneration(generation);
  if (generation === baseGeneration || generation === baseGeneration + 1) return;
  throw storeError('bad-generation', { data: { baseGeneration, generation } });
}

/** What can be said of a commit before anything is read. */
export function requireCommitInput(input: CommitInput): void {
  const { baseGeneration, generation, repointTo, returnTo, fork, lease } = input;
  requireNextGeneration(baseGeneration, generation);
  for (const id of [repointTo, returnTo, fork?.sessionId]) if (id !== undefined) requireSessionId(id);
  if (repointTo === lease.sessionId || fork?.sessionId === lease.sessionId)
    throw storeError('session-exists');
  if (returnTo === lease.sessionId) throw storeError('unknown-session');
  if (!fork) return;
  const isOwn = fork.sessionKey === lease.sessionKey;
  if (isOwn || tenantOf(fork.sessionKey) !== lease.tenant) throw storeError('conversation-taken');
}

/** An earlier session of the lease's conversation. Gone('unknown-session'), Refused('lease-busy'). */
export function requireEarlier(
  session: StoredSession | null | undefined,
  lease: Lease,
  nowMs: number,
): StoredSession {
  const isOwn = session?.head.sessionKey === lease.sessionKey;
  if (!session || !isOwn || !isLive(session.head.expiresAtSec, nowMs)) throw storeError('unknown-session');
  requireFree(session, nowMs);
  return session;
}

/** True when this very lease committed the turn: a repeat is answered with what is there. */
export function isCommittedBy({ turn, committedFence }: StoredTurn, lease: Lease): boolean {
  return committedFence === lease.fence && turn.sessionId === lease.sessionId;
}

/** The head may move: the lease holds, and the head is what was restored from. Conflict('lease-lost'). */
export function requireBase<S extends LeaseState>(
  session: S | null | undefined,
  lease: Lease,
  baseGeneration: number,
): S {
  const held = requireHeld(session, lease);
  if (held.head.generation === baseGeneration) return held;
  throw storeError('lease-lost');
}

export function commitTurn(input: CommitInput, found: CommitFound, nowMs: number): CommitResult {
  const { lease, baseGeneration, generation, retentionSec, repointTo, moveTo, returnTo, fork } = input;
  const { line, mapping } = found;
  if (line && isCommittedBy(line, lease)) return { turn: line.turn };
  const { head } = requireBase(found.session, lease, baseGeneration);
  const turn = requireRunning(line?.turn, lease);
  // Adopted meanwhile, or made anew because the mapping had expired: that session must not be overwritten.
  if (mapping && mapping.session_id !== lease.sessionId) throw storeError('lease-lost');
  if ((repointTo !== undefined || fork) && found.isTaken) throw storeError('session-exists');
  const { there } = found;
  if (fork && there) throw storeError('conversation-taken');
  const earlier = returnTo === undefined ? null : requireEarlier(found.earlier, lease, nowMs);
  if (moveTo !== undefined && there && there.session_id !== lease.sessionId)
    throw storeError('conversation-taken');
  const key = lease.sessionKey;
  const updatedAtMs = nowMs;
  const expiresAtSec = expiryOf(nowMs, retentionSec);
  const state = generation === baseGeneration ? head.state : input.state;
  const isOwn = repointTo === undefined && returnTo === undefined;
  const consent = isOwn && input.consent !== undefined ? input.consent : head.consent;
  const brought = { generation: 0, state: null, consent: input.consent ?? null };
  return {
    turn: { ...turn, status: 'committed', generation, reply: input.reply, updatedAtMs, expiresAtSec },
    writes: {
      head: {
        ...head,
        sessionKey: moveTo ?? head.sessionKey,
        generation,
        state,
        consent,
        updatedAtMs,
        expiresAtSec,
      },
      mapping:
        moveTo === undefined
          ? newMapping(
              key,
              repointTo ?? returnTo ?? lease.sessionId,
              nowMs,
              retentionSec,
              mapping?.created_at,
            )
          : newMapping(moveTo, lease.sessionId, nowMs, retentionSec),
      leftKey: moveTo === undefined ? null : key,
      otherHeads: [
        ...(repointTo === undefined ? [] : [newHead(key, repointTo, nowMs, retentionSec, brought)]),
        ...(earlier
          ? [
              {
                ...earlier.head,
                updatedAtMs,
                expiresAtSec,
                ...(input.consent !== undefined && { consent: input.consent }),
              },
            ]
          : []),
        ...(fork ? [forkHead(input, fork, nowMs)] : []),
      ],
      forkMapping: fork ? newMapping(fork.sessionKey, fork.sessionId, nowMs, retentionSec) : null,
    },
  };
}

/** The head that a fork begins with. */
export function forkHead(
  { generation, retentionSec }: Pick<CommitInput, 'generation' | 'retentionSec'>,
  { sessionKey, sessionId, state }: ForkInput,
  nowMs: number,
): SessionHead {
  return newHead(sessionKey, sessionId, nowMs, retentionSec, { generation, state });
}

/** A head moved outside a turn's end, and the running turn whose checkpoint it is. Conflict('lease-lost'). */
export function advance(
  input: AdvanceInput,
  session: StoredSession | null | undefined,
  line: TurnRecord | null | undefined,
  nowMs: number,
): { readonly head: SessionHead; readonly turn: TurnRecord | null } {
  const { head } = requireBase(session, input.lease, input.baseGeneration);
  const { generation, state } = input;
  const turn = input.turnId === undefined ? null : requireRunning(line, input.lease);
  return {
    head: { ...head, generation, state, updatedAtMs: nowMs },
    turn: turn && { ...turn, generation, updatedAtMs: nowMs },
  };
}
