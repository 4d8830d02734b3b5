// Places on the state table: one item per place, and one that counts them, changed together:
//
//   put the place, if it is not there    +    count = count + 1, if count < limit
//
// So a repeat takes nothing, and inlets that take at once never take too much. Places that the table's time to live has
// removed are still counted: a list that looks full is counted anew before anybody is turned away.
import { systemClock } from '../../core/clock.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { PlaceHolder, PlaceList, Places } from '../../core/ports/places.ts';
import type { UsageAccount } from '../../core/ports/usage.ts';
import { storeError } from '../rules/errors.ts';
import { epochSec, expiryOf } from '../rules/retention.ts';
import { createDynamo, expression, keyOf } from './client.ts';
import { type Item, isLiveItem, number, text, toItem } from './items.ts';
import { createDynamoClient, type DynamoConnection } from './session-store.ts';
import { placeKey, placesPartition, type StateKey } from './tables.ts';

export interface DynamoPlacesOptions extends DynamoConnection {
  readonly stateTable: string;
  readonly clock?: Clock;
}

const RECOUNTS = 20;

export function createDynamoPlaces(options: DynamoPlacesOptions): Places {
  const { stateTable, clock = systemClock } = options;
  const dynamo = createDynamo(options.client ?? createDynamoClient(options));

  async function itemsOf(account: UsageAccount, prefix = ''): Promise<readonly Item[]> {
    const found: Item[] = [];
    let start: Item | undefined;
    do {
      const page = await dynamo.query({
        TableName: stateTable,
        KeyConditionExpression: prefix ? 'pk = :pk AND begins_with(sk, :prefix)' : 'pk = :pk',
        ExpressionAttributeValues: {
          ':pk': { S: placesPartition(account) },
          ...(prefix && { ':prefix': { S: prefix } }),
        },
        ConsistentRead: true,
        ...(start && { ExclusiveStartKey: start }),
      });
      found.push(...page.items);
      start = page.next;
    } while (start);
    return found;
  }

  async function holders(list: PlaceList): Promise<readonly PlaceHolder[]> {
    const items = await itemsOf(list, placeKey(list, '').sk);
    return items
      .filter((item) => isLiveItem(item, clock.now(), 'ttl'))
      .map((item) => ({ holder: text(item, 'holder'), takenAtMs: number(item, 'taken_at_ms') }));
  }

  async function tryToTake(list: PlaceList, holder: string, limit: number, keepSec: number) {
    const nowMs = clock.now();
    const ttl = expiryOf(nowMs, keepSec);
    const cancelled = await dynamo.transact([
      {
        Put: {
          TableName: stateTable,
          Item: toItem({ ...placeKey(list, holder), holder, taken_at_ms: nowMs, ttl }),
          ...expression({
            condition: 'attribute_not_exists(#pk) OR #ttl <= :now',
            values: { now: epochSec(nowMs) },
          }),
        },
      },
      {
        Update: {
          TableName: stateTable,
          Key: keyOf(countKey(list)),
          ...requireUpdate({
            update: 'ADD #places :one SET #ttl = :ttl',
            condition: 'attribute_not_exists(#places) OR #places < :limit',
            values: { one: 1, limit, ttl },
          }),
        },
      },
    ]);
    if (cancelled === null) return 'taken';
    return cancelled[0] ? 'held' : 'full';
  }

  /** False when the list is as full as it says. */
  async function recount(list: PlaceList): Promise<boolean> {
    const [counted, held] = await Promise.all([dynamo.get(stateTable, keyOf(countKey(list))), holders(list)]);
    if (!counted) return true;
    const places = number(counted, 'places');
    if (places <= held.length) return false;
    // Whoever changed the count meanwhile is right, and this is looked at again.
    await dynamo.update(stateTable, countKey(list), {
      update: 'SET #places = :held',
      condition: '#places = :seen',
      values: { held: held.length, seen: places },
    });
    return true;
  }

  async function leave(list: PlaceList, holder: string): Promise<void> {
    await dynamo.transact([
      {
        Delete: {
          TableName: stateTable,
          Key: keyOf(placeKey(list, holder)),
          ...expression({ condition: '#ttl > :now', values: { now: epochSec(clock.now()) } }),
        },
      },
      {
        Update: {
          TableName: stateTable,
          Key: keyOf(countKey(list)),
          ...requireUpdate({ update: 'ADD #places :less', values: { less: -1 } }),
        },
      },
    ]);
  }

  return {
    async take(list, holder, { limit, keepSec }) {
      if (limit <= 0) return 'full';
      for (let tries = 0; tries < RECOUNTS; tries++) {
        const outcome = await tryToTake(list, holder, limit, keepSec);
        if (outcome !== 'full' || !(await recount(list))) return outcome;
      }
      throw storeError('contended');
    },
    holders,
    async leave(list, all) {
      for (const holder of all) await leave(list, holder);
    },
    async erase(account) {
      const items = await itemsOf(account);
      await dynamo.batchDelete(
        stateTable,
        items.map((item) => keyOf({ pk: text(item, 'pk'), sk: text(item, 'sk') })),
      );
    },
    async close() {
      dynamo.close();
    },
  };
}

function countKey({ list, ...account }: PlaceList): StateKey {
  return { pk: placesPartition(account), sk: list };
}

/** A transaction wants the expression's `UpdateExpression` present in the type. */
function requireUpdate(e: Parameters<typeof expression>[0] & { readonly update: string }) {
  return { ...expression(e), UpdateExpression: e.update };
}
