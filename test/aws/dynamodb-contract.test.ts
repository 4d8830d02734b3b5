// The session store contract over DynamoDB Local: Amazon's own code judges the conditions.
import { randomBytes, randomUUID } from 'node:crypto';
import { DeleteItemCommand, DynamoDBClient, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, test } from 'vitest';
import { refusal } from '../../src/aws/client-errors.ts';
import { Invalid, Refused } from '../../src/core/errors.ts';
import type { Tenant } from '../../src/core/ids.ts';
import type { SessionStore } from '../../src/core/ports/store.ts';
import { createMemoryTurnQueue } from '../../src/queues/memory/turn-queue.ts';
import { keyOf } from '../../src/stores/dynamodb/client.ts';
import { createDynamoEventLog } from '../../src/stores/dynamodb/event-log.ts';
import { createDynamoTenantHoldings } from '../../src/stores/dynamodb/holdings.ts';
import { createDynamoNotes } from '../../src/stores/dynamodb/notes.ts';
import { createDynamoPlaces } from '../../src/stores/dynamodb/places.ts';
import { createDynamoSchedules } from '../../src/stores/dynamodb/schedules.ts';
import { createDynamoSessionStore } from '../../src/stores/dynamodb/session-store.ts';
import { headKey, tenantKey, turnKey } from '../../src/stores/dynamodb/tables.ts';
import { createDynamoTenantRegistry } from '../../src/stores/dynamodb/tenant-registry.ts';
import { createDynamoUsageLedger } from '../../src/stores/dynamodb/usage-ledger.ts';
import { createDynamoWebhooks } from '../../src/stores/dynamodb/webhooks.ts';
import { type DynamoDbLocal, localAws, startDynamoDbLocal } from '../../testing/aws/dynamodb-local.ts';
import { createManualClock, settle } from '../../testing/clock.ts';
import { channelNotesContract } from '../../testing/contracts/channel-notes.ts';
import { conversation, message } from '../../testing/contracts/contract.ts';
import { eventLogContract } from '../../testing/contracts/event-log.ts';
import { placesContract } from '../../testing/contracts/places.ts';
import { schedulesContract } from '../../testing/contracts/schedules.ts';
import { type PlatformError, sessionStoreContract } from '../../testing/contracts/session-store.ts';
import { begin, commitOf, replyOf } from '../../testing/contracts/session-store-steps.ts';
import { tenantHoldingsContract } from '../../testing/contracts/tenant-holdings.ts';
import { tenantRegistryContract } from '../../testing/contracts/tenant-registry.ts';
import { usageLedgerContract } from '../../testing/contracts/usage-ledger.ts';
import { webhooksContract } from '../../testing/contracts/webhooks.ts';
import { until } from '../waiting.ts';
import { countInFlight } from './in-flight.ts';

const noise = randomBytes(400_000).toString('base64');

/** What the AWS client throws for a service's own refusal; faults on the way are in dynamodb-faults.test.ts. */
function clientError(name: string, code: string, family: PlatformError['family'], advice?: RegExp) {
  const provoke = async () => {
    throw refusal('DynamoDB', Object.assign(new Error(name), { name }));
  };
  return { code, family, ...(advice && { advice }), provoke };
}

const started = await startDynamoDbLocal();

if ('unavailable' in started) {
  test.skip(`DynamoDB contract left out: ${started.unavailable}`, () => {});
} else {
  const local: DynamoDbLocal = started;
  afterAll(() => local.close());

  sessionStoreContract({
    name: 'DynamoDB',
    async create() {
      const tables = await local.createTables(randomUUID());
      const clock = createManualClock();
      const client = local.client();
      const store = createDynamoSessionStore({ client, ...tables, clock });
      const plain = local.client();
      return {
        store,
        clock,
        async damageState({ tenant, sessionId }) {
          const command = new UpdateItemCommand({
            TableName: tables.stateTable,
            Key: keyOf(headKey(tenant, sessionId)),
            UpdateExpression: 'SET #state = :torn',
            ExpressionAttributeNames: { '#state': 'state' },
            ExpressionAttributeValues: { ':torn': { S: '{' } },
          });
          await plain.send(command);
        },
        eraseLineDuringBegin(turnId) {
          const Key = keyOf(turnKey('acme' as Tenant, turnId));
          client.middlewareStack.add(
            (next, context) => async (args) => {
              // The lease is the first update: between it and the next one the line goes.
              if (context.commandName === 'UpdateItemCommand') {
                await plain.send(new DeleteItemCommand({ TableName: tables.stateTable, Key }));
              }
              return await next(args);
            },
            { step: 'initialize' },
          );
        },
        reopen: async () => createDynamoSessionStore({ client: local.client(), ...tables, clock }),
        close: () => store.close(),
      };
    },
    async createBroken() {
      // Port 9 (discard) answers to nobody.
      const client = new DynamoDBClient({ ...localAws, endpoint: 'http://127.0.0.1:9', maxAttempts: 1 });
      const tables = { mappingTable: 'mapping', stateTable: 'state' };
      const store = createDynamoSessionStore({ client, ...tables, clock: createManualClock() });
      return { store, close: async () => client.destroy() };
    },
    platformErrors: [
      tooLarge('text-too-large', (store) => store.accept({ ...message(conversation()), text: noise }, 60)),
      tooLarge('reply-too-large', async (store) =>
        store.commit(commitOf(await begin(store, message(conversation())), { reply: replyOf(noise) })),
      ),
      tooLarge('state-too-large', async (store) =>
        store.commit(commitOf(await begin(store, message(conversation())), { state: noise })),
      ),
      clientError('ThrottlingException', 'throttled', Refused, /limits/),
      clientError('AccessDeniedException', 'store-not-set-up', Refused, /permissions/),
      clientError('InternalServerError', 'store-unavailable', Refused),
    ],
  });

  /** Random text: it cannot be compressed below what an item may have. */
  function tooLarge(code: string, provoke: (store: SessionStore) => Promise<unknown>): PlatformError {
    return {
      code,
      family: Invalid,
      advice: /400 KB/,
      async provoke() {
        const tables = await local.createTables(randomUUID());
        const clock = createManualClock();
        return await provoke(createDynamoSessionStore({ client: local.client(), ...tables, clock }));
      },
    };
  }

  channelNotesContract({
    name: 'DynamoDB',
    async create() {
      const { stateTable } = await local.createTables(randomUUID());
      const clock = createManualClock();
      const open = () => createDynamoNotes({ client: local.client(), stateTable, clock });
      return { notes: open(), clock, reopen: async () => open(), close: async () => {} };
    },
  });

  schedulesContract({
    name: 'DynamoDB',
    async create() {
      const { stateTable } = await local.createTables(randomUUID());
      const clock = createManualClock();
      const open = () => createDynamoSchedules({ client: local.client(), stateTable, clock });
      return { schedules: open(), clock, reopen: async () => open(), close: async () => {} };
    },
    skip: [
      {
        reason: 'the platform wakes',
        tests: [
          'what is due is told by its time, the longest due first; what is held back or over is not',
          'whoever waits wakes at the due time, and when a nearer one is made',
        ],
      },
    ],
  });

  webhooksContract({
    name: 'DynamoDB',
    async create() {
      const { stateTable } = await local.createTables(randomUUID());
      const clock = createManualClock();
      const open = () => createDynamoWebhooks({ client: local.client(), stateTable, clock });
      return { webhooks: open(), clock, reopen: async () => open(), close: async () => {} };
    },
    skip: [
      {
        reason: 'a queue brings what is due',
        tests: [
          'what is due is told by its time, the longest due first; what is done, and to whom nothing may be sent, is not',
          'whoever waits wakes at the due time, and when a nearer one is told',
        ],
      },
    ],
  });

  placesContract({
    name: 'DynamoDB',
    async create() {
      const { stateTable } = await local.createTables(randomUUID());
      const clock = createManualClock();
      const open = () => createDynamoPlaces({ client: local.client(), stateTable, clock });
      return { places: open(), clock, reopen: async () => open(), close: async () => {} };
    },
  });

  usageLedgerContract({
    name: 'DynamoDB',
    async create() {
      const { stateTable } = await local.createTables(randomUUID());
      const clock = createManualClock();
      const open = () => createDynamoUsageLedger({ client: local.client(), stateTable, clock });
      return { ledger: open(), clock, reopen: async () => open(), close: async () => {} };
    },
  });

  eventLogContract({
    name: 'DynamoDB',
    async create() {
      const { stateTable } = await local.createTables(randomUUID());
      const clock = createManualClock();
      const client = local.client();
      const inFlight = countInFlight(client);
      const open = () => createDynamoEventLog({ client, stateTable, clock });
      return {
        log: open(),
        reopen: async () => open(),
        async advance(ms) {
          for (const passMs of [ms, 0]) {
            await settle();
            await until(() => inFlight() === 0);
            await clock.advance(passMs);
          }
        },
        close: async () => {},
      };
    },
  });

  tenantRegistryContract({
    name: 'DynamoDB',
    async create() {
      const { stateTable } = await local.createTables(randomUUID());
      const clock = createManualClock();
      const client = local.client();
      const open = () => createDynamoTenantRegistry({ client, stateTable, clock });
      const registry = open();
      return {
        registry,
        clock,
        reopen: async () => open(),
        async damage(tenant) {
          const command = new UpdateItemCommand({
            TableName: stateTable,
            Key: keyOf(tenantKey(tenant)),
            UpdateExpression: 'SET #settings = :torn',
            ExpressionAttributeNames: { '#settings': 'settings' },
            ExpressionAttributeValues: { ':torn': { S: '{"bots":7}' } },
          });
          await client.send(command);
        },
        close: () => registry.close(),
      };
    },
  });

  tenantHoldingsContract({
    name: 'DynamoDB',
    async create() {
      const tables = await local.createTables(randomUUID());
      const clock = createManualClock();
      const client = local.client();
      return {
        store: createDynamoSessionStore({ client, ...tables, clock }),
        events: createDynamoEventLog({ client, stateTable: tables.stateTable, clock }),
        holdings: createDynamoTenantHoldings({ client, ...tables }),
        tenants: createDynamoTenantRegistry({ client, stateTable: tables.stateTable, clock }),
        queue: createMemoryTurnQueue({ clock }),
        close: async () => {},
      };
    },
  });
}
