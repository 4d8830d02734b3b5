// Builds one pack: chunks are gathered into blocks and compressed as they arrive. Small packs stay in memory, larger
// ones go through temporary files, so memory is bounded. Call `add` for each chunk, `put` once, and always `discard`.
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Conflict } from '../core/errors.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import { diskError } from './disk-errors.ts';
import { BLOCK_BYTES, type Block, compress, digestOf, encodeHeader, type PackHeader } from './header.ts';
import { type PackEntry, packKey, packName, type StateScope } from './record.ts';

const SPILL_BYTES = 8 * 1024 * 1024;

export interface PackWriter {
  has(hash: string): boolean;
  /** Takes a copy of the bytes. */
  add(hash: string, bytes: Uint8Array): void;
  /** Takes a whole compressed block as it is. */
  addBlock(block: Block, stored: Uint8Array): void;
  /** Puts the pack into the store, header first. In the result, `liveBytes` equals `rawBytes`. */
  put(objects: ObjectStore, place: PackPlace, header: Omit<PackHeader, 'blocks'>): Promise<WrittenPack>;
  /** Removes the temporary files. Safe to call twice. */
  discard(): void;
}

export interface PackPlace {
  readonly scope: StateScope;
  readonly generation: number;
  readonly fence: number;
  /** Random parts of names, taken from here in order until there are none; new ones when left out. */
  readonly names?: string[];
}

export interface WrittenPack {
  readonly entry: PackEntry;
  readonly chunks: readonly { readonly hash: string; readonly bytes: number }[];
}

export interface PackWriterOptions {
  /** Where temporary files may be made. */
  readonly spillDirectory: string;
  readonly spillBytes?: number;
}

export function createPackWriter(options: PackWriterOptions): PackWriter {
  const spillBytes = options.spillBytes ?? SPILL_BYTES;
  const known = new Set<string>();
  const blocks: Block[] = [];
  const files: string[] = [];
  let inMemory: Uint8Array[] = [];
  let inMemoryBytes = 0;
  let bodyBytes = 0;
  let spill: number | null = null;
  let open: Buffer | null = null;
  let openBytes = 0;
  let openChunks: { hash: string; bytes: number }[] = [];

  function temporary(): { path: string; fd: number } {
    const path = join(options.spillDirectory, `.pack-${randomBytes(6).toString('hex')}.tmp`);
    const fd = openSync(path, 'wx+', 0o600);
    files.push(path);
    return { path, fd };
  }

  function push(block: Block, stored: Uint8Array): void {
    blocks.push(block);
    inMemory.push(stored);
    inMemoryBytes += stored.length;
    bodyBytes += stored.length;
    if (inMemoryBytes < spillBytes) return;
    spill ??= temporary().fd;
    for (const part of inMemory) writeWhole(spill, part);
    inMemory = [];
    inMemoryBytes = 0;
  }

  function flush(): void {
    if (open === null || openChunks.length === 0) return;
    const stored = compress(open.subarray(0, openBytes));
    push({ storedBytes: stored.length, rawBytes: openBytes, chunks: openChunks }, stored);
    openBytes = 0;
    openChunks = [];
  }

  function assemble(header: Buffer): Uint8Array | { file: string; bytes: number } {
    if (spill === null) return Buffer.concat([header, ...inMemory]);
    const whole = temporary();
    try {
      writeWhole(whole.fd, header);
      const window = Buffer.allocUnsafe(BLOCK_BYTES);
      for (let at = 0; ; ) {
        const count = readSync(spill, window, 0, window.length, at);
        if (count === 0) break;
        writeWhole(whole.fd, window.subarray(0, count));
        at += count;
      }
      for (const part of inMemory) writeWhole(whole.fd, part);
    } finally {
      closeSync(whole.fd);
    }
    return { file: whole.path, bytes: header.length + bodyBytes };
  }

  return {
    has: (hash) => known.has(hash),
    add(hash, bytes) {
      if (known.has(hash)) return;
      known.add(hash);
      if (openBytes > 0 && openBytes + bytes.length > BLOCK_BYTES) flush();
      open ??= Buffer.allocUnsafe(BLOCK_BYTES);
      open.set(bytes, openBytes);
      openBytes += bytes.length;
      openChunks.push({ hash, bytes: bytes.length });
    },
    addBlock(block, stored) {
      for (const chunk of block.chunks) known.add(chunk.hash);
      push(block, stored);
    },
    async put(objects, place, fields) {
      flush();
      const header = encodeHeader({ ...fields, blocks });
      const body = assemble(header);
      const bytes = header.length + bodyBytes;
      for (let attempt = 0; attempt < 3; attempt++) {
        const random = place.names ? place.names.shift() : randomBytes(4).toString('hex');
        if (random === undefined) break;
        const name = packName(place.generation, place.fence, random);
        if ((await objects.put(packKey(place.scope, name), body)) === 'exists') continue;
        const rawBytes = blocks.reduce((sum, block) => sum + block.rawBytes, 0);
        const digest = digestOf(header);
        return {
          entry: { name, bytes, headerBytes: header.length, digest, rawBytes, liveBytes: rawBytes },
          chunks: blocks.flatMap((block) => block.chunks),
        };
      }
      throw new Conflict('pack-exists', 'The random pack names were taken.');
    },
    discard() {
      if (spill !== null) closeSync(spill);
      spill = null;
      for (const file of files.splice(0)) rmSync(file, { force: true });
    },
  };
}

/** Writes all of `bytes`; throws the disk's error in the project's words. */
function writeWhole(fd: number, bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  } catch (error) {
    throw diskError(error, 'packing the session');
  }
}
