// Content-defined chunk boundaries: a gear hash rolls over the bytes and cuts where its top bits are zero, so an
// insertion moves only the boundaries near it. Averages 64 KiB between 16 and 256 KiB. The result depends on the
// bytes alone; changing any constant here only costs deduplication against older packs, never correctness.
import { Buffer } from 'node:buffer';
import { createHash, hash } from 'node:crypto';

export const MIN_CHUNK_BYTES = 16 * 1024;
export const MAX_CHUNK_BYTES = 256 * 1024;
const AVERAGE_CHUNK_BYTES = 64 * 1024;
/** A cut needs 17 zero bits before the average size and 15 after it, so most sizes are near the average. */
const STRICT_MASK = 0xffff8000 | 0;
const LOOSE_MASK = 0xfffe0000 | 0;

const GEAR = new Int32Array(256);
for (let i = 0; i < 256; i++)
  GEAR[i] = createHash('sha256').update(`hybrid-sessions gear ${i}`).digest().readInt32LE();

/** Bytes of the chunk that begins at `bytes[0]`; `bytes` holds MAX_CHUNK_BYTES or all that is left of the file. */
export function cutPoint(bytes: Uint8Array): number {
  if (bytes.length <= MIN_CHUNK_BYTES) return bytes.length;
  const end = Math.min(bytes.length, MAX_CHUNK_BYTES);
  const middle = Math.min(end, AVERAGE_CHUNK_BYTES);
  let rolling = 0;
  let at = MIN_CHUNK_BYTES - 32;
  for (; at < MIN_CHUNK_BYTES; at++) rolling = ((rolling << 1) + GEAR[bytes[at]!]!) | 0;
  for (; at < middle; at++) {
    rolling = ((rolling << 1) + GEAR[bytes[at]!]!) | 0;
    if ((rolling & STRICT_MASK) === 0) return at + 1;
  }
  for (; at < end; at++) {
    rolling = ((rolling << 1) + GEAR[bytes[at]!]!) | 0;
    if ((rolling & LOOSE_MASK) === 0) return at + 1;
  }
  return end;
}

const ZEROS = Buffer.alloc(MAX_CHUNK_BYTES);

/** True when every byte is zero. `bytes` is at most MAX_CHUNK_BYTES long. */
export function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0;
}

/** SHA-256 as 43 characters of base64url: a chunk's name. */
export function chunkHash(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'base64url');
}
