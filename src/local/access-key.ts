// The key of one machine: whoever can read the data folder may use the servers over it. The first start makes it, as a
// file that only its owner can read. The page, the commands and the metrics of this machine use it. It is no setting: to
// change it, delete the file and start again.
import { join } from 'node:path';
import { type KeyFile, openKeyFile, readKeyFile } from './key-file.ts';

export function accessKeyFile(dataDir: string): string {
  return join(dataDir, 'access-key');
}

const fileIn = (dataDir: string): KeyFile => ({
  path: accessKeyFile(dataDir),
  code: 'access-key',
  anew: 'the next start makes a new key.',
});

/** Makes the key if there is none yet. Several starts at once end with the same key. The folder must exist. */
export async function openAccessKey(dataDir: string): Promise<string> {
  return await openKeyFile(fileIn(dataDir));
}

/** null when no server was ever started over this folder. Throws `Invalid` that says what is wrong with the file. */
export async function readAccessKey(dataDir: string): Promise<string | null> {
  return await readKeyFile(fileIn(dataDir));
}
