// Fills files from chunks that come in any order. Each file is made by us and by us alone (O_EXCL, O_NOFOLLOW), gets
// its final length first, so that what is not written stays a hole, and its mode and time when its last chunk is in.
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
  /** Announces a file; one without stored chunks is finished at once. */
  expect(path: string, entry: FileEntry): void;
  wants(hash: string): boolean;
  /** Some file that waits for this chunk, for error messages. */
  fileOf(hash: string): string | undefined;
  fill(hash: string, bytes: Uint8Array): void;
  /** Throws Corrupt unless every file is complete. */
  finish(): void;
  close(): void;
  /** Of each finished file. */
  readonly stamps: Map<string, Stamp>;
}

interface Filling {
  readonly path: string;
  readonly entry: FileEntry;
  missing: number;
  fd: number | null;
  made: boolean;
}
interface Spot {
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
  const spots = new Map<string, Spot | Spot[]>();
  const opened = new Set<Filling>();
  const stamps = new Map<string, Stamp>();
  let unfinished = 0;

  function open(file: Filling): number {
    if (file.fd !== null) return file.fd;
    if (opened.size >= MAX_OPEN_FILES) {
      for (const oldest of opened) {
        shut(oldest);
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

  function shut(file: Filling): void {
    if (file.fd !== null) closeSync(file.fd);
    file.fd = null;
    opened.delete(file);
  }

  function complete(file: Filling): void {
    const fd = open(file);
    futimesSync(fd, fsTime(file.entry.mtimeMs), fsTime(file.entry.mtimeMs));
    fchmodSync(fd, file.entry.mode);
    stamps.set(file.path, stampOf(fstatSync(fd)));
    shut(file);
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
        const spot: Spot = { file, offset };
        const there = spots.get(ref);
        if (there === undefined) spots.set(ref, spot);
        else if (Array.isArray(there)) there.push(spot);
        else spots.set(ref, [there, spot]);
        offset += bytesOfChunk(ref);
      }
      unfinished++;
      if (file.missing === 0) complete(file);
    },
    wants: (hash) => spots.has(hash),
    fileOf(hash) {
      const there = spots.get(hash);
      return (Array.isArray(there) ? there[0] : there)?.file.path;
    },
    fill(hash, bytes) {
      const there = spots.get(hash);
      if (there === undefined) return;
      if (bytes.length !== bytesOfChunk(hash)) {
        throw new Corrupt('corrupt-pack', 'Two packs disagree about the size of a chunk.');
      }
      spots.delete(hash);
      for (const { file, offset } of Array.isArray(there) ? there : [there]) {
        const fd = open(file);
        for (let at = 0; at < bytes.length; ) {
          at += writeSync(fd, bytes, at, bytes.length - at, offset + at);
        }
        if (--file.missing === 0) complete(file);
      }
    },
    finish() {
      if (unfinished === 0) return;
      for (const there of spots.values()) {
        const path = (Array.isArray(there) ? there[0]! : there).file.path;
        throw new Corrupt('corrupt-pack', `A part of ${shown(path)} is in no pack.`);
      }
    },
    close() {
      for (const file of [...opened]) shut(file);
    },
  };
}
