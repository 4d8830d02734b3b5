// Everything a lease allows but the commit. Each write carries the lease's fence and owner as a condition on the head, so
// a worker that was overtaken, or gave the lease back, changes nothing.
import { randomUUID } from 'node:crypto';
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb';
import { Ambiguous, Conflict, Gone, Invalid } from '../../core/errors.ts';
import type { TurnId } from '../../core/ids.ts';
import type { Json } from '../../core/messages.ts';
import type { AdvanceInput, GatherInput } from '../../core/ports/store.ts';
import { GATHERED, type Lease } from '../../core/records.ts';
import { notQueued } from '../ledger.ts';
import { type Expression, expression, keyOf, mayHaveHappened } from './client.ts';
import { checkGenerations, HELD, held, lost } from './commit.ts';
import { type Plain, stateText } from './items.ts';
import { headKey, type StateKey, turnKey } from './tables.ts';
import type { DynamoParts } from './turns.ts';

const MAX_ANCHOR_BYTES = 64_000;

export function createFenced({ dynamo, stateTable, clock }: DynamoParts) {
  const head = (lease: Lease) => headKey(lease.tenant, lease.sessionId);

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
            condition: `(#session_key = :key OR #session_id = :session) AND (${change.condition})`,
            values: {
              ...change.values,
              key: lease.sessionKey,
              session: lease.sessionId,
              now_ms: clock.now(),
            },
          }),
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        },
      },
    ]);
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

  async function gather({ lease, turnId, followers }: GatherInput): Promise<void> {
    const running = updateOf(turnKey(lease.tenant, turnId), {
      update: 'SET #updated_at_ms = :now_ms',
      condition: '#status = :running AND #session_id = :session',
      values: { now_ms: clock.now(), running: 'running', session: lease.sessionId },
    });
    const taken = followers.map((id) =>
      updateOf(turnKey(lease.tenant, id), {
        update: 'SET #status = :delivered, #session_id = :session, #reply = :reply, #updated_at_ms = :now_ms',
        condition: '#status = :queued',
        values: {
          delivered: 'delivered',
          queued: 'queued',
          session: lease.sessionId,
          reply: JSON.stringify(GATHERED),
          now_ms: clock.now(),
        },
      }),
    );
    const cancelled = await dynamo.transact([stillHeld(lease), running, ...taken]);
    if (cancelled?.[0] || cancelled?.[1]) throw lost();
    if (cancelled) throw notQueued();
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

  return { advance, gather, setAnchor, settle, renew, check, release };
}
