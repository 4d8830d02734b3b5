// The contract suites against AWS itself, or whatever `AWS_ENDPOINT_URL*` points at: only when HS_AWS_TEST is set
// (docs/testing-aws.md). Tables and queues are made for the run and deleted; objects lie below a prefix of their own.
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, DeleteQueueCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, test } from 'vitest';
import { createSqsTurnQueue } from '../../src/queues/sqs-fifo/turn-queue.ts';
import { groupOf } from '../../src/queues/sqs-fifo/wire-messages.ts';
import { createDynamoSessionStore } from '../../src/stores/dynamodb/session-store.ts';
import { createTableInput, tableDefinitions } from '../../src/stores/dynamodb/tables.ts';
import { createS3ObjectStore } from '../../src/stores/s3/object-store.ts';
import { createManualClock } from '../../testing/clock.ts';
import type { ContractSkip } from '../../testing/contracts/contract.ts';
import { objectStoreContract } from '../../testing/contracts/object-store.ts';
import { sessionStoreContract } from '../../testing/contracts/session-store.ts';
import { turnQueueContract } from '../../testing/contracts/turn-queue.ts';

const { HS_AWS_TEST, HS_AWS_TEST_BUCKET } = process.env;
const run = `hs-test-${randomUUID().slice(0, 8)}`;
/** Nobody listens there. */
const NOWHERE = { endpoint: 'http://127.0.0.1:9', maxAttempts: 1 };

const SHARED_TABLES: ContractSkip[] = [
  {
    reason: 'one pair of tables serves all cases, and indexes are a moment behind',
    tests: [
      'mappings come most recently used first, page by page, each once',
      'mappings of the same instant are paged without loss',
      'the channel filter keeps to that channel',
      'heads come most recently used first; a key narrows them to one conversation',
      'past its ttl everything is absent, deleted or not',
      'twenty begins at once on a new conversation: one lease, one session',
      'erase removes a conversation whole, and names its sessions',
      'hostile chat and thread ids never mix conversations',
      'hostile tenant names never mix tenants',
      "one tenant's ids and cursors open nothing of another",
      'adopt makes a session known and points the conversation at it',
    ],
  },
];

const REAL_TIME: ContractSkip[] = [
  {
    reason: 'takes five minutes of real time',
    tests: [
      'the same turn sent again within five minutes is dropped: waiting, in flight or done',
      'after five minutes the same turn is accepted again: the ledger, not the queue, is the real memory',
    ],
  },
  { reason: 'SQS counts approximately', tests: ['depth counts what waits, not what is in flight'] },
];

if (!HS_AWS_TEST) {
  test.skip('the suites against a real account left out: HS_AWS_TEST is not set', () => {});
} else {
  const dynamo = new DynamoDBClient({});
  const sqs = new SQSClient({});
  const tables = { mappingTable: `${run}-mapping`, stateTable: `${run}-state` };
  for (const [definition, name] of [
    [tableDefinitions.mapping, tables.mappingTable],
    [tableDefinitions.state, tables.stateTable],
  ] as const) {
    await dynamo.send(new CreateTableCommand(createTableInput(definition, name)));
    await waitUntilTableExists({ client: dynamo, maxWaitTime: 120, minDelay: 1 }, { TableName: name });
  }
  const queues: string[] = [];
  afterAll(async () => {
    for (const TableName of Object.values(tables)) await dynamo.send(new DeleteTableCommand({ TableName }));
    for (const QueueUrl of queues) await sqs.send(new DeleteQueueCommand({ QueueUrl }));
  });

  sessionStoreContract({
    name: 'DynamoDB (account)',
    skip: SHARED_TABLES,
    async create() {
      const clock = createManualClock();
      const open = () => createDynamoSessionStore({ client: dynamo, ...tables, clock });
      return { store: open(), clock, reopen: async () => open(), close: async () => {} };
    },
    async createBroken() {
      const client = new DynamoDBClient(NOWHERE);
      const store = createDynamoSessionStore({ client, ...tables, clock: createManualClock() });
      return { store, close: async () => client.destroy() };
    },
  });

  turnQueueContract({
    name: 'SQS FIFO (account)',
    skip: REAL_TIME,
    async create() {
      const make = async (name: string) => {
        const command = new CreateQueueCommand({
          QueueName: `${run}-${name}.fifo`,
          Attributes: { FifoQueue: 'true' },
        });
        const url = (await sqs.send(command)).QueueUrl!;
        queues.push(url);
        return url;
      };
      const name = randomUUID().slice(0, 8);
      const urls = { queueUrl: await make(`${name}-turns`), deadLetterQueueUrl: await make(`${name}-dead`) };
      const open = () => createSqsTurnQueue({ client: sqs, ...urls });
      const queue = open();
      return {
        queue,
        advance: async (ms) => void (await pause(ms)),
        reopen: async () => open(),
        async sendMalformed(request, body) {
          const ids = { MessageGroupId: groupOf(request.sessionKey), MessageDeduplicationId: randomUUID() };
          await sqs.send(new SendMessageCommand({ QueueUrl: urls.queueUrl, MessageBody: body, ...ids }));
        },
        close: () => queue.close(),
      };
    },
    async createBroken() {
      const client = new SQSClient({ ...NOWHERE, useQueueUrlAsEndpoint: false });
      const queue = createSqsTurnQueue({ client, queueUrl: 'a', deadLetterQueueUrl: 'b' });
      return { queue, close: async () => client.destroy() };
    },
  });

  if (!HS_AWS_TEST_BUCKET) test.skip('S3 left out: HS_AWS_TEST_BUCKET is not set', () => {});
  else {
    const bucket = HS_AWS_TEST_BUCKET;
    const client = new S3Client({});
    objectStoreContract({
      name: 'S3 (account)',
      async create() {
        const store = createS3ObjectStore({ client, bucket, prefix: `contract/${randomUUID()}/` });
        const close = async () => {
          const keys: string[] = [];
          for await (const { key } of store.list('')) keys.push(key);
          await store.delete(keys);
        };
        return { store, close };
      },
    });
  }
}
