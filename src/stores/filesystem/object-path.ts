// Keys to paths and back. Injective on any file system, also those that fold case or normalise Unicode: only
// `a-z 0-9 _ = - .` stand for themselves. A key may also be the beginning of another (`a` and `a/b`), and a part
// may be longer than a file name can be.
import { checkObjectKey } from '../object-key.ts';

const PLAIN = /[a-z0-9_=-]/;
const FILE_SUFFIX = '.obj';
/** Longest piece of a name; the usual limit is 255 bytes. */
const PIECE_LENGTH = 200;
/** Ends a folder's name when the part goes on in the next. */
const GOES_ON = '+';

function encodePart(part: string, dotsToo: boolean): string {
  let out = '';
  for (const [i, byte] of Buffer.from(part, 'utf8').entries()) {
    const char = String.fromCharCode(byte);
    const plain = PLAIN.test(char) || (char === '.' && i > 0 && !dotsToo);
    out += plain ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** The names that one part of a key becomes: one, or several when it is long. */
function pieces(part: string): string[] {
  const short = encodePart(part, false);
  if (short.length <= PIECE_LENGTH) return [short];
  // Without dots no piece can be `.`, `..` or hidden, wherever the cuts fall.
  const long = encodePart(part, true);
  const cut: string[] = [];
  for (let at = 0; at < long.length; at += PIECE_LENGTH) cut.push(long.slice(at, at + PIECE_LENGTH));
  return cut.map((piece, i) => (i < cut.length - 1 ? piece + GOES_ON : piece));
}

/** A folder's name never looks like an object's. */
function folderName(name: string): string {
  return name.endsWith(FILE_SUFFIX)
    ? `${name.slice(0, -FILE_SUFFIX.length)}%2E${FILE_SUFFIX.slice(1)}`
    : name;
}

/** Folder names below the root, for all but the last part of a key (or of a prefix). */
export function foldersOf(keyOrPrefix: string): string[] {
  return keyOrPrefix
    .split('/')
    .slice(0, -1)
    .flatMap((part) => pieces(part).map(folderName));
}

/** Names below the root: folders, then the file. Throws Invalid('bad-key'). */
export function pathOfKey(key: string): string[] {
  checkObjectKey(key);
  const last = pieces(key.slice(key.lastIndexOf('/') + 1));
  return [...foldersOf(key), ...last.slice(0, -1), last.at(-1)! + FILE_SUFFIX];
}

/** The key stored at these names; null when it is no object of ours. */
export function keyOfPath(names: readonly string[]): string | null {
  const file = names.at(-1);
  if (!file?.endsWith(FILE_SUFFIX)) return null;
  const joined = [...names.slice(0, -1), file.slice(0, -FILE_SUFFIX.length)].join('/');
  try {
    const key = decodeURIComponent(joined.replaceAll(`${GOES_ON}/`, ''));
    return pathOfKey(key).join('/') === names.join('/') ? key : null;
  } catch {
    return null;
  }
}
