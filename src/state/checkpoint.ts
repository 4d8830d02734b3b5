// Files on disk -> the next generation: scan, read what changed, write one pack with the changes only. Nothing is
// committed here; until the head moves, the pack is an orphan that nobody refers to.
import { chmodSync, closeSync, constants, fchmodSync, fstatSync, lstatSync, openSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { CheckpointResult, ExecutionDirectory, StateLimits } from '../core/ports/execution.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import { type Baseline, makeBaseline } from './baseline.ts';
import { MIN_CHUNK_BYTES } from './chunker.ts';
import { codeOf, diskError } from './disk-errors.ts';
import { createFileChunker, type FileChunker } from './file-chunks.ts';
import { wholeMs } from './file-time.ts';
import { type ChunkPlace, liveBytesOf } from './generation.ts';
import { createPackWriter, type PackPlace, type PackWriter } from './pack-writer.ts';
import { type RootName, shown } from './paths.ts';
import type { Progress } from './progress.ts';
import type { StoredGeneration } from './record.ts';
import {
  diskPath,
  type Refusal,
  type Scan,
  type Scanned,
  type ScannedFile,
  type Stamp,
  sameStamp,
  scanDirectory,
  stampOf,
} from './scan.ts';
import { type ChunkRef, deltaBetween, type FileEntry, type Table, totalsOf } from './table.ts';

export interface CheckpointInput {
  readonly objects: ObjectStore;
  readonly place: PackPlace;
  readonly directory: ExecutionDirectory;
  readonly limits: StateLimits;
  /** The generation this one follows; null for the first. */
  readonly previous: StoredGeneration | null;
  readonly baseline: Baseline;
  readonly progress: Progress;
  readonly onRead: () => void;
}

export interface CheckpointOutput {
  /** The new generation; the previous one's packs and content when nothing changed. */
  readonly stored: StoredGeneration;
  readonly baseline: Baseline;
  readonly bytesWritten: number;
  readonly refused: CheckpointResult['refused'];
}

const MAX_READS = 3;
const BYTES_PER_STEP = 4 * 1024 * 1024;

export async function writeCheckpoint(input: CheckpointInput): Promise<CheckpointOutput> {
  const { baseline, directory, previous, place } = input;
  const scan = await scanDirectory(directory, input.limits);
  const writer = createPackWriter({ spillDirectory: directory.root });
  try {
    const refused: Refusal[] = [...scan.refused];
    const next = await readChanges(input, scan, writer, refused);
    scan.close();
    input.onRead();
    const delta = deltaBetween(baseline.table, next.table);
    if (previous !== null && delta.removed.size === 0 && delta.set.size === 0) {
      const stored: StoredGeneration = { ...previous, generation: place.generation };
      const same = makeBaseline(
        { table: next.table, chunks: baseline.chunks },
        stored,
        next.stamps,
        next.readAtMs,
      );
      return { stored, baseline: same, bytesWritten: 0, refused };
    }
    const packs = previous?.packs ?? [];
    const written = await writer.put(input.objects, place, {
      generation: place.generation,
      parent: packs.at(-1)?.digest ?? null,
      delta,
      after: totalsOf(next.table),
    });
    const chunks = new Map<string, ChunkPlace>(baseline.chunks);
    for (const { hash, bytes } of written.chunks) chunks.set(hash, { pack: written.entry.name, bytes });
    const live = liveBytesOf({ table: next.table, chunks });
    const list = [...packs, written.entry].map((pack) => ({ ...pack, liveBytes: live.get(pack.name) ?? 0 }));
    const stored: StoredGeneration = {
      generation: place.generation,
      content: written.entry.digest,
      packs: list,
    };
    return {
      stored,
      baseline: makeBaseline({ table: next.table, chunks }, stored, next.stamps, next.readAtMs),
      bytesWritten: written.entry.bytes,
      refused,
    };
  } finally {
    writer.discard();
    scan.close();
  }
}

interface Next {
  readonly table: Table;
  readonly stamps: Map<string, Stamp>;
  readonly readAtMs: number;
}

/** The new table. Reads files whose stamp changed, and hands their new chunks to the writer. */
async function readChanges(
  input: CheckpointInput,
  { entries, unread }: Scan,
  writer: PackWriter,
  refused: Refusal[],
): Promise<Next> {
  const { baseline, directory, progress } = input;
  const table: Table = new Map();
  const stamps = new Map<string, Stamp>();
  const sizes = new Map<string, number>();
  const chunker = createFileChunker({
    bytesOf: (hash) => baseline.chunks.get(hash)?.bytes ?? sizes.get(hash),
    add(hash, bytes) {
      if (baseline.chunks.has(hash) || writer.has(hash)) return;
      sizes.set(hash, bytes.length);
      writer.add(hash, bytes);
    },
  });
  const changed: [string, ScannedFile][] = [];
  let totalBytes = 0;
  for (const [path, entry] of entries) {
    if (entry.kind !== 'file') {
      table.set(path, entry);
      continue;
    }
    const before = baseline.table.get(path);
    if (before?.kind === 'file' && sameStamp(baseline.stamps.get(path), entry.stamp)) {
      table.set(path, { ...before, mode: entry.mode, mtimeMs: entry.mtimeMs });
      stamps.set(path, entry.stamp);
      continue;
    }
    changed.push([path, entry]);
    totalBytes += entry.bytes;
  }
  const copies = copiesIn(baseline.table);
  const readAtMs = Date.now();
  let doneBytes = 0;
  let reportedBytes = 0;
  for (const [path, entry] of changed) {
    const before = baseline.table.get(path);
    const prior = before?.kind === 'file' ? before.chunks : copies(entry.bytes);
    const root = path.slice(0, path.indexOf('/')) as RootName;
    const read = await readFileChunks(chunker, diskPath(directory[root], path), prior);
    if (typeof read === 'string') {
      refused.push({ path: shown(path), reason: read });
      // A file that cannot be read is not a deleted file: its stored version stays.
      if (before?.kind === 'file') table.set(path, before);
    } else if (read !== null) {
      table.set(path, read.entry);
      if (read.stamp !== null) stamps.set(path, read.stamp);
    }
    doneBytes += entry.bytes + 4_096;
    if (doneBytes - reportedBytes < BYTES_PER_STEP) continue;
    reportedBytes = doneBytes;
    progress({ phase: 'checkpoint', doneBytes: Math.min(doneBytes, totalBytes), totalBytes });
    await setImmediate();
  }
  progress({ phase: 'checkpoint', doneBytes: totalBytes, totalBytes });
  const ordered = inOrder(entries, table);
  if (unread.length > 0) {
    for (const [path, entry] of baseline.table) {
      if (unread.some((folder) => path.startsWith(`${folder}/`))) ordered.set(path, entry);
    }
  }
  return { table: ordered, stamps, readAtMs };
}

/** Puts the table into the scan's order, so that the same tree always makes the same header. */
function inOrder(entries: ReadonlyMap<string, Scanned>, table: Table): Table {
  const ordered: Table = new Map();
  for (const path of entries.keys()) {
    const entry = table.get(path);
    if (entry !== undefined) ordered.set(path, entry);
  }
  return ordered;
}

interface ReadFile {
  readonly entry: FileEntry;
  /** null when the file kept changing while it was read: the next checkpoint reads it again. */
  readonly stamp: Stamp | null;
}

/** Returns null when the file was deleted meanwhile, and a text that says why when it cannot be read. */
async function readFileChunks(
  chunker: FileChunker,
  path: string | Buffer,
  prior: readonly ChunkRef[],
): Promise<ReadFile | string | null> {
  let last: ReadFile | null = null;
  for (let attempt = 0; attempt < MAX_READS; attempt++) {
    let fd: number;
    try {
      fd = openForReading(path);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT' || code === 'ELOOP') return null;
      if (code === 'EACCES' || code === 'EPERM') return 'it may not be read';
      throw diskError(error, 'reading the execution directory');
    }
    try {
      const before = fstatSync(fd);
      if (!before.isFile()) return null;
      const { chunks, bytes } = await chunker.chunk(fd, before.size, last?.entry.chunks ?? prior);
      const after = fstatSync(fd);
      const settled = bytes === before.size && sameStamp(stampOf(before), stampOf(after));
      const entry: FileEntry = {
        kind: 'file',
        mode: after.mode & 0o777,
        mtimeMs: wholeMs(after.mtimeMs),
        bytes,
        chunks,
      };
      last = { entry, stamp: settled ? stampOf(after) : null };
      if (settled) return last;
    } catch (error) {
      throw diskError(error, 'reading the execution directory');
    } finally {
      closeSync(fd);
    }
  }
  return last;
}

const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

function openForReading(path: string | Buffer): number {
  try {
    return openSync(path, READ);
  } catch (error) {
    if (codeOf(error) !== 'EACCES') throw error;
  }
  // The owner removed the read bit (chmod 000): it is set again just while the file is opened.
  const probe = lstatSync(path).mode & 0o777;
  chmodSync(path, probe | 0o400);
  try {
    const fd = openSync(path, READ);
    fchmodSync(fd, probe);
    return fd;
  } catch (error) {
    chmodSync(path, probe);
    throw error;
  }
}

/** Chunks of some stored file of the same size: a moved or copied file is recognised by them. */
function copiesIn(table: Table): (bytes: number) => readonly ChunkRef[] {
  let bySize: Map<number, readonly ChunkRef[]> | null = null;
  return (bytes) => {
    if (bytes < MIN_CHUNK_BYTES) return [];
    if (bySize === null) {
      bySize = new Map();
      for (const entry of table.values()) if (entry.kind === 'file') bySize.set(entry.bytes, entry.chunks);
    }
    return bySize.get(bytes) ?? [];
  };
}
