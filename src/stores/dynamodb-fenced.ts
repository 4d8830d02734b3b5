// Everything a lease allows. Each write carries the lease's fence and owner as a condition on the head, so a worker
// that was overtaken, or gave the lease back, changes nothing.
import { randomUUID } from 'node:crypto';
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb';
import { Ambiguous, Conflict, Gone, Invalid } from '../core/errors.ts';
import type { TurnId } from '../core/ids.ts';
import type { Json } from '../core/messages.ts';
import type { AdvanceInput, CommitInput } from '../core/ports/store.ts';
import type { Lease, TurnRecord } from '../core/records.ts';
import { RECENT_TURNS } from './dynamodb-begin.ts';
import { type Expression, expression, keyOf, mayHaveHappened } from './dynamodb-client.ts';
import { headItem, newMapping, type Plain, place, stateText, sweepAt, toItem } from './dynamodb-items.ts';
import { headKey, mappingKey, type StateKey, turnKey } from './dynamodb-tables.ts';
import type { DynamoParts, Turns } from './dynamodb-turns.ts';

const HELD = '#fence = :fence AND #lease_owner = :owner';
const MAX_ANCHOR_BYTES = 64_000;

const lost = (cause?: unknown) =>
  new Conflict('lease-lost', 'This worker no longer holds the session.', { cause });

export function createFenced({ dynamo, mappingTable, stateTable, clock }: DynamoParts, turns: Turns) {
  const head = (lease: Lease) => headKey(lease.tenant, lease.sessionId);
  const held = (lease: Lease) => ({ fence: lease.fence, owner: lease.owner });

  function updateOf(key: StateKey, change: Expression): TransactWriteItem {
    const Key = keyOf(key);
    return { Update: { TableName: stateTable, Key, UpdateExpression: change.update, ...expression(change) } };
  }

  function stillHeld(lease: Lease): TransactWriteItem {
    return {
      ConditionCheck: {
        TableName: stateTable,
        Key: keyOf(head(lease)),
        ConditionExpression: '',
        ...expression({ condition: HELD, values: held(lease) }),
      },
    };
  }

  /** One change to a turn's line, if the lease holds and the condition does. */
  async function changeTurn(
    lease: Lease,
    turnId: TurnId,
    change: { update: string; condition: string; values: Record<string, Plain> },
  ) {
    return await dynamo.transact([
      stillHeld(lease),
      {
        Update: {
          TableName: stateTable,
          Key: keyOf(turnKey(lease.tenant, turnId)),
          UpdateExpression: '',
          ...expression({
            update: `SET ${change.update}, #updated_at_ms = :now_ms`,
            condition: `#session_key = :key AND (${change.condition})`,
            values: { ...change.values, key: lease.sessionKey, now_ms: clock.now() },
          }),
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        },
      },
    ]);
  }

  function checkGenerations(base: number, generation: number): void {
    if (
      !Number.isSafeInteger(generation) ||
      generation < 0 ||
      (generation !== base && generation !== base + 1)
    ) {
      throw new Invalid('bad-generation', 'A commit keeps the generation or makes the next.');
    }
  }

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
    const { lease, turnId, baseGeneration, generation, repointTo } = input;
    const nowMs = clock.now();
    const target = repointTo ?? lease.sessionId;
    const mapping = newMapping(lease.sessionKey, target, nowMs, input.retentionSec);
    const expires = mapping.ttl;
    const moves = generation !== baseGeneration;
    const placed = place(input.reply, 'reply-too-large');
    const replies = 'inline' in placed ? '#reply = :reply' : '#reply_apart = :reply';
    const writes: TransactWriteItem[] = [
      {
        Update: {
          TableName: stateTable,
          Key: keyOf(head(lease)),
          UpdateExpression: '',
          ...expression({
            update: `SET #generation = :generation, #used_at_ms = :now_ms, #expires_at = :expires, #ttl = :ttl, #recent_${lease.fence % RECENT_TURNS} = :turn${moves ? ', #state = :state' : ''}`,
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
            },
          }),
        },
      },
      {
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
      },
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

  async function commit(input: CommitInput): Promise<TurnRecord> {
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
    throw lost();
  }

  /** The token makes a repeat after a lost answer recognisable. With a turn, head and line move together. */
  async function advance(input: AdvanceInput): Promise<void> {
    const { lease, baseGeneration, generation, turnId } = input;
    checkGenerations(baseGeneration, generation);
    const token = randomUUID();
    const change = {
      update: 'SET #generation = :generation, #state = :state, #used_at_ms = :now_ms, #last_write = :token',
      condition: `${HELD} AND #generation = :base`,
      values: {
        ...held(lease),
        generation,
        base: baseGeneration,
        state: stateText(input.state),
        now_ms: clock.now(),
        token,
      },
    };
    try {
      if (turnId !== undefined) return await advanceWithTurn(input, turnId, change);
      const answer = await dynamo.update(stateTable, head(lease), change);
      if (!answer.ok && answer.item?.last_write?.S !== token) throw lost();
    } catch (error) {
      if (!mayHaveHappened(error)) throw error;
      const now = await dynamo.get(stateTable, keyOf(head(lease))).catch((cause: unknown) => {
        throw new Ambiguous('advance-unknown', 'No answer to a write, and it cannot be read back.', {
          cause,
        });
      });
      if (now?.last_write?.S !== token) throw error;
    }
  }

  async function advanceWithTurn(input: AdvanceInput, turnId: TurnId, change: Expression): Promise<void> {
    const { lease, generation } = input;
    const line = {
      update: 'SET #generation = :generation, #generation_session = :session, #updated_at_ms = :now_ms',
      condition: '#status = :running AND #session_key = :key',
      values: {
        generation,
        session: lease.sessionId,
        now_ms: clock.now(),
        running: 'running',
        key: lease.sessionKey,
      },
    };
    const cancelled = await dynamo.transact([
      updateOf(head(lease), change),
      updateOf(turnKey(lease.tenant, turnId), line),
    ]);
    if (cancelled) throw lost();
  }

  async function setAnchor(lease: Lease, turnId: TurnId, anchor: Json): Promise<void> {
    const value = JSON.stringify(anchor);
    if (Buffer.byteLength(value) > MAX_ANCHOR_BYTES) {
      throw new Invalid('anchor-too-large', "The channel's note is too large.");
    }
    const cancelled = await changeTurn(lease, turnId, {
      update: '#anchor = :anchor',
      condition: 'attribute_exists(#pk)',
      values: { anchor: value },
    });
    if (cancelled?.[0]) throw lost();
    if (cancelled) throw new Gone('unknown-turn', 'There is no such turn.');
  }

  async function settle(lease: Lease, turnId: TurnId, status: 'delivered' | 'undeliverable'): Promise<void> {
    const cancelled = await changeTurn(lease, turnId, {
      update: '#status = :status',
      condition: '#status = :committed',
      values: { status, committed: 'committed' },
    });
    if (cancelled?.[0]) throw lost();
    const was = cancelled?.[1]?.item?.status?.S;
    if (cancelled && was !== 'delivered' && was !== 'undeliverable') {
      throw new Conflict('not-committed', 'Only a committed turn can be closed.');
    }
  }

  async function renew(lease: Lease, leaseMs: number, turnId: TurnId): Promise<{ stopRequested: boolean }> {
    const [answer, turn] = await Promise.all([
      dynamo.update(stateTable, head(lease), {
        update: 'SET #lease_until_ms = :until',
        condition: HELD,
        values: { ...held(lease), until: clock.now() + leaseMs },
      }),
      dynamo.get(stateTable, keyOf(turnKey(lease.tenant, turnId))),
    ]);
    if (!answer.ok) throw lost();
    return { stopRequested: turn?.stop_requested?.BOOL === true };
  }

  async function check(lease: Lease): Promise<void> {
    const item = await dynamo.get(stateTable, keyOf(head(lease)));
    if (item?.fence?.N !== String(lease.fence) || item.lease_owner?.S !== lease.owner) throw lost();
  }

  async function release(lease: Lease, options?: { readonly forgive?: TurnId }): Promise<void> {
    const give = {
      update: 'REMOVE #lease_owner, #lease_until_ms',
      condition: HELD,
      values: held(lease),
    };
    if (options?.forgive !== undefined) {
      const forgiven = {
        update: 'SET #updated_at_ms = :now_ms ADD #attempts :less',
        condition: '#status = :running AND #attempts > :none AND #session_key = :key',
        values: { now_ms: clock.now(), less: -1, running: 'running', none: 0, key: lease.sessionKey },
      };
      const cancelled = await dynamo.transact([
        updateOf(head(lease), give),
        updateOf(turnKey(lease.tenant, options.forgive), forgiven),
      ]);
      if (!cancelled || cancelled[0]) return;
    }
    await dynamo.update(stateTable, head(lease), give);
  }

  return { commit, advance, setAnchor, settle, renew, check, release };
}
