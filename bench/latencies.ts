// The distance to S3 and DynamoDB, put before stores of this machine: what the bench assumes of them is here, and nowhere else.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObjectStore } from '../src/core/ports/objects.ts';
import type { SessionStore } from '../src/core/ports.ts';

/** To the first byte of an answer, from within the region. */
export const S3_FIRST_BYTE_MS = 26;
/** Of one connection. */
export const S3_BYTES_PER_MS = 60_000;
export const DYNAMO_MS = 4;

export interface ObjectTraffic {
  gets: number;
  puts: number;
  downBytes: number;
  upBytes: number;
}

export const noTraffic = (): ObjectTraffic => ({ gets: 0, puts: 0, downBytes: 0, upBytes: 0 });

export async function s3Delay(bytes: number): Promise<void> {
  await sleep(S3_FIRST_BYTE_MS + bytes / S3_BYTES_PER_MS);
}

/** Counts what goes to and fro, too. Its objects are no files, as S3's are none. */
export function asFarAsS3(objects: ObjectStore, traffic: ObjectTraffic = noTraffic()): ObjectStore {
  const { fileOf: _, ...inner } = objects;
  return {
    ...inner,
    async put(key, body) {
      const bytes = body instanceof Uint8Array ? body.length : body.bytes;
      traffic.puts++;
      traffic.upBytes += bytes;
      await s3Delay(bytes);
      return await objects.put(key, body);
    },
    async get(key, range) {
      const body = await objects.get(key, range);
      traffic.gets++;
      traffic.downBytes += body.length;
      await s3Delay(body.length);
      return body;
    },
    async *stream(key) {
      traffic.gets++;
      await s3Delay(0);
      for await (const piece of objects.stream(key)) {
        traffic.downBytes += piece.length;
        await sleep(piece.length / S3_BYTES_PER_MS);
        yield piece;
      }
    },
    async *list(prefix) {
      await s3Delay(0);
      yield* objects.list(prefix);
    },
    async delete(keys) {
      await s3Delay(0);
      await objects.delete(keys);
    },
  };
}

const CALLS = [
  'accept',
  'begin',
  'renew',
  'commit',
  'advance',
  'setAnchor',
  'check',
  'settle',
  'release',
  'getTurn',
  'getHead',
  'getMapping',
] as const satisfies readonly (keyof SessionStore)[];

export function asFarAsDynamo(store: SessionStore): SessionStore {
  const delayed = CALLS.map((name) => {
    const call = store[name] as (...given: unknown[]) => Promise<unknown>;
    const later = async (...given: unknown[]): Promise<unknown> => {
      await sleep(DYNAMO_MS);
      return await call.apply(store, given);
    };
    return [name, later] as const;
  });
  return {
    ...store,
    ...(Object.fromEntries(delayed) as unknown as Pick<SessionStore, (typeof CALLS)[number]>),
  };
}
