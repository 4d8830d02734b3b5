// Files of HTTP clients on one machine: they pass through the API, into a file of their own first, so that none is held in
// memory and none is stored half.
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isHybridError, Refused } from '../core/errors.ts';
import { requireFileSize } from '../core/lost-files.ts';
import type { FileTransfers, ObjectStore } from '../core/ports.ts';

export function createFileTransfers(objects: Pick<ObjectStore, 'put'>): FileTransfers {
  return {
    async receive(key, body, maxBytes) {
      const folder = await mkdtemp(join(tmpdir(), 'hybrid-sessions-upload-'));
      try {
        const file = join(folder, 'file');
        const bytes = await written(body, file, maxBytes);
        await objects.put(key, { file, bytes });
        return bytes;
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

async function written(body: ReadableStream<Uint8Array>, file: string, maxBytes: number): Promise<number> {
  let bytes = 0;
  const counted = new Transform({
    transform(piece: Uint8Array, _encoding, done) {
      bytes += piece.length;
      try {
        requireFileSize(bytes, maxBytes);
        done(null, piece);
      } catch (error) {
        done(error as Error);
      }
    },
  });
  try {
    await pipeline(body, counted, createWriteStream(file, { mode: 0o600 }));
  } catch (cause) {
    if (isHybridError(cause)) throw cause;
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new Refused('disk-full', 'There is no room for this file now.', { cause, retryAfterMs: 60_000 });
    }
    throw new Refused('upload-broken', 'The file broke off in the middle. Send it again.', { cause });
  }
  return bytes;
}
