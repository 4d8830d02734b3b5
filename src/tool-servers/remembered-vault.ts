// A vault whose values are remembered for a few seconds: one turn makes several requests, and a store that is asked over the
// network would be asked the same each time.
import type { Clock } from '../core/ports/clock.ts';
import type { Vault, VaultEntry } from '../core/ports/vault.ts';

const REMEMBERED_MS = 5_000;
const MAX_REMEMBERED = 1_000;

export function rememberedVault(vault: Vault, clock: Pick<Clock, 'now'>): Vault {
  const known = new Map<string, { readonly value: Promise<string | null>; readonly untilMs: number }>();
  const keyOf = ({ tenant, person, name }: VaultEntry): string => JSON.stringify([tenant, person, name]);

  return {
    ...vault,
    get(entry) {
      const key = keyOf(entry);
      const before = known.get(key);
      if (before && before.untilMs > clock.now()) return before.value;
      const value = vault.get(entry);
      if (known.size >= MAX_REMEMBERED) known.clear();
      known.set(key, { value, untilMs: clock.now() + REMEMBERED_MS });
      value.catch(() => known.delete(key));
      return value;
    },
    async set(entry, value) {
      await vault.set(entry, value);
      known.delete(keyOf(entry));
    },
    async add(entry, value) {
      const added = await vault.add(entry, value);
      known.delete(keyOf(entry));
      return added;
    },
    async remove(entry) {
      known.delete(keyOf(entry));
      return await vault.remove(entry);
    },
  };
}
