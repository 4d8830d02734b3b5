// Titles of chats: the beginning of the first message. The ledger lists newest first, so the first message is at
// the end of the last page. It never changes, so titles are cached.
import { shownText } from '../core/lost-files.ts';
import type { SessionStore } from '../core/ports.ts';
import type { SessionMapping, TurnRecord } from '../core/records.ts';
import { oneLine } from '../text/cut-text.ts';
import { harmless } from '../text/harmless.ts';

const MAX_LENGTH = 60;
const MAX_CACHED = 2_000;
/** At most this many pages are read. In a longer chat the title comes from the oldest message among them. */
const MAX_PAGES = 10;

export interface Titles {
  of(mapping: SessionMapping): Promise<string>;
}

export function createTitles(store: Pick<SessionStore, 'listTurns'>): Titles {
  const cache = new Map<string, string>();
  return {
    async of(mapping) {
      // A chat that was erased and started again is another chat, with another `created_at`.
      const name = `${mapping.session_key} ${mapping.created_at}`;
      const known = cache.get(name);
      if (known !== undefined) return known;
      const first = await firstMessage(store, mapping);
      if (first === undefined) return '';
      if (cache.size >= MAX_CACHED) cache.clear();
      const title = shorten(shownText(first));
      cache.set(name, title);
      return title;
    },
  };
}

async function firstMessage(
  store: Pick<SessionStore, 'listTurns'>,
  mapping: SessionMapping,
): Promise<TurnRecord | undefined> {
  let first: TurnRecord | undefined;
  let cursor: string | null | undefined;
  for (let pages = 0; cursor !== null && pages < MAX_PAGES; pages++) {
    const page = await store.listTurns(mapping.session_key, { limit: 200, ...(cursor && { cursor }) });
    first = page.items.find(({ kind }) => kind === 'message' || kind === 'steer') ?? first;
    cursor = page.cursor;
  }
  return first;
}

/** One line of at most 60 characters, cut between characters as people see them. */
export function shorten(text: string): string {
  return oneLine(harmless(text), MAX_LENGTH);
}
