// A file of the data folder with a random key that only the file's owner can read. Whoever needs it first makes it; several
// at once end with the same key. A file that others may read is not used.
import { randomBytes, randomUUID } from 'node:crypto';
import { link, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Invalid } from '../core/errors.ts';

export interface KeyFile {
  readonly path: string;
  /** Code of an error about this file. */
  readonly code: string;
  /** Begins a sentence: what deleting a file that is no good leads to. */
  readonly anew: string;
}

/** 256 random bits as base64url. */
const SHAPE = /^[A-Za-z0-9_-]{43}$/;
/** So often a file is read again that somebody may still be writing. */
const READS = 20;
const READ_AGAIN_MS = 50;

/** Makes the key if there is none yet. The folder must exist. */
export async function openKeyFile(file: KeyFile): Promise<string> {
  const { path, code } = file;
  if (!(await exists(path))) await make(path);
  for (let reads = 1; ; reads++) {
    try {
      const key = await readKeyFile(file);
      if (key !== null) return key;
    } catch (error) {
      if (reads >= READS || (error as Invalid).code !== `${code}-damaged`) throw error;
    }
    if (reads >= READS) throw fault(code, `${path} vanishes as soon as it is made.`, 'Start again.');
    await sleep(READ_AGAIN_MS);
  }
}

/** null when it was never made. Throws `Invalid` that says what is wrong with the file. */
export async function readKeyFile(file: KeyFile): Promise<string | null> {
  const { path, code, anew } = file;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code;
    if (reason === 'ENOENT') return null;
    const advice = `Give it to the user that runs this (mode 600), or delete it: ${anew}`;
    throw fault(code, `The key file ${path} cannot be read (${reason}).`, advice, cause);
  }
  const key = text.trim();
  if (!SHAPE.test(key)) {
    throw fault(`${code}-damaged`, `The key file ${path} holds no key.`, `Delete it: ${anew}`);
  }
  await refuseLoose(file);
  return key;
}

async function make(path: string): Promise<void> {
  const key = `${randomBytes(32).toString('base64url')}\n`;
  const draft = `${path}.${randomUUID().slice(0, 8)}`;
  try {
    const handle = await open(draft, 'wx', 0o600);
    try {
      await handle.writeFile(key);
      await handle.sync();
    } finally {
      await handle.close();
    }
    // A link appears whole, and only where there is no file yet: the first of several wins.
    await link(draft, path).catch((error) => writeOnce(path, key, error));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** For disks without hard links. Who reads meanwhile reads again. */
async function writeOnce(path: string, key: string, refused: NodeJS.ErrnoException): Promise<void> {
  if (refused.code === 'EEXIST') throw refused;
  await writeFile(path, key, { flag: 'wx', mode: 0o600 });
}

/** A file that others could read may have been read: it is not used, unless the disk keeps no permissions at all. */
async function refuseLoose({ path, code, anew }: KeyFile): Promise<void> {
  const { mode } = await stat(path);
  if (process.platform === 'win32' || (mode & 0o077) === 0 || !(await keepsModes(path))) return;
  const shown = (mode & 0o777).toString(8);
  const advice = `Delete it: ${anew} Or, if nobody else has read it: chmod 600 ${path}`;
  throw fault(code, `Other users of this machine may read the key file ${path} (mode ${shown}).`, advice);
}

async function keepsModes(path: string): Promise<boolean> {
  const probe = `${path}.${randomUUID().slice(0, 8)}`;
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

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

function fault(code: string, message: string, advice: string, cause?: unknown): Invalid {
  return new Invalid(code, message, { advice, ...(cause === undefined ? {} : { cause }) });
}
