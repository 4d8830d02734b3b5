// The ways of a turn: the FIFO queue, the queue of turns that no worker could take on, and the dead letters that
// wait for a person. A worker that fails a turn for good tells the user itself and sets it aside in `dead`; where
// no worker could do even that, SQS moves the message to `stranded`, whose function tells the user and does the rest.
import { Duration } from 'aws-cdk-lib';
import { DeduplicationScope, FifoThroughputLimit, Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';

export interface QueuesProps {
  readonly workerTimeout: Duration;
  readonly strandedTimeout: Duration;
}

/**
 * The most that SQS allows. What a turn fails by itself the ledger counts; each wait in an outage is a receive, so with a
 * wait of up to ten minutes this lasts for about a week. Only turns that no worker could take on in all that time get here.
 */
const RECEIVES_BEFORE_STRANDED = 1_000;
const RECEIVES_BEFORE_DEAD = 1_000;

export class Queues extends Construct {
  readonly turns: Queue;
  readonly stranded: Queue;
  readonly dead: Queue;

  constructor(scope: Construct, id: string, props: QueuesProps) {
    super(scope, id);
    this.dead = fifo(this, 'Dead', {});
    this.stranded = fifo(this, 'Stranded', {
      // Lambda wants a queue's visibility to be no shorter than its function's timeout.
      visibilityTimeout: props.strandedTimeout.plus(Duration.seconds(30)),
      deadLetterQueue: { queue: this.dead, maxReceiveCount: RECEIVES_BEFORE_DEAD },
    });
    this.turns = fifo(this, 'Turns', {
      visibilityTimeout: props.workerTimeout.plus(Duration.seconds(60)),
      deadLetterQueue: { queue: this.stranded, maxReceiveCount: RECEIVES_BEFORE_STRANDED },
    });
    acknowledge(this.dead, 'Serverless-SQSRedrivePolicy', 'This is the dead-letter queue itself.');
  }
}

function fifo(
  scope: Construct,
  id: string,
  options: {
    readonly visibilityTimeout?: Duration;
    readonly deadLetterQueue?: { readonly queue: Queue; readonly maxReceiveCount: number };
  },
): Queue {
  return new Queue(scope, id, {
    fifo: true,
    encryption: QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    retentionPeriod: Duration.days(14),
    // Order and deduplication per conversation, so that conversations do not slow each other down.
    deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
    fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
    ...options,
  });
}
