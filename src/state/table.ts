// A generation's file table, and the changes between two of them. A table is the sum of the deltas in its packs'
// headers, oldest first; merging packs composes their deltas. Nothing here touches a disk.
import { Corrupt } from '../core/errors.ts';
import { parentOf, ROOTS, shown, unsafePath } from './paths.ts';
import { isSystemPath } from './system-folders.ts';

/** A chunk by its hash, or a number of zero bytes, which are not stored. */
export type ChunkRef = string | number;

interface DirectoryEntry {
  readonly kind: 'directory';
  readonly mode: number;
  readonly mtimeMs: number;
}
export interface FileEntry {
  readonly kind: 'file';
  readonly mode: number;
  readonly mtimeMs: number;
  readonly bytes: number;
  readonly chunks: readonly ChunkRef[];
}
export interface LinkEntry {
  readonly kind: 'link';
  readonly mtimeMs: number;
  readonly target: string;
  /**
   * True for an absolute link into its own root: `target` is then relative to the root, and a restore makes it absolute
   * again. Otherwise `target` is relative to the link, or an absolute path in one of the SYSTEM_FOLDERS.
   */
  readonly rooted: boolean;
}
export type Entry = DirectoryEntry | FileEntry | LinkEntry;

/** An edit of a file's chunk list: `remove` chunks from index `start` on are replaced by `insert`. */
export interface Splice {
  readonly start: number;
  readonly remove: number;
  readonly insert: readonly ChunkRef[];
}
/** An edit of a file that exists already. It lists only changed chunks, so a header does not grow with the file. */
export interface PatchEntry {
  readonly kind: 'patch';
  readonly mode: number;
  readonly mtimeMs: number;
  readonly bytes: number;
  readonly splices: readonly Splice[];
}

export type Table = Map<string, Entry>;

/** A change of a table: first every path of `removed` is deleted with everything below it, then `set` is written. */
export interface Delta {
  readonly removed: ReadonlySet<string>;
  readonly set: ReadonlyMap<string, Entry | PatchEntry>;
}

function spliced(chunks: readonly ChunkRef[], splices: readonly Splice[]): ChunkRef[] {
  let list = chunks.slice();
  for (const { start, remove, insert } of splices) {
    if (start + remove > list.length) throw new Corrupt('corrupt-pack', 'A patch does not fit its file.');
    list = [...list.slice(0, start), ...insert, ...list.slice(start + remove)];
  }
  return list;
}

/** The shortest single splice from one chunk list to another. */
function spliceBetween(from: readonly ChunkRef[], to: readonly ChunkRef[]): readonly Splice[] {
  let start = 0;
  while (start < from.length && start < to.length && from[start] === to[start]) start++;
  let tail = 0;
  while (
    tail < from.length - start &&
    tail < to.length - start &&
    from[from.length - 1 - tail] === to[to.length - 1 - tail]
  )
    tail++;
  const remove = from.length - start - tail;
  const insert = to.slice(start, to.length - tail);
  return remove === 0 && insert.length === 0 ? [] : [{ start, remove, insert }];
}

function isBelowAny(path: string, removed: ReadonlySet<string>): boolean {
  for (let at = path; at.length > 0; at = parentOf(at)) {
    if (removed.has(at)) return true;
    if (!at.includes('/')) return false;
  }
  return false;
}

/** Applies a delta in place. Throws Corrupt when a patch has nothing to patch. */
export function applyDelta(table: Table, delta: Delta): void {
  if (delta.removed.size > 0) {
    for (const path of table.keys()) if (isBelowAny(path, delta.removed)) table.delete(path);
  }
  for (const [path, entry] of delta.set) {
    if (entry.kind !== 'patch') {
      table.set(path, entry);
      continue;
    }
    const before = table.get(path);
    if (before?.kind !== 'file') {
      throw new Corrupt('corrupt-pack', `${shown(path)} is patched, but was never stored.`);
    }
    table.set(path, patched(before, entry));
  }
}

function patched(before: FileEntry, patch: PatchEntry): FileEntry {
  const { mode, mtimeMs, bytes } = patch;
  return { kind: 'file', mode, mtimeMs, bytes, chunks: spliced(before.chunks, patch.splices) };
}

/** The delta that changes table `from` into table `to`. */
export function deltaBetween(from: Table, to: Table): Delta {
  const gone = new Set<string>();
  for (const [path, before] of from) {
    const after = to.get(path);
    if (after === undefined || (before.kind === 'directory' && after.kind !== 'directory')) gone.add(path);
  }
  // Removing a folder removes everything below it, so only the topmost paths are listed.
  const removed = new Set<string>();
  for (const path of gone) if (!isBelowAny(parentOf(path), gone)) removed.add(path);
  const set = new Map<string, Entry | PatchEntry>();
  for (const [path, after] of to) {
    const change = changeBetween(from.get(path), after);
    if (change !== null) set.set(path, change);
  }
  return { removed, set };
}

function changeBetween(before: Entry | undefined, after: Entry): Entry | PatchEntry | null {
  if (before === undefined || before.kind !== after.kind) return after;
  if (before.mtimeMs === after.mtimeMs) {
    if (after.kind === 'link' && before.kind === 'link') {
      if (before.target === after.target && before.rooted === after.rooted) return null;
    } else if (after.kind === 'directory' && before.kind === 'directory') {
      if (before.mode === after.mode) return null;
    }
  }
  if (after.kind !== 'file' || before.kind !== 'file') return after;
  const splices = spliceBetween(before.chunks, after.chunks);
  const { mode, mtimeMs, bytes } = after;
  if (splices.length === 0 && mode === before.mode && mtimeMs === before.mtimeMs) return null;
  const inserted = splices[0]?.insert.length ?? 0;
  if (splices.length > 0 && inserted === after.chunks.length) return after;
  return { kind: 'patch', mode, mtimeMs, bytes, splices };
}

/** One delta with the effect of `first` followed by `second`. */
export function composeDeltas(first: Delta, second: Delta): Delta {
  const set = new Map<string, Entry | PatchEntry>();
  for (const [path, entry] of first.set) {
    if (second.removed.size === 0 || !isBelowAny(path, second.removed)) set.set(path, entry);
  }
  for (const [path, entry] of second.set) {
    const before = entry.kind === 'patch' ? set.get(path) : undefined;
    if (entry.kind !== 'patch' || before === undefined) set.set(path, entry);
    else if (before.kind === 'file') set.set(path, patched(before, entry));
    else if (before.kind === 'patch')
      set.set(path, { ...entry, splices: joinSplices(before.splices, entry.splices) });
    else throw new Corrupt('corrupt-pack', `${shown(path)} is patched, but was no file.`);
  }
  return { removed: new Set([...first.removed, ...second.removed]), set };
}

/** A range of the original chunk list (the last one has no end), or inserted chunks. */
type Piece = { readonly from: number; readonly count: number } | { readonly insert: readonly ChunkRef[] };

/** The splices of two patches combined into one list. Chunks that `second` removes again are not in it. */
function joinSplices(first: readonly Splice[], second: readonly Splice[]): readonly Splice[] {
  let pieces: readonly Piece[] = [{ from: 0, count: Number.POSITIVE_INFINITY }];
  for (const { start, remove, insert } of [...first, ...second]) {
    const before = stretch(pieces, 0, start);
    const after = stretch(pieces, start + remove, Number.POSITIVE_INFINITY);
    pieces = [...before, { insert }, ...after];
  }
  const out: Splice[] = [];
  let insert: ChunkRef[] = [];
  let at = 0;
  let original = 0;
  for (const piece of pieces) {
    if ('insert' in piece) {
      insert.push(...piece.insert);
      continue;
    }
    const remove = piece.from - original;
    if (remove > 0 || insert.length > 0) out.push({ start: at, remove, insert });
    at += insert.length + piece.count;
    original = piece.from + piece.count;
    insert = [];
  }
  return out;
}

function stretch(pieces: readonly Piece[], start: number, end: number): Piece[] {
  const out: Piece[] = [];
  let at = 0;
  for (const piece of pieces) {
    const count = 'insert' in piece ? piece.insert.length : piece.count;
    const from = Math.max(0, start - at);
    const to = Math.min(count, end - at);
    at += count;
    if (to <= from) continue;
    out.push(
      'insert' in piece
        ? { insert: piece.insert.slice(from, to) }
        : { from: piece.from + from, count: to - from },
    );
  }
  return out;
}

/** Every chunk list that a delta writes. */
export function* chunkListsOf(delta: Delta): Generator<readonly ChunkRef[]> {
  for (const entry of delta.set.values()) {
    if (entry.kind === 'file') yield entry.chunks;
    else if (entry.kind === 'patch') for (const splice of entry.splices) yield splice.insert;
  }
}

/** The numbers of entries and of file bytes. Every header has them, and they are checked after it is applied. */
export function totalsOf(table: Table): { readonly entries: number; readonly bytes: number } {
  let bytes = 0;
  for (const entry of table.values()) if (entry.kind === 'file') bytes += entry.bytes;
  return { entries: table.size, bytes };
}

/** Throws Corrupt unless every path is safe and inside a stored directory, and no link leaves its root. */
export function checkTable(table: Table): void {
  for (const [path, entry] of table) {
    const fault = unsafePath(path);
    if (fault !== null) throw new Corrupt('corrupt-pack', `The pack names ${shown(path)}: ${fault}.`);
    const parent = parentOf(path);
    if (!(ROOTS as readonly string[]).includes(parent) && table.get(parent)?.kind !== 'directory') {
      throw new Corrupt('corrupt-pack', `${shown(path)} lies in no stored folder.`);
    }
    if (entry.kind === 'link' && leavesRoot(table, path, entry)) {
      throw new Corrupt('corrupt-pack', `The link ${shown(path)} leaves its root.`);
    }
  }
}

const MAX_HOPS = 40;

/**
 * True when following the link could lead out of its root. Follows the target name by name through the other links of
 * the table; names that do not exist count as plain folders. A loop stays inside. A system folder is allowed as target.
 */
export function leavesRoot(table: ReadonlyMap<string, Entry>, path: string, link: LinkEntry): boolean {
  const root = path.slice(0, path.indexOf('/'));
  const leaves = (target: string, rest: readonly string[]) =>
    root !== 'workspace' || rest.includes('..') || !isSystemPath(target);
  if (!link.rooted && link.target.startsWith('/')) return leaves(link.target, []);
  let hops = 0;
  const at = link.rooted ? [root] : parentOf(path).split('/');
  const todo = link.target.split('/').reverse();
  while (todo.length > 0) {
    const name = todo.pop()!;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (at.length === 1) return true;
      at.pop();
      continue;
    }
    at.push(name);
    const met = table.get(at.join('/'));
    if (met?.kind !== 'link') continue;
    if (++hops > MAX_HOPS) return false;
    if (!met.rooted && met.target.startsWith('/')) return leaves(met.target, todo);
    at.pop();
    if (met.rooted) at.length = 1;
    todo.push(...met.target.split('/').reverse());
  }
  return false;
}
