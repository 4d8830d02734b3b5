// Where this data folder's turns run: a folder of the system's temporary directory, always the same one (saved
// transcripts hold absolute paths) and this user's alone.
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
  // Somebody else on this machine could have made a folder or link of that name first.
  const found = await lstat(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  // A turn makes it; another worker may be removing it as empty at this moment.
  if (found === null) return root;
  const foreign = process.getuid !== undefined && found.uid !== process.getuid();
  if (!found.isDirectory() || foreign || (process.platform !== 'win32' && (found.mode & 0o022) !== 0)) {
    throw new Invalid('execution-root', `${root} is there already and not a private folder of this user.`, {
      advice: 'Remove it, or set TMPDIR to a folder of your own.',
    });
  }
  return root;
}
