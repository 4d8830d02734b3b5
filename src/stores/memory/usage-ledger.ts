// The usage ledger in memory: for tests, and for a gateway whose figures need not outlive it.
import { systemClock } from '../../core/clock.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { UsageAccount, UsageCounter, UsageLedger, UsageTotals } from '../../core/ports/usage.ts';
import { keepSec, NO_USAGE, newestFirst, sumUsage } from '../../core/usage-counters.ts';
import { storeError } from '../rules/errors.ts';

interface Kept {
  readonly counter: UsageCounter;
  readonly usage: UsageTotals;
  readonly untilMs: number;
}

export function createMemoryUsageLedger(options: { readonly clock?: Clock } = {}): UsageLedger {
  const clock = options.clock ?? systemClock;
  const kept = new Map<string, Kept>();
  let isClosed = false;

  function requireOpen(): void {
    if (isClosed) throw storeError('store-closed');
  }

  function find(counter: UsageCounter): UsageTotals {
    const found = kept.get(keyOf(counter));
    return found && found.untilMs > clock.now() ? found.usage : NO_USAGE;
  }

  return {
    async add(counters, usage) {
      requireOpen();
      for (const [key, { untilMs }] of kept) if (untilMs <= clock.now()) kept.delete(key);
      for (const counter of counters) {
        const untilMs = clock.now() + keepSec(counter) * 1_000;
        kept.set(keyOf(counter), { counter: { ...counter }, usage: sumUsage(find(counter), usage), untilMs });
      }
    },
    async read(counters) {
      requireOpen();
      return counters.map(find);
    },
    async history(account) {
      requireOpen();
      return [...kept.values()]
        .filter(({ counter, untilMs }) => isOf(counter, account) && untilMs > clock.now())
        .map(({ counter, usage }) => ({ ...counter, usage }))
        .sort(newestFirst);
    },
    async erase(account) {
      requireOpen();
      for (const [key, { counter }] of kept) if (isOf(counter, account)) kept.delete(key);
    },
    async close() {
      isClosed = true;
    },
  };
}

function keyOf({ tenant, scope, id, period, start }: UsageCounter): string {
  return JSON.stringify([tenant, scope, id, period, start]);
}

function isOf(counter: UsageCounter, { tenant, scope, id }: UsageAccount): boolean {
  return counter.tenant === tenant && counter.scope === scope && counter.id === id;
}
