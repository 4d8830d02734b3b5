// One bucket, as the parts of the S3 adapter see it: the client, the full name of a key, and its errors in our families.
import { ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { refusal, statusOf } from '../../aws/client-errors.ts';
import { checkObjectKey } from '../object-key.ts';

/** Between tries that the client does not make by itself. */
export const BACKOFF = { firstMs: 100, maxMs: 400, jitter: 1 };

export interface S3Bucket {
  readonly client: S3Client;
  /** For a command's input. Throws Invalid for what is no key. */
  named(key: string): { readonly Bucket: string; readonly Key: string };
  /**
   * Whether an error means that there is no such object. S3 says "forbidden" of one that is not there to whoever may not list
   * the whole bucket (credentials of one tenant): then it is looked for in a listing of its own.
   */
  saysAbsent(key: string, error: unknown): Promise<boolean>;
}

export function createS3Bucket(client: S3Client, Bucket: string, prefix: string): S3Bucket {
  return {
    client,
    named(key) {
      checkObjectKey(key);
      return { Bucket, Key: `${prefix}${key}` };
    },
    async saysAbsent(key, error) {
      const status = statusOf(error);
      if (status !== 403) return status === 404;
      const Prefix = `${prefix}${key}`;
      try {
        const page = await client.send(new ListObjectsV2Command({ Bucket, Prefix, MaxKeys: 1 }));
        // In order, so the key itself comes before any that goes on.
        return page.Contents?.[0]?.Key !== Prefix;
      } catch {
        return false;
      }
    },
  };
}

export async function withS3Errors<T>(send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    throw refusal('S3', error);
  }
}
