// Looking into a session without restoring it: its file list, one file's bytes. Reads headers by range, and of the
// bodies only the blocks that a file needs.
import type { Buffer } from 'node:buffer';
import { Gone } from '../core/errors.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import type { SessionHead } from '../core/records.ts';
import { assembleGeneration, type HeaderOf } from './generation.ts';
import type { Block } from './header.ts';
import { chunksOf, corruptPack, readHeader } from './pack-reader.ts';
import { parentOf, type RootName, shown } from './paths.ts';
import { newest, type PackEntry, packKey, parseRecord } from './record.ts';
import type { FileEntry, Table } from './table.ts';

/** Any head, also one whose state was narrowed to an older generation. */
export type StateHead = Pick<SessionHead, 'tenant' | 'sessionId' | 'state'>;

export interface ManifestEntry {
  readonly root: RootName;
  /** Below the root, components joined by `/`. */
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'link';
  /** 0 for anything but a file. */
  readonly bytes: number;
  /** Permission bits; null for a link. */
  readonly mode: number | null;
  readonly mtimeMs: number;
  /** Of a link. */
  readonly target: string | null;
}

/** A generation opened for reading: one ranged read per pack has been made. */
export interface StateReader {
  readonly entries: readonly ManifestEntry[];
  /** A file's bytes in order, each chunk verified. Gone('no-file') when there is no such file. */
  read(root: RootName, path: string): AsyncIterable<Uint8Array>;
}

const HOLE_PIECE_BYTES = 1024 * 1024;

/** Opens the newest generation of a head. A session without state has no entries. */
export async function openState(objects: ObjectStore, head: StateHead): Promise<StateReader> {
  const record = parseRecord(head.state);
  const packs = record === null ? [] : newest(record).packs;
  const headers = await Promise.all(
    packs.map(
      async (entry): Promise<HeaderOf> => ({ entry, header: await readHeader(objects, head, entry) }),
    ),
  );
  const { table } = assembleGeneration(head, headers);
  const places = blockPlaces(headers);

  async function* read(root: RootName, path: string): AsyncGenerator<Uint8Array> {
    const entry = table.get(`${root}/${path}`);
    if (entry?.kind !== 'file') throw new Gone('no-file', `There is no file ${shown(path)} in this state.`);
    yield* bytesOfFile(objects, head, entry, `${root}/${path}`, places);
  }
  return { entries: manifestOf(table), read };
}

function manifestOf(table: Table): readonly ManifestEntry[] {
  const entries: ManifestEntry[] = [];
  for (const [path, entry] of table) {
    const at = path.indexOf('/');
    entries.push({
      root: path.slice(0, at) as RootName,
      path: path.slice(at + 1),
      kind: entry.kind,
      bytes: entry.kind === 'file' ? entry.bytes : 0,
      mode: entry.kind === 'link' ? null : entry.mode,
      mtimeMs: entry.mtimeMs,
      target: entry.kind === 'link' ? linkTarget(path, entry.target, entry.rooted) : null,
    });
  }
  return entries.sort((a, b) => (a.root === b.root ? compare(a.path, b.path) : compare(a.root, b.root)));
}

/** An absolute link as a relative one: the same file, wherever the root lies. */
function linkTarget(path: string, target: string, rooted: boolean): string {
  if (!rooted) return target;
  const depth = parentOf(path).split('/').length - 1;
  return '../'.repeat(depth) + target || '.';
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

interface BlockPlace {
  readonly pack: PackEntry;
  readonly block: Block;
  readonly start: number;
}

function blockPlaces(headers: readonly HeaderOf[]): ReadonlyMap<string, BlockPlace> {
  const places = new Map<string, BlockPlace>();
  for (const { entry, header } of headers) {
    let start = entry.headerBytes;
    for (const block of header.blocks) {
      const place = { pack: entry, block, start };
      for (const chunk of block.chunks) if (!places.has(chunk.hash)) places.set(chunk.hash, place);
      start += block.storedBytes;
    }
  }
  return places;
}

async function* bytesOfFile(
  objects: ObjectStore,
  head: StateHead,
  entry: FileEntry,
  path: string,
  places: ReadonlyMap<string, BlockPlace>,
): AsyncGenerator<Uint8Array> {
  let open: BlockPlace | null = null;
  let chunks = new Map<string, Buffer>();
  for (const ref of entry.chunks) {
    if (typeof ref === 'number') {
      for (let left = ref; left > 0; left -= HOLE_PIECE_BYTES) {
        yield new Uint8Array(Math.min(left, HOLE_PIECE_BYTES));
      }
      continue;
    }
    const place = places.get(ref)!;
    if (open !== place) {
      const key = packKey(head, place.pack.name);
      const end = place.start + place.block.storedBytes;
      const stored = await objects.get(key, { start: place.start, end });
      if (stored.length !== place.block.storedBytes) throw corruptPack(key, 'it ends inside a block');
      chunks = new Map();
      for (const chunk of chunksOf(
        key,
        place.block,
        stored,
        () => true,
        () => path,
      ))
        chunks.set(chunk.hash, chunk.bytes);
      open = place;
    }
    yield chunks.get(ref)!;
  }
}
