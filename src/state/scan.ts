// Walks both roots of an execution directory without following links. It reports the entries, and what cannot be stored
// and why; it checks the workspace's limits. It reads names and attributes only, never a file's bytes.
import type { Buffer } from 'node:buffer';
import { chmodSync, lstatSync, readdirSync, readlinkSync, realpathSync, type Stats } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { Refused } from '../core/errors.ts';
import type { ExecutionDirectory, StateLimits } from '../core/ports/execution.ts';
import { codeOf, diskError } from './disk-errors.ts';
import { isExcluded } from './excluded.ts';
import { wholeMs } from './file-time.ts';
import { checkLimits } from './limits.ts';
import {
  bytesOf,
  fsPath,
  MAX_PATH_BYTES,
  MAX_TARGET_BYTES,
  ROOTS,
  type RootName,
  shown,
  textOf,
} from './paths.ts';
import { isSystemPath } from './system-folders.ts';
import { type Entry, type LinkEntry, leavesRoot } from './table.ts';

export interface ScannedFile {
  readonly kind: 'file';
  readonly mode: number;
  readonly mtimeMs: number;
  readonly bytes: number;
  readonly stamp: Stamp;
}
export type Scanned = Exclude<Entry, { kind: 'file' }> | ScannedFile;

/** Attributes that show, without reading a file, whether it has changed. */
export interface Stamp {
  readonly bytes: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly inode: number;
}

export interface Refusal {
  readonly path: string;
  readonly reason: string;
}

export interface Scan {
  /** By state path, parents before children. */
  readonly entries: ReadonlyMap<string, Scanned>;
  readonly refused: readonly Refusal[];
  /** Folders that could not be listed: their stored entries must stay. */
  readonly unread: readonly string[];
  /** Gives locked folders their own permissions back. Call it once the files have been read. */
  readonly close: () => void;
}

/** Yield to the event loop (lease renewals run there) after this many entries. */
const ENTRIES_PER_STEP = 1_000;

export function stampOf(stats: Stats): Stamp {
  return { bytes: stats.size, mtimeMs: stats.mtimeMs, ctimeMs: stats.ctimeMs, inode: stats.ino };
}

export function sameStamp(a: Stamp | undefined, b: Stamp): boolean {
  return (
    a !== undefined &&
    a.bytes === b.bytes &&
    a.mtimeMs === b.mtimeMs &&
    a.ctimeMs === b.ctimeMs &&
    a.inode === b.inode
  );
}

/** Throws Invalid('workspace-too-large') over the limits. */
export async function scanDirectory(directory: ExecutionDirectory, limits: StateLimits): Promise<Scan> {
  const locked = openLockedFolders();
  try {
    const found = await walk(directory, locked);
    checkLimits(found.entries, limits);
    return { ...found, close: locked.close };
  } catch (error) {
    locked.close();
    throw error;
  }
}

async function walk(directory: ExecutionDirectory, locked: ReturnType<typeof openLockedFolders>) {
  const entries = new Map<string, Scanned>();
  const refused: Refusal[] = [];
  const unread: string[] = [];
  const links: [string, LinkEntry][] = [];
  const refuse = (path: string, reason: string) => refused.push({ path: shown(path), reason });

  for (const root of ROOTS) {
    const base = directory[root];
    const bases = rootPaths(base);
    checkRoot(root, base);
    const waiting: string[] = [root];
    let seen = 0;
    while (waiting.length > 0) {
      const folder = waiting.pop()!;
      const folders: string[] = [];
      if (folder === root && isLink(base)) {
        // Following it would read files of this machine. What is stored of the folder stays stored.
        refuse(folder, 'it was replaced by a link');
        unread.push(folder);
        continue;
      }
      const names = namesIn(folder.includes('/') ? diskPath(base, folder) : base);
      if (names === null) {
        refuse(folder, 'it may not be read');
        unread.push(folder);
      }
      for (const name of names ?? []) {
        const path = `${folder}/${name}`;
        if (isExcluded(path)) continue;
        if (++seen % ENTRIES_PER_STEP === 0) await setImmediate();
        if (path.length > MAX_PATH_BYTES / 4 && bytesOf(path).length - root.length - 1 > MAX_PATH_BYTES) {
          refuse(path, `its path is longer than ${MAX_PATH_BYTES} bytes`);
          continue;
        }
        const onDisk = diskPath(base, path);
        const stats = lstatOrNull(onDisk);
        if (stats === null) continue;
        const mode = stats.mode & 0o777;
        const mtimeMs = wholeMs(stats.mtimeMs);
        if (stats.isFile()) {
          entries.set(path, { kind: 'file', mode, mtimeMs, bytes: stats.size, stamp: stampOf(stats) });
        } else if (stats.isDirectory()) {
          entries.set(path, { kind: 'directory', mode, mtimeMs });
          locked.open(onDisk, mode);
          folders.push(path);
        } else if (stats.isSymbolicLink()) {
          const link = linkEntry(root, onDisk, bases, mtimeMs);
          if (typeof link === 'string') refuse(path, link);
          else {
            entries.set(path, link);
            links.push([path, link]);
          }
        } else refuse(path, specialReason(stats));
      }
      waiting.push(...folders.reverse());
    }
  }
  // A link may lead through other links, so this check needs all of them.
  const leaving = links.filter(([path, link]) => leavesRoot(entries as Map<string, Entry>, path, link));
  for (const [path] of leaving) {
    entries.delete(path);
    refuse(path, 'the link leads out of its folder');
  }
  return { entries, refused, unread };
}

function isLink(path: string): boolean {
  return lstatOrNull(path)?.isSymbolicLink() === true;
}

/** A state path on this machine. */
export function diskPath(base: string, path: string): string | Buffer {
  return fsPath(`${base}${path.slice(path.indexOf('/'))}`);
}

function rootPaths(base: string): readonly string[] {
  try {
    return [...new Set([base, realpathSync(base)])];
  } catch {
    return [base];
  }
}

/** An agent may remove its workspace. Without its config folder the session would be lost, so that is an error. */
function checkRoot(root: RootName, base: string): void {
  try {
    if (root === 'workspace' && isLink(base)) return;
    if (isLink(base)) throw Object.assign(new Error('a link in its place'), { code: 'ENOENT' });
    readdirSync(base);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw diskError(error, 'reading the execution directory');
    if (root === 'workspace') return;
    throw new Refused(
      'directory-missing',
      "The session's config folder is gone from the execution directory.",
      {
        cause: error,
        advice: 'Nothing of this turn was kept; the state before it is safe.',
      },
    );
  }
}

function lstatOrNull(path: string | Buffer): Stats | null {
  try {
    return lstatSync(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw diskError(error, 'reading the execution directory');
  }
}

/** Names in a folder, sorted; null when it may not be read. A folder that does not exist is empty. */
function namesIn(onDisk: string | Buffer): string[] | null {
  try {
    return list(onDisk);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    if (codeOf(error) === 'EACCES') return null;
    throw diskError(error, 'reading the execution directory');
  }
}

/** Makes folders without read permission (chmod 000) readable during a checkpoint, then restores their modes. */
function openLockedFolders() {
  const opened: { readonly path: string | Buffer; readonly mode: number }[] = [];
  return {
    open(path: string | Buffer, mode: number): void {
      if ((mode & 0o500) === 0o500) return;
      try {
        chmodSync(path, mode | 0o500);
        opened.push({ path, mode });
      } catch (error) {
        // Another user owns the folder. Listing it fails, and is then reported.
        if (codeOf(error) !== 'EPERM') throw diskError(error, 'reading the execution directory');
      }
    },
    close(): void {
      for (const { path, mode } of opened.splice(0).reverse()) {
        try {
          chmodSync(path, mode);
        } catch (error) {
          if (codeOf(error) !== 'ENOENT') throw diskError(error, 'reading the execution directory');
        }
      }
    },
  };
}

function list(onDisk: string | Buffer): string[] {
  const names = readdirSync(onDisk);
  const plain = names.some((name) => name.includes('\ufffd'))
    ? readdirSync(onDisk, { encoding: 'buffer' }).map(textOf)
    : names;
  return plain.sort();
}

function linkEntry(
  root: RootName,
  onDisk: string | Buffer,
  bases: readonly string[],
  mtimeMs: number,
): LinkEntry | string {
  const target = textOf(readlinkSync(onDisk, { encoding: 'buffer' }));
  if (target.length > MAX_TARGET_BYTES / 4 && bytesOf(target).length > MAX_TARGET_BYTES) {
    return 'the link has a target too long to keep';
  }
  if (!target.startsWith('/')) return { kind: 'link', mtimeMs, target, rooted: false };
  for (const base of bases) {
    if (target === base) return { kind: 'link', mtimeMs, target: '', rooted: true };
    if (target.startsWith(`${base}/`)) {
      return { kind: 'link', mtimeMs, target: target.slice(base.length + 1), rooted: true };
    }
  }
  if (root === 'workspace' && isSystemPath(target)) return { kind: 'link', mtimeMs, target, rooted: false };
  return 'the link leads out of its folder';
}

function specialReason(stats: Stats): string {
  if (stats.isFIFO()) return 'a named pipe cannot be kept';
  if (stats.isSocket()) return 'a socket cannot be kept';
  return 'a device cannot be kept';
}
