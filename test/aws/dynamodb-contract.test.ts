// The session store contract over DynamoDB Local: Amazon's own code judges the conditions.
import { randomUUID } from 'node:crypto';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, test } from 'vitest';
import { createDynamoEventLog } from '../../src/stores/dynamodb/event-log.ts';
import { createDynamoSessionStore } from '../../src/stores/dynamodb/session-store.ts';
import { type DynamoDbLocal, localAws, startDynamoDbLocal } from '../../testing/aws/dynamodb-local.ts';
import { createManualClock, settle } from '../../testing/clock.ts';
import { eventLogContract } from '../../testing/contracts/event-log.ts';
import { sessionStoreContract } from '../../testing/contracts/session-store.ts';
import { until } from '../waiting.ts';
import { countInFlight } from './in-flight.ts';

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
      return {
        store,
        clock,
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
}
