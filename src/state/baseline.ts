// What a restore or checkpoint remembers for the next checkpoint on the same machine: the file table, which pack holds
// each chunk, and a stamp of every file, so that unchanged files are not read again. Losing it costs time, never data.
import type { ObjectStore } from '../core/ports/objects.ts';
import { type ChunkPlace, type Generation, loadGeneration } from './generation.ts';
import { readHeader } from './pack-reader.ts';
import type { StateScope, StoredGeneration } from './record.ts';
import type { Stamp } from './scan.ts';

export interface Baseline extends Generation {
  readonly format: typeof FORMAT;
  readonly content: string;
  /** Names of the packs that `chunks` covers. */
  readonly packs: readonly string[];
  readonly stamps: ReadonlyMap<string, Stamp>;
}

const FORMAT = Symbol('hybrid-sessions baseline');

/**
 * A file changed this shortly before it was stamped may change again within the same clock tick, with the same stamp.
 * Its stamp is dropped, so the next checkpoint reads it.
 */
const RACY_MS = 25;

export function makeBaseline(
  generation: Generation,
  stored: Pick<StoredGeneration, 'content' | 'packs'>,
  stamps: Map<string, Stamp>,
  nowMs: number,
): Baseline {
  for (const [path, stamp] of stamps) if (stamp.ctimeMs > nowMs - RACY_MS) stamps.delete(path);
  const packs = stored.packs.map((pack) => pack.name);
  return {
    format: FORMAT,
    content: stored.content,
    packs,
    stamps,
    table: generation.table,
    chunks: generation.chunks,
  };
}

export function emptyBaseline(): Baseline {
  return makeBaseline({ table: new Map(), chunks: new Map() }, { content: '', packs: [] }, new Map(), 0);
}

export function isBaseline(value: unknown): value is Baseline {
  return (value as Baseline | null | undefined)?.format === FORMAT;
}

/**
 * The baseline for a checkpoint that follows `stored`. If `given` has other content, the table is read from the store.
 * If it has the same content in other packs (compacted meanwhile), only the headers of the new packs are read.
 */
export async function baselineFor(
  objects: ObjectStore,
  scope: StateScope,
  stored: StoredGeneration,
  given: unknown,
): Promise<Baseline> {
  const names = stored.packs.map((pack) => pack.name);
  if (!isBaseline(given) || given.content !== stored.content) {
    return makeBaseline(await loadGeneration(objects, scope, stored), stored, new Map(), 0);
  }
  if (names.join() === given.packs.join()) return given;
  const known = new Set(given.packs);
  const wanted = new Set(names);
  const chunks = new Map<string, ChunkPlace>();
  for (const [hash, place] of given.chunks) if (wanted.has(place.pack)) chunks.set(hash, place);
  await Promise.all(
    stored.packs
      .filter((pack) => !known.has(pack.name))
      .map(async (pack) => {
        const header = await readHeader(objects, scope, pack);
        for (const block of header.blocks) {
          for (const { hash, bytes } of block.chunks) chunks.set(hash, { pack: pack.name, bytes });
        }
      }),
  );
  return { ...given, packs: names, chunks };
}
