// Files that came with a message, laid into `inbox/` of the working directory before the agent hears of them. The working
// directory is the agent's: what it made of `inbox` is never followed out of it, nothing there is overwritten, and a file
// that is there already with the same bytes is the same file (an earlier attempt of the turn may have laid it).
import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { Gone } from '../core/errors.ts';
import type { GivenFile } from '../core/ports/execution.ts';

const INBOX = 'inbox';
/** Tries of a name: `report.pdf`, `report-2.pdf` ... */
const MAX_NAMES = 1_000;

export interface LaidFile extends Pick<GivenFile, 'name' | 'mediaType'> {
  /** Below the working directory; null when the file is not there any more. */
  readonly path: string | null;
  readonly bytes: number;
}

export async function layFiles(workspace: string, files: readonly GivenFile[]): Promise<readonly LaidFile[]> {
  if (files.length === 0) return [];
  const folder = await openInbox(workspace);
  const laid: LaidFile[] = [];
  for (const file of files) {
    const { name, mediaType } = file;
    const done = await layFile(join(workspace, folder), file).catch((error: unknown) => {
      if (error instanceof Gone) return null;
      throw error;
    });
    laid.push({
      name,
      mediaType,
      path: done && `${folder}/${done.name}`,
      bytes: done?.bytes ?? file.bytes,
    });
  }
  return laid;
}

/** A folder of the agent's that is one: a link or a file in its place is left alone, and the next name taken. */
async function openInbox(workspace: string): Promise<string> {
  for (let number = 1; number <= MAX_NAMES; number++) {
    const name = number === 1 ? INBOX : `${INBOX}-${number}`;
    await mkdir(join(workspace, name), { mode: 0o755 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    if ((await lstat(join(workspace, name))).isDirectory()) return name;
  }
  throw new Error('There is no place for an inbox in the working directory.');
}

async function layFile(
  folder: string,
  file: GivenFile,
): Promise<{ readonly name: string; readonly bytes: number }> {
  const ending = extname(file.name);
  const stem = ending === '' ? file.name : file.name.slice(0, -ending.length);
  for (let number = 1; number <= MAX_NAMES; number++) {
    const name = number === 1 ? file.name : `${stem}-${number}${ending}`;
    const path = join(folder, name);
    const there = await lstat(path).catch(() => null);
    if (there?.isFile() && there.size === file.bytes && (await isSame(path, file)))
      return { name, bytes: there.size };
    if (there) continue;
    return { name, bytes: await write(path, file) };
  }
  throw new Error('There are too many files of this name.');
}

async function write(path: string, file: GivenFile): Promise<number> {
  let handle: FileHandle | undefined;
  try {
    let bytes = 0;
    for await (const piece of file.read()) {
      handle ??= await open(path, NEW_FILE, 0o644);
      await handle.writeFile(piece);
      bytes += piece.length;
    }
    handle ??= await open(path, NEW_FILE, 0o644);
    await handle.close();
    return bytes;
  } catch (error) {
    if (handle) {
      await handle.close().catch(() => {});
      await rm(path, { force: true });
    }
    throw error;
  }
}

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

async function isSame(path: string, file: GivenFile): Promise<boolean> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(() => null);
  if (!handle) return false;
  try {
    const buffer = Buffer.alloc(64 * 1024);
    for await (const piece of file.read()) {
      for (let at = 0; at < piece.length; ) {
        const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, piece.length - at), null);
        if (bytesRead === 0) return false;
        if (buffer.compare(piece, at, at + bytesRead, 0, bytesRead) !== 0) return false;
        at += bytesRead;
      }
    }
    return true;
  } finally {
    await handle.close();
  }
}
