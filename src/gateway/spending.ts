// Lets a request out only while every budget it falls under has something left. Requests that are under way count with
// what they may come to at most, so many at once overdraw a budget by no more than one of them; a request that would
// only fail for what is under way waits for the end of that.
import type { Clock } from '../core/ports/clock.ts';
import { type Cost, isReached, type Limit, NOTHING, spentText } from './budgets.ts';
import type { UsageBook } from './usage-book.ts';

export interface Spending {
  /** Resolves when the request may go out. `release` when it has been counted; `refusal` is for the person to read. */
  admit(
    limits: readonly Limit[],
    cost: Cost,
    signal: AbortSignal,
  ): Promise<{ readonly release: () => void } | { readonly refusal: string }>;
}

export function createSpending(book: UsageBook, clock: Clock): Spending {
  const underWay = new Map<string, Cost & { readonly requests: number }>();
  let released = Promise.withResolvers<void>();

  function change(limits: readonly Limit[], { nanoUsd, tokens }: Cost, by: 1 | -1): void {
    for (const key of limits.map(keyOf)) {
      const before = underWay.get(key) ?? { ...NOTHING, requests: 0 };
      const after = {
        nanoUsd: before.nanoUsd + by * nanoUsd,
        tokens: before.tokens + by * tokens,
        requests: before.requests + by,
      };
      if (after.requests > 0) underWay.set(key, after);
      else underWay.delete(key);
    }
  }

  async function nextRelease(signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const sleeping = clock.sleep(LOOK_AGAIN_MS, AbortSignal.any([signal, woken.signal]));
    await Promise.race([released.promise, sleeping]);
    woken.abort();
  }

  return {
    async admit(limits, cost, signal) {
      for (;;) {
        const spent = limits.length === 0 ? [] : await book.read(limits.map(({ counter }) => counter));
        const used = limits.map((limit, index) => ({ limit, spent: spent[index]! }));
        const reached = used.find(({ limit, spent }) => isReached(limit, spent));
        if (reached) return { refusal: spentText(reached.limit) };
        const isFull = used.some(({ limit, spent }) => isReached(limit, spent, underWay.get(keyOf(limit))));
        if (!isFull) break;
        await nextRelease(signal);
        signal.throwIfAborted();
      }
      change(limits, cost, 1);
      let isOpen = true;
      return {
        release() {
          if (!isOpen) return;
          isOpen = false;
          change(limits, cost, -1);
          released.resolve();
          released = Promise.withResolvers();
        },
      };
    },
  };
}

/** A safeguard: whoever waits is woken by a release. */
const LOOK_AGAIN_MS = 5_000;

function keyOf({ counter: { tenant, scope, id, period, start } }: Limit): string {
  return JSON.stringify([tenant, scope, id, period, start]);
}
