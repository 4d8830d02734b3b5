// The folder in which the turns of a data folder run. It is in the system's temporary directory, always the same one
// (stored transcripts contain absolute paths), and accessible to this user alone.
import { createHash } from 'node:crypto';
import { lstat, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Invalid } from '../core/errors.ts';

export async function executionRoot(dataDir: string): Promise<string> {
  const name = createHash('sha256')
    .update(await realpath(dataDir))
    .digest('hex')
    .slice(0, 12);
  const root = join(await realpath(tmpdir()), `hybrid-sessions-${name}`);
  // Another user of this machine could have created a folder or link of that name before.
  const found = await lstat(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  // A turn creates the folder. Another worker may be removing it at this moment, because it is empty.
  if (found === null) return root;
  const foreign = process.getuid !== undefined && found.uid !== process.getuid();
  if (!found.isDirectory() || foreign || (process.platform !== 'win32' && (found.mode & 0o022) !== 0)) {
    throw new Invalid('execution-root', `${root} is there already and not a private folder of this user.`, {
      advice: 'Remove it, or set TMPDIR to a folder of your own.',
    });
  }
  return root;
}
