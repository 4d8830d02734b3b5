// The queue under Lambda: a batch with several messages of a group, the FIFO rule for failures; and lost answers.
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import type { SQSEvent } from 'aws-lambda';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { Refused } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import { createSqsTurnQueue, type SqsTurnQueue } from '../../src/queues/sqs-fifo/turn-queue.ts';
import { groupOf } from '../../src/queues/sqs-fifo/wire-messages.ts';
import { localAws } from '../../testing/aws/dynamodb-local.ts';
import { startFaultProxy } from '../../testing/aws/fault-proxy.ts';
import { startSqsFifoServer } from '../../testing/aws/sqs/server.ts';
import { createManualClock } from '../../testing/clock.ts';
import { conversation, expectFailure, message } from '../../testing/contracts/contract.ts';
import { take, texts } from '../../testing/contracts/turn-queue-steps.ts';

const clock = createManualClock();
const server = await startSqsFifoServer({ clock });
const proxy = await startFaultProxy(server.endpoint);
const direct = new SQSClient({ ...localAws, endpoint: server.endpoint });
/** Through the proxy: a queue's own address is not followed then. */
const client = new SQSClient({
  ...localAws,
  endpoint: proxy.endpoint,
  useQueueUrlAsEndpoint: false,
  maxAttempts: 3,
});
let queueUrl: string;
let deadLetterQueueUrl: string;
let queue: SqsTurnQueue;
let made = 0;

beforeEach(async () => {
  proxy.onRequest = () => undefined;
  const make = async (RedrivePolicy?: string) => {
    const Attributes = { FifoQueue: 'true', ...(RedrivePolicy && { RedrivePolicy }) };
    return (await direct.send(new CreateQueueCommand({ QueueName: `q${++made}.fifo`, Attributes })))
      .QueueUrl!;
  };
  deadLetterQueueUrl = await make();
  const asked = new GetQueueAttributesCommand({ QueueUrl: deadLetterQueueUrl, AttributeNames: ['QueueArn'] });
  const deadLetterTargetArn = (await direct.send(asked)).Attributes?.QueueArn;
  queueUrl = await make(JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 3 }));
  queue = createSqsTurnQueue({ client, queueUrl, deadLetterQueueUrl, clock, browseWaitSec: 0 });
});
afterAll(async () => {
  direct.destroy();
  client.destroy();
  await proxy.close();
  await server.close();
});

/** What Lambda's event source hands to a function: up to ten messages, several of one group in order. */
async function event(): Promise<SQSEvent> {
  const command = new ReceiveMessageCommand({
    QueueUrl: queueUrl,
    MaxNumberOfMessages: 10,
    VisibilityTimeout: 900,
    MessageSystemAttributeNames: ['All'],
  });
  const { Messages = [] } = await direct.send(command);
  return {
    Records: Messages.map((m) => ({
      messageId: m.MessageId!,
      receiptHandle: m.ReceiptHandle!,
      body: m.Body!,
      attributes: m.Attributes as unknown as SQSEvent['Records'][number]['attributes'],
      messageAttributes: {},
      md5OfBody: m.MD5OfBody!,
      eventSource: 'aws:sqs',
      eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:q.fifo',
      awsRegion: 'us-east-1',
    })),
  };
}

test(`${promise('ORDER')} a batch comes as groups in order; the first that is not done blocks the rest of its group only`, async () => {
  const [a, b] = [conversation(), conversation()];
  for (const text of ['a1', 'a2', 'a3']) await queue.send(message(a, { text }));
  for (const text of ['b1', 'b2']) await queue.send(message(b, { text }));
  const given = await event();
  const batch = await queue.messagesOf(given);
  expect(batch.groups.map(texts)).toEqual([
    ['a1', 'a2', 'a3'],
    ['b1', 'b2'],
  ]);
  const [groupA = [], groupB = []] = batch.groups;
  await groupA[0]?.ack();
  await groupA[1]?.retry(5_000);
  await groupA[2]?.ack();
  for (const delivery of groupB) await delivery.ack();
  const ids = given.Records.map(({ messageId }) => messageId);
  expect(batch.response()).toEqual({
    batchItemFailures: [{ itemIdentifier: ids[1] }, { itemIdentifier: ids[2] }],
  });
});

test('nothing answered is all failed; an acknowledged batch reports nothing and calls nothing', async () => {
  await queue.send(message(conversation()));
  const batch = await queue.messagesOf(await event());
  expect(batch.response().batchItemFailures).toHaveLength(1);
  proxy.seen.length = 0;
  await batch.groups[0]?.[0]?.ack();
  expect(batch.response()).toEqual({ batchItemFailures: [] });
  expect(proxy.seen).toEqual([]);
});

test('visibility given by the event source can be shortened at once and extended', async () => {
  await queue.send(message(conversation()));
  const batch = await queue.messagesOf(await event());
  await batch.groups[0]?.[0]?.extend(60_000);
  await clock.advance(59_000);
  expect(await take(queue)).toEqual([]);
  await clock.advance(2_000);
  expect((await take(queue))[0]?.receiveCount).toBe(2);
});

test('a record that is no request is set aside before the batch is handed on', async () => {
  const of = conversation();
  const group = groupOf(message(of).sessionKey);
  const body = {
    QueueUrl: queueUrl,
    MessageBody: 'rubbish',
    MessageGroupId: group,
    MessageDeduplicationId: 'r',
  };
  await direct.send(new SendMessageCommand(body));
  await queue.send(message(of, { text: 'fine' }));
  const batch = await queue.messagesOf(await event());
  expect(batch.groups.map(texts)).toEqual([['fine']]);
  await batch.groups[0]?.[0]?.ack();
  expect(batch.response()).toEqual({ batchItemFailures: [] });
  expect((await queue.deadLetters.list()).items[0]?.request.text).toBe('rubbish');
});

test('what SQS itself moved to the dead letters is listed with a reason, and can be replayed', async () => {
  await queue.send(message(conversation(), { text: 'poison' }));
  for (let i = 0; i < 3; i++) await (await take(queue))[0]?.retry(0);
  expect(await take(queue)).toEqual([]);
  const [dead] = (await queue.deadLetters.list()).items;
  expect(dead).toMatchObject({ request: { text: 'poison' } });
  expect(dead?.reason).toContain('received too often');
  await queue.deadLetters.replay(dead!.id);
  expect(texts(await take(queue))).toEqual(['poison']);
});

test(`${promise('ONCE-IN')} a send whose answer was lost is one message`, async () => {
  let lose = 1;
  proxy.onRequest = ({ operation }) =>
    operation === 'SendMessage' && lose-- > 0 ? { kind: 'lose-answer' } : undefined;
  await queue.send(message(conversation()));
  expect(await queue.depth()).toBe(1);
});

test(`${promise('ACKED')} a send that got no answer at all fails`, async () => {
  proxy.onRequest = () => ({ kind: 'break' });
  await expectFailure(queue.send(message(conversation())), Refused, 'store-unavailable');
});

test('a receive whose answer was lost gets the same message again, not after its visibility time', async () => {
  await queue.send(message(conversation(), { text: 'once' }));
  let lose = 1;
  proxy.onRequest = ({ operation }) =>
    operation === 'ReceiveMessage' && lose-- > 0 ? { kind: 'lose-answer' } : undefined;
  const [delivery] = await take(queue);
  expect(delivery).toMatchObject({ receiveCount: 1, request: { text: 'once' } });
  await delivery?.ack();
  expect(await queue.depth()).toBe(0);
});

test('the stand-in keeps a group locked while any of its messages is in flight', async () => {
  const of = conversation();
  for (const text of ['1', '2', '3']) await queue.send(message(of, { text }));
  const given = await event();
  const first = given.Records[0]!;
  const show = { QueueUrl: queueUrl, ReceiptHandle: first.receiptHandle, VisibilityTimeout: 0 };
  await direct.send(new ChangeMessageVisibilityCommand(show));
  expect(await take(queue)).toEqual([]);
  await clock.advance(901_000);
  expect(texts(await take(queue))).toEqual(['1']);
});

test('long session keys and odd characters make groups SQS takes, and different ones', () => {
  const keys = [
    'acme/http/main/c/-',
    `acme/http/main/${'=E7=BE=A4'.repeat(40)}/-`,
    `acme/http/main/${'=E7=BE=A5'.repeat(40)}/-`,
  ];
  const groups = keys.map(groupOf);
  for (const group of groups) expect(group).toMatch(/^[\x21-\x7E]{1,128}$/);
  expect(new Set(groups).size).toBe(3);
});
