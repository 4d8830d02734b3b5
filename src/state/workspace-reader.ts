// Reads single files and folders out of a stored generation, without laying it out: only the packs' headers, and of their
// bodies the blocks that hold the file. A path is looked up in the generation's table, so it can name nothing outside of it.
// Headers of the generations that were asked for last are remembered, since people open one folder after another.

import { Invalid } from '../core/errors.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import type { FolderEntry, StoredFileContent, WorkspaceReader } from '../core/ports/workspace.ts';
import type { SessionHead } from '../core/records.ts';
import { assembleGeneration } from './generation.ts';
import type { Block, PackHeader } from './header.ts';
import { chunksOf, corruptPack, missing, readHeader } from './pack-reader.ts';
import { type PackEntry, packKey, type StoredGeneration } from './record.ts';
import { newestOf } from './session-state.ts';
import type { Entry, FileEntry, Table } from './table.ts';

const ROOT = 'workspace';
/** Compressed headers of one generation: some hundred thousand files. More would not fit beside others in a small function. */
const MAX_HEADER_BYTES = 16 * 1024 * 1024;
const REMEMBERED = 4;
/** A file's chunks mostly lie one after the other. */
const BLOCKS_HELD = 3;
const ZERO_BYTES = 256 * 1024;

interface Pack {
  readonly key: string;
  readonly entry: PackEntry;
  readonly header: PackHeader;
}

interface Loaded {
  readonly table: Table;
  readonly packs: readonly Pack[];
  /** Names in each folder. */
  readonly children: ReadonlyMap<string, readonly string[]>;
}

/** Where a chunk lies. */
interface Place {
  readonly pack: Pack;
  readonly block: Block;
  readonly start: number;
}

export function createWorkspaceReader({
  objects,
}: {
  readonly objects: Pick<ObjectStore, 'get'>;
}): WorkspaceReader {
  const remembered = new Map<string, Promise<Loaded>>();

  function load(head: SessionHead): Promise<Loaded> | null {
    const stored = newestOf(head);
    if (stored === null) return null;
    // The same content may lie in other packs after a compaction.
    const id = [head.tenant, head.sessionId, stored.content, ...stored.packs.map(({ name }) => name)].join(
      ' ',
    );
    const known = remembered.get(id) ?? read(head, stored);
    remembered.delete(id);
    remembered.set(id, known);
    known.catch(() => remembered.delete(id));
    for (const oldest of remembered.keys()) {
      if (remembered.size <= REMEMBERED) break;
      remembered.delete(oldest);
    }
    return known;
  }

  async function read(head: SessionHead, stored: StoredGeneration): Promise<Loaded> {
    const bytes = stored.packs.reduce((sum, { headerBytes }) => sum + headerBytes, 0);
    if (bytes > MAX_HEADER_BYTES) {
      throw new Invalid(
        'too-many-files',
        'There are too many files in this working directory to be listed here.',
        {
          advice: 'Take it to a computer with `hybrid-sessions pull`, or ask the agent.',
        },
      );
    }
    const packs = await Promise.all(
      stored.packs.map(async (entry) => {
        const header = await readHeader(objects, head, entry);
        return { key: packKey(head, entry.name), entry, header };
      }),
    );
    const { table } = assembleGeneration(head, packs);
    const children = new Map<string, string[]>([[ROOT, []]]);
    for (const [path, entry] of table) {
      if (!path.startsWith(`${ROOT}/`)) continue;
      if (entry.kind === 'directory' && !children.has(path)) children.set(path, []);
      const at = path.lastIndexOf('/');
      const folder = path.slice(0, at);
      const names = children.get(folder) ?? [];
      names.push(path.slice(at + 1));
      children.set(folder, names);
    }
    return { table, packs, children };
  }

  return {
    async list(head, folder) {
      const loaded = await load(head);
      // Before its first turn a session has an empty working directory.
      if (loaded === null) return folder === '' ? [] : null;
      const path = folder === '' ? ROOT : `${ROOT}/${folder}`;
      const names = loaded.children.get(path);
      if (names === undefined) return null;
      return names
        .map((name) => entryOf(name, loaded.table.get(`${path}/${name}`)!))
        .sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    },

    async open(head, path) {
      const loaded = await load(head);
      const at = `${ROOT}/${path}`;
      const entry = loaded?.table.get(at);
      if (loaded === null || entry?.kind !== 'file') return null;
      return contentOf(objects, loaded.packs, at, entry);
    },
  };
}

const rank = ({ kind }: FolderEntry): number => (kind === 'folder' ? 0 : 1);

function entryOf(name: string, entry: Entry): FolderEntry {
  const kind = entry.kind === 'directory' ? 'folder' : entry.kind;
  const bytes = entry.kind === 'file' ? entry.bytes : null;
  return { name: name.toWellFormed(), kind, bytes, modifiedAtMs: entry.mtimeMs };
}

function contentOf(
  objects: Pick<ObjectStore, 'get'>,
  packs: readonly Pack[],
  path: string,
  entry: FileEntry,
): StoredFileContent {
  return {
    name: path.slice(path.lastIndexOf('/') + 1).toWellFormed(),
    bytes: entry.bytes,
    modifiedAtMs: entry.mtimeMs,
    async *read() {
      const places = placesOf(packs, new Set(entry.chunks.filter((ref) => typeof ref === 'string')));
      const held = new Map<Block, ReadonlyMap<string, Uint8Array>>();
      for (const ref of entry.chunks) {
        if (typeof ref === 'number') yield* zeros(ref);
        else {
          const place = places.get(ref)!;
          const chunks =
            held.get(place.block) ?? (await readBlock(objects, place, (hash) => places.has(hash)));
          held.set(place.block, chunks);
          const [oldest] = held.keys();
          if (held.size > BLOCKS_HELD && oldest) held.delete(oldest);
          yield chunks.get(ref)!;
        }
      }
    },
  };
}

/** Each of these chunks is in some pack: that was checked when the generation was assembled. */
function placesOf(packs: readonly Pack[], wanted: ReadonlySet<string>): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  for (const pack of packs) {
    let start = pack.entry.headerBytes;
    for (const block of pack.header.blocks) {
      for (const { hash } of block.chunks) {
        if (wanted.has(hash) && !places.has(hash)) places.set(hash, { pack, block, start });
      }
      start += block.storedBytes;
    }
  }
  return places;
}

async function readBlock(
  objects: Pick<ObjectStore, 'get'>,
  { pack, block, start }: Place,
  isWanted: (hash: string) => boolean,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const range = { start, end: start + block.storedBytes };
  const stored = await objects.get(pack.key, range).catch((error: unknown) => {
    throw missing(error, pack.key);
  });
  if (stored.length !== block.storedBytes) throw corruptPack(pack.key, 'it ends inside a block');
  const chunks = chunksOf(pack.key, block, stored, isWanted);
  return new Map([...chunks].map(({ hash, bytes }) => [hash, bytes]));
}

function* zeros(count: number): Generator<Uint8Array> {
  for (let left = count; left > 0; left -= ZERO_BYTES) yield new Uint8Array(Math.min(left, ZERO_BYTES));
}
