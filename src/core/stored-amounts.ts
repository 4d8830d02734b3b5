// How many sessions a tenant has and how many bytes they take, by their heads. Reading them all takes time, so what was
// found is remembered for half a minute; sessions that begin meanwhile are counted here, bytes that are written are not.
import type { Tenant } from './ids.ts';
import type { Clock, SessionStore } from './ports.ts';
import type { SessionHead } from './records.ts';

export interface Amounts {
  readonly bytes: number;
  /** Room for one session more, that of `name`; asked again for the same one it is counted once. */
  reserve(name: string, limit: number): boolean;
}

export interface StoredAmounts {
  of(store: Pick<SessionStore, 'listHeads'>, tenant: Tenant): Promise<Amounts>;
}

const REMEMBERED_MS = 30_000;
const MAX_REMEMBERED = 1_000;

export function createStoredAmounts(
  bytesOf: (head: SessionHead) => number,
  clock: Pick<Clock, 'now'>,
): StoredAmounts {
  const known = new Map<Tenant, { readonly found: Promise<Amounts>; readonly untilMs: number }>();

  return {
    of(store, tenant) {
      const before = known.get(tenant);
      if (before && before.untilMs > clock.now()) return before.found;
      const found = count(store, tenant, bytesOf);
      known.delete(tenant);
      known.set(tenant, { found, untilMs: clock.now() + REMEMBERED_MS });
      found.catch(() => {
        if (known.get(tenant)?.found === found) known.delete(tenant);
      });
      const oldest = known.keys().next();
      if (known.size > MAX_REMEMBERED && !oldest.done) known.delete(oldest.value);
      return found;
    },
  };
}

async function count(
  store: Pick<SessionStore, 'listHeads'>,
  tenant: Tenant,
  bytesOf: (head: SessionHead) => number,
): Promise<Amounts> {
  let sessions = 0;
  let bytes = 0;
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page = await store.listHeads(tenant, { limit: 200, ...(cursor && { cursor }) });
    sessions += page.items.length;
    for (const head of page.items) bytes += bytesOf(head);
    cursor = page.cursor;
  }
  const begun = new Set<string>();
  return {
    bytes,
    reserve(name, limit) {
      if (begun.has(name)) return true;
      if (sessions + begun.size >= limit) return false;
      begun.add(name);
      return true;
    },
  };
}
