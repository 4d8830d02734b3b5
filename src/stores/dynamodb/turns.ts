// The ledger: a turn's line, its entry in the conversation's order, its long texts.
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb';
import { type Tenant, type TurnId, tenantOf } from '../../core/ids.ts';
import type { TurnRequest } from '../../core/messages.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { TurnRecord } from '../../core/records.ts';
import { storeError } from '../rules/errors.ts';
import { queuedTurn } from '../rules/new-records.ts';
import { epochSec } from '../rules/retention.ts';
import { requireTurn } from '../rules/turn.ts';
import { type Dynamo, expression, keyOf } from './client.ts';
import {
  contentDigest,
  deletionTime,
  type Item,
  isLiveItem,
  isSeparate,
  number,
  readTurn,
  readTurnState,
  storedValue,
  toItem,
  WAITING_SEC,
} from './items.ts';
import { counterKey, orderKey, turnKey } from './tables.ts';

/** What every part of the store works with. */
export interface DynamoContext {
  readonly dynamo: Dynamo;
  readonly mappingTable: string;
  readonly stateTable: string;
  readonly clock: Clock;
  readonly rereadAfterMs?: number;
}

export type Turns = ReturnType<typeof createTurns>;

export function createTurns({ dynamo, stateTable, clock }: DynamoContext) {
  /** A turn's items in one strongly consistent read. */
  async function read(tenant: Tenant, turnId: TurnId): Promise<{ item: Item; turn: TurnRecord } | null> {
    const { items } = await dynamo.query({
      TableName: stateTable,
      KeyConditionExpression: 'pk = :pk',
      ExpressionAttributeValues: { ':pk': { S: turnKey(tenant, turnId).pk } },
      ConsistentRead: true,
    });
    const part = (sk: string) => items.find((item) => item.sk?.S === sk);
    const item = part('turn');
    if (!isLiveItem(item, clock.now())) return null;
    return { item, turn: readTurn(item, partsOf(part('text'), part('reply'))) };
  }

  /** Completes a line whose item is at hand; reads only what is in items of its own. `knownText` saves one of the reads. */
  async function complete(tenant: Tenant, item: Item, knownText?: string): Promise<TurnRecord> {
    const turnId = item.turn_id?.S as TurnId;
    const fetch = (name: 'text' | 'reply') =>
      isSeparate(item, name) && !(name === 'text' && knownText !== undefined)
        ? dynamo.get(stateTable, keyOf(turnKey(tenant, turnId, name)))
        : undefined;
    const [text, reply] = await Promise.all([fetch('text'), fetch('reply')]);
    if (knownText === undefined) return readTurn(item, partsOf(text, reply));
    const known = { ...item, text: { S: JSON.stringify(knownText) } };
    return readTurn(known, partsOf(undefined, reply));
  }

  /** `requireSameMessage`, by the digest: a long text need not be read. */
  function requireSame(item: Item, request: TurnRequest): void {
    if (item.digest?.S === contentDigest(request)) return;
    throw storeError('idempotency-mismatch', { data: { turnId: request.turnId } });
  }

  /**
   * The sequence is taken from a counter first; then line and order entry are written together, if the line is new:
   *
   *   counter = 7 ............ A gets 7, B gets 8 (the same message, twice)
   *   A: put turn, if absent   + put entry 7     -> both there
   *   B: put turn, if absent   + put entry 8     -> neither; B returns A's line, and 8 stays unused
   */
  async function accept(request: TurnRequest, retentionSec: number): Promise<TurnRecord> {
    const key = request.sessionKey;
    const tenant = tenantOf(key);
    const nowMs = clock.now();
    const [known, counter] = await Promise.all([
      read(tenant, request.turnId),
      dynamo.update(stateTable, counterKey(key), {
        update: 'SET #ttl = :ttl ADD #sequence :one',
        values: { ttl: keptUntil(epochSec(nowMs) + retentionSec), one: 1 },
      }),
    ]);
    if (known) {
      requireSame(known.item, request);
      return known.turn;
    }
    if (!counter.ok) throw new Error('An unconditional write was refused.');
    const sequence = number(counter.item, 'sequence');
    const turn = queuedTurn(request, sequence, nowMs, retentionSec);
    const stored = storedValue(turn.text, 'text-too-large');
    const line = toItem({
      ...turnKey(tenant, turn.turnId),
      turn_id: turn.turnId,
      session_key: turn.sessionKey,
      kind: turn.kind,
      dedupe_id: turn.dedupeId,
      digest: contentDigest(request),
      text: 'inline' in stored ? stored.inline : undefined,
      written_in: turn.writtenIn,
      attachments: turn.attachments && JSON.stringify(turn.attachments),
      text_apart: 'separate' in stored ? true : undefined,
      status: turn.status,
      attempts: turn.attempts,
      stop_requested: turn.stopRequested,
      sequence,
      received_at_ms: turn.receivedAtMs,
      updated_at_ms: turn.updatedAtMs,
      expires_at: turn.expiresAtSec,
      ttl: deletionTime(turn.expiresAtSec),
    });
    const ttl = keptUntil(turn.expiresAtSec);
    const writes: TransactWriteItem[] = [
      {
        Put: {
          TableName: stateTable,
          Item: line,
          ...expression({
            condition: 'attribute_not_exists(#pk) OR #expires_at <= :now',
            values: { now: epochSec(nowMs) },
          }),
        },
      },
      {
        Put: {
          TableName: stateTable,
          Item: toItem({ ...orderKey(key, sequence), turn_id: request.turnId, sequence, ttl }),
        },
      },
    ];
    if ('separate' in stored) {
      const item = toItem({ ...turnKey(tenant, request.turnId, 'text'), body: stored.separate, ttl });
      writes.push({ Put: { TableName: stateTable, Item: item } });
    }
    if ((await dynamo.transact(writes)) === null) return complete(tenant, line, request.text);
    // Someone else wrote the line between our look and our write.
    const theirs = await read(tenant, request.turnId);
    if (!theirs) throw storeError('unknown-turn'); // Erased at once.
    requireSame(theirs.item, request);
    return theirs.turn;
  }

  /** The line that a conditional write left or found, complete. Gone('unknown-turn'). */
  async function completeKnown(tenant: Tenant, item: Item | undefined, nowMs: number): Promise<TurnRecord> {
    requireTurn(item && readTurnState(item), nowMs);
    return await complete(tenant, item as Item);
  }

  async function requestStop(tenant: Tenant, turnId: TurnId): Promise<TurnRecord> {
    const nowMs = clock.now();
    const { item } = await dynamo.update(stateTable, turnKey(tenant, turnId), {
      update: 'SET #stop_requested = :yes, #updated_at_ms = :now_ms',
      condition: '#status IN (:queued, :running) AND #expires_at > :now',
      values: { yes: true, queued: 'queued', running: 'running', now: epochSec(nowMs), now_ms: nowMs },
    });
    return await completeKnown(tenant, item, nowMs);
  }

  async function reopen(tenant: Tenant, turnId: TurnId): Promise<TurnRecord> {
    const nowMs = clock.now();
    const { item } = await dynamo.update(stateTable, turnKey(tenant, turnId), {
      update: 'SET #status = :committed, #updated_at_ms = :now_ms',
      condition: '#status = :undeliverable AND #expires_at > :now',
      values: {
        committed: 'committed',
        undeliverable: 'undeliverable',
        now: epochSec(nowMs),
        now_ms: nowMs,
      },
    });
    return await completeKnown(tenant, item, nowMs);
  }

  return { read, complete, requireSame, accept, requestStop, reopen };
}

/** What is written at accept outlives a turn that waits in a queue for as long as queues keep messages. */
function keptUntil(expiresAtSec: number): number {
  return deletionTime(expiresAtSec) + WAITING_SEC;
}

function partsOf(text: Item | undefined, reply: Item | undefined): { text?: Item; reply?: Item } {
  return { ...(text && { text }), ...(reply && { reply }) };
}
