// One session as one instance sees it. Everything about it is done here, one thing after another; appends that wait
// are written together. Knows where the conversation stood when it was loaded or last written, and refuses to go on
// from there when another writer has moved it.
import type { SessionStoreEntry } from '@anthropic-ai/claude-agent-sdk';
import { Conflict, isLeaseLost } from '../core/errors.ts';
import { sessionKeyOf, tenantOf } from '../core/ids.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import type { SessionHead } from '../core/records.ts';
import { newest, packKey, prefixOf } from '../state/record.ts';
import { type Content, emptyContent } from './content.ts';
import { factsAfter, movesOn } from './facts.ts';
import { type SessionName, subpathOf } from './keys.ts';
import { createKnownEntries, type Line } from './known-entries.ts';
import { readIndex } from './reading.ts';
import { createSeenPosition } from './seen-position.ts';
import { createSessionReader, isSame } from './session-reader.ts';
import { encodeTranscriptState, readTranscriptState, type TranscriptFacts } from './transcript-state.ts';
import { takeWriterLease, type WriterLease, type WriterLeaseOptions, whenFree } from './writer-lease.ts';
import { type WriteParts, type WriteResult, writeLines, writeRemoval } from './writing.ts';

export interface SessionWriterOptions extends WriterLeaseOptions {
  readonly name: SessionName;
  readonly objects: ObjectStore;
  readonly temporaryDirectory: string;
}

export interface SessionWriter {
  append(file: string, lines: readonly Line[]): Promise<void>;
  /** null when there is no such transcript. */
  load(file: string): Promise<SessionStoreEntry[] | null>;
  subpaths(): Promise<string[]>;
  removeTranscript(file: string): Promise<void>;
  removeSession(): Promise<void>;
  /** Gives the lease back. */
  release(): Promise<void>;
  /** Drops what can be read again. */
  forget(): void;
  readonly idle: boolean;
  /** Entries remembered. */
  readonly weight: number;
}

interface Waiting {
  readonly file: string;
  readonly lines: readonly Line[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Characters of waiting appends that are written together. */
const MAX_GROUP_CHARS = 8 * 1024 * 1024;
/** Dead packs are deleted when there are this many, by the append that forgets them. */
const DUE_GARBAGE = 8;
const MAX_TRIES = 4;
const DELETE_BATCH = 500;

export function createSessionWriter(options: SessionWriterOptions): SessionWriter {
  const { store, objects, clock, name, retry } = options;
  const key = sessionKeyOf(options.conversation);
  const tenant = tenantOf(key);
  const reader = createSessionReader({ store, objects, key, retry });
  const seenPosition = createSeenPosition();
  const waiting: Waiting[] = [];
  let tail: Promise<unknown> = Promise.resolve();
  let busy = 0;
  let writerLease: WriterLease | null = null;
  let content: Content | null = null;
  let overtaken = false;

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    busy++;
    const result = tail.then(work);
    const done = () => {
      busy--;
    };
    tail = result.then(done, done);
    return result;
  }

  async function giveBack(): Promise<void> {
    const held = writerLease;
    writerLease = null;
    await held?.release();
  }

  /** Leased, and knowing what the needed transcripts hold. `moves`: the conversation is to be carried on. */
  async function hold(needed: readonly string[], moves: boolean): Promise<{ at: Content; by: WriterLease }> {
    if (writerLease?.stale()) await giveBack();
    let head: SessionHead;
    if (writerLease === null) {
      // Before waiting for a lease that would be of no use.
      if (overtaken && moves) seenPosition.check(await reader.findHead());
      writerLease = await takeWriterLease(options, seenPosition.sessionId);
      overtaken = false;
      head = writerLease.head;
    } else {
      await writerLease.renew();
      head = content?.head ?? (await ownHead(writerLease));
    }
    if (moves) seenPosition.check(head);
    if (content === null || !isSame(content.head, head)) {
      content = readTranscriptState(head) === null ? emptyContent(head) : null;
    }
    const have = content;
    if (have === null) content = await retry(() => reader.read(head, null, () => true));
    else if (needed.some((file) => have.files.has(file) && !have.known.has(file))) {
      content = await retry(() => reader.read(head, have, (file) => needed.includes(file)));
    }
    return { at: content ?? emptyContent(head), by: writerLease };
  }

  /** The head while the lease is ours. */
  async function ownHead(held: WriterLease): Promise<SessionHead> {
    const head = await retry(() => store.getHead(tenant, held.head.sessionId));
    if (head?.fence === held.fence) return head;
    throw new Conflict('lease-lost', 'This writer no longer holds the session.');
  }

  /** After a failure nothing is taken for known, and the lease is given back. One that was lost is asked for again. */
  async function withFreshLease(work: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        content = null;
        await giveBack().catch(() => {}); // What then stays held runs out by itself.
        if (!isLeaseLost(error) || attempt === MAX_TRIES) throw error;
        overtaken = true;
      }
    }
  }

  async function save(
    at: Content,
    by: WriterLease,
    written: WriteResult,
    facts: TranscriptFacts,
  ): Promise<void> {
    const dead = at.record?.garbage ?? [];
    let { record } = written;
    if (dead.length >= DUE_GARBAGE) {
      await deletePacks(at.head, dead);
      const deleted = new Set(dead.map((pack) => pack.name));
      record = { ...record, garbage: record.garbage.filter((pack) => !deleted.has(pack.name)) };
    }
    const state = encodeTranscriptState({ record, facts });
    const generation = at.head.generation + 1;
    const moved = facts.movedAt === generation;
    seenPosition.writing(written.pack, moved);
    await by.move(at.head.generation, state, (head) => {
      const now = readTranscriptState(head);
      return [...(now ? newest(now.record).packs : []), ...(now?.record.garbage ?? [])].some(
        (pack) => pack.name === written.pack,
      );
    });
    seenPosition.written(at.head.sessionId, generation, moved);
    const { entries, files } = written;
    const head = { ...at.head, generation, state };
    content = { head, record, facts, entries, files, known: at.known, index: null };
  }

  async function deletePacks(
    { sessionId }: SessionHead,
    packs: readonly { readonly name: string }[],
  ): Promise<void> {
    const keys = packs.map((pack) => packKey({ tenant, sessionId }, pack.name));
    await retry(() => objects.delete(keys));
  }

  async function flush(): Promise<void> {
    const group: Waiting[] = [];
    for (let chars = 0; waiting.length > 0 && (group.length === 0 || chars < MAX_GROUP_CHARS); ) {
      const next = waiting.shift()!;
      for (const { json } of next.lines) chars += json.length;
      group.push(next);
    }
    if (group.length === 0) return;
    try {
      await withFreshLease(() => writeGroup(group));
      for (const { resolve } of group) resolve();
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }

  async function writeGroup(group: readonly Waiting[]): Promise<void> {
    const moves = group.some(({ lines }) => movesOn(lines));
    const { at, by } = await hold([...new Set(group.map(({ file }) => file))], moves);
    const known = new Map(at.known);
    const fresh = new Map<string, Line[]>();
    for (const { file, lines } of group) {
      const entries = known.get(file) ?? createKnownEntries();
      known.set(file, entries);
      const added = entries.takeNew(lines);
      if (added.length > 0) fresh.set(file, [...(fresh.get(file) ?? []), ...added]);
    }
    if (fresh.size === 0) return;
    const parts = writeParts();
    const written = await writeLines(parts, at, by.fence, fresh);
    const facts = factsAfter(at.facts, fresh, {
      name,
      generation: at.head.generation + 1,
      nowMs: parts.nowMs,
    });
    await save({ ...at, known }, by, written, facts);
  }

  function writeParts(): WriteParts {
    const { temporaryDirectory } = options;
    return { objects, temporaryDirectory, nowMs: Math.floor(clock.now()), retry };
  }

  async function takeOut(file: string): Promise<void> {
    const { at, by } = await hold([], true);
    const { record } = at;
    if (record === null || !at.files.has(file)) return;
    const kept = newest(record);
    const index = at.index ?? (await retry(() => readIndex({ objects, scope: at.head, kept })));
    const written = await writeRemoval(writeParts(), at, by.fence, file, index);
    const known = new Map(at.known);
    known.delete(file);
    await save({ ...at, known }, by, written, at.facts);
    // The bytes go now, not some day. The record goes on naming them; deleting twice does no harm.
    await deletePacks(at.head, written.record.garbage);
  }

  return {
    append(file, lines) {
      if (lines.length === 0) return Promise.resolve();
      return new Promise((resolve, reject) => {
        waiting.push({ file, lines, resolve, reject });
        void inTurn(flush);
      });
    },

    load: (file) =>
      inTurn(async () => {
        const entries: SessionStoreEntry[] = [];
        const there = await reader.fromNewest(async (head) => {
          entries.length = 0;
          const wanted = (each: string) => each === file;
          content = head && (await reader.read(head, content, wanted, (entry) => entries.push(entry)));
          seenPosition.loaded(head);
          return content?.files.has(file) ?? false;
        });
        return there ? entries : null;
      }),

    subpaths: () =>
      inTurn(async () => {
        content = await reader.fromNewest(async (head) => head && (await reader.look(head, content)));
        return [...(content?.files.keys() ?? [])].flatMap((file) => subpathOf(file) ?? []);
      }),

    removeTranscript: (file) =>
      inTurn(async () => {
        content = await reader.fromNewest(async (head) => head && (await reader.look(head, content)));
        if (content?.files.has(file)) await withFreshLease(() => takeOut(file));
      }),

    removeSession: () =>
      inTurn(async () => {
        await giveBack();
        content = null;
        // First what makes it a session, then its bytes: whoever is writing finds the head gone and stops.
        const sessions = await whenFree(options, () => store.erase(key));
        seenPosition.reset();
        for (const sessionId of sessions) {
          const keys: string[] = [];
          for await (const object of objects.list(prefixOf(tenant, sessionId))) keys.push(object.key);
          for (let at = 0; at < keys.length; at += DELETE_BATCH) {
            await retry(() => objects.delete(keys.slice(at, at + DELETE_BATCH)));
          }
        }
      }),

    release: () => inTurn(giveBack),

    forget() {
      content = null;
    },
    get idle() {
      return busy === 0;
    },
    get weight() {
      let entries = 0;
      for (const known of content?.known.values() ?? []) entries += known.size;
      return entries;
    },
  };
}
