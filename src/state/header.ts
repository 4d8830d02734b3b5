// The header at the start of a pack's object: which chunks the body holds, and what this generation changed in the
// file table. Layout: 'HSPK', version, three zero bytes, compressed and raw length (u32 LE), zstd JSON. The session's
// head stores the header's digest and the header stores the chunks' hashes, so every restored byte can be verified.
import { Buffer } from 'node:buffer';
import { hash } from 'node:crypto';
// A default import: with a named one, a Node without zstd would fail to link before it could report that it is too old.
import zlib from 'node:zlib';
import { Corrupt } from '../core/errors.ts';
import { MAX_CHUNK_BYTES } from './chunker.ts';
import { byteLength, MAX_TARGET_BYTES, shown } from './paths.ts';
import { isSystemPath } from './system-folders.ts';
import type { ChunkRef, Delta, Entry, PatchEntry, Splice } from './table.ts';

const MAGIC = Buffer.from('HSPK');
const VERSION = 1;
const PREFIX_BYTES = 16;
const ZSTD_LEVEL = 3;
/** A block is closed at this many raw bytes. */
export const BLOCK_BYTES = 1024 * 1024;
const MAX_BLOCK_BYTES = BLOCK_BYTES + MAX_CHUNK_BYTES;
/** Enough for about two million files. A longer header was not written by this code. */
const MAX_HEADER_BYTES = 512 * 1024 * 1024;

/** Some chunks compressed together, at consecutive places in the body. */
export interface Block {
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly chunks: readonly { readonly hash: string; readonly bytes: number }[];
}

export interface PackHeader {
  readonly generation: number;
  /** Digest of the pack before this one in the generation's list; null for the first, which is a whole table. */
  readonly parent: string | null;
  readonly blocks: readonly Block[];
  readonly delta: Delta;
  /** The table once this delta is applied. */
  readonly after: { readonly entries: number; readonly bytes: number };
}

export function compress(bytes: Uint8Array): Buffer {
  return zlib.zstdCompressSync(bytes, { params: { [zlib.constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } });
}

/** Decompresses to exactly `rawBytes` bytes; null when that is not possible. */
export function decompress(bytes: Uint8Array, rawBytes: number): Buffer | null {
  try {
    const raw = zlib.zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, rawBytes) });
    return raw.length === rawBytes ? raw : null;
  } catch {
    return null;
  }
}

export function digestOf(header: Uint8Array): string {
  return hash('sha256', header, 'base64url').slice(0, 22);
}

/** Prefix and compressed header in one buffer. */
export function encodeHeader(header: PackHeader): Buffer {
  const local = new Map<string, number>();
  const hashes: string[] = [];
  const sizes: number[] = [];
  const blocks = header.blocks.map((block) => {
    for (const chunk of block.chunks) {
      local.set(chunk.hash, hashes.length);
      hashes.push(chunk.hash);
      sizes.push(chunk.bytes);
    }
    return [block.storedBytes, block.rawBytes, block.chunks.length];
  });
  const refs = (list: readonly ChunkRef[]) =>
    list.map((ref) => (typeof ref === 'number' ? -ref : (local.get(ref) ?? ref)));
  const set = [...header.delta.set].map(([path, e]) => {
    if (e.kind === 'directory') return ['d', path, e.mode, e.mtimeMs];
    if (e.kind === 'link') return ['l', path, e.mtimeMs, e.target, e.rooted];
    if (e.kind === 'file') return ['f', path, e.mode, e.mtimeMs, e.bytes, refs(e.chunks)];
    return ['p', path, e.mode, e.mtimeMs, e.bytes, e.splices.map((s) => [s.start, s.remove, refs(s.insert)])];
  });
  const { generation, parent, after } = header;
  const removed = [...header.delta.removed];
  const raw = Buffer.from(JSON.stringify({ generation, parent, after, blocks, hashes, sizes, removed, set }));
  const stored = compress(raw);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  MAGIC.copy(prefix);
  prefix[4] = VERSION;
  prefix.writeUInt32LE(stored.length, 8);
  prefix.writeUInt32LE(raw.length, 12);
  return Buffer.concat([prefix, stored]);
}

/** Throws Corrupt, naming `key`, for anything that {@link encodeHeader} would not have written, or above `maxBytes`. */
export function decodeHeader(bytes: Buffer, key: string, maxBytes = MAX_HEADER_BYTES): PackHeader {
  const bad = (why: string, cause?: unknown) =>
    new Corrupt('corrupt-pack', `Pack ${key}: ${why}.`, { cause, data: { pack: key } });
  if (bytes.length < PREFIX_BYTES || !bytes.subarray(0, 4).equals(MAGIC)) throw bad('this is no pack');
  if (bytes[4] !== VERSION) {
    throw new Corrupt('newer-pack', `Pack ${key} has format ${bytes[4]}; this version reads ${VERSION}.`, {
      advice: 'Update hybrid-sessions; the session was written by a newer version.',
      data: { pack: key },
    });
  }
  const rawBytes = bytes.readUInt32LE(12);
  if (bytes.readUInt32LE(8) !== bytes.length - PREFIX_BYTES || rawBytes > maxBytes) {
    throw bad('the header has the wrong length');
  }
  const raw = decompress(bytes.subarray(PREFIX_BYTES), rawBytes);
  if (raw === null) throw bad('the header cannot be decompressed');
  try {
    return parseHeader(JSON.parse(raw.toString('utf8')));
  } catch (error) {
    throw bad(error instanceof Malformed ? error.message : 'the header is malformed', error);
  }
}

class Malformed extends Error {}

function need(condition: boolean, why: string): asserts condition {
  if (!condition) throw new Malformed(why);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function listOf(value: unknown, what: string): readonly unknown[] {
  need(Array.isArray(value), `the header's ${what} is no list`);
  return value;
}

const HASH = /^[A-Za-z0-9_-]{43}$/;

function parseHeader(value: Record<string, unknown>): PackHeader {
  const { generation, parent } = value;
  const after = value.after as Record<string, unknown>;
  need(isCount(generation), 'the header names no generation');
  need(parent === null || isText(parent), 'the header names no parent');
  need(isCount(after.entries) && isCount(after.bytes), 'the header has no totals');
  const hashes = listOf(value.hashes, 'hashes');
  const sizes = listOf(value.sizes, 'sizes');
  need(hashes.length === sizes.length, 'the header has hashes without sizes');
  let next = 0;
  const blocks = listOf(value.blocks, 'blocks').map((item): Block => {
    const [storedBytes, rawBytes, count] = listOf(item, 'block');
    need(isCount(storedBytes) && isCount(rawBytes) && isCount(count), 'a block has no size');
    need(rawBytes <= MAX_BLOCK_BYTES && storedBytes <= 2 * MAX_BLOCK_BYTES, 'a block is too large');
    need(next + count <= hashes.length, 'a block has chunks that are not listed');
    const chunks: { hash: string; bytes: number }[] = [];
    let sum = 0;
    for (const end = next + count; next < end; next++) {
      const name = hashes[next];
      const bytes = sizes[next];
      need(isText(name) && HASH.test(name) && isCount(bytes), 'a chunk has no hash or size');
      sum += bytes;
      chunks.push({ hash: name, bytes });
    }
    need(sum === rawBytes, 'a block is not the sum of its chunks');
    return { storedBytes, rawBytes, chunks };
  });
  need(next === hashes.length, 'the header has chunks outside its blocks');
  const removed = new Set<string>();
  for (const path of listOf(value.removed, 'removals')) {
    need(isText(path), 'a removal has no path');
    removed.add(path);
  }
  const set = new Map<string, Entry | PatchEntry>();
  for (const item of listOf(value.set, 'changes')) {
    const [path, entry] = parseEntry(listOf(item, 'change'), hashes as readonly string[]);
    need(!set.has(path), `${shown(path)} is named twice`);
    set.set(path, entry);
  }
  const totals = { entries: after.entries as number, bytes: after.bytes as number };
  return { generation, parent, blocks, delta: { removed, set }, after: totals };
}

function parseEntry(item: readonly unknown[], hashes: readonly string[]): [string, Entry | PatchEntry] {
  const [kind, path] = item;
  need(isText(path), 'a change has no path');
  if (kind === 'l') {
    const [, , mtimeMs, target, rooted] = item;
    need(Number.isSafeInteger(mtimeMs) && typeof rooted === 'boolean', `${shown(path)} is malformed`);
    need(isText(target) && (target !== '' || rooted), `the link ${shown(path)} has no target`);
    need(!target.includes('\0') && byteLength(target) <= MAX_TARGET_BYTES, `${shown(path)} has a bad target`);
    need(
      rooted || !target.startsWith('/') || isSystemPath(target),
      `the link ${shown(path)} leaves its root`,
    );
    return [path, { kind: 'link', mtimeMs: mtimeMs as number, target, rooted }];
  }
  const [, , mode, mtimeMs, bytes, list] = item;
  need(isCount(mode) && mode <= 0o777 && Number.isSafeInteger(mtimeMs), `${shown(path)} is malformed`);
  const attributes = { mode, mtimeMs: mtimeMs as number };
  if (kind === 'd') return [path, { kind: 'directory', ...attributes }];
  need(isCount(bytes), `${shown(path)} has no size`);
  if (kind === 'f') {
    return [path, { kind: 'file', ...attributes, bytes, chunks: parseRefs(list, path, hashes) }];
  }
  need(kind === 'p', `${shown(path)} is of an unknown kind`);
  const splices = listOf(list, 'splices').map((splice): Splice => {
    const [start, remove, insert] = listOf(splice, 'splice');
    need(isCount(start) && isCount(remove), `${shown(path)} is malformed`);
    return { start, remove, insert: parseRefs(insert, path, hashes) };
  });
  return [path, { kind: 'patch', ...attributes, bytes, splices }];
}

function parseRefs(list: unknown, path: string, hashes: readonly string[]): ChunkRef[] {
  return listOf(list, 'chunk list').map((ref) => {
    if (isText(ref)) {
      need(HASH.test(ref), `${shown(path)} names no chunk`);
      return ref;
    }
    need(Number.isSafeInteger(ref), `${shown(path)} names no chunk`);
    if ((ref as number) < 0) return -(ref as number);
    const local = hashes[ref as number];
    need(local !== undefined, `${shown(path)} names a chunk that is not listed`);
    return local;
  });
}
