// Pages of lists: sizes within bounds, and cursors that are opaque to callers and checked when they come back.
import type { ListOptions } from '../../core/ports/store.ts';
import { storeError } from './errors.ts';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;

export function pageSize(options: ListOptions | undefined): number {
  const limit = options?.limit ?? DEFAULT_LIMIT;
  if (!Number.isFinite(limit)) return DEFAULT_LIMIT;
  return Math.min(MAX_LIMIT, Math.max(1, Math.trunc(limit)));
}

/** Where a page ended: the values its items are sorted by. The next page begins after it. */
export type Position = readonly (string | number)[];

export function encodeCursor(position: Position): string {
  return Buffer.from(JSON.stringify(position), 'utf8').toString('base64url');
}

/** Reads a cursor whose values have the given types; undefined when there is none. Invalid('bad-cursor'). */
export function decodeCursor(
  cursor: string | undefined,
  types: readonly ('string' | 'number')[],
): Position | undefined {
  if (cursor === undefined) return undefined;
  let position: unknown;
  try {
    position = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    position = null;
  }
  const fits =
    Array.isArray(position) &&
    position.length === types.length &&
    position.every((part, i) => typeof part === types[i]) &&
    position.every((part) => typeof part === 'string' || Number.isSafeInteger(part));
  if (!fits) throw storeError('bad-cursor');
  return position as Position;
}
