// Compaction merges the newest packs of a generation into one. Only the tail of the list is ever merged, because later
// headers may refer to any chunk of an earlier pack. The tail is chosen so that pack sizes stay roughly geometric: each
// byte is rewritten only a few times, and large old packs stay as they are. Memory is bounded; every chunk is verified.
import { setImmediate } from 'node:timers/promises';
import type { ObjectStore } from '../core/ports/objects.ts';
import { chunksOf, closePacks, openPacks } from './pack-reader.ts';
import { createPackWriter, type PackPlace, type WrittenPack } from './pack-writer.ts';
import type { Progress } from './progress.ts';
import {
  type DeadPack,
  MAX_PACKS,
  newest,
  type PackEntry,
  type StateRecord,
  type StoredGeneration,
  trimmed,
} from './record.ts';
import { applyDelta, chunkListsOf, composeDeltas, type Delta, type Table } from './table.ts';

/** From this many packs on a merge is due: two turns may still pass without one. */
const DUE_PACKS = MAX_PACKS - 1;
/** A merge takes at least this many packs, so that not every turn needs one. */
const MIN_MERGE = 3;
/** A pack joins a merge when it is at most this many times as large as all newer packs together. */
const MERGE_RATIO = 3;
/** Packs with more dead than live bytes are rewritten, if there is this much to gain. */
const MIN_DEAD_BYTES = 256 * 1024;
/** Blocks at least this large, and wholly live, are copied without compressing them again. */
const COPY_BLOCK_BYTES = 256 * 1024;
/** Each deletion costs a call. When no merge is due, dead packs are deleted once there are this many, or this much. */
const DUE_GARBAGE = 8;
const DUE_GARBAGE_BYTES = 256 * 1024;

/** True when packs should be merged, or dead ones deleted. */
export function isCompactionDue(record: StateRecord): boolean {
  const { packs } = newest(record);
  if (mergeStart(packs) !== null || record.garbage.length >= DUE_GARBAGE) return true;
  return sizeOf(record.garbage) > Math.max(DUE_GARBAGE_BYTES, sizeOf(packs) / 4);
}

function sizeOf(packs: readonly DeadPack[]): number {
  return packs.reduce((sum, pack) => sum + pack.bytes, 0);
}

/** Index of the first pack to merge; null when nothing is due. */
export function mergeStart(packs: readonly PackEntry[]): number | null {
  let start: number | null = null;
  if (packs.length >= DUE_PACKS) {
    start = packs.length - MIN_MERGE;
    let sum = sizeOf(packs.slice(start));
    while (start > 0 && packs[start - 1]!.bytes <= MERGE_RATIO * sum) {
      start--;
      sum += packs[start]!.bytes;
    }
  }
  const dead = packs.findIndex(
    (pack) => pack.rawBytes - pack.liveBytes > Math.max(MIN_DEAD_BYTES, pack.liveBytes),
  );
  return dead === -1 ? start : Math.min(dead, start ?? dead);
}

export interface MergeInput {
  readonly objects: ObjectStore;
  readonly place: PackPlace;
  readonly packs: readonly PackEntry[];
  readonly start: number;
  readonly spillDirectory: string;
  readonly progress: Progress;
}

/** Writes one pack that replaces all packs from index `start` on. */
export async function mergeTail(input: MergeInput): Promise<WrittenPack> {
  const { objects, place, progress } = input;
  const tail = input.packs.slice(input.start);
  const writer = createPackWriter({ spillDirectory: input.spillDirectory });
  const packs = await openPacks(objects, place.scope, tail);
  try {
    const whole = packs.map((pack) => pack.header.delta).reduce(composeDeltas);
    const delta = input.start === 0 ? asWholeTable(whole) : whole;
    const live = new Set<string>();
    for (const list of chunkListsOf(delta)) {
      for (const ref of list) if (typeof ref === 'string') live.add(ref);
    }
    const totalBytes = sizeOf(tail);
    let doneBytes = 0;
    for (const pack of packs) {
      const wanted = (hash: string) => live.has(hash) && !writer.has(hash);
      for (let next = await pack.nextBlock(); next !== null; next = await pack.nextBlock()) {
        const { block, stored } = next;
        const copy = block.rawBytes >= COPY_BLOCK_BYTES && block.chunks.every((chunk) => wanted(chunk.hash));
        for (const chunk of chunksOf(pack.key, block, stored, wanted)) {
          if (!copy) writer.add(chunk.hash, chunk.bytes);
        }
        if (copy) writer.addBlock(block, Uint8Array.from(stored));
        doneBytes += stored.length;
        progress({ phase: 'compact', doneBytes, totalBytes });
        await setImmediate();
      }
    }
    return await writer.put(objects, place, {
      generation: packs.at(-1)!.header.generation,
      parent: packs[0]!.header.parent,
      delta,
      after: packs.at(-1)!.header.after,
    });
  } finally {
    await closePacks(packs);
    writer.discard();
  }
}

/** The first pack of a list has nothing before it: its delta is the table itself. */
function asWholeTable(delta: Delta): Delta {
  const table: Table = new Map();
  applyDelta(table, { removed: new Set(), set: delta.set });
  return { removed: new Set(), set: table };
}

/** The list with its tail replaced by the merged pack. */
export function mergedList(
  packs: readonly PackEntry[],
  start: number,
  merged: PackEntry,
): readonly PackEntry[] {
  return [...packs.slice(0, start), merged];
}

/** The record with every stored generation of this content moved to `packs`. */
export function withPacks(record: StateRecord, content: string, packs: readonly PackEntry[]): StateRecord {
  const moved = (stored: StoredGeneration): StoredGeneration =>
    stored.content === content ? { ...stored, packs } : stored;
  const undone = record.undone?.map((batch) => batch.map(moved)) ?? [];
  return trimmed(record, record.history.map(moved), undone);
}
