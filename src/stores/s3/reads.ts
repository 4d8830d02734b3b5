// Reading from S3: whole objects and ranges in one request each, long objects as pieces fetched ahead in parallel with
// bounded memory. What breaks off is asked for again.

import { setTimeout as pause } from 'node:timers/promises';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { errorName, refusal, statusOf } from '../../aws/client-errors.ts';
import { backoffMs } from '../../core/backoff.ts';
import { Refused } from '../../core/errors.ts';
import type { ObjectStore } from '../../core/ports/objects.ts';
import { checkObjectKey, checkRange, noObject } from '../object-key.ts';
import { BACKOFF, type S3Bucket } from './bucket.ts';

/** A stream holds at most this many pieces of this size. */
const PIECE_BYTES = 8 * 1024 * 1024;
const PARALLEL_PIECES = 4;
const TRIES = 4;

export function createS3Reads({ client, named, saysAbsent }: S3Bucket): Pick<ObjectStore, 'get' | 'stream'> {
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
        if (statusOf(error) === 403 && (await saysAbsent(key, error))) throw noObject(key);
        if (statusOf(error) === 416) return { body: null, size: 0 };
        if (statusOf(error) !== undefined || attempt === TRIES) throw refusal('S3', error);
        await pause(backoffMs(BACKOFF, attempt));
      }
    }
  }

  return {
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
  };
}
