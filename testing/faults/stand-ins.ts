// Starts what stores a run's data: a new folder, or AWS stand-ins behind proxies that throttle, break connections and
// lose answers. Workers and servers use the proxies; the checker reads directly.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CreateQueueCommand, GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { systemClock } from '../../src/core/clock.ts';
import type { Clock } from '../../src/core/ports/clock.ts';
import { createSqsClient } from '../../src/queues/sqs-fifo/wire-messages.ts';
import { startDynamoDbLocal } from '../aws/dynamodb-local.ts';
import { dynamoThrottled, type Fault, s3SlowDown, startFaultProxy } from '../aws/fault-proxy.ts';
import { startS3Server } from '../aws/s3/server.ts';
import { startSqsFifoServer } from '../aws/sqs/server.ts';
import type { Note } from './injected-faults.ts';
import { createRandom, type Random } from './random.ts';
import type { AwsStore, StoreSettings } from './settings.ts';

export interface StandIns {
  readonly faulty: StoreSettings;
  readonly direct: StoreSettings;
  close(): Promise<void>;
}

/** As the installation's (src/cdk/queues.ts). */
const MAX_RECEIVES = 1_000;

export type Service = 'dynamodb' | 's3' | 'sqs';

export interface StandInOptions {
  readonly folder: string;
  readonly seed: number;
  /** 1 for the usual share of requests that go wrong, 0 for none. */
  readonly faultRate: number;
  readonly note: Note;
  /** The queue's. */
  readonly clock?: Clock;
  /** Asked for each request: true while the service cannot be reached. */
  readonly isAway?: (service: Service) => boolean;
}

export async function startStandIns(
  kind: 'local' | 'aws',
  { folder, seed, faultRate, note, clock = systemClock, isAway = () => false }: StandInOptions,
): Promise<StandIns> {
  if (kind === 'local') {
    const objects = join(folder, 'objects');
    mkdirSync(objects, { recursive: true });
    const settings = { kind, database: join(folder, 'data.sqlite'), objects } as const;
    return { faulty: settings, direct: settings, close: async () => {} };
  }
  const ends: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const dynamo = await startDynamoDbLocal();
    if ('unavailable' in dynamo) throw new Error(dynamo.unavailable);
    ends.push(dynamo.close);
    const tables = await dynamo.createTables('faults');
    const s3 = await startS3Server();
    ends.push(s3.close);
    s3.bucket('faults');
    const sqs = await startSqsFifoServer({ clock });
    ends.push(sqs.close);
    const { queueUrl, deadLetterQueueUrl } = await createQueues(sqs.endpoint);
    const direct: AwsStore = {
      kind,
      ...tables,
      dynamoEndpoint: dynamo.endpoint,
      s3Endpoint: s3.endpoint,
      bucket: 'faults',
      sqsEndpoint: sqs.endpoint,
      queueUrl,
      deadLetterQueueUrl,
    };
    const random = createRandom(seed).fork('network');
    const proxied = async (target: string, name: Service, throttled: Fault) => {
      const proxy = await startFaultProxy(target);
      ends.push(proxy.close);
      const sometimes = misbehaving(name, throttled, random.fork(name), faultRate, note);
      proxy.onRequest = () => {
        proxy.seen.length = 0;
        return isAway(name) ? { kind: 'break' } : sometimes();
      };
      return proxy.endpoint;
    };
    const sqsEndpoint = await proxied(sqs.endpoint, 'sqs', { kind: 'break' });
    const through = (url: string) => url.replace(sqs.endpoint, sqsEndpoint);
    const faulty: AwsStore = {
      ...direct,
      dynamoEndpoint: await proxied(dynamo.endpoint, 'dynamodb', dynamoThrottled),
      s3Endpoint: await proxied(s3.endpoint, 's3', s3SlowDown),
      sqsEndpoint,
      queueUrl: through(queueUrl),
      deadLetterQueueUrl: through(deadLetterQueueUrl),
    };
    return { faulty, direct, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Now and then one request goes wrong, more rarely a whole burst, longer than the client's own patience. */
function misbehaving(
  name: Service,
  throttled: Fault,
  random: Random,
  faultRate: number,
  note: Note,
): () => Fault | undefined {
  let burst: { fault: Fault; left: number } | null = null;
  return () => {
    if (burst && burst.left > 0) {
      burst.left--;
      return burst.fault;
    }
    if (!random.chance(0.03 * faultRate)) return undefined;
    const slow: Fault = { kind: 'hold', until: pause(random.between(200, 1_500)) };
    const fault = random.pick<Fault>([throttled, { kind: 'lose-answer' }, { kind: 'break' }, slow]);
    const left = fault !== slow && random.chance(0.1) ? random.between(3, 12) : 0;
    burst = { fault, left };
    note('network', { service: name, fault: fault.kind, requests: left + 1 });
    return fault;
  };
}

async function createQueues(endpoint: string): Promise<{ queueUrl: string; deadLetterQueueUrl: string }> {
  const client = createSqsClient({
    region: 'us-east-1',
    endpoint,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  try {
    const fifo = { FifoQueue: 'true', ContentBasedDeduplication: 'false' };
    const create = async (QueueName: string, Attributes: Record<string, string>) =>
      (await client.send(new CreateQueueCommand({ QueueName, Attributes: { ...fifo, ...Attributes } })))
        .QueueUrl ?? '';
    const deadLetterQueueUrl = await create('dead.fifo', {});
    const asked = await client.send(
      new GetQueueAttributesCommand({ QueueUrl: deadLetterQueueUrl, AttributeNames: ['QueueArn'] }),
    );
    const redrive = { deadLetterTargetArn: asked.Attributes?.QueueArn ?? '', maxReceiveCount: MAX_RECEIVES };
    const queueUrl = await create('turns.fifo', {
      VisibilityTimeout: '2',
      RedrivePolicy: JSON.stringify(redrive),
    });
    return { queueUrl, deadLetterQueueUrl };
  } finally {
    client.destroy();
  }
}
