// One bucket, as the parts of the S3 adapter see it: the client, the full name of a key, and its errors in our families.
import type { S3Client } from '@aws-sdk/client-s3';
import { refusal } from '../../aws/client-errors.ts';
import { checkObjectKey } from '../object-key.ts';

/** Between tries that the client does not make by itself. */
export const BACKOFF = { firstMs: 100, maxMs: 400, jitter: 1 };

export interface S3Bucket {
  readonly client: S3Client;
  /** For a command's input. Throws Invalid for what is no key. */
  named(key: string): { readonly Bucket: string; readonly Key: string };
}

export function createS3Bucket(client: S3Client, Bucket: string, prefix: string): S3Bucket {
  return {
    client,
    named(key) {
      checkObjectKey(key);
      return { Bucket, Key: `${prefix}${key}` };
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
