// Webhooks on the state table: one partition for a tenant's webhooks, and one for the log of each. Lines of the log go by the
// table's time to live. There is no clock here: a queue brings what is due.
import { systemClock } from '../../core/clock.ts';
import type { Tenant } from '../../core/ids.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { WebhookStore } from '../../core/ports/webhooks.ts';
import {
  deliveryIdOf,
  parseDelivery,
  parseWebhook,
  type Webhook,
  type WebhookDelivery,
} from '../../core/webhooks.ts';
import { decodeCursor, encodeCursor, pageSize } from '../rules/paging.ts';
import { epochSec } from '../rules/retention.ts';
import { byWebhookAge, isKeptDelivery, webhookChanged } from '../rules/webhooks.ts';
import { createDynamo, type Expression, expression, keyOf } from './client.ts';
import { type Item, text, toItem } from './items.ts';
import { createDynamoClient, type DynamoConnection } from './session-store.ts';
import { deliveryKey, type StateKey, webhookKey } from './tables.ts';

export interface DynamoWebhooksOptions extends DynamoConnection {
  readonly stateTable: string;
  readonly clock?: Clock;
}

export function createDynamoWebhooks(options: DynamoWebhooksOptions): WebhookStore {
  const { stateTable, clock = systemClock } = options;
  const dynamo = createDynamo(options.client ?? createDynamoClient(options));

  async function write(item: Item, condition: Expression): Promise<boolean> {
    const put = { Put: { TableName: stateTable, Item: item, ...expression(condition) } };
    return (await dynamo.transact([put])) === null;
  }

  async function keysIn(partition: string): Promise<readonly StateKey[]> {
    const keys: StateKey[] = [];
    let start: Item | undefined;
    do {
      const page = await dynamo.query({
        TableName: stateTable,
        KeyConditionExpression: 'pk = :pk',
        ExpressionAttributeValues: { ':pk': { S: partition } },
        ProjectionExpression: 'pk, sk',
        ConsistentRead: true,
        ...(start && { ExclusiveStartKey: start }),
      });
      keys.push(...page.items.map((item) => ({ pk: text(item, 'pk'), sk: text(item, 'sk') })));
      start = page.next;
    } while (start);
    return keys;
  }

  async function list(tenant: Tenant): Promise<readonly Webhook[]> {
    const { items } = await dynamo.query({
      TableName: stateTable,
      KeyConditionExpression: 'pk = :pk',
      ExpressionAttributeValues: { ':pk': { S: webhookKey(tenant, '').pk } },
      ConsistentRead: true,
    });
    return items.map((item) => parseWebhook(JSON.parse(text(item, 'record')))).sort(byWebhookAge);
  }

  return {
    list,
    async add(webhook) {
      if (!(await write(webhookItem(webhook), ABSENT))) throw webhookChanged();
    },
    async set(webhook) {
      const next = { ...webhook, version: webhook.version + 1 };
      if (!(await write(webhookItem(next), seen(webhook.version)))) throw webhookChanged();
    },
    async remove(tenant, id) {
      const key = keyOf(webhookKey(tenant, id));
      const isThere = (await dynamo.get(stateTable, key)) !== undefined;
      // First: nothing is written into the log of a webhook that is not there.
      await dynamo.batchDelete(stateTable, [key]);
      const lines = await keysIn(deliveryKey(tenant, id, '').pk);
      await dynamo.batchDelete(stateTable, lines.map(keyOf));
      return isThere;
    },
    enqueue: (delivery) => write(deliveryItem(delivery), ABSENT),
    async delivery(tenant, webhook, id) {
      const item = await dynamo.get(stateTable, keyOf(deliveryKey(tenant, webhook, id)));
      const found = item && parseDelivery(JSON.parse(text(item, 'record')));
      return found && isKeptDelivery(found, clock.now()) ? found : null;
    },
    async update(delivery) {
      const next = { ...delivery, version: delivery.version + 1 };
      if (!(await write(deliveryItem(next), seen(delivery.version)))) throw webhookChanged();
    },
    async log(tenant, webhook, page) {
      const [before] = (decodeCursor(page?.cursor, ['string']) ?? []) as [string?];
      const limit = pageSize(page);
      const items: WebhookDelivery[] = [];
      let start: Item | undefined = before ? keyOf(deliveryKey(tenant, webhook, before)) : undefined;
      do {
        const found = await dynamo.query({
          TableName: stateTable,
          KeyConditionExpression: 'pk = :pk',
          ExpressionAttributeValues: { ':pk': { S: deliveryKey(tenant, webhook, '').pk } },
          ScanIndexForward: false,
          ConsistentRead: true,
          Limit: limit + 1,
          ...(start && { ExclusiveStartKey: start }),
        });
        const read = found.items.map((item) => parseDelivery(JSON.parse(text(item, 'record'))));
        items.push(...read.filter((one) => isKeptDelivery(one, clock.now())));
        start = found.next;
      } while (start && items.length <= limit);
      const last = items.slice(0, limit).at(-1);
      return {
        items: items.slice(0, limit),
        cursor: last && items.length > limit ? encodeCursor([last.id]) : null,
      };
    },
    async forget(tenant, turns) {
      const keys = (await list(tenant)).flatMap(({ id }) =>
        turns.map((turn) => keyOf(deliveryKey(tenant, id, deliveryIdOf(id, turn)))),
      );
      await dynamo.batchDelete(stateTable, keys);
    },
    async close() {
      dynamo.close();
    },
  };
}

const ABSENT: Expression = { condition: 'attribute_not_exists(#pk)', values: {} };
const seen = (version: number): Expression => ({ condition: '#version = :seen', values: { seen: version } });

function webhookItem(webhook: Webhook): Item {
  const { tenant, id, version } = webhook;
  return toItem({ ...webhookKey(tenant, id), version, record: JSON.stringify(webhook) });
}

function deliveryItem(delivery: WebhookDelivery): Item {
  const { tenant, webhook, id, version, expiresAtMs } = delivery;
  const record = JSON.stringify(delivery);
  return toItem({ ...deliveryKey(tenant, webhook, id), version, record, ttl: epochSec(expiresAtMs) });
}
