// TurnQueue on an SQS FIFO queue and its dead-letter queue. SQS keeps the order and locks a group while one of its
// messages is in flight; this asks for one message at a time, so that it never holds two of one group. A poll that
// is aborted may lose a message that was just on its way: it becomes visible again after its visibility time.
import { randomUUID } from 'node:crypto';
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import { systemClock } from '../../core/clock.ts';
import { Conflict } from '../../core/errors.ts';
import { queueDedupeId, type TurnRequest } from '../../core/messages.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { ReceivedMessage, TurnQueue } from '../../core/ports/queue.ts';
import { queueClosed, receiptLost } from '../errors.ts';
import { readRequest } from '../unreadable-message.ts';
import { createDeadLetters } from './dead-letters.ts';
import { batchItemFailures, groupIdOf, type SqsBatch, type SqsEvent } from './lambda-batch.ts';
import {
  bodyOf,
  createSqsClient,
  groupOf,
  isReceiptLost,
  type SqsConnection,
  secondsOf,
  withSqsErrors,
} from './wire-messages.ts';

const MAX_POLL_SEC = 20;
/** Between looks in the last second of a wait, which SQS cannot count. */
const SHORT_WAIT_MS = 200;
/** While a message is moved to the dead-letter queue. */
const MOVE_SEC = 30;

export interface SqsTurnQueueOptions extends SqsConnection {
  /** A FIFO queue with a redrive policy to the other one. */
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  readonly clock?: Clock;
  /** Seconds a list of the dead letters waits for more (default 1: it then asks all of SQS's servers). */
  readonly browseWaitSec?: number;
}

export interface SqsTurnQueue extends TurnQueue {
  /** The messages of a Lambda event. What cannot be read has gone to the dead-letter queue when this returns. */
  messagesOf(event: SqsEvent): Promise<SqsBatch>;
}

interface Received {
  readonly messageId: string;
  readonly handle: string;
  readonly body: string;
  readonly group: string;
  readonly receiveCount: number;
}

export function createSqsTurnQueue(options: SqsTurnQueueOptions): SqsTurnQueue {
  const { queueUrl, deadLetterQueueUrl } = options;
  const client = options.client ?? createSqsClient(options);
  const clock = options.clock ?? systemClock;
  const closing = new AbortController();
  const browseWaitSec = options.browseWaitSec ?? 1;
  const dead = createDeadLetters({ client, queueUrl, deadLetterQueueUrl, browseWaitSec, requireOpen });

  function requireOpen(): void {
    if (closing.signal.aborted) throw queueClosed();
  }

  async function changeVisibility(handle: string, seconds: number): Promise<void> {
    const command = { QueueUrl: queueUrl, ReceiptHandle: handle, VisibilityTimeout: seconds };
    try {
      await client.send(new ChangeMessageVisibilityCommand(command));
    } catch (error) {
      if (!isReceiptLost(error)) return await withSqsErrors(() => Promise.reject(error));
      throw receiptLost(error);
    }
  }

  async function remove(handle: string): Promise<void> {
    try {
      await client.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: handle }));
    } catch (error) {
      if (!isReceiptLost(error)) await withSqsErrors(() => Promise.reject(error));
    }
  }

  /**
   * The visibility change proves the receipt before anything is sent; deleted last. Cut off before the
   * delete, the message comes again, and sending it to the dead letters again is dropped as a duplicate.
   */
  async function moveToDeadLetters(message: Received, reason: string): Promise<void> {
    await changeVisibility(message.handle, MOVE_SEC);
    await dead.moveToDeadLetters(message, reason);
    await remove(message.handle);
  }

  /** `done` acknowledges it: Lambda is told at the end of the batch, elsewhere the message is deleted. */
  function receivedMessage(
    message: Received,
    request: TurnRequest,
    done: () => Promise<void> | void,
  ): ReceivedMessage {
    let open = true;
    return {
      request,
      receiveCount: message.receiveCount,
      async extend(ms) {
        if (!open) throw receiptLost();
        await changeVisibility(message.handle, secondsOf(ms));
      },
      async ack() {
        if (!open) return;
        await done();
        open = false;
      },
      async retry(ms) {
        if (!open) return;
        open = false;
        await changeVisibility(message.handle, secondsOf(ms)).catch(ignoreLost);
      },
      async deadLetter(reason) {
        if (!open) return;
        await moveToDeadLetters(message, reason);
        await done();
        open = false;
      },
    };
  }

  /** One message or none. The attempt id makes the client's own retry get the same message, not lose it. */
  async function poll(seconds: number, visibilityMs: number, signal: AbortSignal): Promise<Received | null> {
    const command = new ReceiveMessageCommand({
      QueueUrl: queueUrl,
      MaxNumberOfMessages: 1,
      WaitTimeSeconds: seconds,
      VisibilityTimeout: secondsOf(visibilityMs),
      ReceiveRequestAttemptId: randomUUID(),
      MessageSystemAttributeNames: ['ApproximateReceiveCount', 'MessageGroupId'],
    });
    try {
      const { Messages } = await client.send(command, { abortSignal: signal });
      return Messages?.[0] ? received(Messages[0]) : null;
    } catch (error) {
      if (signal.aborted) return null;
      return await withSqsErrors(() => Promise.reject(error));
    }
  }

  async function receiveFirst(
    untilMs: number,
    visibilityMs: number,
    signal: AbortSignal,
  ): Promise<Received | null> {
    while (!signal.aborted) {
      const leftMs = untilMs - clock.now();
      const seconds = Math.min(Math.max(Math.floor(leftMs / 1_000), 0), MAX_POLL_SEC);
      const message = await poll(seconds, visibilityMs, signal);
      if (message) return message;
      const restMs = untilMs - clock.now();
      if (restMs <= 0) return null;
      if (restMs < 1_000) await clock.sleep(Math.min(restMs, SHORT_WAIT_MS), signal);
    }
    return null;
  }

  return {
    async send(request) {
      requireOpen();
      const command = new SendMessageCommand({
        QueueUrl: queueUrl,
        MessageBody: bodyOf(request),
        MessageGroupId: groupOf(request.sessionKey),
        MessageDeduplicationId: queueDedupeId(request),
      });
      await withSqsErrors(() => client.send(command));
    },

    async receive({ max, waitMs, visibilityMs, signal }) {
      requireOpen();
      const stop = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
      const untilMs = clock.now() + waitMs;
      const messages: ReceivedMessage[] = [];
      while (messages.length < max) {
        const first = messages.length === 0;
        const message = first
          ? await receiveFirst(untilMs, visibilityMs, stop)
          : await poll(0, visibilityMs, stop).catch(() => null);
        if (!message) break;
        const request = readRequest(message.body);
        if (request) messages.push(receivedMessage(message, request, () => remove(message.handle)));
        else await moveToDeadLetters(message, 'bad-message: the body is no request');
      }
      return messages;
    },

    async messagesOf(event) {
      const done = new Set<string>();
      const groups = new Map<string, ReceivedMessage[]>();
      for (const record of event.Records) {
        const message: Received = {
          messageId: record.messageId,
          handle: record.receiptHandle,
          body: record.body,
          group: groupIdOf(record),
          receiveCount: Number(record.attributes.ApproximateReceiveCount),
        };
        const request = readRequest(record.body);
        const finish = () => void done.add(record.messageId);
        if (request) {
          const group = groups.get(message.group) ?? [];
          group.push(receivedMessage(message, request, finish));
          groups.set(message.group, group);
        } else {
          await moveToDeadLetters(message, 'bad-message: the body is no request');
          finish();
        }
      }
      return {
        groups: [...groups.values()],
        response: () => batchItemFailures(event.Records, (record) => done.has(record.messageId)),
      };
    },

    async depth() {
      requireOpen();
      const AttributeNames = ['ApproximateNumberOfMessages' as const];
      const command = new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames });
      const { Attributes } = await withSqsErrors(() => client.send(command));
      return Number(Attributes?.ApproximateNumberOfMessages ?? 0);
    },

    deadLetters: dead.deadLetters,

    async close() {
      if (closing.signal.aborted) return;
      closing.abort();
      if (!options.client) client.destroy();
    },
  };
}

function received(message: Message): Received {
  return {
    messageId: message.MessageId ?? '',
    handle: message.ReceiptHandle ?? '',
    body: message.Body ?? '',
    group: message.Attributes?.MessageGroupId ?? '',
    receiveCount: Number(message.Attributes?.ApproximateReceiveCount ?? 1),
  };
}

function ignoreLost(error: unknown): void {
  if (!(error instanceof Conflict)) throw error;
}
