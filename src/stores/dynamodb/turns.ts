// The ledger: a turn's line, its place in the conversation's order, its long texts.
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb';
import { Gone, Invalid } from '../../core/errors.ts';
import { type Tenant, type TurnId, tenantOf } from '../../core/ids.ts';
import type { TurnRequest } from '../../core/messages.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { TurnRecord } from '../../core/records.ts';
import { type Dynamo, expression, keyOf } from './client.ts';
import {
  alive,
  type Item,
  isApart,
  number,
  place,
  readTurn,
  requestDigest,
  sweepAt,
  toItem,
  WAITING_SEC,
} from './items.ts';
import { counterKey, orderKey, turnKey } from './tables.ts';

export interface DynamoParts {
  readonly dynamo: Dynamo;
  readonly mappingTable: string;
  readonly stateTable: string;
  readonly clock: Clock;
  readonly rereadAfterMs?: number;
}

export type Turns = ReturnType<typeof createTurns>;

export function createTurns({ dynamo, stateTable, clock }: DynamoParts) {
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
    if (!alive(item, clock.now())) return null;
    return { item, turn: readTurn(item, partsOf(part('text'), part('reply'))) };
  }

  /** Completes a line whose item is at hand; reads only what lies apart. `knownText` saves one of the reads. */
  async function complete(tenant: Tenant, item: Item, knownText?: string): Promise<TurnRecord> {
    const turnId = item.turn_id?.S as TurnId;
    const fetch = (name: 'text' | 'reply') =>
      isApart(item, name) && !(name === 'text' && knownText !== undefined)
        ? dynamo.get(stateTable, keyOf(turnKey(tenant, turnId, name)))
        : undefined;
    const [text, reply] = await Promise.all([fetch('text'), fetch('reply')]);
    if (knownText === undefined) return readTurn(item, partsOf(text, reply));
    const known = { ...item, text: { S: JSON.stringify(knownText) } };
    return readTurn(known, partsOf(undefined, reply));
  }

  /** Throws unless the stored line is of this very message. */
  function match(item: Item, request: TurnRequest): void {
    if (item.digest?.S !== requestDigest(request)) {
      throw new Invalid('idempotency-mismatch', 'The same message id came with another text or kind.');
    }
  }

  /**
   * The sequence is taken from a counter first; then line and place are written together, if the line is new:
   *
   *   counter = 7 ............ A gets 7, B gets 8 (the same message, twice)
   *   A: put turn, if absent   + put place 7     -> both there
   *   B: put turn, if absent   + put place 8     -> neither; B returns A's line, and 8 stays unused
   */
  async function accept(request: TurnRequest, retentionSec: number): Promise<TurnRecord> {
    const key = request.sessionKey;
    const tenant = tenantOf(key);
    const nowMs = clock.now();
    const nowSec = Math.floor(nowMs / 1000);
    const expiresAt = nowSec + retentionSec;
    const [known, counter] = await Promise.all([
      read(tenant, request.turnId),
      dynamo.update(stateTable, counterKey(key), {
        update: 'SET #ttl = :ttl ADD #sequence :one',
        values: { ttl: sweepAt(expiresAt) + WAITING_SEC, one: 1 },
      }),
    ]);
    if (known) {
      match(known.item, request);
      return known.turn;
    }
    if (!counter.ok) throw new Error('An unconditional write was refused.');
    const sequence = number(counter.item, 'sequence');
    const placed = place(request.text, 'text-too-large');
    const line = toItem({
      ...turnKey(tenant, request.turnId),
      turn_id: request.turnId,
      session_key: key,
      kind: request.kind,
      dedupe_id: request.dedupeId,
      digest: requestDigest(request),
      text: 'inline' in placed ? placed.inline : undefined,
      text_apart: 'apart' in placed ? true : undefined,
      status: 'queued',
      attempts: 0,
      stop_requested: false,
      sequence,
      received_at_ms: request.receivedAtMs,
      updated_at_ms: nowMs,
      expires_at: expiresAt,
      ttl: sweepAt(expiresAt),
    });
    const ttl = sweepAt(expiresAt) + WAITING_SEC;
    const writes: TransactWriteItem[] = [
      {
        Put: {
          TableName: stateTable,
          Item: line,
          ...expression({
            condition: 'attribute_not_exists(#pk) OR #expires_at <= :now',
            values: { now: nowSec },
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
    if ('apart' in placed) {
      const item = toItem({ ...turnKey(tenant, request.turnId, 'text'), body: placed.apart, ttl });
      writes.push({ Put: { TableName: stateTable, Item: item } });
    }
    if ((await dynamo.transact(writes)) === null) return complete(tenant, line, request.text);
    // Someone else wrote the line between our look and our write.
    const theirs = await read(tenant, request.turnId);
    if (!theirs) throw new Gone('unknown-turn', 'The turn was erased while it was accepted.');
    match(theirs.item, request);
    return theirs.turn;
  }

  async function requestStop(tenant: Tenant, turnId: TurnId): Promise<TurnRecord> {
    const answer = await dynamo.update(stateTable, turnKey(tenant, turnId), {
      update: 'SET #stop_requested = :yes, #updated_at_ms = :now_ms',
      condition: 'attribute_exists(#pk) AND #status IN (:queued, :running) AND #expires_at > :now',
      values: {
        yes: true,
        queued: 'queued',
        running: 'running',
        now: Math.floor(clock.now() / 1000),
        now_ms: clock.now(),
      },
    });
    if (!alive(answer.item, clock.now())) throw new Gone('unknown-turn', 'There is no such turn.');
    return complete(tenant, answer.item);
  }

  return { read, complete, match, accept, requestStop };
}

function partsOf(text: Item | undefined, reply: Item | undefined): { text?: Item; reply?: Item } {
  return { ...(text && { text }), ...(reply && { reply }) };
}
