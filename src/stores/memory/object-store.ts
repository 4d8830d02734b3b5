// Objects in memory: one map, bytes copied in and out.
import { readFile } from 'node:fs/promises';
import { Refused } from '../../core/errors.ts';
import type { ObjectStore } from '../../core/ports/objects.ts';
import { checkObjectKey, checkRange, compareKeys, noObject, sizeMismatch } from '../object-key.ts';

const PIECE_BYTES = 1024 * 1024;

export function createMemoryObjectStore(options: { now?: () => number } = {}): ObjectStore {
  const now = options.now ?? Date.now;
  const objects = new Map<string, { body: Uint8Array; modifiedAtMs: number }>();

  function find(key: string): Uint8Array {
    checkObjectKey(key);
    const found = objects.get(key);
    if (!found) throw noObject(key);
    return found.body;
  }

  return {
    async put(key, body) {
      checkObjectKey(key);
      const bytes =
        body instanceof Uint8Array ? Uint8Array.from(body) : await fileBytes(body.file, body.bytes);
      if (objects.has(key)) return 'exists';
      objects.set(key, { body: bytes, modifiedAtMs: now() });
      return 'created';
    },

    async get(key, range) {
      if (range) checkRange(range);
      return find(key).slice(range?.start, range?.end);
    },

    async *stream(key) {
      const body = find(key);
      for (let at = 0; at < body.length; at += PIECE_BYTES) yield body.slice(at, at + PIECE_BYTES);
    },

    async *list(prefix) {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort(compareKeys);
      for (const key of keys) {
        const found = objects.get(key);
        if (found) yield { key, bytes: found.body.length, modifiedAtMs: found.modifiedAtMs };
      }
    },

    async delete(keys) {
      keys.forEach(checkObjectKey);
      for (const key of keys) objects.delete(key);
    },
  };
}

async function fileBytes(file: string, expectedBytes: number): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw new Refused('source-unreadable', 'The file to store cannot be read.', { cause });
  }
  if (bytes.length !== expectedBytes) throw sizeMismatch(expectedBytes, bytes.length);
  return bytes;
}
