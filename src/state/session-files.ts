// The half of the state layer that touches an agent's files, for wherever the agent runs: a stored generation is laid out
// in a directory, and what changed since is written as one new pack. It knows no head and commits nothing.
import { sep } from 'node:path';
import type { ExecutionDirectory, StateLimits } from '../core/ports/execution.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import { baselineFor, emptyBaseline } from './baseline.ts';
import { type CheckpointOutput, writeCheckpoint } from './checkpoint.ts';
import { diskError } from './disk-errors.ts';
import { mergeOverflow } from './merge-overflow.ts';
import type { PackPlace } from './pack-writer.ts';
import type { Progress } from './progress.ts';
import type { DeadPack, StateScope, StoredGeneration } from './record.ts';
import { restoreGeneration } from './restore.ts';

export interface SessionFilesOptions {
  /** What it needs of a store: to read the generation's packs, and to put a new one. */
  readonly objects: ObjectStore;
  readonly limits: StateLimits;
  readonly progress?: Progress;
}

export interface LaidOut {
  readonly baseline: unknown;
  readonly objectsRead: number;
  readonly bytesRead: number;
  readonly files: number;
}

export interface SaveFiles {
  readonly place: PackPlace;
  /** The generation that this one follows; null for the first. */
  readonly previous: StoredGeneration | null;
  /** What the last restore or save of this directory returned. */
  readonly baseline: unknown;
  readonly directory: ExecutionDirectory;
  readonly onRead: () => void;
}

export interface SavedFiles extends CheckpointOutput {
  /** Packs written on the way that the new generation does not need. */
  readonly dead: readonly DeadPack[];
}

export interface SessionFiles {
  /** `stored` null: a session without files. Throws Corrupt; the half-filled directory must not be used then. */
  restore(
    scope: StateScope,
    stored: StoredGeneration | null,
    directory: ExecutionDirectory,
  ): Promise<LaidOut>;
  save(input: SaveFiles): Promise<SavedFiles>;
}

export function createSessionFiles({
  objects,
  limits,
  progress = () => {},
}: SessionFilesOptions): SessionFiles {
  return {
    async restore(scope, stored, directory) {
      checkDirectory(directory);
      if (stored === null) return { baseline: emptyBaseline(), objectsRead: 0, bytesRead: 0, files: 0 };
      const done = await restoreGeneration({ objects, scope, stored, directory, progress });
      return { ...done, objectsRead: stored.packs.length };
    },

    async save({ place, previous, baseline, directory, onRead }) {
      checkDirectory(directory);
      try {
        const input = {
          objects,
          place,
          directory,
          onRead,
          limits,
          previous,
          baseline:
            previous === null ? emptyBaseline() : await baselineFor(objects, place.scope, previous, baseline),
          progress,
        };
        const { output, dead } = await mergeOverflow(input, await writeCheckpoint(input));
        return { ...output, dead };
      } catch (error) {
        throw diskError(error, 'writing a checkpoint');
      }
    },
  };
}

/** Throws when one root is inside the other: its files would be stored twice. */
function checkDirectory({ config, workspace }: ExecutionDirectory): void {
  if (config === workspace || config.startsWith(workspace + sep) || workspace.startsWith(config + sep)) {
    throw new Error('config and workspace must not lie in each other');
  }
}
