// ObjectStore on S3 or anything that speaks it. `put if absent` is `If-None-Match: *` (put.ts); reads are ranged and
// parallel (reads.ts). Digests are sent with every upload, and checked on whole reads where the server keeps them
// (parts of objects are checked by the pack layer). A server that ignores the condition on completion (Ceph 16) is only
// protected by the look before the upload.
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListObjectsV2Command,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { timeOuts } from '../../aws/time-outs.ts';
import { Refused } from '../../core/errors.ts';
import type { ObjectStore } from '../../core/ports/objects.ts';
import { createS3Bucket, withS3Errors } from './bucket.ts';
import type { EncryptionOf } from './encryption.ts';
import { createS3Put } from './put.ts';
import { createS3Reads } from './reads.ts';

const DELETE_KEYS = 1_000;
/** XML, which a batch delete is written in, cannot hold these. */
const OUTSIDE_XML = /[\u0000-\u0008\u000B-\u001F\uFFFE\uFFFF]/;

export interface S3ObjectStoreOptions {
  /** A ready client; then the connection options are not used, and closing it is the caller's. */
  readonly client?: S3Client;
  readonly bucket: string;
  /** Before every key, for a bucket that holds other things too. Ends with `/`. */
  readonly prefix?: string;
  readonly region?: string;
  readonly endpoint?: string;
  /** For servers without a name per bucket (most stand-ins). */
  readonly forcePathStyle?: boolean;
  readonly credentials?: NonNullable<S3ClientConfig['credentials']>;
  /** For objects under another key than the bucket's. */
  readonly encryptionOf?: EncryptionOf;
}

/** A client with bounded retries and time-outs that fit inside a turn. */
export function createS3Client(
  options: Omit<S3ObjectStoreOptions, 'bucket' | 'prefix' | 'client' | 'encryptionOf'>,
): S3Client {
  return new S3Client({
    ...(options.region !== undefined && { region: options.region }),
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    ...(options.credentials !== undefined && { credentials: options.credentials }),
    forcePathStyle: options.forcePathStyle ?? false,
    retryMode: 'standard',
    maxAttempts: 4,
    requestHandler: timeOuts(30_000, 10_000),
  });
}

export function createS3ObjectStore(options: S3ObjectStoreOptions): ObjectStore {
  const { bucket: Bucket, prefix = '' } = options;
  const client = options.client ?? createS3Client(options);

  const at = createS3Bucket(client, Bucket, prefix);

  return {
    put: createS3Put(at, options.encryptionOf),
    ...createS3Reads(at),

    async *list(under) {
      let ContinuationToken: string | undefined;
      do {
        const page = await withS3Errors(() =>
          client.send(
            new ListObjectsV2Command({
              Bucket,
              Prefix: `${prefix}${under}`,
              EncodingType: 'url',
              ...(ContinuationToken !== undefined && { ContinuationToken }),
            }),
          ),
        );
        for (const { Key, Size, LastModified } of page.Contents ?? []) {
          const key = decodeURIComponent((Key ?? '').replaceAll('+', ' ')).slice(prefix.length);
          yield { key, bytes: Size ?? 0, modifiedAtMs: LastModified?.getTime() ?? 0 };
        }
        ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined;
      } while (ContinuationToken !== undefined);
    },

    async delete(keys) {
      const all = [...new Set(keys)].map((key) => at.named(key).Key);
      for (const Key of all.filter((key) => OUTSIDE_XML.test(key))) {
        await withS3Errors(() => client.send(new DeleteObjectCommand({ Bucket, Key })));
      }
      const plain = all.filter((key) => !OUTSIDE_XML.test(key));
      for (let from = 0; from < plain.length; from += DELETE_KEYS) {
        const Objects = plain.slice(from, from + DELETE_KEYS).map((Key) => ({ Key }));
        const command = new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } });
        const { Errors } = await withS3Errors(() => client.send(command));
        const failed = Errors?.find(({ Code }) => Code !== 'NoSuchKey');
        if (failed) throw new Refused('store-unavailable', `S3 did not delete an object (${failed.Code}).`);
      }
    },
  };
}
