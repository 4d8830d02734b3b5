// The few DynamoDB calls the store makes, with errors sorted into families. A failed condition is an answer and
// comes back as a value. Two transactions that touch one item at once are told to try again: done here, with
// jitter, a bounded number of times; throttling and lost connections are retried by the AWS client itself.

import { setTimeout as pause } from 'node:timers/promises';
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandInput,
  ScanCommand,
  type ScanCommandInput,
  TransactionCanceledException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { errorName, isOutcomeUnknown, refusal } from '../../aws/client-errors.ts';
import { backoffMs } from '../../core/backoff.ts';
import { Refused } from '../../core/errors.ts';
import { storeError } from '../rules/errors.ts';
import { attribute, type Item, type Plain } from './items.ts';
import type { StateKey } from './tables.ts';

const CONFLICT_ATTEMPTS = 10;
const CONFLICT_BACKOFF = { firstMs: 40, maxMs: 400, jitter: 1 };
const BATCH_GET_KEYS = 100;
const BATCH_WRITE_ITEMS = 25;

export interface Expression {
  readonly update?: string;
  readonly condition?: string;
  readonly values?: Readonly<Record<string, Plain>>;
}

export type Answer =
  | { readonly ok: true; readonly item: Item; readonly retried: boolean }
  /** The condition did not hold; `item` is what was there, if anything. */
  | { readonly ok: false; readonly item: Item | undefined };

/** Why a transaction was cancelled, one entry per item: null where that item was fine. */
export type Cancelled = readonly ({ readonly item: Item | undefined } | null)[];

export type Dynamo = ReturnType<typeof createDynamo>;

/** `#name` in an expression stands for the attribute `name`, `:value` for an entry of `values`. */
export function expression(e: Expression): {
  UpdateExpression?: string;
  ConditionExpression?: string;
  ExpressionAttributeNames?: Record<string, string>;
  ExpressionAttributeValues?: Item;
} {
  const used = `${e.update ?? ''} ${e.condition ?? ''}`;
  const names = Object.fromEntries([...used.matchAll(/#([a-z_0-9]+)/g)].map((m) => [m[0], m[1]!]));
  const values = Object.fromEntries(
    Object.entries(e.values ?? {}).map(([name, value]) => [`:${name}`, attribute(value)]),
  );
  return {
    ...(e.update && { UpdateExpression: e.update }),
    ...(e.condition && { ConditionExpression: e.condition }),
    ...(Object.keys(names).length > 0 && { ExpressionAttributeNames: names }),
    ...(Object.keys(values).length > 0 && { ExpressionAttributeValues: values }),
  };
}

export function keyOf(key: StateKey): Item {
  return { pk: { S: key.pk }, sk: { S: key.sk } };
}

/** True when this refusal leaves open whether the write happened. */
export function mayHaveHappened(error: unknown): boolean {
  return error instanceof Refused && error.cause !== undefined && isOutcomeUnknown(error.cause);
}

export function createDynamo(client: DynamoDBClient) {
  let isClosed = false;

  async function call<T>(send: () => Promise<T>): Promise<T> {
    if (isClosed) throw storeError('store-closed');
    for (let attempt = 1; ; attempt++) {
      try {
        return await send();
      } catch (error) {
        if (!isConflict(error)) throw error;
        if (attempt === CONFLICT_ATTEMPTS) throw refusal('DynamoDB', error);
        await pause(backoffMs(CONFLICT_BACKOFF, attempt));
      }
    }
  }

  /** Failed conditions become answers, all else a family error. */
  async function conditional(
    send: () => Promise<{ Attributes?: Item; $metadata: { attempts?: number } }>,
  ): Promise<Answer> {
    try {
      const { Attributes, $metadata } = await call(send);
      return { ok: true, item: Attributes ?? {}, retried: ($metadata.attempts ?? 1) > 1 };
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return { ok: false, item: error.Item };
      throw refusal('DynamoDB', error);
    }
  }

  async function read<T>(send: () => Promise<T>): Promise<T> {
    try {
      return await call(send);
    } catch (error) {
      throw refusal('DynamoDB', error);
    }
  }

  return {
    /** Whatever is asked from now on is refused. The client is its maker's to destroy. */
    close(): void {
      isClosed = true;
    },

    /** Strongly consistent. */
    async get(table: string, key: Item): Promise<Item | undefined> {
      const command = new GetItemCommand({ TableName: table, Key: key, ConsistentRead: true });
      return (await read(() => client.send(command))).Item;
    },

    /** Returns all attributes as they are afterwards. */
    update(table: string, key: StateKey, e: Expression): Promise<Answer> {
      const command = new UpdateItemCommand({
        TableName: table,
        Key: keyOf(key),
        ...expression(e),
        ReturnValues: 'ALL_NEW',
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      });
      return conditional(() => client.send(command));
    },

    put(table: string, item: Item, e: Expression = {}): Promise<Answer> {
      const command = new PutItemCommand({
        TableName: table,
        Item: item,
        ...expression(e),
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      });
      return conditional(() => client.send(command));
    },

    /** All or nothing. null: done; otherwise whose conditions did not hold. */
    async transact(items: readonly TransactWriteItem[]): Promise<Cancelled | null> {
      // The client fills in a ClientRequestToken, so its own retry of a lost answer cannot apply it twice.
      const command = new TransactWriteItemsCommand({ TransactItems: [...items] });
      try {
        await call(() => client.send(command));
        return null;
      } catch (error) {
        const reasons = error instanceof TransactionCanceledException ? error.CancellationReasons : undefined;
        if (reasons?.some((reason) => reason.Code === 'ConditionalCheckFailed')) {
          return reasons.map((r) => (r.Code === 'ConditionalCheckFailed' ? { item: r.Item } : null));
        }
        throw refusal('DynamoDB', error);
      }
    },

    /** One page. */
    async query(input: QueryCommandInput): Promise<{ items: readonly Item[]; next: Item | undefined }> {
      const page = await read(() => client.send(new QueryCommand(input)));
      return { items: page.Items ?? [], next: page.LastEvaluatedKey };
    },

    /** One page. */
    async scan(input: ScanCommandInput): Promise<{ items: readonly Item[]; next: Item | undefined }> {
      const page = await read(() => client.send(new ScanCommand(input)));
      return { items: page.Items ?? [], next: page.LastEvaluatedKey };
    },

    /** Strongly consistent; what is absent is left out, order is not kept. */
    async batchGet(table: string, keys: readonly Item[]): Promise<readonly Item[]> {
      const found: Item[] = [];
      for (let at = 0; at < keys.length; at += BATCH_GET_KEYS) {
        let wanted = keys.slice(at, at + BATCH_GET_KEYS);
        for (let attempt = 1; wanted.length > 0; attempt++) {
          if (attempt > CONFLICT_ATTEMPTS) throw overloaded();
          if (attempt > 1) await pause(backoffMs(CONFLICT_BACKOFF, attempt - 1));
          const request = { [table]: { Keys: wanted, ConsistentRead: true } };
          const page = await read(() => client.send(new BatchGetItemCommand({ RequestItems: request })));
          found.push(...(page.Responses?.[table] ?? []));
          wanted = page.UnprocessedKeys?.[table]?.Keys ?? [];
        }
      }
      return found;
    },

    /** Deletes are idempotent: what is absent is no error. */
    async batchDelete(table: string, keys: readonly Item[]): Promise<void> {
      for (let at = 0; at < keys.length; at += BATCH_WRITE_ITEMS) {
        let wanted = keys.slice(at, at + BATCH_WRITE_ITEMS).map((Key) => ({ DeleteRequest: { Key } }));
        for (let attempt = 1; wanted.length > 0; attempt++) {
          if (attempt > CONFLICT_ATTEMPTS) throw overloaded();
          if (attempt > 1) await pause(backoffMs(CONFLICT_BACKOFF, attempt - 1));
          const request = { [table]: wanted };
          const page = await read(() => client.send(new BatchWriteItemCommand({ RequestItems: request })));
          wanted = (page.UnprocessedItems?.[table] ?? []) as typeof wanted;
        }
      }
    },
  };
}

function overloaded(): Refused {
  return new Refused('throttled', 'DynamoDB left part of a batch undone again and again.');
}

function isConflict(error: unknown): boolean {
  if (error instanceof TransactionCanceledException) {
    const codes = (error.CancellationReasons ?? []).map((reason) => reason.Code);
    // A failed condition beside a conflict may itself be an effect of the other transaction: look again.
    return codes.some((code) => code === 'TransactionConflict' || /Throttl|Throughput/.test(code ?? ''));
  }
  return /TransactionConflict|TransactionInProgress/.test(errorName(error));
}
