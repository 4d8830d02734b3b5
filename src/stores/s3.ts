// ObjectStore on S3 or anything that speaks it. `put if absent` is `If-None-Match: *`; large bodies go up in parts with
// the condition on completion and come down by parallel ranges, with bounded memory. Digests are sent with every
// upload, and checked on whole reads where the server keeps them (parts of objects are checked by the pack layer).
// A server that ignores the condition on completion (Ceph 16) is only protected by the look before the upload.
import { randomUUID } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Refused } from '../core/errors.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import { errorName, refusal, statusOf } from './aws-errors.ts';
import { timeOuts } from './aws-time-outs.ts';
import { checkObjectKey, checkRange, noObject, sizeMismatch } from './object-key.ts';

/** Larger bodies go up in parts. */
const SINGLE_PUT_BYTES = 16 * 1024 * 1024;
const PART_BYTES = 8 * 1024 * 1024;
const MAX_PARTS = 10_000;
const PARALLEL_PARTS = 3;
/** A stream holds at most this many pieces of this size. */
const PIECE_BYTES = 8 * 1024 * 1024;
const PARALLEL_PIECES = 4;
const DELETE_KEYS = 1_000;
const TRIES = 4;
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
}

/** A client with bounded retries and time-outs that fit inside a turn. */
export function createS3Client(
  options: Omit<S3ObjectStoreOptions, 'bucket' | 'prefix' | 'client'>,
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

/** Where a body's bytes come from: memory, or a file read piece by piece. */
interface Source {
  readonly bytes: number;
  read(start: number, end: number): Promise<Uint8Array>;
}

export function createS3ObjectStore(options: S3ObjectStoreOptions): ObjectStore {
  const { bucket: Bucket, prefix = '' } = options;
  const client = options.client ?? createS3Client(options);

  const named = (key: string) => {
    checkObjectKey(key);
    return { Bucket, Key: `${prefix}${key}` };
  };

  /** What happened to a conditional write: null when the key was taken. 409 means another one is just going on. */
  async function ifAbsent<T>(write: () => Promise<T>): Promise<T | 'taken' | 'taken-after-retry'> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await write();
      } catch (error) {
        const status = statusOf(error);
        if (status === 412) {
          const tries = (error as { $metadata?: { attempts?: number } }).$metadata?.attempts ?? 1;
          return tries > 1 || attempt > 1 ? 'taken-after-retry' : 'taken';
        }
        if (status !== 409 || attempt === TRIES) throw refusal('S3', error);
        await pause(Math.random() * 50 * 2 ** attempt);
      }
    }
  }

  /** A write whose answer was lost and which was sent again finds the key taken by itself: its own mark tells. */
  async function isOurs(key: string, mark: string): Promise<boolean> {
    try {
      return (await client.send(new HeadObjectCommand(named(key)))).Metadata?.write === mark;
    } catch (error) {
      throw refusal('S3', error);
    }
  }

  async function outcome(key: string, mark: string, result: unknown): Promise<'created' | 'exists'> {
    if (result === 'taken') return 'exists';
    if (result === 'taken-after-retry') return (await isOurs(key, mark)) ? 'created' : 'exists';
    return 'created';
  }

  async function putWhole(key: string, source: Source): Promise<'created' | 'exists'> {
    const Body = await source.read(0, source.bytes);
    const mark = randomUUID();
    const input = { ...named(key), Body, IfNoneMatch: '*', Metadata: { write: mark } };
    return outcome(key, mark, await ifAbsent(() => client.send(new PutObjectCommand(input))));
  }

  async function exists(key: string): Promise<boolean> {
    try {
      await client.send(new HeadObjectCommand(named(key)));
      return true;
    } catch (error) {
      if (statusOf(error) === 404) return false;
      throw refusal('S3', error);
    }
  }

  /** All parts or nothing: what fails is aborted; what dies is swept by the bucket's lifecycle rule. */
  async function putParts(key: string, source: Source): Promise<'created' | 'exists'> {
    if (await exists(key)) return 'exists';
    const mark = randomUUID();
    const at = named(key);
    const create = new CreateMultipartUploadCommand({
      ...at,
      ChecksumAlgorithm: 'CRC32',
      Metadata: { write: mark },
    });
    const { UploadId } = await asking(() => client.send(create));
    try {
      const Parts = await uploadParts(key, UploadId, source);
      const complete = { ...at, UploadId, IfNoneMatch: '*', MultipartUpload: { Parts } };
      const result = await ifAbsent(() => client.send(new CompleteMultipartUploadCommand(complete)));
      const done = await outcome(key, mark, result);
      if (done === 'exists') await abort(key, UploadId);
      return done;
    } catch (error) {
      // A completion whose answer was lost leaves no upload to complete again.
      if (errorName((error as Error).cause) === 'NoSuchUpload' && (await isOurs(key, mark))) return 'created';
      await abort(key, UploadId);
      throw error;
    }
  }

  async function uploadParts(key: string, UploadId: string | undefined, source: Source) {
    const size = Math.max(PART_BYTES, Math.ceil(source.bytes / MAX_PARTS));
    const count = Math.ceil(source.bytes / size);
    const parts: { PartNumber: number; ETag?: string; ChecksumCRC32?: string }[] = [];
    let next = 0;
    const worker = async () => {
      for (let i = next++; i < count; i = next++) {
        const Body = await source.read(i * size, Math.min((i + 1) * size, source.bytes));
        const PartNumber = i + 1;
        const command = new UploadPartCommand({
          ...named(key),
          UploadId,
          PartNumber,
          Body,
          ChecksumAlgorithm: 'CRC32',
        });
        const { ETag, ChecksumCRC32 } = await asking(() => client.send(command));
        parts[i] = { PartNumber, ...(ETag && { ETag }), ...(ChecksumCRC32 && { ChecksumCRC32 }) };
      }
    };
    await allDone(Array.from({ length: PARALLEL_PARTS }, worker));
    return parts;
  }

  async function abort(key: string, UploadId: string | undefined): Promise<void> {
    await client.send(new AbortMultipartUploadCommand({ ...named(key), UploadId })).catch(() => {});
  }

  /**
   * One request for a range (or the whole), and the object's full size. A body that breaks off, or does not match
   * its digest, is asked for again. `body` is null where the range begins past the end.
   */
  async function fetch(
    key: string,
    range: { start: number; end: number } | null,
  ): Promise<{ body: Uint8Array | null; size: number }> {
    const Range = range ? `bytes=${range.start}-${range.end - 1}` : undefined;
    for (let attempt = 1; ; attempt++) {
      try {
        const found = await client.send(new GetObjectCommand({ ...named(key), ...(Range && { Range }) }));
        const body = (await found.Body?.transformToByteArray()) ?? new Uint8Array();
        if (found.ContentLength !== undefined && found.ContentLength !== body.length) {
          throw new Error('The body is not as long as announced.');
        }
        const total = found.ContentRange?.split('/')[1];
        return { body, size: total === undefined ? body.length : Number(total) };
      } catch (error) {
        if (errorName(error) === 'NoSuchKey') throw noObject(key);
        if (statusOf(error) === 416) return { body: null, size: 0 };
        if (statusOf(error) !== undefined || attempt === TRIES) throw refusal('S3', error);
        await pause(Math.random() * 50 * 2 ** attempt);
      }
    }
  }

  return {
    async put(key, body) {
      checkObjectKey(key);
      if (body instanceof Uint8Array) {
        const copy = Uint8Array.from(body);
        return await send(key, { bytes: copy.length, read: async (start, end) => copy.subarray(start, end) });
      }
      const file = await openFile(body.file);
      try {
        const { size } = await file.stat();
        if (size !== body.bytes) throw sizeMismatch(body.bytes, size);
        return await send(key, { bytes: size, read: (start, end) => readExactly(file, start, end, size) });
      } finally {
        await file.close();
      }
    },

    async get(key, range) {
      checkObjectKey(key);
      if (range) checkRange(range);
      const empty = range !== undefined && range.start === range.end;
      // An empty range still asks for a byte, so that an absent object is said to be absent.
      const asked = empty ? { start: 0, end: 1 } : (range ?? null);
      const { body } = await fetch(key, asked);
      return empty || body === null ? new Uint8Array() : body;
    },

    async *stream(key) {
      checkObjectKey(key);
      const piece = (i: number) => ({ start: i * PIECE_BYTES, end: (i + 1) * PIECE_BYTES });
      const first = await fetch(key, piece(0));
      if (first.body === null || first.body.length === 0) return;
      yield first.body;
      const count = Math.ceil(first.size / PIECE_BYTES);
      const ahead: Promise<{ body: Uint8Array | null }>[] = [];
      for (let i = 1; i < count || ahead.length > 0; ) {
        while (i < count && ahead.length < PARALLEL_PIECES) {
          const asked = fetch(key, piece(i++));
          asked.catch(() => {}); // Whoever awaits it sees the failure; nobody may await the ones after it.
          ahead.push(asked);
        }
        const { body } = await ahead.shift()!;
        if (body === null) throw new Refused('store-unavailable', 'An object ended before its size.');
        yield body;
      }
    },

    async *list(under) {
      let ContinuationToken: string | undefined;
      do {
        const page = await asking(() =>
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
      const all = [...new Set(keys)].map((key) => named(key).Key);
      for (const Key of all.filter((key) => OUTSIDE_XML.test(key))) {
        await asking(() => client.send(new DeleteObjectCommand({ Bucket, Key })));
      }
      const plain = all.filter((key) => !OUTSIDE_XML.test(key));
      for (let at = 0; at < plain.length; at += DELETE_KEYS) {
        const Objects = plain.slice(at, at + DELETE_KEYS).map((Key) => ({ Key }));
        const command = new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } });
        const { Errors } = await asking(() => client.send(command));
        const failed = Errors?.find(({ Code }) => Code !== 'NoSuchKey');
        if (failed) throw new Refused('store-unavailable', `S3 did not delete an object (${failed.Code}).`);
      }
    },
  };

  function send(key: string, source: Source): Promise<'created' | 'exists'> {
    return source.bytes > SINGLE_PUT_BYTES ? putParts(key, source) : putWhole(key, source);
  }
}

async function asking<T>(send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    throw refusal('S3', error);
  }
}

/** Waits for all, even after one failed: nothing may still be writing when the failure is reported. */
async function allDone(steps: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(steps);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw new Refused('source-unreadable', 'The file to store cannot be read.', { cause });
  }
}

async function readExactly(file: FileHandle, start: number, end: number, told: number): Promise<Uint8Array> {
  const bytes = Buffer.alloc(end - start);
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, start + at);
    if (bytesRead === 0) throw sizeMismatch(told, start + at);
    at += bytesRead;
  }
  return bytes;
}
