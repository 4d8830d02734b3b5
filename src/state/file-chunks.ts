// Splits one file into chunks. A file that was stored before is first compared with its old chunks from the start, so
// after an append only the new tail is stored, and after an edit only the chunks around it. Long runs of zeros become
// holes.
import { Buffer } from 'node:buffer';
import { readSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { chunkHash, cutPoint, isZero, MAX_CHUNK_BYTES, MIN_CHUNK_BYTES } from './chunker.ts';
import type { ChunkRef } from './table.ts';

/** Shorter runs of zeros are ordinary chunks. */
const MIN_HOLE_BYTES = 64 * 1024;
const HOLE_STEP_BYTES = 4 * 1024;
const WINDOW_BYTES = 1024 * 1024;
/** Yield to the event loop (lease renewals run there) after this much of one file. */
const BYTES_PER_STEP = 16 * 1024 * 1024;

export interface ChunkSink {
  /** Stored size of a known chunk. */
  bytesOf(hash: string): number | undefined;
  /** Takes a copy of a chunk unless it is known. */
  add(hash: string, bytes: Uint8Array): void;
}

/** One reader for all files of a checkpoint: it owns the read buffer. */
export interface FileChunker {
  /** Chunks of the first `size` bytes; fewer when the file is shorter by now. */
  chunk(fd: number, size: number, prior: readonly ChunkRef[]): Promise<{ chunks: ChunkRef[]; bytes: number }>;
}

export function createFileChunker(sink: ChunkSink): FileChunker {
  const buffer = Buffer.allocUnsafe(WINDOW_BYTES);

  async function chunk(fd: number, size: number, prior: readonly ChunkRef[]) {
    let windowStart = 0;
    let windowEnd = 0;
    let end = size;

    /** Bytes [at, at + count), cut at the end of the file. */
    function view(at: number, count: number): Buffer {
      const stop = Math.min(at + count, end);
      if (at < windowStart || stop > windowEnd) {
        windowStart = at;
        windowEnd = at;
        const want = Math.min(WINDOW_BYTES, end - at);
        while (windowEnd - at < want) {
          const got = readSync(fd, buffer, windowEnd - at, want - (windowEnd - at), windowEnd);
          if (got === 0) {
            end = windowEnd;
            break;
          }
          windowEnd += got;
        }
      }
      return buffer.subarray(at - windowStart, Math.min(at + count, windowEnd) - windowStart);
    }

    function zerosFrom(at: number): number {
      let to = at;
      for (let step = MIN_HOLE_BYTES; step >= HOLE_STEP_BYTES; ) {
        const bytes = view(to, step);
        if (bytes.length > 0 && (bytes.length === step || to + bytes.length === end) && isZero(bytes)) {
          to += bytes.length;
          if (to >= end) break;
        } else step = step === MIN_HOLE_BYTES ? HOLE_STEP_BYTES : 0;
      }
      return to - at;
    }

    const boundaries = new Map<number, number>();
    let offset = 0;
    prior.forEach((ref, index) => {
      boundaries.set(offset, index);
      offset += sizeOf(ref);
    });
    boundaries.set(offset, prior.length);

    const chunks: ChunkRef[] = [];
    let at = 0;

    function put(ref: ChunkRef, bytes: number): void {
      const last = chunks.at(-1);
      if (typeof ref === 'number' && typeof last === 'number') chunks[chunks.length - 1] = last + ref;
      else chunks.push(ref);
      at += bytes;
    }

    function putBytes(count: number): void {
      const bytes = view(at, count);
      if (bytes.length === 0) return;
      const hash = chunkHash(bytes);
      sink.add(hash, bytes);
      put(hash, bytes.length);
    }

    /** True when the file still holds old chunk `index` at `from`. */
    function matches(index: number, from: number): boolean {
      const ref = prior[index];
      if (ref === undefined) return false;
      const bytes = sizeOf(ref);
      if (bytes === 0 || from + bytes > end) return false;
      if (typeof ref === 'string') return chunkHash(view(from, bytes)) === ref;
      for (let done = 0; done < bytes; done += MAX_CHUNK_BYTES) {
        const part = view(from + done, Math.min(MAX_CHUNK_BYTES, bytes - done));
        if (part.length === 0 || !isZero(part)) return false;
      }
      return from + bytes <= end;
    }

    function sizeOf(ref: ChunkRef): number {
      return typeof ref === 'number' ? ref : (sink.bytesOf(ref) ?? 0);
    }

    let pausedAt = 0;
    while (at < end) {
      if (at - pausedAt >= BYTES_PER_STEP) {
        pausedAt = at;
        await setImmediate();
      }
      const index = boundaries.get(at);
      const ref = index === undefined ? undefined : prior[index];
      if (index !== undefined && ref !== undefined) {
        const bytes = sizeOf(ref);
        if (matches(index, at)) {
          // A short last chunk is cut again together with the appended bytes: small appends would make tiny chunks.
          const isShortTail = index === prior.length - 1 && at + bytes < end && bytes < MIN_CHUNK_BYTES;
          if (!isShortTail || typeof ref === 'number') {
            put(ref, bytes);
            continue;
          }
        } else if (bytes > 0 && bytes <= MAX_CHUNK_BYTES && matches(index + 1, at + bytes)) {
          putBytes(bytes);
          continue;
        }
      }
      const zeros = zerosFrom(at);
      if (zeros >= MIN_HOLE_BYTES) put(zeros, zeros);
      else if (at < end) putBytes(cutPoint(view(at, MAX_CHUNK_BYTES)));
    }
    return { chunks, bytes: at };
  }

  return { chunk };
}
