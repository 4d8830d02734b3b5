// Takes the bytes of packs from a host's stream, in the order in which they were announced, into the object store. What comes
// is counted and named here: no file that an agent could have touched is opened.
import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Invalid } from '../core/errors.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import { diskError } from '../state/disk-errors.ts';

/** Larger packs go through a file of the worker's own. */
const IN_MEMORY_BYTES = 8 * 1024 * 1024;

export interface PackIntake {
  /** Takes the next `bytes` bytes and puts them under `key`. Throws what the store throws; the bytes are consumed anyway. */
  take(key: string, bytes: number): Promise<'created' | 'exists'>;
}

/** `folder`: private to the worker. */
export function createPackIntake(
  stream: Readable,
  objects: Pick<ObjectStore, 'put'>,
  folder: string,
): PackIntake {
  const source = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let ahead: Buffer = Buffer.alloc(0);
  let last: Promise<unknown> = Promise.resolve();

  async function* pieces(bytes: number): AsyncGenerator<Buffer> {
    for (let left = bytes; left > 0; ) {
      if (ahead.length === 0) {
        const next = await source.next();
        if (next.done) throw new Invalid('host-lied', 'A pack ended before its announced size.');
        ahead = next.value;
      }
      const piece = ahead.subarray(0, left);
      ahead = ahead.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  async function take(key: string, bytes: number): Promise<'created' | 'exists'> {
    if (bytes <= IN_MEMORY_BYTES) {
      const parts: Buffer[] = [];
      for await (const piece of pieces(bytes)) parts.push(piece);
      return await objects.put(key, Buffer.concat(parts));
    }
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = join(folder, `.pack-${randomBytes(8).toString('hex')}`);
    let handle: FileHandle | undefined;
    let failure: unknown;
    try {
      const failed = (error: unknown): undefined => {
        failure ??= error;
      };
      handle = await open(file, 'wx', 0o600).catch(failed);
      for await (const piece of pieces(bytes)) {
        // A full disk is told once the rest has been taken off the stream: the next pack begins behind it.
        if (failure === undefined) await handle?.writeFile(piece).catch(failed);
      }
      await handle?.close();
      if (failure !== undefined) throw diskError(failure, 'storing the session');
      return await objects.put(key, { file, bytes });
    } finally {
      await handle?.close().catch(() => {});
      await rm(file, { force: true });
    }
  }

  return {
    take(key, bytes) {
      const mine = last.then(() => take(key, bytes));
      last = mine.catch(() => {});
      return mine;
    },
  };
}
