// Writing to S3, if absent: small bodies in one request, large ones in parts with the condition on completion. A write
// carries an id of its own in the metadata, so that one whose answer was lost is recognised when it finds its key taken.

import { randomUUID } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { errorName, refusal, statusOf } from '../../aws/client-errors.ts';
import { backoffMs } from '../../core/backoff.ts';
import { Refused } from '../../core/errors.ts';
import type { ObjectStore } from '../../core/ports/objects.ts';
import { checkObjectKey, sizeMismatch } from '../object-key.ts';
import { BACKOFF, type S3Bucket, withS3Errors } from './bucket.ts';
import { type EncryptionOf, encryptionInput } from './encryption.ts';

/** Larger bodies go up in parts. */
const SINGLE_PUT_BYTES = 16 * 1024 * 1024;
const PART_BYTES = 8 * 1024 * 1024;
const MAX_PARTS = 10_000;
const PARALLEL_PARTS = 3;
const TRIES = 4;

/** Where a body's bytes come from: memory, or a file read piece by piece. */
interface Source {
  readonly bytes: number;
  read(start: number, end: number): Promise<Uint8Array>;
}

export function createS3Put(
  { client, named, saysAbsent }: S3Bucket,
  encryptionOf?: EncryptionOf,
): ObjectStore['put'] {
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
        await pause(backoffMs(BACKOFF, attempt));
      }
    }
  }

  /** A write whose answer was lost and which was sent again finds the key taken by itself: its write id tells. */
  async function isOurs(key: string, writeId: string): Promise<boolean> {
    try {
      return (await client.send(new HeadObjectCommand(named(key)))).Metadata?.write === writeId;
    } catch (error) {
      throw refusal('S3', error);
    }
  }

  async function outcome(key: string, writeId: string, result: unknown): Promise<'created' | 'exists'> {
    if (result === 'taken') return 'exists';
    if (result === 'taken-after-retry') return (await isOurs(key, writeId)) ? 'created' : 'exists';
    return 'created';
  }

  async function putWhole(key: string, source: Source): Promise<'created' | 'exists'> {
    const Body = await source.read(0, source.bytes);
    const writeId = randomUUID();
    const own = { ...named(key), ...(await encryptionInput(encryptionOf)) };
    const input = { ...own, Body, IfNoneMatch: '*', Metadata: { write: writeId } };
    return outcome(key, writeId, await ifAbsent(() => client.send(new PutObjectCommand(input))));
  }

  async function exists(key: string): Promise<boolean> {
    try {
      await client.send(new HeadObjectCommand(named(key)));
      return true;
    } catch (error) {
      if (await saysAbsent(key, error)) return false;
      throw refusal('S3', error);
    }
  }

  /** All parts or nothing: what fails is aborted; what dies is swept by the bucket's lifecycle rule. */
  async function putParts(key: string, source: Source): Promise<'created' | 'exists'> {
    if (await exists(key)) return 'exists';
    const writeId = randomUUID();
    const at = named(key);
    const create = new CreateMultipartUploadCommand({
      ...at,
      ...(await encryptionInput(encryptionOf)),
      ChecksumAlgorithm: 'CRC32',
      Metadata: { write: writeId },
    });
    const { UploadId } = await withS3Errors(() => client.send(create));
    try {
      const Parts = await uploadParts(key, UploadId, source);
      const complete = { ...at, UploadId, IfNoneMatch: '*', MultipartUpload: { Parts } };
      const result = await ifAbsent(() => client.send(new CompleteMultipartUploadCommand(complete)));
      const done = await outcome(key, writeId, result);
      if (done === 'exists') await abort(key, UploadId);
      return done;
    } catch (error) {
      // A completion whose answer was lost leaves no upload to complete again.
      if (errorName((error as Error).cause) === 'NoSuchUpload' && (await isOurs(key, writeId)))
        return 'created';
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
        const { ETag, ChecksumCRC32 } = await withS3Errors(() => client.send(command));
        parts[i] = { PartNumber, ...(ETag && { ETag }), ...(ChecksumCRC32 && { ChecksumCRC32 }) };
      }
    };
    await allDone(Array.from({ length: PARALLEL_PARTS }, worker));
    return parts;
  }

  async function abort(key: string, UploadId: string | undefined): Promise<void> {
    await client.send(new AbortMultipartUploadCommand({ ...named(key), UploadId })).catch(() => {});
  }

  function send(key: string, source: Source): Promise<'created' | 'exists'> {
    return source.bytes > SINGLE_PUT_BYTES ? putParts(key, source) : putWhole(key, source);
  }

  return async (key, body) => {
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
  };
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

async function readExactly(
  file: FileHandle,
  start: number,
  end: number,
  expectedBytes: number,
): Promise<Uint8Array> {
  const bytes = Buffer.alloc(end - start);
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, start + at);
    if (bytesRead === 0) throw sizeMismatch(expectedBytes, start + at);
    at += bytesRead;
  }
  return bytes;
}
