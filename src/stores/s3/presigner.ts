// URLs that are good for one object of the bucket: to read it, or to put it if it is absent, once. Whoever has one needs no
// credential, and can do nothing else with it.
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { Presigner } from '../../host/lambda/lambda-hosts.ts';
import { type EncryptionOf, encryptionHeaders, encryptionInput } from './encryption.ts';
import type { S3ObjectStoreOptions } from './object-store.ts';

export interface S3PresignerOptions extends Omit<S3ObjectStoreOptions, 'client' | 'encryptionOf'> {
  /** For objects under another key than the bucket's. */
  readonly encryptionOf?: (key: string) => ReturnType<EncryptionOf>;
  /** From the moment of signing; a session's credentials may end earlier. */
  readonly expiresInSec: number;
}

export interface S3Presigner extends Presigner {
  /** `as`: what the answer says of the object. */
  read(key: string, as?: { readonly disposition: string; readonly type: string }): Promise<string>;
  /** `bytes`: exactly so many are taken. */
  write(key: string, bytes?: number): ReturnType<Presigner['write']>;
}

export function createS3Presigner(options: S3PresignerOptions): S3Presigner {
  const { bucket: Bucket, prefix = '', expiresInSec: expiresIn } = options;
  const client = new S3Client({
    ...(options.region !== undefined && { region: options.region }),
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    ...(options.credentials !== undefined && { credentials: options.credentials }),
    forcePathStyle: options.forcePathStyle ?? false,
    // The digest of what will be uploaded is not known yet.
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  return {
    read(key, as) {
      const said = as && { ResponseContentDisposition: as.disposition, ResponseContentType: as.type };
      const command = new GetObjectCommand({ Bucket, Key: `${prefix}${key}`, ...said });
      return getSignedUrl(client, command, { expiresIn });
    },
    // The condition is signed, so that a request without it is refused.
    async write(key, bytes) {
      const encryption = (await options.encryptionOf?.(key)) ?? null;
      const length = bytes === undefined ? {} : { ContentLength: bytes };
      const input = { Bucket, Key: `${prefix}${key}`, IfNoneMatch: '*', ...length };
      const own = await encryptionInput(async () => encryption);
      const url = await getSignedUrl(client, new PutObjectCommand({ ...input, ...own }), { expiresIn });
      return { url, headers: { 'if-none-match': '*', ...encryptionHeaders(encryption) } };
    },
  };
}
