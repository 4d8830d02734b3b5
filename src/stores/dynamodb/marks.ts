// The two writes that begin a turn: the lease in the session's head, and the mark in the turn's ledger line. Each is one
// conditional update with a token of its own, so that one whose answer was lost knows itself again.
import { randomUUID } from 'node:crypto';
import { type SessionId, tenantOf } from '../../core/ids.ts';
import type { BeginInput } from '../../core/ports/store.ts';
import type { SessionHead } from '../../core/records.ts';
import { alive, type Item, number, readHead, requestDigest } from './items.ts';
import { headKey, turnKey } from './tables.ts';
import type { DynamoParts } from './turns.ts';

/** A lease call slower than this (real time) may have let more turns pass than the head remembers. */
const DEFAULT_REREAD_AFTER_MS = 250;

export type Leased =
  | { readonly kind: 'granted'; readonly head: SessionHead; readonly item: Item; readonly sure: boolean }
  | { readonly kind: 'busy'; readonly untilMs: number }
  | { readonly kind: 'absent' };

export type Marked =
  | { readonly kind: 'running'; readonly item: Item }
  | { readonly kind: 'committed' | 'mismatch'; readonly item: Item }
  | { readonly kind: 'unknown' };

export function createMarks({
  dynamo,
  stateTable,
  clock,
  rereadAfterMs = DEFAULT_REREAD_AFTER_MS,
}: DynamoParts) {
  /**
   *   fence 4, free          fence 5, A until 12:01        fence 6, B until 12:09
   *   A: free? yes, ADD 1 -> |  B: free? no -> busy        |  A comes back: every write of A asks for fence 5
   *                          |  12:01 passes, B: yes ----> |  and fails
   *
   * `session_key` keeps a wrong hint from leasing a stranger's session; a turn from before a move is not a stranger's. An answer lost on the way back is sent
   * again by the AWS client: it then finds its own token in the item, and that is a success.
   */
  async function lease(input: BeginInput, sessionId: SessionId): Promise<Leased> {
    const { request, owner, leaseMs } = input;
    const token = randomUUID();
    const startedAt = performance.now();
    const answer = await dynamo.update(stateTable, headKey(tenantOf(request.sessionKey), sessionId), {
      update: 'SET #lease_owner = :owner, #lease_until_ms = :until, #last_write = :token ADD #fence :one',
      condition:
        'attribute_exists(#pk) AND (#session_key = :key OR #moved_from = :key) AND (attribute_not_exists(#lease_until_ms) OR #lease_until_ms <= :now)',
      values: {
        owner,
        until: clock.now() + leaseMs,
        token,
        one: 1,
        key: request.sessionKey,
        now: clock.now(),
      },
    });
    const { item } = answer;
    const keys = [item?.session_key?.S, item?.moved_from?.S];
    if (!item || !keys.includes(request.sessionKey)) return { kind: 'absent' };
    if (!answer.ok && item.last_write?.S !== token) {
      return { kind: 'busy', untilMs: number(item, 'lease_until_ms') };
    }
    const sure = answer.ok && !answer.retried && performance.now() - startedAt < rereadAfterMs;
    return { kind: 'granted', head: readHead(item), item, sure };
  }

  async function mark(input: BeginInput, sessionId: SessionId): Promise<Marked> {
    const { request } = input;
    const token = randomUUID();
    const answer = await dynamo.update(stateTable, turnKey(tenantOf(request.sessionKey), request.turnId), {
      update:
        'SET #status = :running, #session_id = :session, #begin_token = :token, #updated_at_ms = :now_ms ADD #attempts :one',
      condition:
        'attribute_exists(#pk) AND #status IN (:queued, :running) AND #digest = :digest AND #expires_at > :now AND (attribute_not_exists(#begin_token) OR #begin_token <> :token)',
      values: {
        running: 'running',
        queued: 'queued',
        session: sessionId,
        token,
        digest: requestDigest(request),
        now: Math.floor(clock.now() / 1000),
        now_ms: clock.now(),
        one: 1,
      },
    });
    const { item } = answer;
    if (!alive(item, clock.now())) return { kind: 'unknown' };
    if (answer.ok || item.begin_token?.S === token) return { kind: 'running', item };
    return { kind: item.digest?.S === requestDigest(request) ? 'committed' : 'mismatch', item };
  }

  /** Takes a mark back: the begin was refused after all. Others may have marked meanwhile, so it counts down. */
  async function unmark(input: BeginInput): Promise<void> {
    const key = turnKey(tenantOf(input.request.sessionKey), input.request.turnId);
    const token = randomUUID();
    const more = await dynamo.update(stateTable, key, {
      update: 'SET #undo_token = :token ADD #attempts :less',
      condition: '#attempts > :one AND (attribute_not_exists(#undo_token) OR #undo_token <> :token)',
      values: { less: -1, one: 1, token },
    });
    if (more.ok || more.item?.undo_token?.S === token) return;
    await dynamo.update(stateTable, key, {
      update: 'SET #attempts = :none, #status = :queued REMOVE #session_id',
      condition: '#attempts = :one AND #status = :running',
      values: { none: 0, one: 1, queued: 'queued', running: 'running' },
    });
  }

  return { lease, mark, unmark };
}
