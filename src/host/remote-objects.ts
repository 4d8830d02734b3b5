// The packs of one session as its host reaches them: those that the worker has put into the incoming folder can be read, and
// a new one goes to the worker, who decides whether it is kept. There is no way to any other object.
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { Gone, Refused } from '../core/errors.ts';
import type { ObjectStore } from '../core/ports/objects.ts';

export interface RemoteObjectsOptions {
  readonly incoming: string;
  /** Asks the worker for a pack; true when it is in the incoming folder. */
  readonly need: (name: string) => Promise<boolean>;
  /** Announces a pack whose bytes follow on `bytes`, and waits for what becomes of it. */
  readonly offer: (name: string, size: number) => Promise<'created' | 'exists' | 'refused'>;
  readonly bytes: Writable;
}

export interface RemoteObjects extends ObjectStore {
  /** Packs that were there may be there no more. */
  askAgain(): void;
}

export function createRemoteObjects({ incoming, need, offer, bytes }: RemoteObjectsOptions): RemoteObjects {
  const asked = new Map<string, Promise<boolean>>();

  async function fileOf(key: string): Promise<string> {
    const name = nameOf(key);
    const found = asked.get(name) ?? need(name);
    asked.set(name, found);
    if (!(await found)) throw new Gone('no-object', 'There is no such pack.');
    return join(incoming, `${name}.pack`);
  }

  return {
    askAgain: () => asked.clear(),
    async put(key, body) {
      const size = 'file' in body ? body.bytes : body.length;
      const answer = offer(nameOf(key), size);
      if ('file' in body) {
        const source = createReadStream(body.file, { end: size - 1 });
        source.pipe(bytes, { end: false });
        await finished(source);
      } else bytes.write(body);
      const result = await answer;
      if (result === 'refused') throw new Refused('not-stored', 'The worker could not store the pack.');
      return result;
    },
    async get(key, range) {
      const file = await open(await fileOf(key));
      try {
        const start = range?.start ?? 0;
        const end = Math.min(range?.end ?? Number.POSITIVE_INFINITY, (await file.stat()).size);
        const buffer = Buffer.alloc(Math.max(0, end - start));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
        return buffer.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    },
    async *stream(key) {
      yield* createReadStream(await fileOf(key)) as AsyncIterable<Buffer>;
    },
    // biome-ignore lint/correctness/useYield: nothing can be listed from here
    async *list() {
      throw new Error('A host cannot list objects.');
    },
    async delete() {
      throw new Error('A host cannot delete objects.');
    },
  };
}

const nameOf = (key: string): string => basename(key, '.pack');
