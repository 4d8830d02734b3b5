// Our SQS stand-in held to the rules of FIFO queues, by the AWS client itself. What it got wrong here, every queue
// test above it would get wrong with it.

import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterAll, expect, test } from 'vitest';
import { localAws } from '../../testing/aws/dynamodb-local.ts';
import { startSqsFifoServer } from '../../testing/aws/sqs/server.ts';
import { createManualClock } from '../../testing/clock.ts';
import { until } from '../waiting.ts';

const clock = createManualClock();
const server = await startSqsFifoServer({ clock });
const client = new SQSClient({ ...localAws, endpoint: server.endpoint, maxAttempts: 1 });
let made = 0;
let sent = 0;

afterAll(async () => {
  client.destroy();
  await server.close();
});

async function makeQueue(attributes: Record<string, string> = {}, fifo = true): Promise<string> {
  made += 1;
  const QueueName = fifo ? `s${made}.fifo` : `s${made}`;
  const Attributes = { ...(fifo && { FifoQueue: 'true' }), ...attributes };
  return (await client.send(new CreateQueueCommand({ QueueName, Attributes }))).QueueUrl!;
}

async function attributes(url: string): Promise<Record<string, string>> {
  const command = new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['All'] });
  return (await client.send(command)).Attributes ?? {};
}

function send(url: string, MessageGroupId: string, MessageBody: string, id?: string) {
  const MessageDeduplicationId = id ?? `d${++sent}`;
  return client.send(
    new SendMessageCommand({ QueueUrl: url, MessageBody, MessageGroupId, MessageDeduplicationId }),
  );
}

async function receive(url: string, max = 10, seconds = 0): Promise<Message[]> {
  const command = new ReceiveMessageCommand({
    QueueUrl: url,
    MaxNumberOfMessages: max,
    WaitTimeSeconds: seconds,
    MessageSystemAttributeNames: ['All'],
    MessageAttributeNames: ['All'],
  });
  return (await client.send(command)).Messages ?? [];
}

const remove = (url: string, m: Message | undefined) =>
  client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: m?.ReceiptHandle }));
const bodies = (messages: readonly Message[]) => messages.map(({ Body }) => Body);
const nameOf = (asked: Promise<unknown>) =>
  asked.then(
    () => 'none',
    (error: Error) => error.name,
  );

test('a group comes in order, and is locked until all of it that is in flight is back or gone', async () => {
  const url = await makeQueue();
  for (const body of ['a1', 'a2', 'a3']) await send(url, 'A', body);
  await send(url, 'B', 'b1');
  const two = await receive(url, 2);
  expect(bodies(two)).toEqual(['a1', 'a2']);
  expect(BigInt(two[1]!.Attributes!.SequenceNumber!) > BigInt(two[0]!.Attributes!.SequenceNumber!)).toBe(
    true,
  );
  await remove(url, two[0]);
  expect(bodies(await receive(url))).toEqual(['b1']);
  await remove(url, two[1]);
  expect(bodies(await receive(url))).toEqual(['a3']);
});

test('the five-minute dedupe outlives deletion, and ends', async () => {
  const url = await makeQueue();
  const first = await send(url, 'A', 'x', 'same');
  const again = await send(url, 'A', 'y', 'same');
  expect([again.MessageId, again.SequenceNumber]).toEqual([first.MessageId, first.SequenceNumber]);
  const [message] = await receive(url);
  await remove(url, message);
  await clock.advance(299_000);
  await send(url, 'A', 'z', 'same');
  expect(await receive(url)).toEqual([]);
  await clock.advance(2_000);
  await send(url, 'A', 'late', 'same');
  expect(bodies(await receive(url))).toEqual(['late']);
});

test('content-based and per-group deduplication', async () => {
  const byContent = await makeQueue({ ContentBasedDeduplication: 'true' });
  const same = new SendMessageCommand({ QueueUrl: byContent, MessageBody: 'same', MessageGroupId: 'g' });
  await client.send(same);
  await client.send(same);
  expect(await receive(byContent)).toHaveLength(1);
  const perGroup = await makeQueue({
    DeduplicationScope: 'messageGroup',
    FifoThroughputLimit: 'perMessageGroupId',
  });
  await send(perGroup, 'A', 'a', 'id');
  await send(perGroup, 'B', 'b', 'id');
  expect(await receive(perGroup)).toHaveLength(2);
});

test('what runs out comes again first, counted; its old handle deletes, hides and shows nothing', async () => {
  const url = await makeQueue({ VisibilityTimeout: '10' });
  await send(url, 'A', 'a1');
  await send(url, 'A', 'a2');
  const [stale] = await receive(url, 1);
  await clock.advance(11_000);
  expect(await nameOf(remove(url, stale))).toMatch(/InvalidParameterValue|ReceiptHandleIsInvalid/);
  const again = await receive(url);
  expect(bodies(again)).toEqual(['a1', 'a2']);
  expect(again[0]!.Attributes!.ApproximateReceiveCount).toBe('2');
  const change = { QueueUrl: url, ReceiptHandle: stale!.ReceiptHandle, VisibilityTimeout: 0 };
  expect(await nameOf(client.send(new ChangeMessageVisibilityCommand(change)))).not.toBe('none');
  expect(await nameOf(remove(url, stale))).not.toBe('none');
  expect((await attributes(url)).ApproximateNumberOfMessagesNotVisible).toBe('2');
});

test('after maxReceiveCount a message dies into the other queue, and its group goes on', async () => {
  const dead = await makeQueue();
  const deadLetterTargetArn = (await attributes(dead)).QueueArn;
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 });
  const url = await makeQueue({ VisibilityTimeout: '5', RedrivePolicy });
  await send(url, 'A', 'poison');
  await send(url, 'A', 'next');
  for (let i = 0; i < 2; i++) {
    expect(bodies(await receive(url, 1))).toEqual(['poison']);
    await clock.advance(6_000);
  }
  expect(bodies(await receive(url, 1))).toEqual(['next']);
  const [died] = await receive(dead);
  expect(died).toMatchObject({ Body: 'poison', Attributes: { MessageGroupId: 'A' } });
  expect(died!.Attributes!.DeadLetterQueueSourceArn).toBe((await attributes(url)).QueueArn);
});

test('a long poll wakes on a message, on an unlocked group and on a message that shows again; else it ends', async () => {
  const url = await makeQueue({ VisibilityTimeout: '5' });
  const sending = receive(url, 1, 20);
  await until(() => clock.sleepers === 1);
  await send(url, 'A', '1');
  const [first] = await sending;
  expect(first?.Body).toBe('1');
  await send(url, 'A', '2');
  const unlocking = receive(url, 1, 20);
  await until(() => clock.sleepers === 1);
  await remove(url, first);
  expect(bodies(await unlocking)).toEqual(['2']);
  const showing = receive(url, 1, 20);
  await until(() => clock.sleepers === 1);
  await clock.advance(6_000);
  expect(bodies(await showing)).toEqual(['2']);
  const ending = receive(url, 1, 3);
  await until(() => clock.sleepers === 1);
  await clock.advance(3_001);
  expect(await ending).toEqual([]);
});

test('a poll whose client has gone takes nothing', async () => {
  const url = await makeQueue();
  const stop = new AbortController();
  const command = new ReceiveMessageCommand({ QueueUrl: url, WaitTimeSeconds: 20 });
  const polling = client.send(command, { abortSignal: stop.signal }).catch(() => 'aborted');
  await until(() => clock.sleepers === 1);
  stop.abort();
  expect(await polling).toBe('aborted');
  await until(() => clock.sleepers === 0);
  await send(url, 'A', 'kept');
  expect((await attributes(url)).ApproximateNumberOfMessages).toBe('1');
});

test('batches: ten in order, eleven refused, one bad entry fails alone', async () => {
  const url = await makeQueue();
  const entries = (n: number) =>
    Array.from({ length: n }, (_, i) => ({
      Id: `i${i}`,
      MessageBody: `b${i}`,
      MessageGroupId: 'g',
      MessageDeduplicationId: `x${i}`,
    }));
  const Entries = entries(10);
  Entries[9]!.MessageBody = 'bad\u0001';
  const result = await client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries }));
  expect(result.Successful).toHaveLength(9);
  expect(result.Failed).toMatchObject([{ Id: 'i9', Code: 'InvalidMessageContents' }]);
  expect(
    await nameOf(client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries: entries(11) }))),
  ).toBe('TooManyEntriesInBatchRequest');
  const got = await receive(url);
  expect(bodies(got)).toEqual(['b0', 'b1', 'b2', 'b3', 'b4', 'b5', 'b6', 'b7', 'b8']);
  const gone = got.map(({ ReceiptHandle }, i) => ({ Id: `${i}`, ReceiptHandle }));
  await client.send(new DeleteMessageBatchCommand({ QueueUrl: url, Entries: gone }));
  expect(await attributes(url)).toMatchObject({
    ApproximateNumberOfMessages: '0',
    ApproximateNumberOfMessagesNotVisible: '0',
  });
});

test('what a FIFO queue does not take is refused by its name', async () => {
  const url = await makeQueue();
  const base = { QueueUrl: url, MessageBody: 'x' };
  const ids = { MessageGroupId: 'g', MessageDeduplicationId: 'd' };
  const ask = (input: object) => nameOf(client.send(new SendMessageCommand({ ...base, ...input })));
  expect(await ask({ MessageDeduplicationId: 'd' })).toBe('MissingParameter');
  expect(await ask({ MessageGroupId: 'g' })).toBe('InvalidParameterValue');
  expect(await ask({ ...ids, DelaySeconds: 5 })).toBe('InvalidParameterValue');
  expect(await ask({ ...ids, MessageGroupId: 'g'.repeat(129) })).toBe('InvalidParameterValue');
  expect(await ask({ ...ids, MessageBody: 'x'.repeat(1_048_577) })).toBe('InvalidParameterValue');
  expect(await ask({ ...ids, MessageBody: 'x'.repeat(1_048_576) })).toBe('none');
  expect(await nameOf(client.send(new GetQueueUrlCommand({ QueueName: 'nobody' })))).toBe(
    'QueueDoesNotExist',
  );
});
