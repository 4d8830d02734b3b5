// The key of one machine: whoever can read the data folder may use the servers over it. The first start makes it, as a
// file that only its owner can read. The page, the commands and the metrics of this machine use it. It is no setting: to
// change it, delete the file and start again.
import { randomBytes, randomUUID } from 'node:crypto';
import { link, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Invalid } from '../core/errors.ts';

/** 256 random bits as base64url. */
const SHAPE = /^[A-Za-z0-9_-]{43}$/;
/** So often a file is read again that another start may still be writing. */
const READS = 20;
const READ_AGAIN_MS = 50;

export function accessKeyFile(dataDir: string): string {
  return join(dataDir, 'access-key');
}

/** Makes the key if there is none yet. Several starts at once end with the same key. The folder must exist. */
export async function openAccessKey(dataDir: string): Promise<string> {
  const file = accessKeyFile(dataDir);
  if (!(await exists(file))) await make(file);
  for (let reads = 1; ; reads++) {
    try {
      const key = await readAccessKey(dataDir);
      if (key !== null) return key;
    } catch (error) {
      if (reads >= READS || (error as Invalid).code !== 'access-key-damaged') throw error;
    }
    if (reads >= READS) throw fault('access-key', `${file} vanishes as soon as it is made.`, 'Start again.');
    await sleep(READ_AGAIN_MS);
  }
}

/** null when no server was ever started over this folder. Throws `Invalid` that says what is wrong with the file. */
export async function readAccessKey(dataDir: string): Promise<string | null> {
  const file = accessKeyFile(dataDir);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    const advice =
      'Give it to the user that runs this (mode 600), or delete it: the next start makes a new key.';
    throw fault('access-key', `The key file ${file} cannot be read (${code}).`, advice, cause);
  }
  const key = text.trim();
  if (!SHAPE.test(key)) {
    const advice = 'Delete it: the next start makes a new key.';
    throw fault('access-key-damaged', `The key file ${file} holds no key.`, advice);
  }
  await refuseLoose(file);
  return key;
}

async function make(file: string): Promise<void> {
  const key = `${randomBytes(32).toString('base64url')}\n`;
  const draft = `${file}.${randomUUID().slice(0, 8)}`;
  try {
    const handle = await open(draft, 'wx', 0o600);
    try {
      await handle.writeFile(key);
      await handle.sync();
    } finally {
      await handle.close();
    }
    // A link appears whole, and only where there is no file yet: the first of several starts wins.
    await link(draft, file).catch((error) => writeOnce(file, key, error));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** For disks without hard links. Who reads meanwhile reads again. */
async function writeOnce(file: string, key: string, refused: NodeJS.ErrnoException): Promise<void> {
  if (refused.code === 'EEXIST') throw refused;
  await writeFile(file, key, { flag: 'wx', mode: 0o600 });
}

/** A file that others could read may have been read: it is not used, unless the disk keeps no permissions at all. */
async function refuseLoose(file: string): Promise<void> {
  const { mode } = await stat(file);
  if (process.platform === 'win32' || (mode & 0o077) === 0 || !(await keepsModes(file))) return;
  const shown = (mode & 0o777).toString(8);
  const advice = `Delete it: the next start makes a new key. Or, if nobody else has read it: chmod 600 ${file}`;
  throw fault(
    'access-key',
    `Other users of this machine may read the key file ${file} (mode ${shown}).`,
    advice,
  );
}

async function keepsModes(file: string): Promise<boolean> {
  const probe = `${file}.${randomUUID().slice(0, 8)}`;
  try {
    const handle = await open(probe, 'wx', 0o600);
    try {
      return ((await handle.stat()).mode & 0o077) === 0;
    } finally {
      await handle.close();
    }
  } catch {
    // A folder that cannot be written: the file's mode is all there is to go by.
    return true;
  } finally {
    await rm(probe, { force: true }).catch(() => {});
  }
}

async function exists(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    () => false,
  );
}

function fault(code: string, message: string, advice: string, cause?: unknown): Invalid {
  return new Invalid(code, message, { advice, ...(cause === undefined ? {} : { cause }) });
}
