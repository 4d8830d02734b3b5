// Notes on linked conversations: an item each in a partition of their tenant, read consistently, changed together in one
// transaction under the versions that were read.
import { randomUUID } from 'node:crypto';
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb';
import type { Tenant } from '../../core/ids.ts';
import type { Json } from '../../core/messages.ts';
import type { SessionStore } from '../../core/ports/store.ts';
import { changedLink, liveLink, type StoredLink } from '../rules/links.ts';
import { epochSec } from '../rules/retention.ts';
import { expression, keyOf } from './client.ts';
import { type Item, number, text, toItem } from './items.ts';
import { linkKey } from './tables.ts';
import type { DynamoContext } from './turns.ts';

export function createLinks({
  dynamo,
  stateTable,
  clock,
}: DynamoContext): Pick<SessionStore, 'readLinks' | 'writeLinks'> {
  /** What `mayChange` asks. */
  function isAsRead(over: string | null): Parameters<typeof expression>[0] {
    const now = epochSec(clock.now());
    return over === null
      ? { condition: 'attribute_not_exists(#pk) OR #ttl <= :now', values: { now } }
      : {
          condition: '#version = :over AND (attribute_not_exists(#ttl) OR #ttl > :now)',
          values: { over, now },
        };
  }

  return {
    async readLinks(tenant: Tenant, names) {
      const read = async (name: string) => {
        const item = await dynamo.get(stateTable, keyOf(linkKey(tenant, name)));
        return liveLink(item && storedLink(item), clock.now());
      };
      return await Promise.all(names.map(read));
    },
    async writeLinks(tenant, changes) {
      const writes = changes.map((change): TransactWriteItem => {
        const key = linkKey(tenant, change.name);
        const condition = expression(isAsRead(change.over));
        const next = changedLink(change, randomUUID());
        if (!next) return { Delete: { TableName: stateTable, Key: keyOf(key), ...condition } };
        const { value, version, expiresAtSec } = next;
        const item = { ...key, value: JSON.stringify(value), version, ttl: expiresAtSec ?? undefined };
        return { Put: { TableName: stateTable, Item: toItem(item), ...condition } };
      });
      return (await dynamo.transact(writes)) === null;
    },
  };
}

function storedLink(item: Item): StoredLink {
  return {
    value: JSON.parse(text(item, 'value')) as Json,
    version: text(item, 'version'),
    expiresAtSec: item.ttl ? number(item, 'ttl') : null,
  };
}
