// The two writes that begin a turn: the lease in the session's head, and `running` in the turn's line. Each is one
// conditional update that returns the item, and both may be sent at once: what was taken too early is taken back.
import { randomUUID } from 'node:crypto';
import { type HybridError, isHybridError } from '../../core/errors.ts';
import { type SessionId, tenantOf } from '../../core/ids.ts';
import type { BeginInput } from '../../core/ports/store.ts';
import type { SessionHead } from '../../core/records.ts';
import { storeError } from '../rules/errors.ts';
import { requireFree } from '../rules/lease.ts';
import { epochSec } from '../rules/retention.ts';
import { FREE } from './conditions.ts';
import { contentDigest, type Item, isLiveItem, readHead, readLeaseState } from './items.ts';
import { headKey, turnKey } from './tables.ts';
import type { DynamoContext } from './turns.ts';

/** A lease call slower than this (real time) may have let more turns pass than the head remembers. */
const DEFAULT_REREAD_AFTER_MS = 250;

export type LeaseAnswer =
  | {
      readonly kind: 'granted';
      readonly head: SessionHead;
      readonly item: Item;
      /** Answered at the first try and quickly: the turns the head remembers are all there were meanwhile. */
      readonly isQuick: boolean;
    }
  | { readonly kind: 'busy'; readonly error: HybridError }
  | { readonly kind: 'absent' };

export type RunningAnswer =
  | { readonly kind: 'running'; readonly item: Item }
  /** Not written: the line is committed, of another message, or running in another session than the hint's. */
  | { readonly kind: 'committed' | 'mismatch' | 'elsewhere'; readonly item: Item }
  | { readonly kind: 'unknown' };

/** What `requireFree` says of the item that was not free. `nowMs`: as in the condition. */
export function busyError(item: Item, nowMs: number): HybridError {
  try {
    requireFree(readLeaseState(item), nowMs);
  } catch (error) {
    if (isHybridError(error)) return error;
    throw error;
  }
  return storeError('contended');
}

export function createBeginWrites({
  dynamo,
  stateTable,
  clock,
  rereadAfterMs = DEFAULT_REREAD_AFTER_MS,
}: DynamoContext) {
  /**
   *   fence 4, free          fence 5, A until 12:01        fence 6, B until 12:09
   *   A: free? yes, ADD 1 -> |  B: free? no -> busy        |  A comes back: every write of A asks for fence 5
   *                          |  12:01 passes, B: yes ----> |  and fails
   *
   * `session_key` keeps a wrong hint from leasing a stranger's session; a turn from before a move is no stranger's. An answer lost on the way back is sent
   * again by the AWS client: it then finds its own token in the item, and that is a success.
   */
  async function takeLease(input: BeginInput, sessionId: SessionId): Promise<LeaseAnswer> {
    const { request, owner, leaseMs } = input;
    const token = randomUUID();
    const startedAt = performance.now();
    const nowMs = clock.now();
    const answer = await dynamo.update(stateTable, headKey(tenantOf(request.sessionKey), sessionId), {
      update: 'SET #lease_owner = :owner, #lease_until_ms = :until, #last_write = :token ADD #fence :one',
      condition: `${FREE} AND (#session_key = :key OR #moved_from = :key)`,
      values: { owner, until: nowMs + leaseMs, token, one: 1, key: request.sessionKey, now: nowMs },
    });
    const { item } = answer;
    const keys = [item?.session_key?.S, item?.moved_from?.S];
    if (!item || !keys.includes(request.sessionKey)) return { kind: 'absent' };
    if (!answer.ok && item.last_write?.S !== token) {
      return { kind: 'busy', error: busyError(item, nowMs) };
    }
    const isQuick = answer.ok && !answer.retried && performance.now() - startedAt < rereadAfterMs;
    return { kind: 'granted', head: readHead(item), item, isQuick };
  }

  /**
   * Without the lease (`isLeased` false), a turn that runs in another session is left alone: whoever runs it there may
   * hold that session's lease, and its writes ask for the session in the line.
   */
  async function markRunning(
    input: BeginInput,
    sessionId: SessionId,
    isLeased: boolean,
  ): Promise<RunningAnswer> {
    const { request } = input;
    const token = randomUUID();
    const nowMs = clock.now();
    const here = isLeased ? '' : ' AND (#status = :queued OR #session_id = :session)';
    const answer = await dynamo.update(stateTable, turnKey(tenantOf(request.sessionKey), request.turnId), {
      update:
        'SET #status = :running, #session_id = :session, #begin_token = :token, #updated_at_ms = :now_ms ADD #attempts :one',
      condition: `attribute_exists(#pk) AND #status IN (:queued, :running) AND #digest = :digest AND #expires_at > :now AND (attribute_not_exists(#begin_token) OR #begin_token <> :token)${here}`,
      values: {
        running: 'running',
        queued: 'queued',
        session: sessionId,
        token,
        digest: contentDigest(request),
        now: epochSec(nowMs),
        now_ms: nowMs,
        one: 1,
      },
    });
    const { item } = answer;
    if (!isLiveItem(item, nowMs)) return { kind: 'unknown' };
    if (answer.ok || item.begin_token?.S === token) return { kind: 'running', item };
    if (item.digest?.S !== contentDigest(request)) return { kind: 'mismatch', item };
    return { kind: item.status?.S === 'running' ? 'elsewhere' : 'committed', item };
  }

  /**
   * Takes the attempt back: the begin was refused after all. Others may have counted one meanwhile, so it counts
   * down, and only the last one makes the turn `queued` again. The token makes a repeat after a lost answer harmless.
   */
  async function takeAttemptBack(input: BeginInput): Promise<void> {
    const key = turnKey(tenantOf(input.request.sessionKey), input.request.turnId);
    const once = '(attribute_not_exists(#undo_token) OR #undo_token <> :token)';
    const token = randomUUID();
    const counted = await dynamo.update(stateTable, key, {
      update: 'SET #undo_token = :token ADD #attempts :less',
      condition: `#attempts > :one AND ${once}`,
      values: { less: -1, one: 1, token },
    });
    if (counted.ok || counted.item?.undo_token?.S === token) return;
    await dynamo.update(stateTable, key, {
      update: 'SET #attempts = :none, #status = :queued, #undo_token = :token REMOVE #session_id',
      condition: `#attempts = :one AND #status = :running AND ${once}`,
      values: { none: 0, one: 1, queued: 'queued', running: 'running', token },
    });
  }

  return { takeLease, markRunning, takeAttemptBack };
}
