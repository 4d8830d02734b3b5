// A vault in memory: for tests and for turns that keep nothing.
import { systemClock } from '../../core/clock.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { ListedEntry, Vault, VaultEntry } from '../../core/ports/vault.ts';
import { byPersonAndName, checkEntry, checkValue } from '../../core/vault.ts';

export function createMemoryVault({
  clock = systemClock,
}: {
  readonly clock?: Pick<Clock, 'now'>;
} = {}): Vault {
  const kept = new Map<string, { readonly entry: ListedEntry; readonly value: string }>();

  function put(entry: VaultEntry, value: string): void {
    const { tenant, person, name } = entry;
    kept.set(keyOf(entry), { entry: { tenant, person, name, changedAtMs: clock.now() }, value });
  }

  return {
    async get(entry) {
      checkEntry(entry);
      return kept.get(keyOf(entry))?.value ?? null;
    },
    async set(entry, value) {
      checkEntry(entry);
      checkValue(value);
      put(entry, value);
    },
    async add(entry, value) {
      checkEntry(entry);
      checkValue(value);
      if (kept.has(keyOf(entry))) return false;
      put(entry, value);
      return true;
    },
    async remove(entry) {
      checkEntry(entry);
      return kept.delete(keyOf(entry));
    },
    async list(tenant) {
      const all = [...kept.values()].map(({ entry }) => entry);
      return all.filter((entry) => entry.tenant === tenant).sort(byPersonAndName);
    },
  };
}

function keyOf({ tenant, person, name }: VaultEntry): string {
  return JSON.stringify([tenant, person, name]);
}
