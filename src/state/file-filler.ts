// Fills files from chunks that arrive in any order. Every file is created here (O_EXCL, O_NOFOLLOW), never an existing
// one opened. A file gets its final length first, so that unwritten ranges stay holes, and its mode and time once its
// last chunk is written.
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  openSync,
  writeSync,
} from 'node:fs';
import { Corrupt } from '../core/errors.ts';
import { fsTime } from './file-time.ts';
import { shown } from './paths.ts';
import { type Stamp, stampOf } from './scan.ts';
import type { FileEntry } from './table.ts';

export interface FileFiller {
  /** Announces a file. One without stored chunks is complete at once. */
  expect(path: string, entry: FileEntry): void;
  wants(hash: string): boolean;
  /** Some file that waits for this chunk, for error messages. */
  fileOf(hash: string): string | undefined;
  fill(hash: string, bytes: Uint8Array): void;
  /** Throws Corrupt unless every file is complete. */
  finish(): void;
  close(): void;
  /** A stamp of each complete file. */
  readonly stamps: Map<string, Stamp>;
}

interface Filling {
  readonly path: string;
  readonly entry: FileEntry;
  missing: number;
  fd: number | null;
  made: boolean;
}
interface Position {
  readonly file: Filling;
  readonly offset: number;
}

const MAX_OPEN_FILES = 64;
const MAKE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const REOPEN = constants.O_WRONLY | constants.O_NOFOLLOW;

export function createFileFiller(
  place: (path: string) => string | Buffer,
  bytesOfChunk: (hash: string) => number,
): FileFiller {
  const positions = new Map<string, Position | Position[]>();
  const opened = new Set<Filling>();
  const stamps = new Map<string, Stamp>();
  let unfinished = 0;

  function open(file: Filling): number {
    if (file.fd !== null) return file.fd;
    if (opened.size >= MAX_OPEN_FILES) {
      for (const oldest of opened) {
        closeFile(oldest);
        break;
      }
    }
    file.fd = openSync(place(file.path), file.made ? REOPEN : MAKE, 0o600);
    opened.add(file);
    if (!file.made && file.entry.chunks.some((ref) => typeof ref === 'number'))
      ftruncateSync(file.fd, file.entry.bytes);
    file.made = true;
    return file.fd;
  }

  function closeFile(file: Filling): void {
    if (file.fd !== null) closeSync(file.fd);
    file.fd = null;
    opened.delete(file);
  }

  function complete(file: Filling): void {
    const fd = open(file);
    futimesSync(fd, fsTime(file.entry.mtimeMs), fsTime(file.entry.mtimeMs));
    fchmodSync(fd, file.entry.mode);
    stamps.set(file.path, stampOf(fstatSync(fd)));
    closeFile(file);
    unfinished--;
  }

  return {
    stamps,
    expect(path, entry) {
      const file: Filling = { path, entry, missing: 0, fd: null, made: false };
      let offset = 0;
      for (const ref of entry.chunks) {
        if (typeof ref === 'number') {
          offset += ref;
          continue;
        }
        file.missing++;
        const position: Position = { file, offset };
        const waiting = positions.get(ref);
        if (waiting === undefined) positions.set(ref, position);
        else if (Array.isArray(waiting)) waiting.push(position);
        else positions.set(ref, [waiting, position]);
        offset += bytesOfChunk(ref);
      }
      unfinished++;
      if (file.missing === 0) complete(file);
    },
    wants: (hash) => positions.has(hash),
    fileOf(hash) {
      const waiting = positions.get(hash);
      return (Array.isArray(waiting) ? waiting[0] : waiting)?.file.path;
    },
    fill(hash, bytes) {
      const waiting = positions.get(hash);
      if (waiting === undefined) return;
      if (bytes.length !== bytesOfChunk(hash)) {
        throw new Corrupt('corrupt-pack', 'Two packs disagree about the size of a chunk.');
      }
      positions.delete(hash);
      for (const { file, offset } of Array.isArray(waiting) ? waiting : [waiting]) {
        const fd = open(file);
        for (let at = 0; at < bytes.length; ) {
          at += writeSync(fd, bytes, at, bytes.length - at, offset + at);
        }
        if (--file.missing === 0) complete(file);
      }
    },
    finish() {
      if (unfinished === 0) return;
      for (const waiting of positions.values()) {
        const path = (Array.isArray(waiting) ? waiting[0]! : waiting).file.path;
        throw new Corrupt('corrupt-pack', `A part of ${shown(path)} is in no pack.`);
      }
    },
    close() {
      for (const file of [...opened]) closeFile(file);
    },
  };
}
