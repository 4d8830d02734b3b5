// What both tables keep of one tenant: every item whose partition begins with it, found by reading the tables through.
// That costs a read of everything, so it is for erasure only, and wants `dynamodb:Scan`, which no function has.
import { type SessionKey, type Tenant, tenantOf } from '../../core/ids.ts';
import type { TenantHoldings } from '../../core/ports/tenants.ts';
import { createDynamo } from './client.ts';
import type { Item } from './items.ts';
import { createDynamoClient, type DynamoConnection } from './session-store.ts';
import { partitionPrefixes } from './tables.ts';

export interface DynamoTenantHoldingsOptions extends DynamoConnection {
  readonly mappingTable: string;
  readonly stateTable: string;
}

/** By the second part of the partition key; whatever else is found is counted under its own word. */
const KINDS: Readonly<Record<string, string>> = {
  session: 'sessions',
  turn: 'turns',
  conversation: 'orders of turns',
  events: 'events',
  usage: 'usage',
  links: 'links',
  places: 'places',
  schedules: 'schedules',
  webhooks: 'webhooks',
  deliveries: 'webhook messages',
};

export function createDynamoTenantHoldings(options: DynamoTenantHoldingsOptions): TenantHoldings {
  const { mappingTable, stateTable } = options;
  const dynamo = createDynamo(options.client ?? createDynamoClient(options));

  async function* itemsOf(table: 'mapping' | 'state', tenant: Tenant): AsyncGenerator<readonly Item[]> {
    const [TableName, key] = table === 'mapping' ? [mappingTable, 'session_key'] : [stateTable, 'pk'];
    const fields = table === 'mapping' ? '#key' : '#key, sk, session_key';
    let start: Item | undefined;
    do {
      const page = await dynamo.scan({
        TableName,
        FilterExpression: 'begins_with(#key, :prefix)',
        ProjectionExpression: fields,
        ExpressionAttributeNames: { '#key': key },
        ExpressionAttributeValues: { ':prefix': { S: partitionPrefixes(tenant)[table] } },
        ConsistentRead: true,
        ...(start && { ExclusiveStartKey: start }),
      });
      yield page.items;
      start = page.next;
    } while (start);
  }

  return {
    async conversations(tenant) {
      const keys = new Set<SessionKey>();
      for (const table of ['mapping', 'state'] as const) {
        for await (const items of itemsOf(table, tenant)) {
          for (const item of items) {
            const key = item.session_key?.S as SessionKey | undefined;
            // A very long key is stored as a digest in the mapping; the head tells it whole.
            if (key && tenantOf(key) === tenant && !key.includes('~')) keys.add(key);
          }
        }
      }
      return [...keys];
    },

    async count(tenant) {
      const counts: Record<string, number> = { conversations: 0 };
      for (const kind of Object.values(KINDS)) counts[kind] = 0;
      for await (const items of itemsOf('mapping', tenant)) counts.conversations! += items.length;
      for await (const items of itemsOf('state', tenant)) {
        for (const item of items) {
          const word = item.pk?.S?.split('#')[1] ?? '';
          const kind = KINDS[word] ?? word;
          counts[kind] = (counts[kind] ?? 0) + 1;
        }
      }
      return counts;
    },

    async erase(tenant) {
      for await (const items of itemsOf('state', tenant)) {
        await dynamo.batchDelete(
          stateTable,
          items.map(({ pk, sk }) => ({ pk: pk!, sk: sk! })),
        );
      }
      for await (const items of itemsOf('mapping', tenant)) {
        await dynamo.batchDelete(
          mappingTable,
          items.map(({ session_key }) => ({ session_key: session_key! })),
        );
      }
    },
  };
}
