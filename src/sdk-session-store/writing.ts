// New lines -> one pack -> the state of the next generation. A transcript only ever grows: its new lines are new
// chunks at its end, so a pack holds the batch and nothing else. The append that would make a ninth pack merges the
// newest ones. Nothing is committed here; until the head moves, what was put is an orphan.
import { Buffer } from 'node:buffer';
import type { ObjectStore } from '../core/ports/objects.ts';
import { chunkHash, MAX_CHUNK_BYTES } from '../state/chunker.ts';
import { mergedList, mergeStart, mergeTail } from '../state/compact.ts';
import { liveBytesOf } from '../state/generation.ts';
import { createPackWriter } from '../state/pack-writer.ts';
import {
  MAX_PACKS,
  type PackEntry,
  type StateRecord,
  type StoredGeneration,
  withGeneration,
} from '../state/record.ts';
import type { ChunkRef, Entry, PatchEntry, Table } from '../state/table.ts';
import { bytesIn, type Content, packsOf, type TranscriptFile } from './content.ts';
import { SUBPATHS, subpathOf } from './keys.ts';
import type { Line } from './known-entries.ts';
import type { PackIndex } from './reading.ts';

export interface WriteParts {
  readonly objects: ObjectStore;
  readonly temporaryDirectory: string;
  readonly nowMs: number;
  /** Repeats a step that was refused. */
  readonly retry: <T>(step: () => Promise<T>) => Promise<T>;
}

export interface WriteResult {
  readonly record: StateRecord;
  readonly entries: number;
  readonly files: ReadonlyMap<string, TranscriptFile>;
  /** Names this write among all others. */
  readonly pack: string;
}

const MODE = { file: 0o600, directory: 0o700 };

/** Adds lines to transcripts, in the order of the map. */
export async function writeLines(
  parts: WriteParts,
  content: Content,
  fence: number,
  lines: ReadonlyMap<string, readonly Line[]>,
): Promise<WriteResult> {
  const writer = createPackWriter({ spillDirectory: parts.temporaryDirectory });
  try {
    const files = new Map(content.files);
    const set = new Map<string, Entry | PatchEntry>();
    let entries = content.entries;
    for (const [file, added] of lines) {
      const body = Buffer.from(added.map(({ json }) => `${json}\n`).join(''));
      const chunks: ChunkRef[] = [];
      for (let at = 0; at < body.length; at += MAX_CHUNK_BYTES) {
        const chunk = body.subarray(at, at + MAX_CHUNK_BYTES);
        const name = chunkHash(chunk);
        writer.add(name, chunk);
        chunks.push(name);
      }
      const before = files.get(file);
      const bytes = (before?.bytes ?? 0) + body.length;
      files.set(file, { chunks: (before?.chunks ?? 0) + chunks.length, bytes });
      const stamp = { mode: MODE.file, mtimeMs: parts.nowMs, bytes };
      if (before !== undefined) {
        const splices = [{ start: before.chunks, remove: 0, insert: chunks }];
        set.set(file, { kind: 'patch', ...stamp, splices });
        continue;
      }
      if (subpathOf(file) !== null && !hasFolder(content) && !set.has(SUBPATHS)) {
        set.set(SUBPATHS, { kind: 'directory', mode: MODE.directory, mtimeMs: parts.nowMs });
        entries++;
      }
      set.set(file, { kind: 'file', ...stamp, chunks });
      entries++;
    }
    const packs = packsOf(content);
    const generation = content.head.generation + 1;
    const { entry } = await parts.retry(() =>
      writer.put(
        parts.objects,
        { scope: content.head, generation, fence },
        {
          generation,
          parent: packs.at(-1)?.digest ?? null,
          delta: { removed: new Set(), set },
          after: { entries, bytes: bytesIn(files) },
        },
      ),
    );
    const all = [...packs, entry];
    const start = all.length > MAX_PACKS ? mergeStart(all) : null;
    const record = await settled(parts, content, fence, all, start);
    return { record, entries, files, pack: entry.name };
  } finally {
    writer.discard();
  }
}

/** The table counts the folder of subpaths too; it stays when its last transcript goes. */
function hasFolder(content: Content): boolean {
  return content.entries > content.files.size;
}

/** Takes a transcript out, and its bytes out of every pack. */
export async function writeRemoval(
  parts: WriteParts,
  content: Content,
  fence: number,
  file: string,
  index: PackIndex,
): Promise<WriteResult> {
  const writer = createPackWriter({ spillDirectory: parts.temporaryDirectory });
  try {
    const files = new Map(content.files);
    files.delete(file);
    const table: Table = new Map(index.generation.table);
    table.delete(file);
    const generation = content.head.generation + 1;
    const packs = packsOf(content);
    const { entry } = await parts.retry(() =>
      writer.put(
        parts.objects,
        { scope: content.head, generation, fence },
        {
          generation,
          parent: packs.at(-1)?.digest ?? null,
          delta: { removed: new Set([file]), set: new Map() },
          after: { entries: table.size, bytes: bytesIn(files) },
        },
      ),
    );
    const live = liveBytesOf({ table, chunks: index.generation.chunks });
    const all = [...packs, entry].map((pack) => ({ ...pack, liveBytes: live.get(pack.name) ?? 0 }));
    const dead = all.findIndex((pack) => pack.liveBytes < pack.rawBytes);
    const record = await settled(parts, content, fence, all, dead === -1 ? null : dead);
    return { record, entries: table.size, files, pack: entry.name };
  } finally {
    writer.discard();
  }
}

/** The record of the next generation, its packs merged from `start` on. */
async function settled(
  parts: WriteParts,
  content: Content,
  fence: number,
  packs: readonly PackEntry[],
  start: number | null,
): Promise<StateRecord> {
  const last = packs.at(-1)!;
  const generation = content.head.generation + 1;
  const kept: StoredGeneration = { generation, content: last.digest, packs };
  if (start === null) return withGeneration(content.record, kept, 1);
  const place = { scope: content.head, generation, fence };
  const { objects, temporaryDirectory } = parts;
  const merged = await parts.retry(() =>
    mergeTail({ objects, place, packs, start, spillDirectory: temporaryDirectory, progress: () => {} }),
  );
  const list = mergedList(packs, start, merged.entry);
  const record = withGeneration(content.record, { ...kept, packs: list }, 1);
  return { ...record, garbage: [...record.garbage, { name: last.name, bytes: last.bytes }] };
}
