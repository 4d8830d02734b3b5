// The SessionState port over any ObjectStore: restore, checkpoint, compact, collect, erase. It has no state between
// calls: everything it needs is in the head and in the baseline that it returned before.

import { tmpdir } from 'node:os';
import { sep } from 'node:path';
import { KEPT_GENERATIONS } from '../core/defaults.ts';
import { Conflict, Corrupt } from '../core/errors.ts';
import type { ExecutionDirectory, SessionState, StateLimits } from '../core/ports/execution.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import type { SessionHead } from '../core/records.ts';
import { baselineFor, emptyBaseline } from './baseline.ts';
import { writeCheckpoint } from './checkpoint.ts';
import { isCompactionDue, mergedList, mergeStart, mergeTail, withPacks } from './compact.ts';
import { diskError } from './disk-errors.ts';
import { mergeOverflow } from './merge-overflow.ts';
import type { Progress } from './progress.ts';
import {
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
import { restoreGeneration } from './restore.ts';

export interface SessionStateOptions {
  readonly objects: ObjectStore;
  readonly limits: StateLimits;
  /** Generations that stay restorable, the newest included. */
  readonly keepGenerations?: number;
  /** For temporary files of packs that are too large for memory while compacting. */
  readonly temporaryDirectory?: string;
  readonly progress?: Progress;
}

/** A head lists at most this many dead packs. Beyond that, a checkpoint deletes those that the previous head listed. */
const MAX_GARBAGE = 24;
/** Objects deleted per call. */
const DELETE_BATCH = 500;

export function createSessionState(options: SessionStateOptions): SessionState {
  const { objects, limits } = options;
  const keepGenerations = options.keepGenerations ?? KEPT_GENERATIONS;
  const temporaryDirectory = options.temporaryDirectory ?? tmpdir();
  const progress = options.progress ?? (() => {});

  async function collect(keys: readonly string[]): Promise<void> {
    for (let at = 0; at < keys.length; at += DELETE_BATCH)
      await objects.delete(keys.slice(at, at + DELETE_BATCH));
  }

  return {
    async restore(head, directory) {
      checkDirectory(directory);
      const stored = newestOf(head);
      if (stored === null) return { baseline: emptyBaseline(), objectsRead: 0, bytesRead: 0, files: 0 };
      const done = await restoreGeneration({ objects, scope: head, stored, directory, progress });
      return { ...done, objectsRead: stored.packs.length };
    },

    async checkpoint({ head, generation, fence, baseline, directory, onRead = () => {} }) {
      checkDirectory(directory);
      if (generation <= head.generation) {
        throw new Conflict(
          'stale-generation',
          `Generation ${generation} is not newer than ${head.generation}.`,
        );
      }
      const record = recordOf(head);
      const previous = record === null ? null : newest(record);
      try {
        const input = {
          objects,
          place: { scope: head, generation, fence },
          directory,
          onRead,
          limits,
          previous,
          baseline:
            previous === null ? emptyBaseline() : await baselineFor(objects, head, previous, baseline),
          progress,
        };
        const { output, dead } = await mergeOverflow(input, await writeCheckpoint(input));
        let result = withGeneration(record, output.stored, keepGenerations);
        result = { ...result, garbage: [...result.garbage, ...dead] };
        if (result.garbage.length > MAX_GARBAGE && record !== null) {
          await collect(record.garbage.map(({ name }) => packKey(head, name)));
          const deleted = new Set(record.garbage.map(({ name }) => name));
          result = { ...result, garbage: result.garbage.filter(({ name }) => !deleted.has(name)) };
        }
        return {
          state: encodeRecord(result),
          baseline: output.baseline,
          bytesWritten: output.bytesWritten,
          refused: output.refused,
          compactionDue: isCompactionDue(result),
        };
      } catch (error) {
        throw diskError(error, 'writing a checkpoint');
      }
    },

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
      return { state: encodeRecord({ ...result, garbage: [] }), garbage };
    },

    collect,

    async erase(tenant, sessionId) {
      let keys: string[] = [];
      for await (const { key } of objects.list(prefixOf(tenant, sessionId))) {
        keys.push(key);
        if (keys.length < DELETE_BATCH) continue;
        await collect(keys);
        keys = [];
      }
      await collect(keys);
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

function newestOf(head: SessionHead): StoredGeneration | null {
  const record = recordOf(head);
  return record === null ? null : newest(record);
}

/** Throws when one root is inside the other: its files would be stored twice. */
function checkDirectory({ config, workspace }: ExecutionDirectory): void {
  if (config === workspace || config.startsWith(workspace + sep) || workspace.startsWith(config + sep)) {
    throw new Error('config and workspace must not lie in each other');
  }
}
