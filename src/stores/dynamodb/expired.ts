// What is left of sessions whose retention is over, for the sweep. DynamoDB deletes heads by itself a day later, but
// nothing would name their objects then; so they are found before. Lines of the ledger are left to DynamoDB.
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb';
import type { ExpiredSessions } from '../../core/ports/store.ts';
import { storeError } from '../rules/errors.ts';
import { requireHeld } from '../rules/lease.ts';
import { epochSec } from '../rules/retention.ts';
import { expression, keyOf } from './client.ts';
import { HELD, heldValues } from './conditions.ts';
import { type Item, isLiveItem, number, readHead, readLeaseState } from './items.ts';
import { HEADS_INDEX, headKey, mappingKey, type StateKey } from './tables.ts';
import type { DynamoContext } from './turns.ts';

export function createExpired({ dynamo, mappingTable, stateTable, clock }: DynamoContext): ExpiredSessions {
  const deletion = (table: string, key: Item, condition: Parameters<typeof expression>[0]) =>
    ({
      Delete: {
        TableName: table,
        Key: key,
        ...expression(condition),
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      },
    }) satisfies TransactWriteItem;

  return {
    /** Reads the whole index of heads, about 200 bytes a session: for a sweep now and then. */
    async list(limit) {
      const nowSec = epochSec(clock.now());
      const found: { key: StateKey; expiresAtSec: number }[] = [];
      let start: Item | undefined;
      do {
        const page = await dynamo.scan({
          TableName: stateTable,
          IndexName: HEADS_INDEX,
          FilterExpression: 'expires_at <= :now',
          ExpressionAttributeValues: { ':now': { N: String(nowSec) } },
          ...(start && { ExclusiveStartKey: start }),
        });
        for (const item of page.items) {
          const key = { pk: item.pk?.S ?? '', sk: item.sk?.S ?? '' };
          found.push({ key, expiresAtSec: number(item, 'expires_at') });
        }
        start = page.next;
      } while (start);
      found.sort((a, b) => a.expiresAtSec - b.expiresAtSec);
      // The index may be a moment behind: the table says what is still there, and expired.
      const items = await dynamo.batchGet(
        stateTable,
        found.slice(0, limit).map(({ key }) => keyOf(key)),
      );
      return items
        .filter((item) => !isLiveItem(item, clock.now()))
        .map(readHead)
        .sort((a, b) => a.expiresAtSec - b.expiresAtSec);
    },

    async remove(lease) {
      const { tenant, sessionId, sessionKey } = lease;
      const head = deletion(stateTable, keyOf(headKey(tenant, sessionId)), {
        condition: HELD,
        values: heldValues(lease),
      });
      const cancelled = await dynamo.transact([head]);
      if (cancelled) {
        const item = cancelled[0]?.item;
        requireHeld(item && readLeaseState(item), lease);
        throw storeError('contended');
      }
      // An expired mapping that pointed at this session goes too; a live one stays.
      const mapping = deletion(mappingTable, mappingKey(sessionKey), {
        condition: '#session_id = :session AND #ttl <= :now',
        values: { session: sessionId, now: epochSec(clock.now()) },
      });
      await dynamo.transact([mapping]);
    },
  };
}
