// The lists of the memory store: filter, sort, cut.
import type { SessionStore } from '../../core/ports/store.ts';
import type { SessionHead, SessionMapping, TurnRecord } from '../../core/records.ts';
import { keyPrefix } from '../ledger.ts';
import { decodeCursor, encodeCursor, type Place, pageSize } from '../paging.ts';

interface Live {
  open<T>(work: () => T): Promise<T>;
  mappings(): SessionMapping[];
  heads(): SessionHead[];
  turns(): TurnRecord[];
}

/** Items whose place comes after the cursor's, at most `limit` of them; `places` sort ascending. */
function page<T>(items: T[], place: (item: T) => Place, after: Place | undefined, limit: number) {
  const compare = (a: Place, b: Place): number => {
    for (const [i, part] of a.entries()) {
      const other = b[i]!;
      if (part !== other) return part < other ? -1 : 1;
    }
    return 0;
  };
  const rest = items
    .filter((item) => after === undefined || compare(place(item), after) > 0)
    .sort((a, b) => compare(place(a), place(b)));
  const shown = rest.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown, cursor: last && rest.length > limit ? encodeCursor(place(last)) : null };
}

export function memoryLists(live: Live): Pick<SessionStore, 'listMappings' | 'listHeads' | 'listTurns'> {
  return {
    listMappings: (tenant, options) =>
      live.open(() => {
        const prefix = keyPrefix(tenant, options?.channel);
        const mine = live.mappings().filter((mapping) => mapping.session_key.startsWith(prefix));
        const after = decodeCursor(options?.cursor, ['number', 'string']);
        // Newest first is ascending order of the negated time.
        const place = (m: SessionMapping) => [-Date.parse(m.updated_at), m.session_key];
        return page(mine, place, after, pageSize(options));
      }),

    listHeads: (tenant, options) =>
      live.open(() => {
        const key = options?.sessionKey;
        const mine = live
          .heads()
          .filter((head) => head.tenant === tenant && (key === undefined || head.sessionKey === key));
        const after = decodeCursor(options?.cursor, ['number', 'string']);
        return page(mine, (head) => [-head.updatedAtMs, head.sessionId], after, pageSize(options));
      }),

    listTurns: (key, options) =>
      live.open(() => {
        const mine = live.turns().filter((turn) => turn.sessionKey === key);
        const after = decodeCursor(options?.cursor, ['number']);
        const newestFirst = page(mine, (turn) => [-turn.sequence], after, pageSize(options));
        return { ...newestFirst, items: newestFirst.items.reverse() };
      }),
  };
}
