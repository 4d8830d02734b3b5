// Durable writes: a file flushed before it gets its name, and folders flushed so that the name stays.
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, mkdir, open, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Refused } from '../../core/errors.ts';
import { sizeMismatch } from '../object-key.ts';
import { errnoOf } from './errors.ts';

/** Writes the body to a new file in `folder` and flushes it; returns its path. Leaves nothing when it fails. */
export async function writeTemporary(
  folder: string,
  body: Uint8Array | { readonly file: string; readonly bytes: number },
): Promise<string> {
  const path = join(folder, randomUUID());
  try {
    if (body instanceof Uint8Array) await writeFlushed(path, body);
    else await copyFlushed(path, body.file, body.bytes);
    return path;
  } catch (error) {
    await unlink(path).catch(() => undefined);
    throw error;
  }
}

async function writeFlushed(path: string, body: Uint8Array): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(body);
  await file.sync();
}

async function copyFlushed(path: string, source: string, expectedBytes: number): Promise<void> {
  const found = await stat(source).catch((cause) => {
    throw new Refused('source-unreadable', 'The file to store cannot be read.', { cause });
  });
  if (found.size !== expectedBytes) throw sizeMismatch(expectedBytes, found.size);
  await copyFile(source, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  await using file = await open(path, 'r+');
  await file.chmod(0o600);
  const { size } = await file.stat();
  if (size !== expectedBytes) throw sizeMismatch(expectedBytes, size);
  await file.sync();
}

export interface FolderFlusher {
  /** Makes a folder below the root, with all above it. */
  make(folder: string): Promise<void>;
  /** Flushes a folder's names, and those above it unless this process did so before. */
  flush(folder: string): Promise<void>;
  /** The folder was removed: flush it again when it is made again. */
  forget(folder: string): void;
}

const MAX_REMEMBERED = 10_000;
const MAX_TRIES = 100;

export function createFolderFlusher(root: string): FolderFlusher {
  /** Folders whose own name is known to be on the disk. */
  const settled = new Set<string>([root]);

  async function flush(folder: string): Promise<void> {
    await flushFolder(folder);
    for (let at = folder; !settled.has(at) && at.length > root.length; at = dirname(at)) {
      await flushFolder(dirname(at));
      if (settled.size > MAX_REMEMBERED) settled.clear();
      settled.add(at);
    }
  }

  return {
    async make(folder) {
      for (let tries = 1; ; tries++) {
        try {
          return void (await mkdir(folder, { recursive: true, mode: 0o700 }));
        } catch (error) {
          // Somebody removed it, empty, while it was being made.
          if (errnoOf(error) !== 'ENOENT' || tries === MAX_TRIES) throw error;
        }
      }
    },
    flush,
    forget: (folder) => void settled.delete(folder),
  };
}

/** Some file systems cannot flush a folder and keep its names safe by themselves. */
async function flushFolder(folder: string): Promise<void> {
  try {
    await using handle = await open(folder, 'r');
    await handle.sync();
  } catch (error) {
    const code = errnoOf(error);
    if (code !== 'ENOENT' && code !== 'EINVAL' && code !== 'EISDIR') throw error;
  }
}
