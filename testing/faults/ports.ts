// The real adapters, opened by every process of a run: by workers and server behind faults, by the checker bare.
import type {
  Clock,
  EventLog,
  ObjectStore,
  ScheduleStore,
  SessionStore,
  TurnQueue,
} from '../../src/core/ports.ts';
import { createSqliteTurnQueue } from '../../src/queues/sqlite/turn-queue.ts';
import { createSessionState, type StoredState } from '../../src/state/session-state.ts';
import { createFilesystemObjectStore } from '../../src/stores/filesystem/object-store.ts';
import {
  createSqliteEventLog,
  createSqliteSessionStore,
  openDatabase,
} from '../../src/stores/sqlite/index.ts';
import { createSqliteSchedules } from '../../src/stores/sqlite/schedules.ts';
import { KEEP_GENERATIONS, type StoreSettings } from './settings.ts';

export interface OpenPorts {
  readonly store: SessionStore;
  readonly objects: ObjectStore;
  readonly queue: TurnQueue;
  readonly events: EventLog;
  readonly schedules: ScheduleStore;
  /** Messages of the queue that nobody has acknowledged, those on their way to a worker included. */
  unacknowledged(): Promise<number>;
  close(): Promise<void>;
}

const aws = { region: 'us-east-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };

/** `storeClock` is the machine's own, perhaps wrong one; a queue's time is its server's. */
export async function openPorts(
  settings: StoreSettings,
  storeClock: Clock,
  queueClock: Clock,
): Promise<OpenPorts> {
  if (settings.kind === 'local') {
    const database = openDatabase(settings.database);
    const queue = createSqliteTurnQueue({ database, clock: queueClock });
    const events = createSqliteEventLog({ database: settings.database, clock: queueClock });
    return {
      store: createSqliteSessionStore({ database, clock: storeClock }),
      objects: createFilesystemObjectStore({ root: settings.objects }),
      queue,
      events,
      schedules: createSqliteSchedules({ database, clock: queueClock }),
      unacknowledged: async () => Number(database.get('SELECT count(*) AS n FROM messages')?.n),
      async close() {
        await queue.close();
        await events.close();
        database.close();
      },
    };
  }
  // Loaded only where used: a local worker that is killed and started again boots in half the time.
  const [
    { createDynamoSessionStore },
    { createDynamoEventLog },
    { createDynamoSchedules },
    { createS3ObjectStore },
    { createSqsTurnQueue },
    { createSqsClient },
    { GetQueueAttributesCommand },
  ] = await Promise.all([
    import('../../src/stores/dynamodb/session-store.ts'),
    import('../../src/stores/dynamodb/event-log.ts'),
    import('../../src/stores/dynamodb/schedules.ts'),
    import('../../src/stores/s3/object-store.ts'),
    import('../../src/queues/sqs-fifo/turn-queue.ts'),
    import('../../src/queues/sqs-fifo/wire-messages.ts'),
    import('@aws-sdk/client-sqs'),
  ]);
  const dynamo = { ...aws, endpoint: settings.dynamoEndpoint, stateTable: settings.stateTable };
  const store = createDynamoSessionStore({
    ...dynamo,
    mappingTable: settings.mappingTable,
    clock: storeClock,
  });
  const sqs = createSqsClient({ ...aws, endpoint: settings.sqsEndpoint });
  const queue = createSqsTurnQueue({
    client: sqs,
    queueUrl: settings.queueUrl,
    deadLetterQueueUrl: settings.deadLetterQueueUrl,
    clock: queueClock,
    browseWaitSec: 0,
  });
  return {
    store,
    objects: createS3ObjectStore({
      ...aws,
      endpoint: settings.s3Endpoint,
      bucket: settings.bucket,
      forcePathStyle: true,
    }),
    queue,
    schedules: createDynamoSchedules({ ...dynamo, clock: queueClock }),
    events: createDynamoEventLog({ ...dynamo, clock: storeClock, pollMs: 50 }),
    async unacknowledged() {
      const AttributeNames = [
        'ApproximateNumberOfMessages' as const,
        'ApproximateNumberOfMessagesNotVisible' as const,
      ];
      const command = new GetQueueAttributesCommand({ QueueUrl: settings.queueUrl, AttributeNames });
      const { Attributes = {} } = await sqs.send(command);
      return Object.values(Attributes).reduce((sum, value) => sum + Number(value), 0);
    },
    async close() {
      sqs.destroy();
      await queue.close();
      await store.close();
    },
  };
}

export const STATE_LIMITS = { maxWorkspaceBytes: 64 * 1024 * 1024, maxWorkspaceFiles: 10_000 } as const;

export function openState(objects: ObjectStore): StoredState {
  return createSessionState({ objects, limits: STATE_LIMITS, keepGenerations: KEEP_GENERATIONS });
}
