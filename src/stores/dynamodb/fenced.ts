// Everything a lease allows but the commit. Each write carries the lease's fence and owner as a condition on the head, so
// a worker that was overtaken, or gave the lease back, changes nothing.
import { randomUUID } from 'node:crypto';
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb';
import { Ambiguous } from '../../core/errors.ts';
import type { TurnId } from '../../core/ids.ts';
import type { Json } from '../../core/messages.ts';
import type { AdvanceInput, GatherInput } from '../../core/ports/store.ts';
import { gatheredBy, type Lease } from '../../core/records.ts';
import type { Timeline } from '../../core/timeline.ts';
import { requireBase, requireNextGeneration } from '../rules/commit.ts';
import { storeError } from '../rules/errors.ts';
import { requireHeld } from '../rules/lease.ts';
import { epochSec } from '../rules/retention.ts';
import { requireCommitted, requireRunning, requireSmallAnchor, requireTurnOfLease } from '../rules/turn.ts';
import { type Expression, expression, keyOf, mayHaveHappened } from './client.ts';
import {
  HELD,
  HELD_AT_BASE,
  heldValues,
  OF_LEASE,
  RUNNING_UNDER_LEASE,
  runningValues,
} from './conditions.ts';
import { type Item, type Plain, readLeaseState, readTurnState, stateText } from './items.ts';
import { headKey, type StateKey, turnKey } from './tables.ts';
import type { DynamoContext } from './turns.ts';

export function createFenced({ dynamo, stateTable, clock }: DynamoContext) {
  const head = (lease: Lease) => headKey(lease.tenant, lease.sessionId);

  function updateOf(key: StateKey, change: Expression): TransactWriteItem {
    return {
      Update: {
        TableName: stateTable,
        Key: keyOf(key),
        UpdateExpression: change.update,
        ...expression(change),
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      },
    };
  }

  function stillHeld(lease: Lease): TransactWriteItem {
    return {
      ConditionCheck: {
        TableName: stateTable,
        Key: keyOf(head(lease)),
        ConditionExpression: '',
        ...expression({ condition: HELD, values: heldValues(lease) }),
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      },
    };
  }

  /** A condition on the head failed: the rule says so over the item that failed it. */
  function explainHead(item: Item | undefined, lease: Lease, baseGeneration?: number): never {
    const state = item && readLeaseState(item);
    if (baseGeneration === undefined) requireHeld(state, lease);
    else requireBase(state, lease, baseGeneration);
    throw storeError('contended');
  }

  /** One change to a turn's line, if the lease holds. `explain` gets the line where `condition` does not hold. */
  async function changeTurn(
    lease: Lease,
    turnId: TurnId,
    change: { update: string; condition?: string; values: Record<string, Plain> },
    explain: typeof requireTurnOfLease,
  ): Promise<void> {
    const nowMs = clock.now();
    const cancelled = await dynamo.transact([
      stillHeld(lease),
      updateOf(turnKey(lease.tenant, turnId), {
        update: `SET ${change.update}, #updated_at_ms = :now_ms`,
        condition: change.condition === undefined ? OF_LEASE : `${OF_LEASE} AND ${change.condition}`,
        values: {
          ...change.values,
          key: lease.sessionKey,
          session: lease.sessionId,
          now: epochSec(nowMs),
          now_ms: nowMs,
        },
      }),
    ]);
    const [head, line] = cancelled ?? [];
    if (head) explainHead(head.item, lease);
    if (line) explain(line.item && readTurnState(line.item), lease, nowMs);
  }

  /** The token makes a repeat after a lost answer recognisable. With a turn, head and line move together. */
  async function advance(input: AdvanceInput): Promise<void> {
    const { lease, baseGeneration, generation, turnId } = input;
    requireNextGeneration(baseGeneration, generation);
    const token = randomUUID();
    const change = {
      update: 'SET #generation = :generation, #state = :state, #used_at_ms = :now_ms, #last_write = :token',
      condition: HELD_AT_BASE,
      values: {
        ...heldValues(lease),
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
      if (!answer.ok && answer.item?.last_write?.S !== token) {
        explainHead(answer.item, lease, baseGeneration);
      }
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
    const { lease, baseGeneration, generation } = input;
    const cancelled = await dynamo.transact([
      updateOf(head(lease), change),
      updateOf(turnKey(lease.tenant, turnId), {
        update: 'SET #generation = :generation, #generation_session = :session, #updated_at_ms = :now_ms',
        condition: RUNNING_UNDER_LEASE,
        values: { ...runningValues(lease), generation, now_ms: clock.now() },
      }),
    ]);
    if (!cancelled) return;
    const [session, line] = cancelled;
    if (session) explainHead(session.item, lease, baseGeneration);
    requireRunning(line?.item && readTurnState(line.item), lease);
    throw storeError('contended');
  }

  async function gather({ lease, turnId, followers }: GatherInput): Promise<void> {
    const nowMs = clock.now();
    const cancelled = await dynamo.transact([
      stillHeld(lease),
      updateOf(turnKey(lease.tenant, turnId), {
        update: 'SET #updated_at_ms = :now_ms',
        condition: RUNNING_UNDER_LEASE,
        values: { ...runningValues(lease), now_ms: nowMs },
      }),
      ...followers.map((id) =>
        updateOf(turnKey(lease.tenant, id), {
          update:
            'SET #status = :delivered, #session_id = :session, #reply = :reply, #updated_at_ms = :now_ms',
          condition: '#status = :queued AND #session_key = :key AND #expires_at > :now',
          values: {
            delivered: 'delivered',
            queued: 'queued',
            key: lease.sessionKey,
            session: lease.sessionId,
            reply: JSON.stringify(gatheredBy(turnId)),
            now: epochSec(nowMs),
            now_ms: nowMs,
          },
        }),
      ),
    ]);
    if (!cancelled) return;
    const [session, line] = cancelled;
    if (session) explainHead(session.item, lease);
    if (line) requireRunning(line.item && readTurnState(line.item), lease);
    throw storeError('not-queued');
  }

  async function setAnchor(lease: Lease, turnId: TurnId, anchor: Json): Promise<void> {
    requireSmallAnchor(anchor);
    const change = { update: '#anchor = :anchor', values: { anchor: JSON.stringify(anchor) } };
    await changeTurn(lease, turnId, change, requireTurnOfLease);
  }

  async function settle(
    lease: Lease,
    turnId: TurnId,
    status: 'delivered' | 'undeliverable',
    timeline?: Timeline,
  ): Promise<void> {
    const kept: Record<string, Plain> = timeline === undefined ? {} : { timeline: JSON.stringify(timeline) };
    const change = {
      update: `#status = :status${timeline === undefined ? '' : ', #timeline = if_not_exists(#timeline, :timeline)'}`,
      condition: '#status = :committed',
      values: { status, committed: 'committed', ...kept },
    };
    // A turn that was settled before fails the condition and passes the rule: nothing to do.
    await changeTurn(lease, turnId, change, requireCommitted);
  }

  async function renew(lease: Lease, leaseMs: number, turnId: TurnId): Promise<{ stopRequested: boolean }> {
    const [answer, turn] = await Promise.all([
      dynamo.update(stateTable, head(lease), {
        update: 'SET #lease_until_ms = :until',
        condition: HELD,
        values: { ...heldValues(lease), until: clock.now() + leaseMs },
      }),
      dynamo.get(stateTable, keyOf(turnKey(lease.tenant, turnId))),
    ]);
    if (!answer.ok) explainHead(answer.item, lease);
    return { stopRequested: turn?.stop_requested?.BOOL === true };
  }

  async function check(lease: Lease): Promise<void> {
    const item = await dynamo.get(stateTable, keyOf(head(lease)));
    requireHeld(item && readLeaseState(item), lease);
  }

  async function release(lease: Lease, options?: { readonly forgive?: TurnId }): Promise<void> {
    const give = {
      update: 'REMOVE #lease_owner, #lease_until_ms',
      condition: HELD,
      values: heldValues(lease),
    };
    if (options?.forgive !== undefined) {
      const forgiven = {
        update: 'SET #updated_at_ms = :now_ms ADD #attempts :less',
        condition: `${RUNNING_UNDER_LEASE} AND #attempts > :none`,
        values: { ...runningValues(lease), now_ms: clock.now(), less: -1, none: 0 },
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
