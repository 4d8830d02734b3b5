// Paths inside a session's state: `config/...` or `workspace/...`, components joined by `/`. A file name is bytes on
// disk; bytes that are not valid UTF-8 become lone surrogates U+DC80..U+DCFF (one per byte), so any name survives a
// round trip through JSON. What comes out of a pack is checked here before it is joined to a root.
import { Buffer } from 'node:buffer';

export const ROOTS = ['config', 'workspace'] as const;
export type RootName = (typeof ROOTS)[number];

/** Longest file name, bytes: the limit of Linux file systems. */
const MAX_NAME_BYTES = 255;
/** Longest path below a root, bytes. PATH_MAX is 4,096 and the root's own path differs between machines. */
export const MAX_PATH_BYTES = 3_500;
/** Longest symlink target, bytes. */
export const MAX_TARGET_BYTES = 4_000;

const REPLACEMENT = '\ufffd';

/** Bytes of a name or target to text; reversible by {@link bytesOf}. */
export function textOf(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (!text.includes(REPLACEMENT)) return text;
  let out = '';
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    out += length === 0 ? String.fromCharCode(0xdc00 + bytes[at]!) : bytes.toString('utf8', at, at + length);
    at += Math.max(1, length);
  }
  return out;
}

/** The bytes of a name or path made by {@link textOf}. */
export function bytesOf(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0xd800 && unit <= 0xdbff && isLow(text.charCodeAt(i + 1))) {
      i++;
      continue;
    }
    if (unit < 0xd800 || unit > 0xdfff) continue;
    parts.push(Buffer.from(text.slice(start, i), 'utf8'), Buffer.of(unit & 0xff));
    start = i + 1;
  }
  parts.push(Buffer.from(text.slice(start), 'utf8'));
  return Buffer.concat(parts);
}

/** A path for Node's fs: a string if it is valid Unicode, else its exact bytes. */
export function fsPath(path: string): string | Buffer {
  return path.isWellFormed() ? path : bytesOf(path);
}

/** Why a state path may not be used, or null when it is safe. It checks everything: a path may come from anywhere. */
export function unsafePath(path: string): string | null {
  const parts = path.split('/');
  if (parts[0] !== 'config' && parts[0] !== 'workspace') return 'outside both roots';
  if (parts.length < 2) return 'a root itself';
  if (path.length > 8 && byteLength(path) - parts[0].length - 1 > MAX_PATH_BYTES) return 'path too long';
  for (let i = 1; i < parts.length; i++) {
    const part = parts[i]!;
    if (part === '' || part === '.' || part === '..') return 'empty, "." or ".." as a name';
    if (part.includes('\0')) return 'a NUL in a name';
    if (part.length > MAX_NAME_BYTES / 4 && byteLength(part) > MAX_NAME_BYTES) return 'a name too long';
  }
  return path.isWellFormed() || textOf(bytesOf(path)) === path ? null : 'a name that is no text';
}

export function byteLength(text: string): number {
  return text.isWellFormed() ? Buffer.byteLength(text) : bytesOf(text).length;
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

/** A path for messages, with control characters and invalid bytes escaped. */
export function shown(path: string): string {
  return JSON.stringify(path).slice(1, -1);
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** Length of the valid UTF-8 sequence at `at`; 0 when there is none (RFC 3629, table 3-7 of Unicode). */
function sequenceLength(bytes: Buffer, at: number): number {
  const lead = bytes[at]!;
  if (lead < 0x80) return 1;
  const length =
    lead >= 0xc2 && lead <= 0xdf
      ? 2
      : lead >= 0xe0 && lead <= 0xef
        ? 3
        : lead >= 0xf0 && lead <= 0xf4
          ? 4
          : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  const second = bytes[at + 1]!;
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (let i = 2; i < length; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return 0;
  return length;
}
