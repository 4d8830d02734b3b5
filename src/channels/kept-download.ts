// Keeps what a platform gives out of a file in a folder of this machine until the object store has it, up to a size. A
// platform may say less than it sends, so bytes are counted as they come.
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Invalid, isHybridError, Refused } from '../core/errors.ts';
import { tooLargeText } from '../core/lost-files.ts';
import type { FetchedFile } from '../core/ports.ts';

/** `platform`, as people write it. Refused when the bytes end early; Invalid when there are more than `maxBytes`. */
export async function keepDownload(
  platform: string,
  body: NonNullable<Response['body']>,
  maxBytes: number,
): Promise<FetchedFile> {
  const folder = await mkdtemp(join(tmpdir(), 'channel-file-'));
  const release = () => rm(folder, { recursive: true, force: true });
  let bytes = 0;
  const counted = new Transform({
    transform(piece: Buffer, _encoding, done) {
      bytes += piece.length;
      done(bytes > maxBytes ? new Invalid('file-too-large', tooLargeText(maxBytes)) : null, piece);
    },
  });
  const file = join(folder, 'file');
  try {
    await pipeline(body, counted, createWriteStream(file, { mode: 0o600 }));
    return { body: { file, bytes }, release };
  } catch (cause) {
    await release();
    if (isHybridError(cause)) throw cause;
    throw new Refused('not-read', `${platform} stopped in the middle of a file.`, { retryAfterMs: 1_000 });
  }
}
