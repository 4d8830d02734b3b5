// Lists of a project's sessions, from the heads alone: no pack is read, and one page of heads is one query. Walks all
// sessions of the tenant, newest first. A session used while the walk goes on jumps to the front: it is met there.
import type { SessionSummaryEntry } from '@anthropic-ai/claude-agent-sdk';
import { tenantId } from '../core/ids.ts';
import type { Page, SessionStore } from '../core/ports/store.ts';
import type { SessionHead } from '../core/records.ts';
import { conversationFor, nameOf } from './keys.ts';
import type { Retry } from './retry.ts';
import { factsOf, type TranscriptFacts } from './transcript-state.ts';

const PAGE = 200;

export interface Listing {
  sessions(projectKey: string): Promise<{ sessionId: string; mtime: number }[]>;
  summaries(projectKey: string): Promise<SessionSummaryEntry[]>;
}

export function createListing(options: {
  readonly store: SessionStore;
  readonly tenant: string;
  readonly retry: Retry;
}): Listing {
  const tenant = tenantId(options.tenant);

  const page = (cursor: string | null): Promise<Page<SessionHead>> =>
    options.retry(() =>
      options.store.listHeads(tenant, { limit: PAGE, ...(cursor === null ? {} : { cursor }) }),
    );

  async function newestOf(projectKey: string): Promise<Map<string, TranscriptFacts>> {
    // Refuses a name that no session can have.
    conversationFor(options.tenant, { projectKey, sessionId: 'any' });
    const found = new Map<string, TranscriptFacts>();
    const take = (heads: readonly SessionHead[]) => {
      for (const head of heads) {
        const name = nameOf(head.sessionKey);
        if (name?.projectKey !== projectKey || head.generation === 0) continue;
        const facts = factsOf(head.state);
        const known = found.get(name.sessionId);
        if (known === undefined || known.mtime < facts.mtime) {
          found.set(name.sessionId, facts);
        }
      }
    };
    let cursor: string | null = null;
    let pages = 0;
    do {
      const next = await page(cursor);
      take(next.items);
      cursor = next.cursor;
      pages++;
    } while (cursor !== null);
    if (pages > 1) take((await page(null)).items);
    // A session of subpaths only has no transcript of its own to show.
    return new Map([...found].filter(([, facts]) => facts.mtime > 0));
  }

  return {
    async sessions(projectKey) {
      return [...(await newestOf(projectKey))].map(([sessionId, { mtime }]) => ({ sessionId, mtime }));
    },
    async summaries(projectKey) {
      return [...(await newestOf(projectKey))].flatMap(([sessionId, { mtime, summary }]) =>
        summary === null ? [] : [{ sessionId, mtime, data: summary }],
      );
    },
  };
}
