// The commit: generation, ledger line with the outbox, and mapping in one transaction, if the lease still holds.
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb';
import { Ambiguous, Conflict, Invalid } from '../../core/errors.ts';
import type { CommitInput } from '../../core/ports/store.ts';
import type { Lease, TurnRecord } from '../../core/records.ts';
import { conversationTaken, newMapping } from '../ledger.ts';
import { expression, keyOf, mayHaveHappened } from './client.ts';
import { headItem, place, stateText, sweepAt, toItem } from './items.ts';
import { moveWrites, NEW_MAPPING } from './move.ts';
import { conversationPartition, headKey, mappingKey, turnKey } from './tables.ts';
import type { DynamoParts, Turns } from './turns.ts';

/** How many committed turns a head remembers, one slot per fence. */
export const RECENT_TURNS = 8;

/** The condition of every fenced write, on the head. */
export const HELD = '#fence = :fence AND #lease_owner = :owner';

export function held(lease: Lease): { fence: number; owner: string } {
  return { fence: lease.fence, owner: lease.owner };
}

export function lost(cause?: unknown): Conflict {
  return new Conflict('lease-lost', 'This worker no longer holds the session.', { cause });
}

export function checkGenerations(base: number, generation: number): void {
  if (
    !Number.isSafeInteger(generation) ||
    generation < 0 ||
    (generation !== base && generation !== base + 1)
  ) {
    throw new Invalid('bad-generation', 'A commit keeps the generation or makes the next.');
  }
}

export function createCommit(parts: DynamoParts, turns: Turns) {
  const { dynamo, mappingTable, stateTable, clock } = parts;

  /**
   *   head      fence 6, generation 3 ──if──> generation 4, state      ┐
   *   turn      running ───────────────if──> committed, reply (outbox) ├ one transaction: all or nothing
   *   mapping   points at this session ─if─> ttl pushed out            │
   *   new head  absent ────────────────if──> generation 0 (`/new`)     ┘
   *
   * Overtaken (fence 7): the first condition fails. Sent twice: the first and second fail, but the turn's line
   * says that this very lease committed it, and that is a success. No answer: the line is read back.
   */
  function commitWrites(input: CommitInput, committedBy: string): TransactWriteItem[] {
    const { lease, turnId, baseGeneration, generation, repointTo, moveTo } = input;
    const nowMs = clock.now();
    const target = repointTo ?? lease.sessionId;
    const mapping = newMapping(lease.sessionKey, target, nowMs, input.retentionSec);
    const expires = mapping.ttl;
    const moves = generation !== baseGeneration;
    const placed = place(input.reply, 'reply-too-large');
    const replies = 'inline' in placed ? '#reply = :reply' : '#reply_apart = :reply';
    const head: TransactWriteItem = {
      Update: {
        TableName: stateTable,
        Key: keyOf(headKey(lease.tenant, lease.sessionId)),
        UpdateExpression: '',
        ...expression({
          update: `SET #generation = :generation, #used_at_ms = :now_ms, #expires_at = :expires, #ttl = :ttl, #recent_${lease.fence % RECENT_TURNS} = :turn${moves ? ', #state = :state' : ''}${moveTo ? ', #session_key = :moved, #moved_from = :key, #conversation_list = :list' : ''}`,
          condition: `${HELD} AND #generation = :base AND #session_key = :key`,
          values: {
            ...held(lease),
            generation,
            base: baseGeneration,
            now_ms: nowMs,
            expires,
            ttl: sweepAt(expires),
            turn: turnId,
            key: lease.sessionKey,
            ...(moves && { state: stateText(input.state) }),
            ...(moveTo && { moved: moveTo, list: conversationPartition(moveTo) }),
          },
        }),
      },
    };
    const turn: TransactWriteItem = {
      Update: {
        TableName: stateTable,
        Key: keyOf(turnKey(lease.tenant, turnId)),
        UpdateExpression: '',
        ...expression({
          update: `SET #status = :committed, #committed_by = :by, ${replies}, #generation = :generation, #session_id = :session, #generation_session = :session, #updated_at_ms = :now_ms, #expires_at = :expires, #ttl = :ttl`,
          condition: '#status IN (:queued, :running) AND #session_key = :key',
          values: {
            committed: 'committed',
            by: committedBy,
            reply: 'inline' in placed ? placed.inline : true,
            generation,
            session: lease.sessionId,
            now_ms: nowMs,
            expires,
            ttl: sweepAt(expires),
            queued: 'queued',
            running: 'running',
            key: lease.sessionKey,
          },
        }),
      },
    };
    if (moveTo) return moveWrites(parts, input, moveTo, head, turn);
    const writes: TransactWriteItem[] = [
      head,
      turn,
      {
        Update: {
          TableName: mappingTable,
          Key: mappingKey(lease.sessionKey),
          UpdateExpression: '',
          ...expression({
            update:
              'SET #session_id = :target, #chat_id = :chat, #thread_id = :thread, #created_at = if_not_exists(#created_at, :now), #updated_at = :now, #ttl = :expires',
            condition: 'attribute_not_exists(#session_key) OR #session_id = :session',
            values: {
              target,
              chat: mapping.chat_id,
              thread: mapping.thread_id,
              now: mapping.updated_at,
              expires,
              session: lease.sessionId,
            },
          }),
        },
      },
    ];
    if ('apart' in placed) {
      const item = { ...turnKey(lease.tenant, turnId, 'reply'), body: placed.apart, ttl: sweepAt(expires) };
      writes.push({ Put: { TableName: stateTable, Item: toItem(item) } });
    }
    if (repointTo !== undefined) {
      const fresh = {
        sessionKey: lease.sessionKey,
        sessionId: repointTo,
        generation: 0,
        fence: 0,
        state: null,
        nowMs,
        expiresAtSec: expires,
      };
      const condition = expression({ condition: 'attribute_not_exists(#pk)' });
      writes.push({ Put: { TableName: stateTable, Item: headItem(fresh), ...condition } });
    }
    return writes;
  }

  return async function commit(input: CommitInput): Promise<TurnRecord> {
    checkGenerations(input.baseGeneration, input.generation);
    const { lease, turnId } = input;
    const by = `${lease.sessionId}:${lease.fence}:${lease.owner}`;
    const ours = async (): Promise<TurnRecord | null> => {
      const known = await turns.read(lease.tenant, turnId);
      return known?.item.committed_by?.S === by ? known.turn : null;
    };
    const writes = commitWrites(input, by);
    let cancelled: Awaited<ReturnType<typeof dynamo.transact>>;
    try {
      cancelled = await dynamo.transact(writes);
    } catch (error) {
      if (!mayHaveHappened(error)) throw error;
      let known: TurnRecord | null;
      try {
        known = await ours();
      } catch (cause) {
        throw new Ambiguous('commit-unknown', 'No answer to a commit, and it cannot be read back.', {
          cause,
        });
      }
      if (known) return known;
      throw error;
    }
    const known = await ours();
    if (known) return known;
    const taken =
      input.repointTo !== undefined && cancelled?.at(-1) && cancelled.slice(0, -1).every((r) => !r);
    if (taken) throw new Conflict('session-exists', 'The id for the new session is taken.');
    if (
      input.moveTo !== undefined &&
      cancelled?.[NEW_MAPPING] &&
      cancelled.slice(0, NEW_MAPPING).every((r) => !r)
    ) {
      throw conversationTaken();
    }
    throw lost();
  };
}
