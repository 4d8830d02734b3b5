// Removes a tree that an agent made, with whatever permissions it gave its files and folders.
import { chmod, lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

const TRIES = 4;
/** For a process that was killed and writes its last: a folder that is not empty is tried again. */
const WAITS = { maxRetries: 8, retryDelay: 20 };
/** What else is removing the tree at this moment takes a folder from under us at most this often. */
const MAX_GONE = 1_000;

/** Throws when something cannot be removed, not when it is gone already. Others may remove the same tree meanwhile. */
export async function removeTree(path: string): Promise<void> {
  let gone = 0;
  for (let tries = 1; ; tries++) {
    try {
      return await rm(path, { recursive: true, force: true, ...WAITS });
    } catch (error) {
      // A removal that failed goes on in other folders for a moment, and one of them was just about to be listed.
      const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT' && ++gone < MAX_GONE;
      if (isGone) tries -= 1;
      else if (tries === TRIES) throw error;
      else await makeWritable(path);
    }
  }
}

/** Folders only: removing a file asks for rights on its folder. Links are not followed. */
async function makeWritable(path: string): Promise<void> {
  try {
    if (!(await lstat(path)).isDirectory()) return;
    await chmod(path, 0o700);
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (entry.isDirectory()) await makeWritable(join(path, entry.name));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
