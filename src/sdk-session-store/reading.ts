// Packs -> lines of transcripts, in order, as they come in. A first reading opens every pack of the generation once
// (eight at most) and streams it; later ones of the same generation fetch only the blocks a transcript lies in. Holds
// one block and what came before its turn; throws Corrupt on anything that does not fit, never hands out a part.
import { Buffer } from 'node:buffer';
import { Corrupt } from '../core/errors.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import { assembleGeneration, type Generation, type HeaderOf } from '../state/generation.ts';
import { chunksOf, closePacks, corruptPack, openPacks, readHeader } from '../state/pack-reader.ts';
import { packKey, type StateScope, type StoredGeneration } from '../state/record.ts';

/** The headers of a generation's packs, put together. */
export interface PackIndex {
  readonly generation: Generation;
  readonly headers: readonly HeaderOf[];
}

export interface ReadInput {
  readonly objects: ObjectStore;
  readonly scope: StateScope;
  readonly kept: StoredGeneration;
  /** From an earlier reading of the same generation. */
  readonly index: PackIndex | null;
  readonly wants: (file: string) => boolean;
  readonly onLine: (file: string, json: string) => void;
}

/** Larger stretches of a pack are streamed, not fetched. */
const MAX_FETCH_BYTES = 16 * 1024 * 1024;

/** Headers only: one ranged read per pack. */
export async function readIndex(input: Pick<ReadInput, 'objects' | 'scope' | 'kept'>): Promise<PackIndex> {
  const { objects, scope, kept } = input;
  const headers = await Promise.all(
    kept.packs.map(async (entry) => ({ entry, header: await readHeader(objects, scope, entry) })),
  );
  return { generation: assembleGeneration(scope, headers), headers };
}

export async function readLines(input: ReadInput): Promise<PackIndex> {
  return (input.index && (await fetchLines(input, input.index))) ?? (await streamLines(input));
}

async function streamLines({ objects, scope, kept, wants, onLine }: ReadInput): Promise<PackIndex> {
  const packs = await openPacks(objects, scope, kept.packs);
  try {
    const generation = assembleGeneration(scope, packs);
    const joiner = createJoiner(generation, wants, onLine);
    for (const pack of packs) {
      for (let next = await pack.nextBlock(); next !== null; next = await pack.nextBlock()) {
        for (const chunk of chunksOf(pack.key, next.block, next.stored, joiner.wants)) joiner.take(chunk);
      }
    }
    joiner.finish();
    return { generation, headers: packs.map(({ entry, header }) => ({ entry, header })) };
  } finally {
    await closePacks(packs);
  }
}

/** null when the stretches are too large to hold. */
async function fetchLines(input: ReadInput, index: PackIndex): Promise<PackIndex | null> {
  const { objects, scope } = input;
  const joiner = createJoiner(index.generation, input.wants, input.onLine);
  const stretches = index.headers.map(({ entry, header }) => {
    let at = entry.headerBytes;
    const blocks = header.blocks.map((block) => {
      const start = at;
      at += block.storedBytes;
      return { block, start, end: at };
    });
    const wanted = blocks.filter(({ block }) => block.chunks.some((chunk) => joiner.wants(chunk.hash)));
    const key = packKey(scope, entry.name);
    return { key, wanted, start: wanted[0]?.start ?? 0, end: wanted.at(-1)?.end ?? 0 };
  });
  if (stretches.reduce((sum, { start, end }) => sum + end - start, 0) > MAX_FETCH_BYTES) return null;
  const needed = stretches.filter(({ wanted }) => wanted.length > 0);
  const bodies = await Promise.all(
    needed.map(async ({ key, start, end }) => {
      const bytes = await objects.get(key, { start, end });
      if (bytes.length !== end - start) throw corruptPack(key, 'it ends inside a block');
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    }),
  );
  for (const [i, { key, wanted, start }] of needed.entries()) {
    for (const { block, ...place } of wanted) {
      const stored = bodies[i]!.subarray(place.start - start, place.end - start);
      for (const chunk of chunksOf(key, block, stored, joiner.wants)) joiner.take(chunk);
    }
  }
  joiner.finish();
  return index;
}

/** Puts chunks, in whatever order they come, back into their files' order, and cuts lines. */
function createJoiner(
  { table }: Generation,
  wantsFile: (file: string) => boolean,
  onLine: ReadInput['onLine'],
) {
  /** How often each chunk is still to be used. */
  const uses = new Map<string, number>();
  const waiting = new Map<string, Buffer>();
  const files: { readonly chunks: readonly string[]; at: number; readonly cutter: LineCutter }[] = [];
  for (const [file, entry] of table) {
    if (entry.kind !== 'file' || !wantsFile(file)) continue;
    const chunks = entry.chunks.map((chunk) => {
      if (typeof chunk === 'number') throw new Corrupt('corrupt-transcript', 'A transcript has a hole.');
      uses.set(chunk, (uses.get(chunk) ?? 0) + 1);
      return chunk;
    });
    files.push({ chunks, at: 0, cutter: createLineCutter((json) => onLine(file, json)) });
  }
  return {
    wants: (hash: string): boolean => uses.has(hash) && !waiting.has(hash),
    take({ hash, bytes }: { readonly hash: string; readonly bytes: Buffer }): void {
      waiting.set(hash, bytes);
      for (const file of files) {
        for (let next = file.chunks[file.at]; next !== undefined; next = file.chunks[file.at]) {
          const part = waiting.get(next);
          if (part === undefined) break;
          file.cutter.push(part);
          file.at++;
          const left = uses.get(next)! - 1;
          uses.set(next, left);
          if (left > 0) continue;
          uses.delete(next);
          waiting.delete(next);
        }
      }
    },
    finish(): void {
      for (const file of files) {
        if (file.at < file.chunks.length) {
          throw new Corrupt('corrupt-transcript', 'A part of a transcript is in no pack.');
        }
        file.cutter.finish();
      }
    },
  };
}

interface LineCutter {
  push(bytes: Buffer): void;
  finish(): void;
}

const NEWLINE = 10;

function createLineCutter(onLine: (json: string) => void): LineCutter {
  let open: Buffer[] = [];
  return {
    push(bytes) {
      let from = 0;
      for (let to = bytes.indexOf(NEWLINE); to !== -1; to = bytes.indexOf(NEWLINE, from)) {
        const line = bytes.subarray(from, to);
        onLine((open.length === 0 ? line : Buffer.concat([...open, line])).toString('utf8'));
        open = [];
        from = to + 1;
      }
      if (from < bytes.length) open.push(bytes.subarray(from));
    },
    finish() {
      if (open.length > 0) throw new Corrupt('corrupt-transcript', 'A transcript ends inside an entry.');
    },
  };
}

/** Throws Corrupt when a stored line is no JSON object. */
export function parseLine(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    if (value !== null && typeof value === 'object') return value as Record<string, unknown>;
  } catch (cause) {
    throw new Corrupt('corrupt-transcript', 'A stored transcript entry is no JSON.', { cause });
  }
  throw new Corrupt('corrupt-transcript', 'A stored transcript entry is no JSON object.');
}
