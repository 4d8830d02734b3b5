// The Agent SDK's `SessionStore` over this package's head and packs: durable transcripts for programs that want only
// those. An append is atomic, kept once however often it is sent, and ordered by commits, not by clocks; a second live
// writer of a session is refused; a load reads at most eight packs at any age. Needs no directory and no worker.

import { tmpdir } from 'node:os';
import type {
  SessionStore as SdkSessionStore,
  SessionKey,
  SessionStoreEntry,
  SessionSummaryEntry,
} from '@anthropic-ai/claude-agent-sdk';
import { systemClock } from '../core/clock.ts';
import { DEFAULT_TENANT, RETENTION_SEC } from '../core/defaults.ts';
import { sessionKeyOf } from '../core/ids.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import type { SessionStore } from '../core/ports/store.ts';
import { conversationFor, fileOf, type SessionName } from './keys.ts';
import { lineOf } from './known-entries.ts';
import { createListing } from './listing.ts';
import { createRetry } from './retry.ts';
import { createSessionWriter, type SessionWriter } from './session-writer.ts';

export interface AgentSessionStoreOptions {
  /** Heads and leases: DynamoDB, SQLite or memory. Stays the caller's to close. */
  readonly store: SessionStore;
  /** Packs: S3, a folder or memory. */
  readonly objects: ObjectStore;
  /** Nothing of one tenant can be named by another. */
  readonly tenant?: string;
  readonly clock?: Clock;
  /** How long a writer that has gone quiet keeps others out. */
  readonly leaseMs?: number;
  /** How long an append waits for another writer's lease to run out. Below the SDK's own limit of 60 s. */
  readonly takeoverWaitMs?: number;
  /** A session is absent this long after its last use; slides with appends. */
  readonly retentionSec?: number;
  /** For batches and merges too large for memory; removed at once. */
  readonly temporaryDirectory?: string;
  /** Entries, over all sessions, that may be remembered for recognising repeats. More are read again when needed. */
  readonly maxRememberedEntries?: number;
}

export interface AgentSessionStore extends SdkSessionStore {
  append(key: SessionKey, entries: SessionStoreEntry[]): Promise<void>;
  load(key: SessionKey): Promise<SessionStoreEntry[] | null>;
  listSessions(projectKey: string): Promise<{ sessionId: string; mtime: number }[]>;
  listSessionSummaries(projectKey: string): Promise<SessionSummaryEntry[]>;
  delete(key: SessionKey): Promise<void>;
  listSubkeys(key: SessionName): Promise<string[]>;
  /**
   * Gives the leases back (of one session, or of all), so that another process need not wait for them to run out.
   * Call it when a query has ended; the store can be used on.
   */
  release(key?: SessionName): Promise<void>;
}

/** Writers without a lease or anything remembered cost little, but not nothing. */
const MAX_WRITERS = 10_000;

export function createAgentSessionStore(options: AgentSessionStoreOptions): AgentSessionStore {
  const { store, objects, tenant = DEFAULT_TENANT, clock = systemClock } = options;
  const { leaseMs = 15_000, takeoverWaitMs = 20_000, retentionSec = RETENTION_SEC } = options;
  const { temporaryDirectory = tmpdir(), maxRememberedEntries = 200_000 } = options;
  const retry = createRetry(clock);
  const listing = createListing({ store, tenant, retry });
  /** Least recently used first. */
  const writers = new Map<string, SessionWriter>();

  function writerOf(name: SessionName): SessionWriter {
    const conversation = conversationFor(tenant, name);
    const key = sessionKeyOf(conversation);
    const { projectKey, sessionId } = name;
    const known = writers.get(key);
    const writer =
      known ??
      createSessionWriter({
        name: { projectKey, sessionId },
        conversation,
        store,
        objects,
        clock,
        leaseMs,
        takeoverWaitMs,
        retentionSec,
        temporaryDirectory,
        retry,
      });
    writers.delete(key);
    writers.set(key, writer);
    if (known === undefined) makeRoom();
    return writer;
  }

  function makeRoom(): void {
    let entries = 0;
    for (const writer of writers.values()) entries += writer.weight;
    for (const [key, writer] of writers) {
      const tooMany = writers.size > MAX_WRITERS;
      if (!tooMany && entries <= maxRememberedEntries) return;
      if (!writer.idle) continue;
      entries -= writer.weight;
      writer.forget();
      if (!tooMany) continue;
      writers.delete(key);
      void writer.release().catch(() => {}); // Runs out by itself.
    }
  }

  return {
    // `async` throughout: a bad key is a rejection, never a throw.
    async append(key, entries) {
      const file = fileOf(key.subpath);
      await writerOf(key).append(file, entries.map(lineOf));
    },

    async load(key) {
      const file = fileOf(key.subpath);
      return await writerOf(key).load(file);
    },

    async delete(key) {
      if (key.subpath === undefined) await writerOf(key).removeSession();
      else await writerOf(key).removeTranscript(fileOf(key.subpath));
    },

    async listSubkeys(key) {
      return await writerOf(key).subpaths();
    },

    listSessions: listing.sessions,
    listSessionSummaries: listing.summaries,

    async release(key) {
      await Promise.all((key ? [writerOf(key)] : [...writers.values()]).map((writer) => writer.release()));
    },
  };
}
