// Reads one session: its head, and through it the packs. What is unknown or expired is null; what is there but cannot
// be read is an error, never null.
import type { SessionStoreEntry } from '@anthropic-ai/claude-agent-sdk';
import { Corrupt, Gone } from '../core/errors.ts';
import { type SessionKey, tenantOf } from '../core/ids.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import type { SessionStore } from '../core/ports/store.ts';
import type { SessionHead } from '../core/records.ts';
import { newest } from '../state/record.ts';
import { storeError } from '../stores/rules/errors.ts';
import { type Content, contentOf, emptyContent } from './content.ts';
import { createKnownEntries, type KnownEntries, uuidOf } from './known-entries.ts';
import { parseLine, readIndex, readLines } from './reading.ts';
import type { Retry } from './retry.ts';
import { readTranscriptState } from './transcript-state.ts';

export interface SessionReader {
  /** From the newest head; looks again when a merge took packs away meanwhile. */
  fromNewest<T>(use: (head: SessionHead | null) => Promise<T>): Promise<T>;
  findHead(): Promise<SessionHead | null>;
  /** Reads the wanted transcripts; the result knows their entries. `have` is what is known of the session so far. */
  read(
    head: SessionHead,
    have: Content | null,
    wants: (file: string) => boolean,
    seen?: (entry: SessionStoreEntry) => void,
  ): Promise<Content>;
  /** Headers only: which transcripts there are. */
  look(head: SessionHead, have: Content | null): Promise<Content>;
}

const MAX_TRIES = 4;

export function isSame(a: SessionHead, b: SessionHead): boolean {
  return a.sessionId === b.sessionId && a.generation === b.generation;
}

export function createSessionReader(options: {
  readonly store: SessionStore;
  readonly objects: ObjectStore;
  readonly key: SessionKey;
  readonly retry: Retry;
}): SessionReader {
  const { store, objects, key, retry } = options;
  const tenant = tenantOf(key);

  async function findHead(): Promise<SessionHead | null> {
    for (let attempt = 1; ; attempt++) {
      const mapping = await retry(() => store.getMapping(key));
      if (mapping === null) return null;
      const head = await retry(() => store.getHead(tenant, mapping.session_id));
      if (head?.sessionKey === key) return head;
      if (head !== null) throw new Corrupt('corrupt-state', 'The head belongs to another conversation.');
      // Erased or expired between the two reads: then the mapping is gone by now, or points elsewhere.
      const again = await retry(() => store.getMapping(key));
      if (again?.session_id === mapping.session_id || attempt === MAX_TRIES) {
        throw storeError('head-missing', { data: { sessionId: mapping.session_id } });
      }
    }
  }

  return {
    findHead,

    async fromNewest(use) {
      let head = await findHead();
      for (let attempt = 1; ; attempt++) {
        try {
          return await retry(() => use(head));
        } catch (error) {
          const missing =
            error instanceof Gone || (error instanceof Corrupt && error.code === 'missing-pack');
          if (!missing || attempt === MAX_TRIES) throw asCorrupt(error);
          const now = await findHead();
          if (now !== null && head !== null && isSame(now, head)) throw asCorrupt(error);
          head = now;
        }
      }
    },

    async read(head, have, wants, seen = () => {}) {
      const state = readTranscriptState(head);
      if (state === null) return emptyContent(head);
      const same = have !== null && isSame(have.head, head) ? have : null;
      const fresh = new Map<string, KnownEntries>();
      const index = await readLines({
        objects,
        scope: head,
        kept: newest(state.record),
        index: same?.index ?? null,
        wants,
        onLine(file, json) {
          const entry = parseLine(json) as SessionStoreEntry;
          let entries = fresh.get(file);
          if (entries === undefined) {
            entries = createKnownEntries();
            fresh.set(file, entries);
          }
          entries.add({ uuid: uuidOf(entry), json });
          seen(entry);
        },
      });
      return contentOf(head, index, new Map([...(same?.known ?? []), ...fresh]));
    },

    async look(head, have) {
      if (have !== null && isSame(have.head, head)) return have;
      const state = readTranscriptState(head);
      if (state === null) return emptyContent(head);
      const index = await readIndex({ objects, scope: head, kept: newest(state.record) });
      return contentOf(head, index, new Map());
    },
  };
}

function asCorrupt(error: unknown): unknown {
  if (!(error instanceof Gone)) return error;
  return new Corrupt('missing-pack', 'A pack of the session is missing from the object store.', {
    cause: error,
  });
}
