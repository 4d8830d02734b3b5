// Removes a tree that an agent made, with whatever permissions it gave its files and folders.
import { chmod, lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

const TRIES = 4;

export async function removeTree(path: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await rm(path, { recursive: true, force: true });
    } catch (error) {
      if (tries === TRIES) throw error;
      await makeWritable(path);
    }
  }
}

/**
 * Folders only: removing a file asks for rights on its folder. Links are not followed. A removal that failed may
 * still be under way in other folders, so what is gone meanwhile is passed over.
 */
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
