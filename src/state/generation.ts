// Assembles a generation from the headers of its packs, oldest first: the file table, and which pack holds each chunk.
// Throws Corrupt unless the headers form one chain and every chunk of every file is in some pack.
import { Corrupt } from '../core/errors.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import type { PackHeader } from './header.ts';
import { corruptPack, readHeader } from './pack-reader.ts';
import { shown } from './paths.ts';
import { MAX_PACKS, type PackEntry, packKey, type StateScope, type StoredGeneration } from './record.ts';
import { applyDelta, checkTable, type Table, totalsOf } from './table.ts';

/** A stored chunk: which pack of the generation holds it. */
export interface ChunkPlace {
  readonly pack: string;
  readonly bytes: number;
}

export interface Generation {
  readonly table: Table;
  readonly chunks: Map<string, ChunkPlace>;
}

export interface HeaderOf {
  readonly entry: PackEntry;
  readonly header: PackHeader;
}

export function assembleGeneration(scope: StateScope, list: readonly HeaderOf[]): Generation {
  if (list.length > MAX_PACKS) {
    throw new Corrupt(
      'corrupt-state',
      `The generation needs ${list.length} packs; at most ${MAX_PACKS} are allowed.`,
    );
  }
  const table: Table = new Map();
  const chunks = new Map<string, ChunkPlace>();
  let parent: string | null = null;
  for (const { entry, header } of list) {
    const key = packKey(scope, entry.name);
    if (header.parent !== parent) throw corruptPack(key, 'it does not follow the pack before it');
    parent = entry.digest;
    for (const block of header.blocks) {
      for (const { hash, bytes } of block.chunks) {
        if (!chunks.has(hash)) chunks.set(hash, { pack: entry.name, bytes });
      }
    }
    applyDelta(table, header.delta);
    const totals = totalsOf(table);
    if (totals.entries !== header.after.entries || totals.bytes !== header.after.bytes) {
      throw corruptPack(key, 'its changes do not add up to the generation it names');
    }
  }
  checkTable(table);
  checkWhole(table, chunks);
  return { table, chunks };
}

function checkWhole(table: Table, chunks: ReadonlyMap<string, ChunkPlace>): void {
  for (const [path, entry] of table) {
    if (entry.kind !== 'file') continue;
    let sum = 0;
    for (const ref of entry.chunks) {
      const bytes = typeof ref === 'number' ? ref : chunks.get(ref)?.bytes;
      if (bytes === undefined) throw new Corrupt('corrupt-pack', `A part of ${shown(path)} is in no pack.`);
      sum += bytes;
    }
    if (sum !== entry.bytes) {
      throw new Corrupt(
        'corrupt-pack',
        `${shown(path)} should have ${entry.bytes} bytes; its parts have ${sum}.`,
      );
    }
  }
}

/** Assembles a generation by reading only the headers of its packs. */
export async function loadGeneration(
  objects: ObjectStore,
  scope: StateScope,
  stored: StoredGeneration,
): Promise<Generation> {
  const headers = await Promise.all(stored.packs.map((entry) => readHeader(objects, scope, entry)));
  return assembleGeneration(
    scope,
    headers.map((header, i) => ({ entry: stored.packs[i]!, header })),
  );
}

/** Raw bytes of each pack that the table uses. */
export function liveBytesOf(generation: Generation): Map<string, number> {
  const live = new Map<string, number>();
  const seen = new Set<string>();
  for (const entry of generation.table.values()) {
    if (entry.kind !== 'file') continue;
    for (const ref of entry.chunks) {
      if (typeof ref === 'number' || seen.has(ref)) continue;
      seen.add(ref);
      const place = generation.chunks.get(ref)!;
      live.set(place.pack, (live.get(place.pack) ?? 0) + place.bytes);
    }
  }
  return live;
}
