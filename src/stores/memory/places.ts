// Places in memory: for tests, and for a program whose limits need not outlive it.
import { systemClock } from '../../core/clock.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { PlaceList, Places } from '../../core/ports/places.ts';
import type { UsageAccount } from '../../core/ports/usage.ts';
import { storeError } from '../rules/errors.ts';

interface Kept {
  readonly account: UsageAccount;
  readonly held: Map<string, { readonly takenAtMs: number; readonly untilMs: number }>;
}

export function createMemoryPlaces(options: { readonly clock?: Clock } = {}): Places {
  const clock = options.clock ?? systemClock;
  const lists = new Map<string, Kept>();
  let isClosed = false;

  function requireOpen(): void {
    if (isClosed) throw storeError('store-closed');
  }

  function dropExpired(): void {
    for (const [key, { held }] of lists) {
      for (const [holder, { untilMs }] of held) if (untilMs <= clock.now()) held.delete(holder);
      if (held.size === 0) lists.delete(key);
    }
  }

  return {
    async take(list, holder, { limit, keepSec }) {
      requireOpen();
      dropExpired();
      const kept = lists.get(keyOf(list)) ?? { account: { ...list }, held: new Map() };
      if (kept.held.has(holder)) return 'held';
      if (kept.held.size >= limit) return 'full';
      kept.held.set(holder, { takenAtMs: clock.now(), untilMs: clock.now() + keepSec * 1_000 });
      lists.set(keyOf(list), kept);
      return 'taken';
    },
    async holders(list) {
      requireOpen();
      dropExpired();
      const held = lists.get(keyOf(list))?.held ?? new Map();
      return [...held].map(([holder, { takenAtMs }]) => ({ holder, takenAtMs }));
    },
    async leave(list, holders) {
      requireOpen();
      for (const holder of holders) lists.get(keyOf(list))?.held.delete(holder);
    },
    async erase({ tenant, scope, id }) {
      requireOpen();
      for (const [key, { account }] of lists) {
        if (account.tenant === tenant && account.scope === scope && account.id === id) lists.delete(key);
      }
    },
    async close() {
      isClosed = true;
    },
  };
}

function keyOf({ tenant, scope, id, list }: PlaceList): string {
  return JSON.stringify([tenant, scope, id, list]);
}
