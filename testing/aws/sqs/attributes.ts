// A queue's attributes: which may be set, and what a look at them shows.
import { badValue, SqsError } from './errors.ts';
import type { Queue } from './queue.ts';

const SETTABLE = new Set([
  'FifoQueue',
  'ContentBasedDeduplication',
  'DeduplicationScope',
  'FifoThroughputLimit',
  'VisibilityTimeout',
  'DelaySeconds',
  'MaximumMessageSize',
  'MessageRetentionPeriod',
  'ReceiveMessageWaitTimeSeconds',
  'RedrivePolicy',
  'RedriveAllowPolicy',
  'KmsMasterKeyId',
  'SqsManagedSseEnabled',
  'Policy',
]);

export function checkAttributes(name: string, attributes: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(attributes)) {
    if (!SETTABLE.has(key)) throw new SqsError('InvalidAttributeName', `Unknown Attribute ${key}.`);
  }
  const fifo = name.endsWith('.fifo');
  if (fifo && attributes.FifoQueue !== 'true') {
    throw badValue(
      'The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and FifoQueue must be true.',
    );
  }
  if (!fifo && attributes.FifoQueue === 'true')
    throw badValue('The name of a FIFO queue must end with .fifo.');
}

export function attributesOf(queue: Queue, names: readonly string[]): Record<string, string> {
  const { visible, flying, delayed } = queue.counts();
  const all: Record<string, string> = {
    VisibilityTimeout: '30',
    DelaySeconds: '0',
    MaximumMessageSize: '1048576',
    MessageRetentionPeriod: '345600',
    ReceiveMessageWaitTimeSeconds: '0',
    ...(queue.fifo && {
      ContentBasedDeduplication: 'false',
      DeduplicationScope: 'queue',
      FifoThroughputLimit: 'perQueue',
    }),
    ...Object.fromEntries(queue.attributes),
    QueueArn: queue.arn,
    ApproximateNumberOfMessages: String(visible),
    ApproximateNumberOfMessagesNotVisible: String(flying),
    ApproximateNumberOfMessagesDelayed: String(delayed),
  };
  if (names.includes('All')) return all;
  return Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)));
}
