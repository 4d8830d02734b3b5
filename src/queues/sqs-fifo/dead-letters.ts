// Dead letters in an SQS queue of their own. SQS cannot be browsed: a list takes every message for a moment and gives
// it back, so two lists at once may each miss what the other holds, and at most 1,000 are seen. Fit for a person
// looking after a failure; a queue that holds thousands wants SQS's own redrive.
import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { Gone, Invalid } from '../../core/errors.ts';
import { conversationOf, type SessionKey, type TurnId } from '../../core/ids.ts';
import { MAX_TEXT_LENGTH, queueDedupeId, type TurnRequest } from '../../core/messages.ts';
import type { DeadLetter, TurnQueue } from '../../core/ports/queue.ts';
import { decodeCursor, encodeCursor, pageSize } from '../../stores/paging.ts';
import { cutText } from '../../text/cut-text.ts';
import { asking, bodyOf, groupOf, reasonText, requestOf } from './wire-messages.ts';

const MAX_SEEN = 1_000;
const BATCH = 10;
const LOOK_SEC = 30;

export interface DeadLetterQueueOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  /** How long a look waits for more before it takes the queue for seen. */
  readonly lookWaitSec: number;
  readonly requireOpen: () => void;
}

/** What a message was when it died. */
export interface FailedMessage {
  readonly messageId: string;
  readonly body: string;
  readonly group: string;
  readonly receiveCount: number;
}

export function createDeadLetters(options: DeadLetterQueueOptions) {
  const { client, queueUrl, deadLetterQueueUrl } = options;

  /** Safe to repeat: the dying message's own id is the deduplication id. A group of its own hides no other. */
  async function moveToDeadLetters(message: FailedMessage, reason: string): Promise<void> {
    await asking(() =>
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

  /** Takes what is there; `until` ends the look early. Everything not kept is given back. */
  async function look<T>(read: (messages: readonly Message[]) => Promise<T>, until?: string): Promise<T> {
    const seen = new Map<string, Message>();
    try {
      while (seen.size < MAX_SEEN && !(until !== undefined && seen.has(until))) {
        const page = await asking(() =>
          client.send(
            new ReceiveMessageCommand({
              QueueUrl: deadLetterQueueUrl,
              MaxNumberOfMessages: BATCH,
              VisibilityTimeout: LOOK_SEC,
              WaitTimeSeconds: options.lookWaitSec,
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
    const gone = () => new Gone('no-dead-letter', 'There is no such dead letter.');
    if (!/^[\w-]{8,100}$/.test(id)) throw gone();
    return await look(async (messages) => {
      const message = messages.find(({ MessageId }) => MessageId === id);
      if (!message) throw gone();
      return await use(message);
    }, id);
  }

  async function remove(message: Message): Promise<void> {
    const command = { QueueUrl: deadLetterQueueUrl, ReceiptHandle: message.ReceiptHandle };
    await asking(() => client.send(new DeleteMessageCommand(command)));
  }

  const deadLetters: TurnQueue['deadLetters'] = {
    async list(page) {
      options.requireOpen();
      const after = decodeCursor(page?.cursor, ['number', 'string']);
      const all = await look(async (messages) => messages.map(deadLetterOf));
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
        const request = requestOf(message.Body ?? '');
        if (!request) {
          throw new Invalid('bad-message', 'This dead letter is no message that can be sent again.', {
            advice: 'Drop it.',
          });
        }
        await asking(() =>
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
  const note = message.MessageAttributes ?? {};
  const receives = note.receives?.StringValue ?? message.Attributes?.ApproximateReceiveCount;
  return {
    id: message.MessageId ?? '',
    request: requestOf(message.Body ?? '') ?? placeholderRequest(message),
    reason: note.reason?.StringValue ?? 'SQS moved it here: it was received too often without an end.',
    receiveCount: Number(receives ?? 0),
    deadAtMs: Number(message.Attributes?.SentTimestamp ?? 0),
  };
}

/** What is known of a message whose body cannot be read: where it was sent, and the body itself as text. */
function placeholderRequest(message: Message): TurnRequest {
  const sessionKey = (message.MessageAttributes?.group?.StringValue ?? '') as SessionKey;
  let conversation: TurnRequest['conversation'];
  try {
    conversation = { ...conversationOf(sessionKey) };
  } catch {
    conversation = { tenant: '', channel: '', bot: '', chat: '', thread: null };
  }
  return {
    version: 1,
    part: 0,
    turnId: (message.MessageId ?? '') as TurnId,
    sessionKey,
    dedupeId: 'unreadable',
    conversation,
    kind: 'message',
    text: cutText(message.Body ?? '', MAX_TEXT_LENGTH),
    sender: null,
    replyTarget: null,
    receivedAtMs: Number(message.Attributes?.SentTimestamp ?? 0),
    sessionHint: null,
  };
}
