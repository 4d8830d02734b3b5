// The lists of the memory store: filter, sort, cut.
import type { SessionStore } from '../../core/ports/store.ts';
import type { SessionHead, SessionMapping, TurnRecord } from '../../core/records.ts';
import { keyPrefix } from '../rules/keys.ts';
import { decodeCursor, encodeCursor, type Position, pageSize } from '../rules/paging.ts';

/** What has not expired. */
interface LiveRecords {
  atomically<T>(work: () => T): Promise<T>;
  mappings(): SessionMapping[];
  heads(): SessionHead[];
  turns(): TurnRecord[];
}

/** At most `limit` items whose position comes after the cursor's, in ascending order. */
function page<T>(items: T[], positionOf: (item: T) => Position, after: Position | undefined, limit: number) {
  const compare = (a: Position, b: Position): number => {
    for (const [i, part] of a.entries()) {
      const other = b[i]!;
      if (part !== other) return part < other ? -1 : 1;
    }
    return 0;
  };
  const rest = items
    .filter((item) => after === undefined || compare(positionOf(item), after) > 0)
    .sort((a, b) => compare(positionOf(a), positionOf(b)));
  const shown = rest.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown, cursor: last && rest.length > limit ? encodeCursor(positionOf(last)) : null };
}

export function memoryLists(
  live: LiveRecords,
): Pick<SessionStore, 'listMappings' | 'listHeads' | 'listTurns'> {
  return {
    listMappings: (tenant, options) =>
      live.atomically(() => {
        const prefix = keyPrefix(tenant, options);
        const mine = live.mappings().filter((mapping) => mapping.session_key.startsWith(prefix));
        const after = decodeCursor(options?.cursor, ['number', 'string']);
        // Newest first is ascending order of the negated time.
        const positionOf = (m: SessionMapping) => [-Date.parse(m.updated_at), m.session_key];
        return page(mine, positionOf, after, pageSize(options));
      }),

    listHeads: (tenant, options) =>
      live.atomically(() => {
        const key = options?.sessionKey;
        const mine = live
          .heads()
          .filter((head) => head.tenant === tenant && (key === undefined || head.sessionKey === key));
        const after = decodeCursor(options?.cursor, ['number', 'string']);
        return page(mine, (head) => [-head.updatedAtMs, head.sessionId], after, pageSize(options));
      }),

    listTurns: (key, options) =>
      live.atomically(() => {
        const mine = live.turns().filter((turn) => turn.sessionKey === key);
        const after = decodeCursor(options?.cursor, ['number']);
        const newestFirst = page(mine, (turn) => [-turn.sequence], after, pageSize(options));
        return { ...newestFirst, items: newestFirst.items.reverse() };
      }),
  };
}
