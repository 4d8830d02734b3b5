// Writes a file of ours among files of the agent: whole or not at all, for a checkpoint may be taken meanwhile, and whatever
// the agent put in its place or in its folder's place. No link is followed; what is in the way goes, for a session must
// not be able to make its own next turns fail.
import { lstat, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

export async function writeOwnFile(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  if ((await kindOf(folder)) === 'something else') await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.new`;
  await rm(draft, { recursive: true, force: true });
  await writeFile(draft, text, { flag: 'wx' });
  if ((await kindOf(path)) === 'folder') await rm(path, { recursive: true, force: true });
  await rename(draft, path);
}

async function kindOf(path: string): Promise<'folder' | 'something else' | 'nothing'> {
  try {
    return (await lstat(path)).isDirectory() ? 'folder' : 'something else';
  } catch {
    return 'nothing';
  }
}
