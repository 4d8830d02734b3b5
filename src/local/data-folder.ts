// The data folder: one database and one folder of objects. It has all data of a local system. backup.ts copies it while
// it is in use.

import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Invalid } from '../core/errors.ts';

export interface DataFolder {
  readonly path: string;
  readonly database: string;
  readonly objects: string;
}

/** With less free space than this a turn could fail half-way. */
const MIN_FREE_BYTES = 32 * 1024 * 1024;

export function dataFolder(path: string): DataFolder {
  return { path, database: join(path, 'sessions.db'), objects: join(path, 'objects') };
}

/** Creates the folder if it is missing and checks that it can be written. Throws `Invalid` that says what is wrong. */
export async function openDataFolder(path: string): Promise<DataFolder> {
  const folder = dataFolder(path);
  try {
    // Conversations are private: no other user of the machine may read them.
    await makeFolder(path);
    await makeFolder(folder.objects);
    const probe = join(path, `.probe-${randomUUID()}`);
    const file = await open(probe, 'wx');
    await file.write(Buffer.alloc(4096));
    await file.close();
    await rm(probe);
  } catch (cause) {
    throw notWritable(path, cause);
  }
  if ((await freeBytes(path)) < MIN_FREE_BYTES) {
    throw new Invalid('disk-full', `The disk of the data folder ${path} is full.`, {
      advice: 'Free some space, or set HYBRID_SESSIONS_DIR to another disk.',
    });
  }
  return folder;
}

/** Creates parents one by one: with `recursive`, Node hides a read-only disk, and in some places never returns. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    const parent = dirname(path);
    const refused = code !== 'ENOENT' || parent === path || existsSync(parent);
    if (refused) throw error;
    await makeFolder(parent);
    await makeFolder(path);
  }
}

export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

function notWritable(path: string, cause: unknown): Invalid {
  const code = cause instanceof Error && 'code' in cause ? cause.code : '';
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new Invalid('disk-full', `The disk of the data folder ${path} is full.`, {
      cause,
      advice: 'Free some space, or set HYBRID_SESSIONS_DIR to another disk.',
    });
  }
  const why =
    code === 'EROFS'
      ? 'is on a read-only disk'
      : code === 'ENOTDIR' || code === 'EEXIST'
        ? 'is not a folder'
        : 'cannot be written';
  return new Invalid('data-folder', `The data folder ${path} ${why}.`, {
    cause,
    advice: 'Set HYBRID_SESSIONS_DIR to a folder you may write to.',
  });
}
