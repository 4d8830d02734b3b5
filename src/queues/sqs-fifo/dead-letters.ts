// Dead letters in an SQS queue of their own. SQS cannot list messages: a list receives every
// message for a moment and makes it visible again, so two lists at once may each miss what the other holds, and at most
// 1,000 are seen. Fit for a person looking after a failure; a queue that holds thousands wants SQS's own redrive.
import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { queueDedupeId } from '../../core/messages.ts';
import type { DeadLetter, TurnQueue } from '../../core/ports/queue.ts';
import { decodeCursor, encodeCursor, pageSize } from '../../stores/rules/paging.ts';
import { noDeadLetter, unreadableDeadLetter } from '../errors.ts';
import { placeholderRequest, readRequest } from '../unreadable-message.ts';
import { bodyOf, groupOf, reasonText, withSqsErrors } from './wire-messages.ts';

const MAX_SEEN = 1_000;
const BATCH = 10;
const BROWSE_SEC = 30;

export interface DeadLetterQueueOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  /** How long a list waits for more messages before it ends. */
  readonly browseWaitSec: number;
  readonly requireOpen: () => void;
}

/** A message as it was received for the last time. */
export interface FailedMessage {
  readonly messageId: string;
  readonly body: string;
  readonly group: string;
  readonly receiveCount: number;
}

export function createDeadLetters(options: DeadLetterQueueOptions) {
  const { client, queueUrl, deadLetterQueueUrl } = options;

  /** Safe to repeat: the failed message's own id is the deduplication id. Its own group keeps it from blocking others. */
  async function moveToDeadLetters(message: FailedMessage, reason: string): Promise<void> {
    await withSqsErrors(() =>
      client.send(
        new SendMessageCommand({
          QueueUrl: deadLetterQueueUrl,
          MessageBody: message.body,
          MessageGroupId: `dead_${message.messageId}`,
          MessageDeduplicationId: message.messageId,
          MessageAttributes: {
            reason: { DataType: 'String', StringValue: reasonText(reason) },
            receives: { DataType: 'Number', StringValue: String(message.receiveCount) },
            group: { DataType: 'String', StringValue: message.group },
          },
        }),
      ),
    );
  }

  /** Receives what is there, until `until` is found. All is made visible again at the end. */
  async function browse<T>(read: (messages: readonly Message[]) => Promise<T>, until?: string): Promise<T> {
    const seen = new Map<string, Message>();
    try {
      while (seen.size < MAX_SEEN && !(until !== undefined && seen.has(until))) {
        const page = await withSqsErrors(() =>
          client.send(
            new ReceiveMessageCommand({
              QueueUrl: deadLetterQueueUrl,
              MaxNumberOfMessages: BATCH,
              VisibilityTimeout: BROWSE_SEC,
              WaitTimeSeconds: options.browseWaitSec,
              MessageSystemAttributeNames: ['All'],
              MessageAttributeNames: ['All'],
            }),
          ),
        );
        if (!page.Messages?.length) break;
        for (const message of page.Messages) if (message.MessageId) seen.set(message.MessageId, message);
      }
      return await read([...seen.values()]);
    } finally {
      await giveBack([...seen.values()]);
    }
  }

  /** Best effort: what is not given back shows again by itself. A deleted one is refused, which is fine. */
  async function giveBack(messages: readonly Message[]): Promise<void> {
    for (let at = 0; at < messages.length; at += BATCH) {
      const entries = messages.slice(at, at + BATCH).map(({ ReceiptHandle }, i) => ({
        Id: String(i),
        ReceiptHandle,
        VisibilityTimeout: 0,
      }));
      const command = new ChangeMessageVisibilityBatchCommand({
        QueueUrl: deadLetterQueueUrl,
        Entries: entries,
      });
      await client.send(command).catch(() => {});
    }
  }

  async function find<T>(id: string, use: (message: Message) => Promise<T>): Promise<T> {
    options.requireOpen();
    if (!/^[\w-]{8,100}$/.test(id)) throw noDeadLetter();
    return await browse(async (messages) => {
      const message = messages.find(({ MessageId }) => MessageId === id);
      if (!message) throw noDeadLetter();
      return await use(message);
    }, id);
  }

  async function remove(message: Message): Promise<void> {
    const command = { QueueUrl: deadLetterQueueUrl, ReceiptHandle: message.ReceiptHandle };
    await withSqsErrors(() => client.send(new DeleteMessageCommand(command)));
  }

  const deadLetters: TurnQueue['deadLetters'] = {
    async list(page) {
      options.requireOpen();
      const after = decodeCursor(page?.cursor, ['number', 'string']);
      const all = await browse(async (messages) => messages.map(deadLetterOf));
      all.sort((a, b) => a.deadAtMs - b.deadAtMs || (a.id < b.id ? -1 : 1));
      const rest = all.filter((letter) => {
        if (!after) return true;
        const [atMs, id] = after as [number, string];
        return letter.deadAtMs > atMs || (letter.deadAtMs === atMs && letter.id > id);
      });
      const items = rest.slice(0, pageSize(page));
      const last = items.at(-1);
      const more = rest.length > items.length;
      return { items, cursor: last && more ? encodeCursor([last.deadAtMs, last.id]) : null };
    },

    /** Sent first, deleted second: cut off between, it is there twice, and the ledger makes one turn of it. */
    async replay(id) {
      await find(id, async (message) => {
        const request = readRequest(message.Body ?? '');
        if (!request) throw unreadableDeadLetter();
        await withSqsErrors(() =>
          client.send(
            new SendMessageCommand({
              QueueUrl: queueUrl,
              MessageBody: bodyOf(request),
              MessageGroupId: groupOf(request.sessionKey),
              MessageDeduplicationId: `${queueDedupeId(request)}.again.${id}`.slice(0, 128),
            }),
          ),
        );
        await remove(message);
      });
    },

    async drop(id) {
      await find(id, remove);
    },
  };

  return { moveToDeadLetters, deadLetters };
}

function deadLetterOf(message: Message): DeadLetter {
  const attributes = message.MessageAttributes ?? {};
  const atMs = Number(message.Attributes?.SentTimestamp ?? 0);
  const unread = {
    id: message.MessageId ?? '',
    sessionKey: attributes.group?.StringValue ?? '',
    body: message.Body ?? '',
    atMs,
  };
  const receives = attributes.receives?.StringValue ?? message.Attributes?.ApproximateReceiveCount;
  return {
    id: message.MessageId ?? '',
    request: readRequest(message.Body ?? '') ?? placeholderRequest(unread),
    reason: attributes.reason?.StringValue ?? 'SQS moved it here: it was received too often without an end.',
    receiveCount: Number(receives ?? 0),
    deadAtMs: atMs,
  };
}
