// EventLog on the state table, for watchers on other machines than the worker. One item per append, keyed by its
// first number and put only if that number is free: numbers have no gaps, whoever writes. A waiting reader asks again
// and again (DynamoDB cannot wake it). Events are kept as long as the turn they tell of; no promise rests on them but their order.
import { randomUUID } from 'node:crypto';
import { RETENTION_SEC } from '../../core/defaults.ts';
import type { Tenant, TurnId } from '../../core/ids.ts';
import type { EventLog, LoggedEvent, TurnEvent } from '../../core/ports/channel.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { RetentionOf } from '../../core/retention.ts';
import { expiryOf } from '../rules/retention.ts';
import { isFinal, upToFinal } from '../rules/turn-events.ts';
import { createDynamo } from './client.ts';
import { type Item, isLiveItem, number, readValue, storedValue, toItem } from './items.ts';
import { createDynamoClient, type DynamoConnection } from './session-store.ts';
import { eventsKey } from './tables.ts';

/** At most this many events lie in one item, so a reader knows how far back to begin. */
const EVENTS_PER_ITEM = 64;
const MAX_TURNS_REMEMBERED = 1_000;
const MAX_ATTEMPTS = 50;

export interface DynamoEventLogOptions extends DynamoConnection {
  readonly stateTable: string;
  readonly clock: Clock;
  /** How long events are kept (default: as long as conversations are by default). */
  readonly retentionSec?: number;
  /** For a tenant that says something else. */
  readonly retentionOf?: RetentionOf;
  /** How often a waiting reader asks (default 300). */
  readonly pollMs?: number;
}

export function createDynamoEventLog(options: DynamoEventLogOptions): EventLog {
  const { stateTable, clock, retentionSec = RETENTION_SEC, retentionOf, pollMs = 300 } = options;
  const dynamo = createDynamo(options.client ?? createDynamoClient(options));
  /** The next free number of turns this process writes to; a wrong guess costs one more round trip. */
  const nextOf = new Map<string, number | 'ended'>();
  /** Appends of one turn from this process go one after the other, in the order they were called. */
  const lastOf = new Map<string, Promise<void>>();

  async function itemsFrom(tenant: Tenant, turnId: TurnId, first: number, newest: boolean): Promise<Item[]> {
    const from = eventsKey(tenant, turnId, first);
    const found: Item[] = [];
    let start: Item | undefined;
    do {
      const page = await dynamo.query({
        TableName: stateTable,
        KeyConditionExpression: 'pk = :pk AND sk >= :sk',
        ExpressionAttributeValues: { ':pk': { S: from.pk }, ':sk': { S: from.sk } },
        ConsistentRead: true,
        ScanIndexForward: !newest,
        ...(newest && { Limit: 1 }),
        ...(start && { ExclusiveStartKey: start }),
      });
      found.push(...page.items);
      start = newest ? undefined : page.next;
    } while (start);
    return found.filter((item) => isLiveItem(item, clock.now(), 'ttl'));
  }

  async function write(tenant: Tenant, turnId: TurnId, events: readonly TurnEvent[]): Promise<void> {
    const id = `${tenant}#${turnId}`;
    const ends = isFinal(events.at(-1));
    const stored = storedValue(events, 'event-too-large');
    // Tells our own put, whose answer was lost and which the client sent again, from another writer's.
    const append = randomUUID();
    const keptSec = (await retentionOf?.(tenant)) ?? retentionSec;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const first = nextOf.get(id) ?? 1;
      if (first === 'ended') return;
      const item = toItem({
        ...eventsKey(tenant, turnId, first),
        first,
        count: events.length,
        append,
        at_ms: clock.now(),
        ttl: expiryOf(clock.now(), keptSec),
        ...('inline' in stored ? { events: stored.inline } : { events_apart: true, body: stored.separate }),
      });
      const answer = await dynamo.put(stateTable, item, { condition: 'attribute_not_exists(#pk)' });
      const mine = !answer.ok && answer.item?.append?.S === append;
      if (answer.ok || mine) {
        if (nextOf.size >= MAX_TURNS_REMEMBERED) nextOf.clear();
        nextOf.set(id, ends ? 'ended' : first + events.length);
        return;
      }
      const [last] = await itemsFrom(tenant, turnId, 1, true);
      nextOf.set(id, last ? nextAfter(last) : 1);
    }
  }

  return {
    async append(tenant, turnId, events) {
      const id = `${tenant}#${turnId}`;
      const before = lastOf.get(id) ?? Promise.resolve();
      const mine = before
        .catch(() => {})
        .then(async () => {
          const all = upToFinal(events);
          for (let at = 0; at < all.length; at += EVENTS_PER_ITEM) {
            await write(tenant, turnId, all.slice(at, at + EVENTS_PER_ITEM));
          }
        });
      lastOf.set(id, mine);
      try {
        await mine;
      } finally {
        if (lastOf.get(id) === mine) lastOf.delete(id);
      }
    },

    async read(tenant, turnId, afterSequence, { waitMs, signal }) {
      const untilMs = clock.now() + waitMs;
      const from = Math.max(1, afterSequence + 2 - EVENTS_PER_ITEM);
      for (;;) {
        if (signal?.aborted) return [];
        const items = await itemsFrom(tenant, turnId, from, false);
        const news = items.flatMap(loggedEvents).filter(({ sequence }) => sequence > afterSequence);
        const leftMs = untilMs - clock.now();
        if (news.length > 0 || leftMs <= 0) return news;
        await clock.sleep(Math.min(leftMs, pollMs), signal);
      }
    },
  };
}

/** The number after this item's events. The log has ended when they end with `final`. */
function nextAfter(item: Item): number | 'ended' {
  if (isFinal(loggedEvents(item).at(-1)?.event)) return 'ended';
  return number(item, 'first') + number(item, 'count');
}

function loggedEvents(item: Item): LoggedEvent[] {
  const events = readValue<TurnEvent[]>(item, 'events', item) ?? [];
  const [first, atMs] = [number(item, 'first'), number(item, 'at_ms')];
  return events.map((event, i) => ({ sequence: first + i, atMs, event }));
}
