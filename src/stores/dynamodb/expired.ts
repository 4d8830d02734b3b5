// What is left of sessions whose retention is over, for the sweep. DynamoDB deletes heads by itself a day later, but
// nothing would remove their objects then as soon; so they are found before. Lines of the ledger are left to it.
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb';
import type { ExpiredSessions } from '../../core/ports/store.ts';
import { expression, keyOf } from './client.ts';
import { HELD, held, lost } from './commit.ts';
import { alive, type Item, number, readHead } from './items.ts';
import { HEADS_INDEX, headKey, mappingKey, type StateKey } from './tables.ts';
import type { DynamoParts } from './turns.ts';

export function createExpired({ dynamo, mappingTable, stateTable, clock }: DynamoParts): ExpiredSessions {
  const deletion = (table: string, key: Item, condition: Parameters<typeof expression>[0]) =>
    ({ Delete: { TableName: table, Key: key, ...expression(condition) } }) satisfies TransactWriteItem;

  return {
    /** Reads the whole index of heads, about 200 bytes a session: for a sweep now and then. */
    async list(limit) {
      const nowSec = Math.floor(clock.now() / 1000);
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
        .filter((item) => !alive(item, clock.now()))
        .map(readHead)
        .sort((a, b) => a.expiresAtSec - b.expiresAtSec);
    },

    async remove(lease) {
      const { tenant, sessionId, sessionKey } = lease;
      const head = deletion(stateTable, keyOf(headKey(tenant, sessionId)), {
        condition: HELD,
        values: held(lease),
      });
      if (await dynamo.transact([head])) throw lost();
      // Points at nothing now. One that lives points elsewhere and stays.
      const mapping = deletion(mappingTable, mappingKey(sessionKey), {
        condition: '#session_id = :session AND #ttl <= :now',
        values: { session: sessionId, now: Math.floor(clock.now() / 1000) },
      });
      await dynamo.transact([mapping]);
    },
  };
}
