// What a function that ends turns tells webhooks with; nothing where the installation has none.
import { CHANNEL as HTTP } from '../api/chat-name.ts';
import { systemClock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { WorkerDeps } from '../core/worker.ts';
import { createSqsWebhookWakes } from '../queues/sqs-fifo/webhook-wakes.ts';
import { createDynamoWebhooks } from '../stores/dynamodb/webhooks.ts';
import { createAnnounce } from '../webhooks/announce.ts';

export function announcingBy(
  {
    webhookQueueUrl,
    stateTable,
  }: { readonly webhookQueueUrl?: string | undefined; readonly stateTable: string },
  log: Log,
): Pick<WorkerDeps, 'webhooks' | 'announcer'> {
  if (webhookQueueUrl === undefined) return {};
  const wakes = createSqsWebhookWakes({ queueUrl: webhookQueueUrl });
  return {
    webhooks: createDynamoWebhooks({ stateTable, clock: systemClock }),
    announcer: (webhooks) => createAnnounce({ webhooks, wakes, channel: HTTP, clock: systemClock, log }),
  };
}
