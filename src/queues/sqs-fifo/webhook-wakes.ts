// The queue that brings due webhook messages to whoever sends them. A message in it is only a name: what is to be sent, and
// whether it still is, stands in the log. Each is a group of its own, so none waits for another.
import { ChangeMessageVisibilityCommand, SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { z } from 'zod';
import type { Tenant } from '../../core/ids.ts';
import type { WebhookWakes } from '../../core/ports/webhooks.ts';
import type { DeliveryId, WebhookDelivery, WebhookId } from '../../core/webhooks.ts';
import type { SqsRecord } from './lambda-batch.ts';
import {
  createSqsClient,
  isReceiptLost,
  type SqsConnection,
  secondsOf,
  withSqsErrors,
} from './wire-messages.ts';

export interface SqsWebhookWakesOptions extends SqsConnection {
  /** A FIFO queue. */
  readonly queueUrl: string;
}

export type NamedDelivery = Pick<WebhookDelivery, 'tenant' | 'webhook' | 'id'>;

export interface SqsWebhookWakes extends WebhookWakes {
  /** What a message names; null when it cannot be read. */
  namedBy(record: SqsRecord): NamedDelivery | null;
  /** The message comes again after that time, at most eleven hours. */
  later(record: SqsRecord, ms: number): Promise<void>;
  close(): void;
}

/** SQS hides a message for at most twelve hours, counted from when it was received. */
const LONGEST_MS = 11 * 3_600_000;

const bodySchema = z.strictObject({
  tenant: z.string().transform((value) => value as Tenant),
  webhook: z.string().transform((value) => value as WebhookId),
  id: z.string().transform((value) => value as DeliveryId),
});

export function createSqsWebhookWakes(options: SqsWebhookWakesOptions): SqsWebhookWakes {
  const { queueUrl: QueueUrl } = options;
  const client: SQSClient = options.client ?? createSqsClient(options);
  return {
    async wake({ tenant, webhook, id, replays }) {
      const command = new SendMessageCommand({
        QueueUrl,
        MessageBody: JSON.stringify({ tenant, webhook, id }),
        // A replay does not wait behind a message that a dead sender holds.
        MessageGroupId: `${id}/${replays}`,
        MessageDeduplicationId: `${id}/${replays}`,
      });
      await withSqsErrors(() => client.send(command));
    },
    namedBy({ body }) {
      try {
        return bodySchema.safeParse(JSON.parse(body)).data ?? null;
      } catch {
        return null;
      }
    },
    async later({ receiptHandle: ReceiptHandle }, ms) {
      const VisibilityTimeout = secondsOf(Math.min(Math.max(ms, 0), LONGEST_MS));
      const command = new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout });
      try {
        await client.send(command);
      } catch (error) {
        // It is visible again already, or somebody else has it.
        if (!isReceiptLost(error)) await withSqsErrors(() => Promise.reject(error));
      }
    },
    close() {
      if (!options.client) client.destroy();
    },
  };
}
