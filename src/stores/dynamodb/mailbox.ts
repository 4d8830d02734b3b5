// Mailboxes on the state table: one item for each message, put once. DynamoDB cannot wake a reader, so one that waits asks
// again and again. A message is of no use once its turn is over, and is deleted soon after.
import type { Clock } from '../../core/ports/clock.ts';
import type { Message } from '../../host/lambda/invocation.ts';
import type { Mailbox } from '../../host/lambda/mailbox.ts';
import { expiryOf } from '../rules/retention.ts';
import { createDynamo } from './client.ts';
import { isLiveItem, number, text, toItem } from './items.ts';
import { createDynamoClient, type DynamoConnection } from './session-store.ts';
import { mailboxKey } from './tables.ts';

/** Longer than any invocation. */
const KEPT_SEC = 3_600;

export interface DynamoMailboxOptions extends DynamoConnection {
  readonly stateTable: string;
  readonly clock: Clock;
  /** How often a waiting reader asks (default 60). */
  readonly pollMs?: number;
}

export function createDynamoMailbox(options: DynamoMailboxOptions): Mailbox {
  const { stateTable, clock, pollMs = 60 } = options;
  const dynamo = createDynamo(options.client ?? createDynamoClient(options));

  return {
    async post(box, order, message) {
      const item = toItem({
        ...mailboxKey(box.tenant, box.name, order),
        number: order,
        message: JSON.stringify(message),
        ttl: expiryOf(clock.now(), KEPT_SEC),
      });
      // The same message again, if the client sent it twice.
      await dynamo.put(stateTable, item, {});
    },

    async read(box, after, waitMs) {
      const from = mailboxKey(box.tenant, box.name, after + 1);
      const untilMs = clock.now() + waitMs;
      for (;;) {
        const { items } = await dynamo.query({
          TableName: stateTable,
          KeyConditionExpression: 'pk = :pk AND sk >= :sk',
          ExpressionAttributeValues: { ':pk': { S: from.pk }, ':sk': { S: from.sk } },
          ConsistentRead: true,
        });
        const live = items.filter((item) => isLiveItem(item, clock.now(), 'ttl'));
        const leftMs = untilMs - clock.now();
        if (live.length > 0 || leftMs <= 0) {
          return live.map((item) => ({
            number: number(item, 'number'),
            message: JSON.parse(text(item, 'message')) as Message,
          }));
        }
        await clock.sleep(Math.min(leftMs, pollMs));
      }
    },
  };
}
