// The queues: `turns` (FIFO), `stranded` for turns that no worker could run, and `dead` for dead letters that wait for
// a person. A worker that gives up a turn tells the user and puts the message into `dead`. When no worker could do even
// that, SQS moves the message to `stranded`, whose function does the same in the worker's place.
import { Duration } from 'aws-cdk-lib';
import { DeduplicationScope, FifoThroughputLimit, Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';

export interface QueuesProps {
  readonly workerTimeout: Duration;
  readonly strandedTimeout: Duration;
}

/**
 * The maximum that SQS allows. The ledger counts the failures for which a turn is given up. Receives also count each
 * wait in an outage, so they must not decide before the longest outage is over (design/lambda.md).
 */
const MAX_RECEIVES = 1_000;

export class Queues extends Construct {
  readonly turns: Queue;
  readonly stranded: Queue;
  readonly dead: Queue;

  constructor(scope: Construct, id: string, props: QueuesProps) {
    super(scope, id);
    this.dead = fifo(this, 'Dead', {});
    this.stranded = fifo(this, 'Stranded', {
      // Lambda requires a queue's visibility time-out to be at least as long as its function's time-out.
      visibilityTimeout: props.strandedTimeout.plus(Duration.seconds(30)),
      deadLetterQueue: { queue: this.dead, maxReceiveCount: MAX_RECEIVES },
    });
    this.turns = fifo(this, 'Turns', {
      visibilityTimeout: props.workerTimeout.plus(Duration.seconds(60)),
      // EventBridge Scheduler gives its messages no id. All others have one, which counts instead.
      contentBasedDeduplication: true,
      deadLetterQueue: { queue: this.stranded, maxReceiveCount: MAX_RECEIVES },
    });
    acknowledge(this.dead, 'Serverless-SQSRedrivePolicy', 'This is the dead-letter queue itself.');
  }
}

export function fifo(
  scope: Construct,
  id: string,
  options: {
    readonly visibilityTimeout?: Duration;
    readonly contentBasedDeduplication?: boolean;
    readonly deadLetterQueue?: { readonly queue: Queue; readonly maxReceiveCount: number };
  },
): Queue {
  return new Queue(scope, id, {
    fifo: true,
    encryption: QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    retentionPeriod: Duration.days(14),
    // Throughput limits and deduplication per conversation, so that conversations do not slow each other down.
    deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
    fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
    ...options,
  });
}
