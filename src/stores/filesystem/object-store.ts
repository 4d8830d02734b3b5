// Objects as files below one folder. An object appears whole under its name (written to a temporary file, flushed, then linked,
// which fails if the name is taken) and is on the disk when `put` returns. Needs a file system with hard links.
// A marker file tells an empty store from a folder whose disk is not there.
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { access, link, open, readdir, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ObjectInfo, ObjectStore } from '../../core/ports/objects.ts';
import { checkRange, compareKeys, noObject } from '../object-key.ts';
import { createFolderFlusher, writeTemporary } from './durable-writes.ts';
import { errnoOf, translateFileError } from './errors.ts';
import { foldersOf, keyOfPath, pathOfKey } from './object-path.ts';

export interface FilesystemObjectStoreOptions {
  /** The folder; made where there is none. */
  readonly root: string;
  /** Temporary files that a crashed writer left are removed at the start when they are older. Default: one hour. */
  readonly staleAfterMs?: number;
}

/** Keys never begin with a dot on disk, so these cannot be objects. */
const TEMPORARY_FOLDER = '.tmp';
const MARKER = '.hybrid-sessions-objects';
const PIECE_BYTES = 1024 * 1024;
const ONE_HOUR_MS = 60 * 60_000;

export function createFilesystemObjectStore(options: FilesystemObjectStoreOptions): ObjectStore {
  const { root } = options;
  const temporaryFolder = join(root, TEMPORARY_FOLDER);
  prepare(root, temporaryFolder, options.staleAfterMs ?? ONE_HOUR_MS);
  const folders = createFolderFlusher(root);

  /** Absent is only absent while the store itself is there. */
  async function requireStore(): Promise<void> {
    await access(join(root, MARKER));
  }

  async function absent(key: string): Promise<Error> {
    await requireStore();
    return noObject(key);
  }

  async function openObject(key: string) {
    try {
      return await open(join(root, ...pathOfKey(key)), 'r');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw await absent(key);
      throw error;
    }
  }

  /** Links the flushed file to its name; the folder may vanish meanwhile when its last object is deleted. */
  async function linkIfAbsent(from: string, to: string): Promise<'created' | 'exists'> {
    for (;;) {
      await folders.make(dirname(to));
      try {
        await link(from, to);
        return 'created';
      } catch (error) {
        if (errnoOf(error) === 'EEXIST') return 'exists';
        if (errnoOf(error) !== 'ENOENT') throw error;
        await requireStore();
        await access(from);
      }
    }
  }

  async function put(key: string, body: Parameters<ObjectStore['put']>[1]): Promise<'created' | 'exists'> {
    const target = join(root, ...pathOfKey(key));
    await requireStore();
    const temporary = await writeTemporary(temporaryFolder, body);
    try {
      const result = await linkIfAbsent(temporary, target);
      // Also when it exists: whoever linked it may not have flushed the folder yet.
      await folders.flush(dirname(target));
      return result;
    } finally {
      await unlink(temporary).catch(() => undefined);
    }
  }

  async function get(key: string, range: { start: number; end: number } | undefined): Promise<Uint8Array> {
    if (range) checkRange(range);
    await using file = await openObject(key);
    const { size } = await file.stat();
    const start = Math.min(range?.start ?? 0, size);
    const end = Math.min(range?.end ?? size, size);
    const bytes = new Uint8Array(end - start);
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, at, bytes.length - at, start + at);
      if (bytesRead === 0) return bytes.subarray(0, at);
      at += bytesRead;
    }
    return bytes;
  }

  async function* pieces(key: string): AsyncIterable<Uint8Array> {
    await using file = await openObject(key);
    for (let at = 0; ; ) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(PIECE_BYTES), 0, PIECE_BYTES, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  /** All keys below some folders. One that vanishes meanwhile held nothing that is still there. */
  async function keysBelow(folder: readonly string[]): Promise<string[]> {
    const entries = await readdir(join(root, ...folder), { withFileTypes: true }).catch((error) => {
      if (errnoOf(error) !== 'ENOENT') throw error;
      return [];
    });
    const keys: string[] = [];
    for (const entry of entries) {
      const names = [...folder, entry.name];
      if (entry.isDirectory()) keys.push(...(await keysBelow(names)));
      const key = entry.isFile() ? keyOfPath(names) : null;
      if (key !== null) keys.push(key);
    }
    return keys;
  }

  async function* list(prefix: string): AsyncIterable<ObjectInfo> {
    await requireStore();
    const below = await keysBelow(foldersOf(prefix));
    for (const key of below.filter((key) => key.startsWith(prefix)).sort(compareKeys)) {
      const found = await stat(join(root, ...pathOfKey(key))).catch((error) => {
        if (errnoOf(error) !== 'ENOENT') throw error;
      });
      if (found) yield { key, bytes: found.size, modifiedAtMs: found.mtimeMs };
    }
  }

  async function remove(keys: readonly string[]): Promise<void> {
    const paths = keys.map((key) => join(root, ...pathOfKey(key)));
    await requireStore();
    const touched = new Set<string>();
    for (const path of paths) {
      try {
        await unlink(path);
        touched.add(dirname(path));
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error;
      }
    }
    for (const folder of touched) await folders.flush(await removeEmpty(folder));
  }

  /** Removes folders that are empty now, upwards; returns the first that stays. */
  async function removeEmpty(folder: string): Promise<string> {
    let at = folder;
    while (at !== root) {
      try {
        await rmdir(at);
        folders.forget(at);
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') return at;
      }
      at = dirname(at);
    }
    return at;
  }

  return {
    put: (key, body) => translated(put(key, body)),
    get: (key, range) => translated(get(key, range)),
    stream: (key) => translatedPieces(pieces(key)),
    list: (prefix) => translatedPieces(list(prefix)),
    delete: (keys) => translated(remove(keys)),
  };
}

async function translated<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw translateFileError(error);
  }
}

async function* translatedPieces<T>(work: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* work;
  } catch (error) {
    throw translateFileError(error);
  }
}

/** Makes folder and marker, and removes temporary files of crashed writers. */
function prepare(root: string, temporaryFolder: string, staleAfterMs: number): void {
  try {
    mkdirSync(temporaryFolder, { recursive: true, mode: 0o700 });
    writeFileSync(join(root, MARKER), 'Objects of hybrid-sessions. Do not remove this file.\n', {
      mode: 0o600,
    });
    for (const name of readdirSync(temporaryFolder)) {
      const path = join(temporaryFolder, name);
      const found = statSync(path, { throwIfNoEntry: false });
      if (found && Date.now() - found.mtimeMs > staleAfterMs) rmSync(path, { force: true });
    }
  } catch (error) {
    throw translateFileError(error);
  }
}
