// Reads one pack from start to end, exactly once: the header, then block after block. It checks the header's digest
// against the head and every returned chunk against its hash; a mismatch throws Corrupt, which names the pack.
import { Buffer } from 'node:buffer';
import { Corrupt, Gone } from '../core/errors.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import { chunkHash } from './chunker.ts';
import { type Block, decodeHeader, decompress, digestOf, type PackHeader } from './header.ts';
import { shown } from './paths.ts';
import { type PackEntry, packKey, type StateScope } from './record.ts';

export interface OpenPack {
  readonly key: string;
  readonly entry: PackEntry;
  readonly header: PackHeader;
  /** Object bytes read so far. */
  bytesRead(): number;
  /** The next block's stored bytes; null after the last one, where the object has to end. */
  nextBlock(): Promise<{ readonly block: Block; readonly stored: Buffer } | null>;
  close(): Promise<void>;
}

export function corruptPack(key: string, why: string, cause?: unknown): Corrupt {
  return new Corrupt('corrupt-pack', `Pack ${key}: ${why}.`, {
    cause,
    data: { pack: key },
    advice:
      'The last turns can be restored to an older generation; see "sessions repair" in the documentation.',
  });
}

/** What is gone of a pack that a head names is damage; other errors stay what they are. */
export function missing(error: unknown, key: string): unknown {
  if (!(error instanceof Gone)) return error;
  return new Corrupt('missing-pack', `Pack ${key} is missing from the object store.`, {
    cause: error,
    data: { pack: key },
  });
}

function checked(entry: PackEntry, key: string, bytes: Buffer, maxBytes?: number): PackHeader {
  if (bytes.length !== entry.headerBytes) throw corruptPack(key, 'it ends inside its header');
  if (digestOf(bytes) !== entry.digest)
    throw corruptPack(key, 'its header is not the one the head vouches for');
  return decodeHeader(bytes, key, maxBytes);
}

/** Opens a pack as one stream and reads its header. */
export async function openPack(objects: ObjectStore, scope: StateScope, entry: PackEntry): Promise<OpenPack> {
  const key = packKey(scope, entry.name);
  const source = objects.stream(key)[Symbol.asyncIterator]();
  let ahead: Buffer = Buffer.alloc(0);
  let bytesRead = 0;

  async function more(): Promise<Buffer | null> {
    for (;;) {
      const next = await source.next().catch((error: unknown) => {
        throw missing(error, key);
      });
      if (next.done) return null;
      bytesRead += next.value.length;
      const { buffer, byteOffset, length } = next.value;
      if (length > 0) return Buffer.from(buffer, byteOffset, length);
    }
  }

  /** The next `count` bytes, or fewer when the object ends before. */
  async function take(count: number): Promise<Buffer> {
    if (ahead.length < count) {
      const parts = [ahead];
      let have = ahead.length;
      while (have < count) {
        const part = await more();
        if (part === null) break;
        parts.push(part);
        have += part.length;
      }
      ahead = Buffer.concat(parts, have);
    }
    const out = ahead.subarray(0, count);
    ahead = ahead.subarray(out.length);
    return out;
  }

  const close = async () => {
    await source.return?.();
  };

  try {
    const header = checked(entry, key, await take(entry.headerBytes));
    let next = 0;
    return {
      key,
      entry,
      header,
      bytesRead: () => bytesRead,
      async nextBlock() {
        const block = header.blocks[next++];
        if (block === undefined) {
          if (ahead.length > 0 || (await more()) !== null)
            throw corruptPack(key, 'bytes follow its last block');
          return null;
        }
        const stored = await take(block.storedBytes);
        if (stored.length < block.storedBytes) throw corruptPack(key, 'it ends inside a block');
        return { block, stored };
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Opens several packs at once and returns them in order. If one fails, all are closed and its error is thrown. */
export async function openPacks(
  objects: ObjectStore,
  scope: StateScope,
  entries: readonly PackEntry[],
): Promise<readonly OpenPack[]> {
  const opened = await Promise.allSettled(entries.map((entry) => openPack(objects, scope, entry)));
  const failed = opened.find((result) => result.status === 'rejected');
  const packs = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  if (failed === undefined) return packs;
  await closePacks(packs);
  throw failed.reason;
}

export async function closePacks(packs: readonly OpenPack[]): Promise<void> {
  await Promise.allSettled(packs.map((pack) => pack.close()));
}

/** A block's chunks in order, each checked against its hash. `only` selects them; `within` names a file for errors. */
export function* chunksOf(
  key: string,
  block: Block,
  stored: Uint8Array,
  only: (hash: string) => boolean,
  within: (hash: string) => string | undefined = () => undefined,
): Generator<{ readonly hash: string; readonly bytes: Buffer }> {
  const wanted = block.chunks.find((chunk) => only(chunk.hash));
  if (wanted === undefined) return;
  const fault = (hash: string, what: string) => {
    const file = within(hash);
    return corruptPack(key, file === undefined ? what : `${what} (in ${shown(file)})`);
  };
  const raw = decompress(stored, block.rawBytes);
  if (raw === null) throw fault(wanted.hash, 'a block cannot be decompressed');
  let at = 0;
  for (const { hash, bytes } of block.chunks) {
    const chunk = raw.subarray(at, at + bytes);
    at += bytes;
    if (!only(hash)) continue;
    if (chunkHash(chunk) !== hash) throw fault(hash, 'a chunk does not match its hash');
    yield { hash, bytes: chunk };
  }
}

/** Reads only the header, by a ranged read. One of more than `maxBytes`, packed or not, is Corrupt. */
export async function readHeader(
  objects: Pick<ObjectStore, 'get'>,
  scope: StateScope,
  entry: PackEntry,
  maxBytes?: number,
): Promise<PackHeader> {
  const key = packKey(scope, entry.name);
  if (maxBytes !== undefined && entry.headerBytes > maxBytes)
    throw corruptPack(key, 'its header is too long');
  const bytes = await objects.get(key, { start: 0, end: entry.headerBytes }).catch((error: unknown) => {
    throw missing(error, key);
  });
  return checked(entry, key, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), maxBytes);
}
