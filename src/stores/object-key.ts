// What every object store checks before it touches anything: the key, and the range of a read.
import { Gone, Invalid } from '../core/errors.ts';

/** S3's own limit. */
const MAX_KEY_BYTES = 1_024;

/** Throws Invalid('bad-key') for a key that could leave the store or be read two ways. */
export function checkObjectKey(key: string): void {
  const parts = key.split('/');
  const bad =
    parts.some((part) => part === '' || part === '.' || part === '..') ||
    key.includes('\u0000') ||
    !key.isWellFormed() ||
    Buffer.byteLength(key, 'utf8') > MAX_KEY_BYTES;
  if (bad) throw new Invalid('bad-key', 'This cannot be the key of an object.');
}

/** Throws Invalid('bad-range') unless 0 <= start <= end, both whole. */
export function checkRange(range: { readonly start: number; readonly end: number }): void {
  const { start, end } = range;
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && end >= start) return;
  throw new Invalid('bad-range', `Bytes ${start} to ${end} are no range.`);
}

export function noObject(key: string): Gone {
  return new Gone('no-object', 'There is no such object.', { data: { key } });
}

export function sizeMismatch(expectedBytes: number, found: number): Invalid {
  return new Invalid(
    'size-mismatch',
    `The file has ${found} bytes, not the ${expectedBytes} it was said to have.`,
  );
}

/** The order of `list`: by UTF-8 bytes, as S3 has it. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
}
