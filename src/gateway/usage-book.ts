// The ledger as one gateway sees it: what it added itself at once, what others added within seconds. An add that fails
// is kept and tried again with the next one, so a store that is away for a while loses nothing while this process lives.
import { errorFields, type Log } from '../core/log.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { UsageCounter, UsageLedger, UsageTotals } from '../core/ports/usage.ts';
import { NO_USAGE, sumUsage } from '../core/usage-counters.ts';

export interface UsageBook {
  read(counters: readonly UsageCounter[]): Promise<readonly UsageTotals[]>;
  /** Counts at once; written behind. */
  add(counters: readonly UsageCounter[], usage: UsageTotals): void;
  /** Resolves when everything added so far is written, or could not be. */
  written(): Promise<void>;
}

export interface UsageBookOptions {
  readonly ledger: UsageLedger;
  readonly clock: Clock;
  readonly log: Log;
}

/** Others' adds are seen after this long: so much more than its budget can be spent by several workers at once. */
const FRESH_MS = 3_000;
const MAX_KNOWN = 5_000;

interface Entry {
  readonly counters: readonly UsageCounter[];
  readonly usage: UsageTotals;
}

export function createUsageBook({ ledger, clock, log }: UsageBookOptions): UsageBook {
  const known = new Map<string, { readonly totals: UsageTotals; readonly readAtMs: number }>();
  /** Not yet in the ledger, in the order they were added. */
  const unwritten: Entry[] = [];
  let last: Promise<unknown> = Promise.resolve();

  /** Reads and writes of the ledger never overlap: what is unwritten after a read is surely not in it. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = last.then(work, work);
    last = mine.catch(() => {});
    return mine;
  }

  async function write(): Promise<void> {
    for (let entry = unwritten[0]; entry; entry = unwritten[0]) {
      try {
        await ledger.add(entry.counters, entry.usage);
      } catch (error) {
        log('error', 'usage-not-written', { entries: unwritten.length, ...errorFields(error) });
        return;
      }
      unwritten.shift();
    }
  }

  function isOld(counter: UsageCounter): boolean {
    const found = known.get(keyOf(counter));
    return !found || clock.now() - found.readAtMs >= FRESH_MS;
  }

  async function refresh(counters: readonly UsageCounter[]): Promise<void> {
    const old = counters.filter(isOld);
    if (old.length === 0) return;
    await write();
    const readAtMs = clock.now();
    const read = await ledger.read(old);
    if (known.size > MAX_KNOWN) known.clear();
    for (const [index, counter] of old.entries()) {
      const own = unwritten.filter((entry) => entry.counters.some((each) => keyOf(each) === keyOf(counter)));
      const totals = own.reduce((sum, { usage }) => sumUsage(sum, usage), read[index] ?? NO_USAGE);
      known.set(keyOf(counter), { totals, readAtMs });
    }
  }

  return {
    async read(counters) {
      if (counters.some(isOld)) await inTurn(() => refresh(counters));
      return counters.map((counter) => known.get(keyOf(counter))?.totals ?? NO_USAGE);
    },
    add(counters, usage) {
      for (const key of counters.map(keyOf)) {
        const found = known.get(key);
        if (found) known.set(key, { ...found, totals: sumUsage(found.totals, usage) });
      }
      unwritten.push({ counters, usage });
      void inTurn(write);
    },
    written: () => inTurn(write),
  };
}

function keyOf({ tenant, scope, id, period, start }: UsageCounter): string {
  return JSON.stringify([tenant, scope, id, period, start]);
}
