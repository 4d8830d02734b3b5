// SQS as `@aws-sdk/client-sqs` speaks to it (AWS JSON 1.0), in this process and in memory. Written because no
// obtainable stand-in keeps the rules of FIFO groups; test/aws/sqs-server.test.ts holds it to them. Signatures are
// not checked (S3's are, where tenants share a bucket); a request without one is refused.
import '../../../src/node-version.ts';

import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemClock } from '../../../src/core/clock.ts';
import type { Clock } from '../../../src/core/ports/clock.ts';
import { bodyOf, serveLoopback } from '../loopback.ts';
import type { StandIn } from '../process.ts';
import { attributesOf, checkAttributes } from './attributes.ts';
import { badValue, missing, queueMissing, SqsError } from './errors.ts';
import { type Input, md5OfAttributes, show } from './messages.ts';
import { createQueue, md5, type Queue, type SentMessage } from './queue.ts';

const ACCOUNT = '000000000000';
const REGION = 'us-east-1';
const MAX_BATCH = 10;
const MAX_WAIT_SEC = 20;

export interface SqsFifoServer extends StandIn {
  /** The queue's messages without a network, for looking and for faults. */
  queue(url: string): Queue;
  /** Long polls that wait for a message now. */
  readonly waitingPolls: number;
}

type Action = (input: Input, gone: AbortSignal) => object | Promise<object>;

export async function startSqsFifoServer(
  options: { clock?: Clock; port?: number } = {},
): Promise<SqsFifoServer> {
  const clock = options.clock ?? systemClock;
  const queues = new Map<string, Queue>();
  const waiting = new Set<() => void>();
  let sequence = 18_000_000_000_000_000_000n;
  let endpoint = '';

  const wake = () => {
    for (const resume of [...waiting]) resume();
  };
  const byUrl = (url: string | undefined): Queue => {
    if (url === undefined) throw missing('QueueUrl');
    const queue = queues.get(url.slice(url.lastIndexOf('/') + 1));
    if (!queue) throw queueMissing();
    return queue;
  };
  const byArn = (arn: string | undefined) => [...queues.values()].find((queue) => queue.arn === arn);

  function create(input: Input): object {
    const name = input.QueueName;
    if (!name) throw missing('QueueName');
    if (!/^[A-Za-z0-9_-]{1,80}$/.test(name.replace(/\.fifo$/, '')))
      throw badValue('Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length');
    const given = { ...input.Attributes };
    checkAttributes(name, given);
    const there = queues.get(name);
    if (there) {
      const differs = Object.entries(given).some(([key, value]) => there.attributes.get(key) !== value);
      if (differs)
        throw new SqsError(
          'QueueNameExists',
          'A queue already exists with the same name and a different value for an attribute.',
          'QueueAlreadyExists',
        );
      return { QueueUrl: there.url };
    }
    const queue = createQueue({
      name,
      arn: `arn:aws:sqs:${REGION}:${ACCOUNT}:${name}`,
      url: `${endpoint}/${ACCOUNT}/${name}`,
      clock,
      attributes: new Map(Object.entries(given)),
      nextSequence: () => ++sequence,
      findByArn: byArn,
      onChange: wake,
    });
    queues.set(name, queue);
    return { QueueUrl: queue.url };
  }

  /** Waits for a change, or for the moment a hidden message shows by itself. */
  function nextChange(untilMs: number, gone: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const over = new AbortController();
      const resume = () => {
        waiting.delete(resume);
        gone.removeEventListener('abort', resume);
        over.abort();
        resolve();
      };
      waiting.add(resume);
      gone.addEventListener('abort', resume, { once: true });
      void clock.sleep(Math.max(1, untilMs - clock.now()), over.signal).then(resume);
    });
  }

  async function receive(input: Input, gone: AbortSignal): Promise<object> {
    const queue = byUrl(input.QueueUrl);
    const max = input.MaxNumberOfMessages ?? 1;
    if (!(max >= 1 && max <= MAX_BATCH))
      throw badValue(
        `Value ${max} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.`,
      );
    const waitSec =
      input.WaitTimeSeconds ?? Number(queue.attributes.get('ReceiveMessageWaitTimeSeconds') ?? 0);
    if (!(waitSec >= 0 && waitSec <= MAX_WAIT_SEC))
      throw badValue(
        `Value ${waitSec} for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.`,
      );
    const visibilitySec = input.VisibilityTimeout ?? Number(queue.attributes.get('VisibilityTimeout') ?? 30);
    const untilMs = clock.now() + waitSec * 1_000;
    for (;;) {
      const taken = gone.aborted ? [] : queue.receive(max, visibilitySec, input.ReceiveRequestAttemptId);
      if (taken.length > 0) return { Messages: taken.map((message) => show(message, input)) };
      if (gone.aborted || clock.now() >= untilMs) return {};
      await nextChange(Math.min(untilMs, queue.nextVisibleAtMs()), gone);
    }
  }

  function sent(queue: Queue, message: SentMessage): object {
    const { id, sequence: number } = queue.send(message);
    return {
      MessageId: id,
      MD5OfMessageBody: md5(message.MessageBody),
      ...(message.MessageAttributes && {
        MD5OfMessageAttributes: md5OfAttributes(message.MessageAttributes),
      }),
      ...(queue.fifo && { SequenceNumber: String(number) }),
    };
  }

  function batch(
    input: Input,
    one: (queue: Queue, entry: NonNullable<Input['Entries']>[number]) => object,
  ): object {
    const queue = byUrl(input.QueueUrl);
    const entries = input.Entries ?? [];
    if (entries.length === 0)
      throw new SqsError(
        'EmptyBatchRequest',
        'There should be at least one entry in the request.',
        'AWS.SimpleQueueService.EmptyBatchRequest',
      );
    if (entries.length > MAX_BATCH)
      throw new SqsError(
        'TooManyEntriesInBatchRequest',
        'Maximum number of entries per request are 10.',
        'AWS.SimpleQueueService.TooManyEntriesInBatchRequest',
      );
    if (new Set(entries.map(({ Id }) => Id)).size < entries.length)
      throw new SqsError(
        'BatchEntryIdsNotDistinct',
        'Two or more batch entries have the same Id.',
        'AWS.SimpleQueueService.BatchEntryIdsNotDistinct',
      );
    const Successful: object[] = [];
    const Failed: object[] = [];
    for (const entry of entries) {
      try {
        Successful.push({ Id: entry.Id, ...one(queue, entry) });
      } catch (error) {
        if (!(error instanceof SqsError)) throw error;
        Failed.push({ Id: entry.Id, SenderFault: true, Code: error.type, Message: error.message });
      }
    }
    return { Successful, Failed };
  }

  const actions: Readonly<Record<string, Action>> = {
    CreateQueue: create,
    GetQueueUrl: (input) => {
      const queue = queues.get(input.QueueName ?? '');
      if (!queue) throw queueMissing();
      return { QueueUrl: queue.url };
    },
    ListQueues: (input) => ({
      QueueUrls: [...queues.values()]
        .map((q) => q.url)
        .filter((url) => url.includes(`/${input.QueueNamePrefix ?? ''}`)),
    }),
    DeleteQueue: (input) => {
      queues.delete(byUrl(input.QueueUrl).name);
      return {};
    },
    PurgeQueue: (input) => {
      byUrl(input.QueueUrl).purge();
      return {};
    },
    GetQueueAttributes: (input) => ({
      Attributes: attributesOf(byUrl(input.QueueUrl), input.AttributeNames ?? []),
    }),
    SetQueueAttributes: (input) => {
      const queue = byUrl(input.QueueUrl);
      checkAttributes(queue.name, { FifoQueue: String(queue.fifo), ...input.Attributes });
      for (const [key, value] of Object.entries(input.Attributes ?? {})) queue.attributes.set(key, value);
      return {};
    },
    SendMessage: (input) => sent(byUrl(input.QueueUrl), input),
    SendMessageBatch: (input) => batch(input, sent),
    ReceiveMessage: receive,
    DeleteMessage: (input) => {
      byUrl(input.QueueUrl).delete(input.ReceiptHandle);
      return {};
    },
    DeleteMessageBatch: (input) =>
      batch(input, (queue, entry) => {
        queue.delete(entry.ReceiptHandle);
        return {};
      }),
    ChangeMessageVisibility: (input) => {
      byUrl(input.QueueUrl).changeVisibility(input.ReceiptHandle, input.VisibilityTimeout);
      return {};
    },
    ChangeMessageVisibilityBatch: (input) =>
      batch(input, (queue, entry) => {
        queue.changeVisibility(entry.ReceiptHandle, entry.VisibilityTimeout);
        return {};
      }),
    StartMessageMoveTask: (input) => {
      const source = byArn(input.SourceArn);
      if (!source) throw new SqsError('ResourceNotFoundException', 'The resource does not exist.');
      for (const message of source.takeAll()) {
        const target = byArn(input.DestinationArn ?? message.diedIn ?? '');
        (target ?? source).moveToDeadLetters(message, source.arn);
      }
      return { TaskHandle: randomUUID() };
    },
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => {
      if (!response.writableEnded) gone.abort();
    });
    const name = String(request.headers['x-amz-target'] ?? '').replace(/^AmazonSQS\./, '');
    const body = await bodyOf(request);
    const answer = (status: number, value: object, headers: Record<string, string> = {}) => {
      const type = 'application/x-amz-json-1.0';
      response.writeHead(status, { 'content-type': type, 'x-amzn-requestid': randomUUID(), ...headers });
      response.end(JSON.stringify(value));
    };
    try {
      if (!request.headers.authorization?.startsWith('AWS4-HMAC-SHA256 Credential=')) {
        throw new SqsError(
          'MissingAuthenticationToken',
          'The request is not signed.',
          'MissingAuthenticationToken',
          403,
        );
      }
      const action = actions[name];
      if (!action) throw new SqsError('UnsupportedOperation', `This stand-in has no ${name}.`);
      answer(200, await action(JSON.parse(body.toString() || '{}') as Input, gone.signal));
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      const type = `com.amazonaws.sqs#${error.type}`;
      answer(
        error.status,
        { __type: type, message: error.message },
        { 'x-amzn-query-error': `${error.queryCode};Sender` },
      );
    }
  }

  const server = await serveLoopback(handle, options.port);
  endpoint = server.endpoint;
  return {
    endpoint,
    close: server.close,
    queue: byUrl,
    get waitingPolls() {
      return waiting.size;
    },
  };
}
