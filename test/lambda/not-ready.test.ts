// A worker that cannot begin, for seconds and for days: what becomes of the messages meanwhile, and what people read.
// The worker's own program over the stand-ins for SQS and Parameter Store; the waits by a table.
import { tmpdir } from 'node:os';
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { Context, SQSEvent } from 'aws-lambda';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { CHANNELS } from '../../src/channels/index.ts';
import { LAMBDA_TIMES } from '../../src/core/defaults.ts';
import { Invalid } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/log.ts';
import type { Channel, ReceivedMessage, TurnEvent } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { giveBack } from '../../src/lambda/not-ready.ts';
import { sharedHosts } from '../../src/lambda/shared-hosts.ts';
import { VARIABLES } from '../../src/lambda/variables.ts';
import { createWorker } from '../../src/lambda/worker.ts';
import { createSqsTurnQueue } from '../../src/queues/sqs-fifo/turn-queue.ts';
import { localAws } from '../../testing/aws/dynamodb-local.ts';
import { serveLoopback } from '../../testing/aws/loopback.ts';
import { startSqsFifoServer } from '../../testing/aws/sqs/server.ts';
import { createManualClock } from '../../testing/clock.ts';
import { conversation, message } from '../../testing/contracts/contract.ts';
import { startParameterStore } from '../../testing/lambda/parameter-store.ts';

/** What Lambda leaves a message at: a minute more than the worker may run. */
const QUEUE_VISIBILITY_SEC = 960;
const MODEL_KEY = '/test/model-key';

const clock = createManualClock();
const sqs = await startSqsFifoServer({ clock });
const parameters = await startParameterStore();
const client = new SQSClient({ ...localAws, endpoint: sqs.endpoint });
const HELLO = message(conversation(), { text: 'hello?' });
let queueUrl = '';
let queues = 0;

beforeEach(async () => {
  const Attributes = { FifoQueue: 'true' };
  const made = await client.send(new CreateQueueCommand({ QueueName: `turns-${++queues}.fifo`, Attributes }));
  queueUrl = made.QueueUrl!;
  await createSqsTurnQueue({ client, queueUrl, deadLetterQueueUrl: queueUrl, clock }).send(HELLO);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  client.destroy();
  await parameters.close();
  await sqs.close();
});

function worker(ssm: string) {
  const variables = {
    AWS_REGION: localAws.region,
    AWS_ACCESS_KEY_ID: localAws.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: localAws.credentials.secretAccessKey,
    AWS_ENDPOINT_URL_SQS: sqs.endpoint,
    AWS_ENDPOINT_URL_SSM: ssm,
    [VARIABLES.installation]: 'test',
    [VARIABLES.mappingTable]: 'mapping',
    [VARIABLES.stateTable]: 'state',
    [VARIABLES.bucket]: 'bucket',
    [VARIABLES.queueUrl]: queueUrl,
    [VARIABLES.deadLetterQueueUrl]: queueUrl,
    [VARIABLES.temporary]: tmpdir(),
    [VARIABLES.vault]: '/test/vault',
    [VARIABLES.timerGroup]: 'timers',
    [VARIABLES.timerRole]: 'arn:aws:iam::000000000000:role/timers',
    [VARIABLES.timerQueue]: 'arn:aws:sqs:us-east-1:000000000000:turns.fifo',
    [VARIABLES.maxWorkspaceBytes]: '1000',
    [VARIABLES.modelProvider]: 'anthropic',
    [VARIABLES.modelKeyParameter]: MODEL_KEY,
  };
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  return createWorker(CHANNELS, sharedHosts);
}

const context = { getRemainingTimeInMillis: () => 900_000 } as Context;

/** The message as Lambda would hand it over now, or null while it is invisible. */
async function handedOver(): Promise<SQSEvent | null> {
  const { Messages = [] } = await client.send(
    new ReceiveMessageCommand({
      QueueUrl: queueUrl,
      VisibilityTimeout: QUEUE_VISIBILITY_SEC,
      MessageSystemAttributeNames: ['All'],
    }),
  );
  const Records = Messages.map((one) => ({
    messageId: one.MessageId,
    receiptHandle: one.ReceiptHandle,
    body: one.Body,
    attributes: one.Attributes,
  }));
  return Records.length > 0 ? ({ Records } as unknown as SQSEvent) : null;
}

async function secondsUntilVisible(maxSec: number): Promise<{ waitedSec: number; event: SQSEvent }> {
  for (let waitedSec = 0; waitedSec <= maxSec; waitedSec++) {
    const event = await handedOver();
    if (event) return { waitedSec, event };
    await clock.advance(1_000);
  }
  throw new Error(`Not visible after ${maxSec} s.`);
}

test(`${promise('UNBLOCK')} a parameter that is missing for seconds costs seconds`, async () => {
  const handle = worker(parameters.endpoint);
  let { event } = await secondsUntilVisible(0);
  const waits: number[] = [];
  for (let i = 0; i < 3; i++) {
    const { batchItemFailures } = await handle(event, context);
    expect(batchItemFailures).toEqual([{ itemIdentifier: event.Records[0]?.messageId }]);
    const next = await secondsUntilVisible(60);
    waits.push(next.waitedSec);
    event = next.event;
  }
  expect(waits[0]).toBeLessThanOrEqual(2);
  expect(waits.reduce((all, one) => all + one)).toBeLessThanOrEqual(2 + 4 + 8);
});

test('visibility is shortened before anything is read that may be slow', async () => {
  const asked = Promise.withResolvers<void>();
  const silent = await serveLoopback(async () => {
    asked.resolve();
    await new Promise(() => {});
  });
  try {
    const handle = worker(silent.endpoint);
    const event = (await handedOver())!;
    const handled = handle(event, context);
    await asked.promise;
    // Whatever becomes of this worker, the message is back in a minute.
    await clock.advance(LAMBDA_TIMES.visibilityMs);
    expect(await handedOver()).not.toBeNull();
    await silent.close();
    await handled;
  } finally {
    await silent.close().catch(() => {});
  }
});

describe('given back', () => {
  function fakeDelivery(receiveCount: number, waits: number[]): ReceivedMessage {
    const refused = async () => expect.unreachable();
    return {
      request: HELLO,
      receiveCount,
      extend: refused,
      ack: refused,
      deadLetter: refused,
      retry: async (ms) => void waits.push(ms),
    };
  }

  const error = new Invalid('no-parameter', 'Parameter Store has no /x.');

  test(`${promise('HEARD')} an absence of days: waits grow to ten minutes, the person is told once, nothing else happens`, async () => {
    const waits: number[] = [];
    const seen: TurnEvent[] = [];
    const channel = {
      open: () => ({ push: (event: TurnEvent) => void seen.push(event), close: async () => {} }),
    } as unknown as Channel;
    for (let receives = 1; receives <= 1_000; receives++) {
      await giveBack({
        deliveries: [fakeDelivery(receives, waits)],
        error,
        log: silentLog,
        openChannel: async () => channel,
      });
    }
    expect(waits).toHaveLength(1_000);
    expect(waits[0]).toBeLessThanOrEqual(2_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(600_000);
    const days = waits.reduce((all, one) => all + one) / 86_400_000;
    expect(days).toBeGreaterThan(6);
    expect(seen).toEqual([{ type: 'status', status: 'waiting', waitingFor: 'setup', nextTryAtMs: null }]);
    // By the second receive, which is when it is told.
    expect(waits[0]).toBeLessThan(30_000);
  });

  test('a channel that cannot be opened either, and a queue that does not answer, stop nothing', async () => {
    const lines: string[] = [];
    const waits: number[] = [];
    const broken = {
      ...fakeDelivery(2, waits),
      retry: async () => Promise.reject(new Error('no queue')),
    };
    await giveBack({
      deliveries: [broken, fakeDelivery(1, waits)],
      error,
      log: (_level, event, fields) => void lines.push(fields?.alarm ? `${event}!` : event),
      openChannel: () => Promise.reject(error),
    });
    expect(lines).toEqual(['function-not-ready!', 'queue-answer-failed', 'not-told']);
    expect(waits).toHaveLength(1);
  });
});
