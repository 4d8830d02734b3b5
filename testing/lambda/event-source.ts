// An SQS event source mapping with ReportBatchItemFailures: receives from the queue, invokes the function with
// what came, deletes what the function did not report as failed. As on Lambda, a failed item is left alone: it
// comes back when its visibility ends, sooner only if the function itself changed that.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { FunctionEnvironment } from './function-environment.ts';

export interface EventSourceOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly queueArn: string;
  /** One invocation at a time in each. */
  readonly environments: readonly FunctionEnvironment[];
  /** The queue's own: what a message that nobody answers for stays invisible. */
  readonly visibilitySec: number;
  readonly onInvoked?: (result: { readonly messageId: string; readonly failed: boolean }) => void;
}

export interface EventSource {
  stop(): Promise<void>;
}

export function startEventSource(options: EventSourceOptions): EventSource {
  const ended = new AbortController();
  const pollers = options.environments.map((environment) => poll(options, environment, ended.signal));
  return {
    async stop() {
      ended.abort();
      await Promise.all(pollers);
    },
  };
}

async function poll(
  options: EventSourceOptions,
  environment: FunctionEnvironment,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    let messages: readonly Message[];
    try {
      messages = await receive(options, signal);
    } catch {
      if (!signal.aborted) await sleep(200);
      continue;
    }
    for (const message of messages) await invoke(options, environment, message);
  }
}

async function receive(options: EventSourceOptions, signal: AbortSignal): Promise<readonly Message[]> {
  const { Messages } = await options.client.send(
    new ReceiveMessageCommand({
      QueueUrl: options.queueUrl,
      MaxNumberOfMessages: 1,
      WaitTimeSeconds: 20,
      VisibilityTimeout: options.visibilitySec,
      MessageSystemAttributeNames: ['All'],
      MessageAttributeNames: ['All'],
    }),
    { abortSignal: signal },
  );
  return Messages ?? [];
}

async function invoke(
  options: EventSourceOptions,
  environment: FunctionEnvironment,
  message: Message,
): Promise<void> {
  const { error, body } = await environment.invoke({ Records: [recordOf(options, message)] });
  const failed = error !== null || failedIds(body.toString('utf8')).has(message.MessageId ?? '');
  if (!failed) {
    const { queueUrl: QueueUrl, client } = options;
    await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
  }
  options.onInvoked?.({ messageId: message.MessageId ?? '', failed });
}

function failedIds(answer: string): Set<string> {
  const parsed = (answer === '' ? null : JSON.parse(answer)) as {
    batchItemFailures?: { itemIdentifier: string }[];
  } | null;
  return new Set(parsed?.batchItemFailures?.map((failure) => failure.itemIdentifier));
}

function recordOf(options: EventSourceOptions, message: Message): unknown {
  return {
    messageId: message.MessageId,
    receiptHandle: message.ReceiptHandle,
    body: message.Body,
    attributes: message.Attributes ?? {},
    messageAttributes: Object.fromEntries(
      Object.entries(message.MessageAttributes ?? {}).map(([name, value]) => [
        name,
        {
          stringValue: value.StringValue,
          dataType: value.DataType,
          stringListValues: [],
          binaryListValues: [],
        },
      ]),
    ),
    md5OfBody: message.MD5OfBody,
    eventSource: 'aws:sqs',
    eventSourceARN: options.queueArn,
    awsRegion: 'us-east-1',
  };
}
