// Short names for the steps that object cases are made of.
import type { ObjectStore } from '../../src/core/ports/objects.ts';

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);

export async function keysOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

export async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}
