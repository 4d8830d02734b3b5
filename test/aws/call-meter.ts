// Counts what AWS clients are asked, through their own middleware, and what DynamoDB says it consumed.
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { S3Client } from '@aws-sdk/client-s3';
import type { SQSClient } from '@aws-sdk/client-sqs';

/** US dollars per million (November 2026, us-east-1): requests of S3 and SQS FIFO, units of DynamoDB on demand. */
export const PRICES = { read: 0.125, write: 0.625, s3Put: 5, s3Get: 0.4, sqs: 0.5, timer: 1 } as const;

const FREE = new Set(['DeleteObjects', 'DeleteObject', 'AbortMultipartUpload']);
const S3_READS = new Set(['GetObject', 'HeadObject']);
const DYNAMO_READS = new Set(['GetItem', 'Query', 'BatchGetItem']);

export interface CallMeter {
  /** A call that these clients do not make. */
  note(name: string, price: number): void;
  /** Since the last call: operation -> how often, and its price per million turns. */
  take(): { readonly calls: ReadonlyMap<string, number>; readonly perMillion: number };
}

export function meter(dynamo: DynamoDBClient, s3: S3Client, sqs: SQSClient): CallMeter {
  let calls = new Map<string, number>();
  let perMillion = 0;
  const count = (name: string, price: number) => {
    calls.set(name, (calls.get(name) ?? 0) + 1);
    perMillion += price;
  };

  dynamo.middlewareStack.add(
    (next, context) => async (args) => {
      const name = (context.commandName ?? '').replace(/Command$/, '');
      (args.input as { ReturnConsumedCapacity?: string }).ReturnConsumedCapacity = 'TOTAL';
      const result = await next(args);
      const { ConsumedCapacity } = result.output as { ConsumedCapacity?: unknown };
      const units = [ConsumedCapacity ?? []].flat() as { CapacityUnits?: number }[];
      const consumed = units.reduce((sum, { CapacityUnits }) => sum + (CapacityUnits ?? 0), 0);
      count(name, consumed * (DYNAMO_READS.has(name) ? PRICES.read : PRICES.write));
      return result;
    },
    { step: 'initialize', name: 'meter' },
  );
  s3.middlewareStack.add(
    (next, context) => async (args) => {
      const name = (context.commandName ?? '').replace(/Command$/, '');
      count(name, FREE.has(name) ? 0 : S3_READS.has(name) ? PRICES.s3Get : PRICES.s3Put);
      return await next(args);
    },
    { step: 'initialize', name: 'meter' },
  );
  sqs.middlewareStack.add(
    (next, context) => async (args) => {
      count((context.commandName ?? '').replace(/Command$/, ''), PRICES.sqs);
      return await next(args);
    },
    { step: 'initialize', name: 'meter' },
  );

  return {
    note: count,
    take() {
      const taken = { calls, perMillion };
      calls = new Map();
      perMillion = 0;
      return taken;
    },
  };
}
