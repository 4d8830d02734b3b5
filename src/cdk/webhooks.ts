// What sends webhooks: a queue of names of messages that are due, and a function beside it. It alone of the functions connects to
// addresses that somebody with a key chose, so it is apart from the worker and has no secret.
import { Duration } from 'aws-cdk-lib';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { VARIABLES } from '../lambda/variables.ts';
import { allowTables } from './access.ts';
import { acknowledge } from './acknowledge.ts';
import type { Assets } from './assets.ts';
import type { Data } from './data.ts';
import { type FunctionProps, LoggedFunction } from './functions.ts';
import type { HybridSessionsProps } from './props.ts';
import { fifo } from './queues.ts';

export interface WebhooksProps extends Pick<FunctionProps, 'architecture' | 'logRetention'> {
  readonly installation: string;
  readonly settings: HybridSessionsProps['webhooks'];
  readonly assets: Assets;
  readonly data: Data;
}

/** Messages whose addresses answer within 15 seconds or not at all. */
const TIMEOUT = Duration.seconds(45);
/** As few as there may be: a new account has ten for all functions. Each sends its messages beside each other. */
const MAX_CONCURRENCY = 2;
const AT_ONCE = 10;

export class Webhooks extends Construct {
  readonly queue: Queue;
  readonly sender: LoggedFunction;

  constructor(scope: Construct, id: string, props: WebhooksProps) {
    super(scope, id);
    const { data, settings } = props;
    this.queue = fifo(this, 'Due', { visibilityTimeout: Duration.seconds(90) });
    for (const rule of ['Serverless-SQSRedrivePolicy', 'AwsSolutions-SQS3']) {
      acknowledge(
        this.queue,
        rule,
        'A message is a name only. The log says what was not delivered, and from there it is sent again.',
      );
    }
    this.sender = new LoggedFunction(this, 'Sender', {
      architecture: props.architecture,
      logRetention: props.logRetention,
      description: 'Sends signed messages to webhooks: how turns ended.',
      code: props.assets.functions,
      handler: 'webhooks.handler',
      memoryMb: 256,
      timeout: TIMEOUT,
      environment: {
        [VARIABLES.installation]: props.installation,
        [VARIABLES.mappingTable]: data.mapping.tableName,
        [VARIABLES.stateTable]: data.state.tableName,
        [VARIABLES.webhookQueueUrl]: this.queue.queueUrl,
        ...(settings && { [VARIABLES.webhooks]: JSON.stringify(settings) }),
      },
    });
    allowTables(this.sender.role, data);
    this.sender.lambda.addEventSource(
      new SqsEventSource(this.queue, {
        batchSize: AT_ONCE,
        reportBatchItemFailures: true,
        maxConcurrency: MAX_CONCURRENCY,
      }),
    );
    acknowledge(
      this.sender.lambda,
      'Serverless-LambdaEventSourceMappingDestination',
      'Mappings of SQS have no destination for failures: the log names what failed.',
    );
  }
}
