// Files of HTTP clients where objects are in S3: bytes go to the bucket and come from it by signed URLs, past the functions,
// whose requests are small. A URL puts one object of exactly the announced size, once, or reads one, to be saved.
import type { FileTransfers } from '../../core/ports.ts';
import type { S3Presigner } from './presigner.ts';

export function createS3FileTransfers({
  presigner,
  expiresInSec,
  now,
}: {
  readonly presigner: Pick<S3Presigner, 'read' | 'write'>;
  /** As the presigner was told. */
  readonly expiresInSec: number;
  readonly now: () => number;
}): FileTransfers {
  return {
    async uploadTo(key, bytes) {
      const expiresAtMs = now() + expiresInSec * 1_000;
      return { ...(await presigner.write(key, bytes)), expiresAtMs };
    },
    downloadFrom: (key, as) => presigner.read(key, as),
  };
}
