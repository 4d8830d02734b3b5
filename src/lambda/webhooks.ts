// Sends what webhooks are due, the messages of a batch beside each other. Whatever fails, the message comes again when the log says that
// it is due, and is removed when there is nothing left to do. This function reaches strangers' addresses: it has no secret of the
// installation, and sends to nothing in a private network that is not listed.
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { systemClock } from '../core/clock.ts';
import { errorFields } from '../core/log.ts';
import type { SqsRecord } from '../queues/sqs-fifo/lambda-batch.ts';
import { createSqsWebhookWakes } from '../queues/sqs-fifo/webhook-wakes.ts';
import { createDynamoSessionStore } from '../stores/dynamodb/session-store.ts';
import { createDynamoWebhooks } from '../stores/dynamodb/webhooks.ts';
import { createPostMessage } from '../webhooks/post-message.ts';
import { createDeliverySender } from '../webhooks/send-delivery.ts';
import { readConfiguration, webhooksSchema } from './configuration.ts';
import { createObservability } from './observability.ts';

export function createWebhooks(): (event: SQSEvent) => Promise<SQSBatchResponse> {
  const configuration = readConfiguration(webhooksSchema, process.env);
  const { log, flush } = createObservability(configuration);
  const { mappingTable, stateTable, webhookQueueUrl, webhooks } = configuration;
  const clock = systemClock;
  const sender = createDeliverySender({
    webhooks: createDynamoWebhooks({ stateTable, clock }),
    store: createDynamoSessionStore({ mappingTable, stateTable, clock }),
    post: createPostMessage({ ...webhooks, clock }),
    clock,
    log,
  });
  const wakes = createSqsWebhookWakes({ queueUrl: webhookQueueUrl });

  /** False: it has to come again. */
  async function take(record: SqsRecord): Promise<boolean> {
    const named = wakes.namedBy(record);
    if (!named) {
      log('error', 'webhook-unreadable', { message: record.messageId });
      return true;
    }
    const claim = await sender.claim(named);
    const dueMs = 'claimed' in claim ? await sender.send(claim.claimed) : claim.dueMs;
    if (dueMs === null) return true;
    await wakes.later(record, dueMs - clock.now());
    return false;
  }

  return async ({ Records }) => {
    const batchItemFailures: SQSBatchResponse['batchItemFailures'] = [];
    try {
      const taken = Records.map(async (record) => {
        const isDone = await take(record).catch((error: unknown) => {
          // It comes again when the queue shows it again.
          log('error', 'webhook-not-sent', { message: record.messageId, ...errorFields(error) });
          return false;
        });
        if (!isDone) batchItemFailures.push({ itemIdentifier: record.messageId });
      });
      await Promise.all(taken);
      return { batchItemFailures };
    } finally {
      flush();
    }
  };
}
