// Whether an agent folder is still what it was when it was read: names, sizes and times of all its files, links followed, as
// they are when it is read.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Deeper, links go in circles. */
const MAX_DEPTH = 12;

export async function folderStamp(folder: string, depth = 0): Promise<string> {
  const names = (await readdir(folder)).sort();
  const stamps = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      const info = await stat(path).catch(() => null);
      if (!info) return `${name} -`;
      if (!info.isDirectory()) return `${name} ${info.ino} ${info.size} ${info.mtimeMs} ${info.mode}`;
      return `${name}/ ${depth < MAX_DEPTH ? await folderStamp(path, depth + 1) : ''}`;
    }),
  );
  return stamps.join('\n');
}
