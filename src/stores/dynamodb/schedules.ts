// Schedules on the state table: one partition for each conversation, an item for each schedule and one for its time zone. What
// ended goes by the table's time to live. There is no clock here: the platform wakes.
import { systemClock } from '../../core/clock.ts';
import type { SessionKey } from '../../core/ids.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { ScheduleStore } from '../../core/ports/schedules.ts';
import { parseSchedule, type Schedule } from '../../core/schedule.ts';
import { epochSec } from '../rules/retention.ts';
import { byAge, isKept, scheduleChanged } from '../rules/schedules.ts';
import { createDynamo, expression, keyOf } from './client.ts';
import { type Item, text, toItem } from './items.ts';
import { createDynamoClient, type DynamoConnection } from './session-store.ts';
import { schedulesPartition } from './tables.ts';

export interface DynamoSchedulesOptions extends DynamoConnection {
  readonly stateTable: string;
  readonly clock?: Clock;
}

const SCHEDULE = 'schedule#';
const TIME_ZONE = 'time-zone';

export function createDynamoSchedules(options: DynamoSchedulesOptions): ScheduleStore {
  const { stateTable, clock = systemClock } = options;
  const dynamo = createDynamo(options.client ?? createDynamoClient(options));
  const zoneKey = (key: SessionKey) => ({ pk: schedulesPartition(key), sk: TIME_ZONE });

  async function itemsOf(key: SessionKey, prefix = ''): Promise<readonly Item[]> {
    const found: Item[] = [];
    let start: Item | undefined;
    do {
      const page = await dynamo.query({
        TableName: stateTable,
        KeyConditionExpression: prefix ? 'pk = :pk AND begins_with(sk, :prefix)' : 'pk = :pk',
        ExpressionAttributeValues: {
          ':pk': { S: schedulesPartition(key) },
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

  function itemOf(schedule: Schedule) {
    const { sessionKey, id, version, expiresAtMs } = schedule;
    return toItem({
      pk: schedulesPartition(sessionKey),
      sk: `${SCHEDULE}${id}`,
      session_key: sessionKey,
      version,
      record: JSON.stringify(schedule),
      ...(expiresAtMs !== null && { ttl: epochSec(expiresAtMs) }),
    });
  }

  return {
    async add(schedule) {
      const condition = { condition: 'attribute_not_exists(#pk)', values: {} };
      const cancelled = await dynamo.transact([
        { Put: { TableName: stateTable, Item: itemOf(schedule), ...expression(condition) } },
      ]);
      return cancelled === null;
    },
    async list(key) {
      const items = await itemsOf(key, SCHEDULE);
      return items
        .map((item) => parseSchedule(JSON.parse(text(item, 'record'))))
        .filter((one) => isKept(one, clock.now()))
        .sort(byAge);
    },
    async set(schedule) {
      const next = { ...schedule, version: schedule.version + 1 };
      const condition = { condition: '#version = :seen', values: { seen: schedule.version } };
      const cancelled = await dynamo.transact([
        { Put: { TableName: stateTable, Item: itemOf(next), ...expression(condition) } },
      ]);
      if (cancelled !== null) throw scheduleChanged();
    },
    async timeZoneOf(key) {
      const item = await dynamo.get(stateTable, keyOf(zoneKey(key)));
      return item ? text(item, 'time_zone') : null;
    },
    async setTimeZone(key, timeZone) {
      if (timeZone === null) {
        await dynamo.batchDelete(stateTable, [keyOf(zoneKey(key))]);
        return;
      }
      const item = toItem({ ...zoneKey(key), session_key: key, time_zone: timeZone });
      await dynamo.transact([{ Put: { TableName: stateTable, Item: item } }]);
    },
    async erase(key) {
      const items = await itemsOf(key);
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
