// The SessionState port over any ObjectStore: restore, checkpoint, compact, collect, erase. It has no state between
// calls: everything it needs is in the head and in the baseline that it returned before.

import { tmpdir } from 'node:os';
import { KEPT_GENERATIONS } from '../core/defaults.ts';
import { Conflict, Corrupt } from '../core/errors.ts';
import type { SessionId, Tenant } from '../core/ids.ts';
import type { Json } from '../core/messages.ts';
import type { SessionState, StateLimits, TurnMark } from '../core/ports/execution.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import type { SessionStore } from '../core/ports/store.ts';
import type { SessionHead } from '../core/records.ts';
import { awayOf, claimed } from './away.ts';
import { isCompactionDue, mergedList, mergeStart, mergeTail, withPacks } from './compact.ts';
import { diskError } from './disk-errors.ts';
import type { Progress } from './progress.ts';
import {
  type DeadPack,
  encodeRecord,
  newest,
  packKey,
  parseRecord,
  prefixOf,
  type StateRecord,
  type StateScope,
  type StoredGeneration,
  withGeneration,
} from './record.ts';
import { createSessionFiles } from './session-files.ts';
import { foreignKeys, neededOf, noteHolder, noteKey } from './shared-packs.ts';
import {
  agentSessionOf,
  branched,
  isBlank,
  isShared,
  redoable,
  redone,
  undoable,
  undone,
} from './timeline.ts';

export interface SessionStateOptions {
  readonly objects: ObjectStore;
  readonly limits: StateLimits;
  /** Generations that stay restorable, the newest included. */
  readonly keepGenerations?: number;
  /** For temporary files of packs that are too large for memory while compacting. */
  readonly temporaryDirectory?: string;
  readonly progress?: Progress;
  /** Asked before a pack is deleted that another session may share; without it such packs stay. */
  readonly heads?: Pick<SessionStore, 'getHead'>;
}

/** A head lists at most this many dead packs. Beyond that, a checkpoint deletes those that the previous head listed. */
const MAX_GARBAGE = 24;
/** Objects deleted per call. */
const DELETE_BATCH = 500;

/** A generation as it was written, and the packs written on the way that it does not need. */
export interface SavedGeneration {
  readonly stored: StoredGeneration;
  readonly dead: readonly DeadPack[];
}

export interface StoredState extends SessionState {
  /** The state of the head that `saved` makes out of `head`; dead packs that the head lists too many of are deleted. */
  follow(
    head: SessionHead,
    saved: SavedGeneration,
    turn?: TurnMark,
  ): Promise<{ readonly state: Json; readonly compactionDue: boolean }>;
}

export function createSessionState(options: SessionStateOptions): StoredState {
  const { objects, limits } = options;
  const keepGenerations = options.keepGenerations ?? KEPT_GENERATIONS;
  const temporaryDirectory = options.temporaryDirectory ?? tmpdir();
  const progress = options.progress ?? (() => {});
  const files = createSessionFiles({ objects, limits, progress });

  const sharing = { objects, heads: options.heads };

  async function remove(keys: readonly string[]): Promise<void> {
    for (let at = 0; at < keys.length; at += DELETE_BATCH)
      await objects.delete(keys.slice(at, at + DELETE_BATCH));
  }

  async function collect(
    keys: readonly string[],
    { shared = false }: { readonly shared?: boolean } = {},
  ): Promise<void> {
    if (!shared) return await remove(keys);
    for (const [folder, own] of Map.groupBy(keys, (key) => key.split('/', 2).join('/'))) {
      const [tenant, owner] = folder.split('/') as [Tenant, SessionId];
      const needed = await neededOf(sharing, tenant, owner, null);
      await remove(own.filter((key) => !needed?.has(key)));
    }
  }

  /** What forks still need stays, and goes with the last of them. */
  async function erase(tenant: Tenant, sessionId: SessionId, state: Json | null = null): Promise<void> {
    let keys: string[] = [];
    const needed = await neededOf(sharing, tenant, sessionId, sessionId);
    for await (const { key } of objects.list(prefixOf(tenant, sessionId))) {
      if (needed?.has(key)) continue;
      keys.push(key);
      if (keys.length < DELETE_BATCH) continue;
      await remove(keys);
      keys = [];
    }
    await remove(keys);
    for (const [owner, named] of foreignKeys(tenant, state)) {
      await remove([noteKey(tenant, owner, sessionId)]);
      const isThere = (await options.heads?.getHead(tenant, owner, { expired: true })) ?? null;
      if (!isThere) await erase(tenant, owner);
      else {
        const left = await neededOf(sharing, tenant, owner, sessionId);
        await remove(named.filter((key) => !left?.has(key)));
      }
    }
  }

  async function follow(
    head: SessionHead,
    { stored, dead }: SavedGeneration,
    turn?: TurnMark,
  ): Promise<{ readonly state: Json; readonly compactionDue: boolean }> {
    const record = recordOf(head);
    let result = withGeneration(record, stored, keepGenerations, turn);
    result = { ...result, garbage: [...result.garbage, ...dead] };
    if (result.garbage.length > MAX_GARBAGE && record !== null) {
      await collect(
        record.garbage.map(({ name }) => packKey(head, name)),
        { shared: isShared(record) },
      );
      const deleted = new Set(record.garbage.map(({ name }) => name));
      result = { ...result, garbage: result.garbage.filter(({ name }) => !deleted.has(name)) };
    }
    return { state: encodeRecord(result), compactionDue: isCompactionDue(result) };
  }

  return {
    restore: async (head, directory) => await files.restore(head, newestOf(head), directory),

    async checkpoint({ head, generation, fence, baseline, directory, onRead = () => {}, turn }) {
      const place = { scope: head, generation, fence };
      const previous = previousOf(head, generation);
      const saved = await files.save({ place, previous, baseline, directory, onRead });
      return {
        ...(await follow(head, saved, turn)),
        baseline: saved.baseline,
        bytesWritten: saved.bytesWritten,
        refused: saved.refused,
      };
    },

    follow,

    async compact(head, fence) {
      const record = recordOf(head);
      if (record === null || !isCompactionDue(record)) return null;
      const stored = newest(record);
      const start = mergeStart(stored.packs);
      let result = record;
      if (start !== null) {
        const place = { scope: head, generation: head.generation, fence };
        const merged = await mergeTail({
          objects,
          place,
          packs: stored.packs,
          start,
          spillDirectory: temporaryDirectory,
          progress,
        }).catch((error: unknown) => {
          throw diskError(error, 'compacting the session');
        });
        result = withPacks(record, stored.content, mergedList(stored.packs, start, merged.entry));
      }
      const garbage = result.garbage.map(({ name }) => packKey(head, name));
      return { state: encodeRecord({ ...result, garbage: [] }), garbage, shared: isShared(record) };
    },

    collect,
    erase,
    undoable,
    undo: undone,
    redoable,
    redo: redone,
    isBlank,
    awayOf,
    claim: claimed,
    agentSessionOf,

    async branch(head, sessionId) {
      const both = branched(head);
      if (both) await noteHolder(sharing, head.tenant, both.owners, sessionId);
      return both;
    },

    async lent(tenant, sessionId) {
      const needed = await neededOf(sharing, tenant, sessionId, sessionId);
      const lent = new Set<string>();
      if (!needed) return lent;
      for await (const { key } of objects.list(prefixOf(tenant, sessionId)))
        if (needed.has(key)) lent.add(key);
      return lent;
    },
  };
}

/** Throws Corrupt for a head past generation 0 without a state: that is damage, not a new session. */
function recordOf(head: StateScope & Pick<SessionHead, 'generation' | 'state'>): StateRecord | null {
  const record = parseRecord(head.state);
  if (record === null && head.generation > 0) {
    throw new Corrupt('corrupt-state', `The head is at generation ${head.generation} but has no state.`);
  }
  return record;
}

/** The newest stored generation of a head; null for one without a state. Throws Corrupt. */
export function newestOf(head: SessionHead): StoredGeneration | null {
  const record = recordOf(head);
  return record === null ? null : newest(record);
}

/** The generation that `generation` follows. Throws Conflict('stale-generation') unless it is newer than the head. */
export function previousOf(head: SessionHead, generation: number): StoredGeneration | null {
  if (generation <= head.generation) {
    throw new Conflict('stale-generation', `Generation ${generation} is not newer than ${head.generation}.`);
  }
  return newestOf(head);
}
