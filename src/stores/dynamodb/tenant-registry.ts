// Tenants and the audit log in the state table. Their partitions begin with `#`, which begins no tenant's key: whoever is
// bound to one tenant (design/tenants.md) reaches none of this. A change is one transaction: the record, if it has the
// version that it was made from; its bots, if they are free; the line of the audit log.
import { randomUUID } from 'node:crypto';
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb';
import type { Tenant } from '../../core/ids.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { AuditEntry, TenantRegistry } from '../../core/ports/tenants.ts';
import type { TenantRecord } from '../../core/tenants.ts';
import { storeError } from '../rules/errors.ts';
import { decodeCursor, encodeCursor, pageSize } from '../rules/paging.ts';
import { auditRow, readAuditEntry, readTenant, type StoredFields, tenantRow } from '../rules/tenant-rows.ts';
import {
  auditEntry,
  changedTenant,
  newTenant,
  removedTenant,
  requireSmallSettings,
  requireVersion,
  type TenantWrite,
  tenantError,
} from '../rules/tenants.ts';
import { createDynamo, expression, keyOf, mayHaveHappened } from './client.ts';
import { ABSENT } from './conditions.ts';
import { type Item, number, text, toItem } from './items.ts';
import { createDynamoClient, type DynamoConnection } from './session-store.ts';
import { AUDIT_PARTITION, auditKey, botKeyOf, TENANTS_PARTITION, tenantKey } from './tables.ts';

export interface DynamoTenantRegistryOptions extends DynamoConnection {
  readonly stateTable: string;
  readonly clock: Clock;
}

export function createDynamoTenantRegistry(options: DynamoTenantRegistryOptions): TenantRegistry {
  const { stateTable: TableName, clock } = options;
  const client = options.client ?? createDynamoClient(options);
  const dynamo = createDynamo(client);

  async function find(tenant: Tenant): Promise<{ record: TenantRecord; token: string } | null> {
    const item = await dynamo.get(TableName, keyOf(tenantKey(tenant)));
    return item ? { record: recordOf(item), token: text(item, 'last_write') } : null;
  }

  /** null: done. Otherwise what did not hold: the record's condition, or a bot that somebody has. */
  async function write(
    { record, entry, gained, lost }: TenantWrite,
    condition: Parameters<typeof expression>[0],
  ): Promise<'record' | 'bot' | null> {
    const token = randomUUID();
    const Item = recordItem(record, token);
    const own = { condition: '#tenant = :tenant', values: { tenant: record.tenant } };
    const writes: TransactWriteItem[] = [
      { Put: { TableName, Item, ...expression(condition) } },
      { Put: { TableName, Item: entryItem(entry) } },
      ...lost.map((bot) => ({ Delete: { TableName, Key: botItemKey(bot), ...expression(own) } })),
      ...gained.map((bot) => ({
        Put: {
          TableName,
          Item: { ...botItemKey(bot), tenant: { S: record.tenant } },
          ...expression({ condition: ABSENT }),
        },
      })),
    ];
    try {
      const cancelled = await dynamo.transact(writes);
      return cancelled === null ? null : cancelled[0] ? 'record' : 'bot';
    } catch (error) {
      if (mayHaveHappened(error) && (await find(record.tenant))?.token === token) return null;
      throw error;
    }
  }

  return {
    async add(name, settings, by) {
      requireSmallSettings(settings);
      const made = newTenant(name, settings, by, clock.now());
      const failed = await write(made, { condition: ABSENT });
      if (failed) throw tenantError(failed === 'bot' ? 'bot-taken' : 'tenant-exists');
      return made.record;
    },

    async get(tenant) {
      return (await find(tenant))?.record ?? null;
    },

    async findBot(channel, bot) {
      const item = await dynamo.get(TableName, botItemKey({ channel, bot }));
      return item ? ((await find(text(item, 'tenant') as Tenant))?.record ?? null) : null;
    },

    async list(listOptions) {
      const [after] = decodeCursor(listOptions?.cursor, ['string']) ?? [];
      const page = await dynamo.query({
        TableName,
        KeyConditionExpression: 'pk = :pk',
        ExpressionAttributeValues: { ':pk': { S: TENANTS_PARTITION } },
        ConsistentRead: true,
        Limit: pageSize(listOptions),
        ...(after !== undefined && { ExclusiveStartKey: keyOf(tenantKey(String(after) as Tenant)) }),
      });
      const items = page.items.map(recordOf);
      // One full page may be the last one: the next is then empty.
      return { items, cursor: page.next ? encodeCursor([items.at(-1)?.tenant ?? '']) : null };
    },

    async set(tenant, change, version, by) {
      requireSmallSettings(change.settings);
      const changed = changedTenant((await find(tenant))?.record, change, version, by, clock.now());
      const failed = await write(changed, { condition: '#version = :version', values: { version } });
      if (failed === 'bot') throw tenantError('bot-taken');
      if (failed) {
        requireVersion((await find(tenant))?.record, version);
        throw storeError('contended');
      }
      return changed.record;
    },

    async remove(tenant, version, by) {
      const found = await find(tenant);
      if (!found) return;
      const record = requireVersion(found.record, version);
      const Key = keyOf(tenantKey(tenant));
      const condition = expression({ condition: '#version = :version', values: { version } });
      const cancelled = await dynamo.transact([
        { Delete: { TableName, Key, ...condition } },
        { Put: { TableName, Item: entryItem(removedTenant(record, by, clock.now())) } },
        ...record.settings.bots.map((bot) => ({ Delete: { TableName, Key: botItemKey(bot) } })),
      ]);
      if (!cancelled) return;
      const now = await find(tenant);
      if (now) requireVersion(now.record, version);
    },

    audit: {
      async append(act) {
        const entry = auditEntry(act, clock.now());
        await dynamo.put(TableName, entryItem(entry));
        return entry;
      },

      async list(listOptions = {}) {
        const { tenant } = listOptions;
        const limit = pageSize(listOptions);
        const [before] = decodeCursor(listOptions.cursor, ['string']) ?? [];
        let start = before === undefined ? undefined : keyOf(auditKey(String(before)));
        const found: AuditEntry[] = [];
        do {
          const page = await dynamo.query({
            TableName,
            KeyConditionExpression: 'pk = :pk',
            ExpressionAttributeValues: {
              ':pk': { S: AUDIT_PARTITION },
              ...(tenant !== undefined && { ':tenant': { S: tenant } }),
            },
            ...(tenant !== undefined && {
              FilterExpression: '#tenant = :tenant',
              ExpressionAttributeNames: { '#tenant': 'tenant' },
            }),
            ConsistentRead: true,
            ScanIndexForward: false,
            ...(start && { ExclusiveStartKey: start }),
          });
          found.push(...page.items.map(entryOf));
          start = page.next;
        } while (start && found.length <= limit);
        const items = found.slice(0, limit);
        return { items, cursor: found.length > limit ? encodeCursor([items.at(-1)?.id ?? '']) : null };
      },
    },

    async close() {
      dynamo.close();
      if (!options.client) client.destroy();
    },
  };
}

function botItemKey({ channel, bot }: { readonly channel: string; readonly bot: string }): Item {
  return keyOf(botKeyOf(channel, bot));
}

function recordItem(record: TenantRecord, token: string): Item {
  return toItem({ ...tenantKey(record.tenant), ...tenantRow(record), last_write: token });
}

function recordOf(item: Item): TenantRecord {
  return readTenant(fieldsOf(item));
}

function entryItem(entry: AuditEntry): Item {
  const { tenant, ...row } = auditRow(entry);
  return toItem({ ...auditKey(entry.id), ...row, tenant: tenant ?? undefined });
}

function entryOf(item: Item): AuditEntry {
  return readAuditEntry(text(item, 'sk'), fieldsOf(item));
}

function fieldsOf(item: Item): StoredFields {
  return {
    text: (name) => text(item, name),
    number: (name) => number(item, name),
    optional: (name) => item[name]?.S ?? null,
  };
}
