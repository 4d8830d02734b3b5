// Pages of lists: sizes within bounds, and cursors that are opaque to callers and checked when they come back.
import { Invalid } from '../core/errors.ts';
import type { ListOptions } from '../core/ports/store.ts';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;

export function pageSize(options: ListOptions | undefined): number {
  const limit = options?.limit ?? DEFAULT_LIMIT;
  if (!Number.isFinite(limit)) return DEFAULT_LIMIT;
  return Math.min(MAX_LIMIT, Math.max(1, Math.trunc(limit)));
}

/** The place after which the next page begins. */
export type Place = readonly (string | number)[];

export function encodeCursor(place: Place): string {
  return Buffer.from(JSON.stringify(place), 'utf8').toString('base64url');
}

/** Reads a cursor whose parts have the given types; undefined when there is none. Throws Invalid('bad-cursor'). */
export function decodeCursor(
  cursor: string | undefined,
  types: readonly ('string' | 'number')[],
): Place | undefined {
  if (cursor === undefined) return undefined;
  let place: unknown;
  try {
    place = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    place = null;
  }
  const fits =
    Array.isArray(place) &&
    place.length === types.length &&
    place.every((part, i) => typeof part === types[i]);
  if (!fits) {
    throw new Invalid('bad-cursor', 'The cursor is not one this list handed out.', {
      advice: 'Begin the list again without a cursor.',
    });
  }
  return place as Place;
}
