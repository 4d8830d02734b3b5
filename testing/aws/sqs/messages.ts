// Requests and messages of SQS as they look on the wire: what a call may hold, a message with the attributes its
// receiver asked for, and the digest of attributes that clients check.
import { createHash } from 'node:crypto';
import { type MessageAttribute, md5, type SentMessage, type StoredMessage } from './queue.ts';

export interface Input extends SentMessage {
  readonly QueueUrl?: string;
  readonly QueueName?: string;
  readonly QueueNamePrefix?: string;
  readonly Attributes?: Readonly<Record<string, string>>;
  readonly AttributeNames?: readonly string[];
  readonly MessageSystemAttributeNames?: readonly string[];
  readonly MessageAttributeNames?: readonly string[];
  readonly MaxNumberOfMessages?: number;
  readonly WaitTimeSeconds?: number;
  readonly VisibilityTimeout?: number;
  readonly ReceiptHandle?: string;
  readonly ReceiveRequestAttemptId?: string;
  readonly Entries?: readonly (SentMessage & {
    Id: string;
    ReceiptHandle?: string;
    VisibilityTimeout?: number;
  })[];
  readonly SourceArn?: string;
  readonly DestinationArn?: string;
}

/** A message as the client receives it, with the attributes it asked for. */
export function show(message: StoredMessage, input: Input): object {
  const all: Record<string, string | null> = {
    SenderId: 'AIDAEXAMPLE',
    SentTimestamp: String(message.sentAtMs),
    ApproximateReceiveCount: String(message.receives),
    ApproximateFirstReceiveTimestamp: String(message.firstReceivedAtMs),
    SequenceNumber: message.group === null ? null : String(message.sequence),
    MessageGroupId: message.group,
    MessageDeduplicationId: message.dedupeId,
    DeadLetterQueueSourceArn: message.diedIn,
  };
  const asked = [...(input.MessageSystemAttributeNames ?? []), ...(input.AttributeNames ?? [])];
  const wanted = (name: string) => asked.includes('All') || asked.includes(name);
  const system = Object.entries(all).filter(([name, value]) => value !== null && wanted(name));
  const names = input.MessageAttributeNames ?? [];
  const custom = Object.entries(message.attributes).filter(
    ([name]) => names.includes('All') || names.includes('.*') || names.includes(name),
  );
  return {
    MessageId: message.id,
    ReceiptHandle: message.handle,
    Body: message.body,
    MD5OfBody: md5(message.body),
    ...(system.length > 0 && { Attributes: Object.fromEntries(system) }),
    ...(custom.length > 0 && {
      MessageAttributes: Object.fromEntries(custom),
      MD5OfMessageAttributes: md5OfAttributes(Object.fromEntries(custom)),
    }),
  };
}

/** As documented: names sorted; length-prefixed name, type, one byte for the kind of value, length-prefixed value. */
export function md5OfAttributes(attributes: Readonly<Record<string, MessageAttribute>>): string {
  const hash = createHash('md5');
  const sized = (value: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(value.length);
    hash.update(length).update(value);
  };
  for (const [name, attribute] of Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1))) {
    sized(Buffer.from(name));
    sized(Buffer.from(attribute.DataType));
    const binary = attribute.BinaryValue !== undefined;
    hash.update(Buffer.from([binary ? 2 : 1]));
    sized(binary ? Buffer.from(attribute.BinaryValue, 'base64') : Buffer.from(attribute.StringValue ?? ''));
  }
  return hash.digest('hex');
}
