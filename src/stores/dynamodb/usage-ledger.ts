// The usage ledger on the state table: one item per counter, changed by `ADD` only, so workers add at once without a
// conflict. The adds of one call are separate writes: one that fails leaves the others counted. The AWS client sends an
// add again when its answer was lost, so a counter may count a call twice then, and never too little.

import { systemClock } from '../../core/clock.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { UsageAccount, UsageCounter, UsageLedger, UsageTotals } from '../../core/ports/usage.ts';
import { keepSec, NO_USAGE, newestFirst } from '../../core/usage-counters.ts';
import { expiryOf } from '../rules/retention.ts';
import { createDynamo, keyOf } from './client.ts';
import { type Item, isLiveItem, number, text } from './items.ts';
import { createDynamoClient, type DynamoConnection } from './session-store.ts';
import { type StateKey, usagePartition } from './tables.ts';

export interface DynamoUsageLedgerOptions extends DynamoConnection {
  readonly stateTable: string;
  readonly clock?: Clock;
}

const ADD = [
  '#calls :calls',
  '#input_tokens :input_tokens',
  '#output_tokens :output_tokens',
  '#cache_read_tokens :cache_read_tokens',
  '#cache_write_tokens :cache_write_tokens',
  '#cost_nano_usd :cost_nano_usd',
].join(', ');

export function createDynamoUsageLedger(options: DynamoUsageLedgerOptions): UsageLedger {
  const { stateTable, clock = systemClock } = options;
  const dynamo = createDynamo(options.client ?? createDynamoClient(options));

  async function itemsOf(account: UsageAccount): Promise<readonly Item[]> {
    const found: Item[] = [];
    let start: Item | undefined;
    do {
      const page = await dynamo.query({
        TableName: stateTable,
        KeyConditionExpression: 'pk = :pk',
        ExpressionAttributeValues: { ':pk': { S: usagePartition(account) } },
        ConsistentRead: true,
        ...(start && { ExclusiveStartKey: start }),
      });
      found.push(...page.items);
      start = page.next;
    } while (start);
    return found;
  }

  return {
    async add(counters, usage) {
      await Promise.all(
        counters.map((counter) =>
          dynamo.update(stateTable, counterKey(counter), {
            update: `ADD ${ADD} SET #ttl = :ttl, #period = :period, #start = :start`,
            values: {
              calls: usage.calls,
              input_tokens: usage.inputTokens,
              output_tokens: usage.outputTokens,
              cache_read_tokens: usage.cacheReadTokens,
              cache_write_tokens: usage.cacheWriteTokens,
              cost_nano_usd: usage.costNanoUsd,
              ttl: expiryOf(clock.now(), keepSec(counter)),
              period: counter.period,
              start: counter.start,
            },
          }),
        ),
      );
    },
    async read(counters) {
      // A batch takes no key twice.
      const keys = new Map(counters.map(counterKey).map((key) => [`${key.pk} ${key.sk}`, keyOf(key)]));
      const items = await dynamo.batchGet(stateTable, [...keys.values()]);
      const live = items.filter((item) => isLiveItem(item, clock.now(), 'ttl'));
      const byKey = new Map(live.map((item) => [`${text(item, 'pk')} ${text(item, 'sk')}`, usageOf(item)]));
      return counters.map((counter) => {
        const { pk, sk } = counterKey(counter);
        return byKey.get(`${pk} ${sk}`) ?? NO_USAGE;
      });
    },
    async history(account) {
      const items = (await itemsOf(account)).filter((item) => isLiveItem(item, clock.now(), 'ttl'));
      const { tenant, scope, id } = account;
      return items
        .map((item) => ({
          ...{ tenant, scope, id, start: text(item, 'start') },
          period: text(item, 'period') as UsageCounter['period'],
          usage: usageOf(item),
        }))
        .sort(newestFirst);
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

function counterKey(counter: UsageCounter): StateKey {
  return { pk: usagePartition(counter), sk: `${counter.period}#${counter.start}` };
}

function usageOf(item: Item): UsageTotals {
  return {
    calls: number(item, 'calls'),
    inputTokens: number(item, 'input_tokens'),
    outputTokens: number(item, 'output_tokens'),
    cacheReadTokens: number(item, 'cache_read_tokens'),
    cacheWriteTokens: number(item, 'cache_write_tokens'),
    costNanoUsd: number(item, 'cost_nano_usd'),
  };
}
