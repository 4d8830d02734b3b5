// Files that the agent wants the person to have, copied at the moment of the call and kept in the session's state until the
// turn ends: so they survive a worker, a deadline and a question to the person. The folder is within the agent's reach,
// so what lies there is taken as a stranger's: checked, bounded, no link followed.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, readlink, realpath, stat } from 'node:fs/promises';
import { basename, join, resolve, sep } from 'node:path';
import { getMimeType } from 'hono/utils/mime';
import {
  describedFileSchema,
  fileNameOf,
  MAX_FILE_BYTES,
  MAX_FILES,
  mediaTypeOf,
  type SentFile,
  sizeText,
} from '../core/attachments.ts';
import type { ExecutionDirectory } from '../core/ports/execution.ts';
import { removeTree } from './remove-tree.ts';

const FOLDER = 'outgoing';
const NOTE = '.json';

/** What the model is told where a file cannot be sent. */
export class NotSent extends Error {}

/** `path` as the agent names it; relative to its working directory. */
export async function keepForPerson(
  directory: ExecutionDirectory,
  { path, caption }: { readonly path: string; readonly caption?: string | undefined },
): Promise<SentFile> {
  const source = await openOwn(directory, path);
  try {
    const { size } = await source.handle.stat();
    if (size > MAX_FILE_BYTES) {
      throw new NotSent(`The file has ${sizeText(size)}; at most ${sizeText(MAX_FILE_BYTES)} can be sent.`);
    }
    const folder = await openFolder(directory.config);
    const before = (await readdir(folder)).filter((name) => name.endsWith(NOTE)).sort();
    if (before.length >= MAX_FILES) {
      throw new NotSent(
        `${MAX_FILES} files are sent with this answer already. Pack the others into one archive.`,
      );
    }
    const number = Number(before.at(-1)?.split('-', 1)[0] ?? 0) + 1;
    const id = `${String(number).padStart(3, '0')}-${randomBytes(4).toString('hex')}`;
    await copy(source.handle, join(folder, id), size);
    const name = fileNameOf(basename(path));
    const note = { name, mediaType: mediaTypeOf(getMimeType(name)), ...(caption ? { caption } : {}) };
    await writeNew(join(folder, `${id}${NOTE}`), JSON.stringify(describedFileSchema.parse(note)));
    return { ...note, bytes: size };
  } finally {
    await source.handle.close();
  }
}

/** A file of the working directory or of the agent's temporary folder, opened without a way out of them. */
async function openOwn(
  { workspace, root }: ExecutionDirectory,
  path: string,
): Promise<{ handle: FileHandle }> {
  const real = await realpath(resolve(workspace, path)).catch(() => null);
  if (real === null) throw new NotSent(`There is no file "${path}".`);
  const inside = await isInside(real, [workspace, join(root, 'tmp')]);
  if (!inside) throw new NotSent(`"${path}" lies outside the working directory. Copy it there first.`);
  if (!(await stat(real)).isFile())
    throw new NotSent(`"${path}" is no file. Pack a folder into an archive first.`);
  const handle = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => null,
  );
  if (!handle) throw new NotSent(`"${path}" cannot be read.`);
  // A folder on the way may have been exchanged for a link meanwhile: what counts is what was opened.
  const opened = await readlink(`/proc/self/fd/${handle.fd}`).catch(() => real);
  if (opened === real && (await handle.stat()).isFile()) return { handle };
  await handle.close();
  throw new NotSent(`"${path}" was changed while it was read.`);
}

async function isInside(real: string, folders: readonly string[]): Promise<boolean> {
  for (const folder of folders) {
    const base = await realpath(folder).catch(() => null);
    if (base !== null && real.startsWith(base + sep)) return true;
  }
  return false;
}

async function openFolder(config: string): Promise<string> {
  const folder = join(config, FOLDER);
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  if ((await lstat(folder)).isDirectory()) return folder;
  throw new NotSent('Files cannot be sent now: something else lies where they are kept.');
}

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

async function copy(source: FileHandle, to: string, size: number): Promise<void> {
  const target = await open(to, NEW_FILE, 0o600);
  try {
    const buffer = Buffer.alloc(256 * 1024);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, size - at), at);
      if (bytesRead === 0) throw new NotSent('The file became shorter while it was read. Try again.');
      await target.writeFile(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  } finally {
    await target.close();
  }
}

async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, NEW_FILE, 0o600);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
}

export interface OutgoingFile extends SentFile {
  readonly path: string;
}

/** In the order in which they were sent. What is not as this code writes it is passed over. */
export async function outgoingFiles(config: string): Promise<readonly OutgoingFile[]> {
  const folder = join(config, FOLDER);
  const there = await lstat(folder).catch(() => null);
  if (!there?.isDirectory()) return [];
  const notes = (await readdir(folder)).filter((name) => /^\d{3,}-[0-9a-f]{8}\.json$/.test(name)).sort();
  const found: OutgoingFile[] = [];
  for (const name of notes.slice(0, MAX_FILES)) {
    const note = describedFileSchema.safeParse(await readSmallJson(join(folder, name)));
    const path = join(folder, name.slice(0, -NOTE.length));
    const data = await lstat(path).catch(() => null);
    if (!note.success || !data?.isFile() || data.size > MAX_FILE_BYTES) continue;
    found.push({ ...note.data, bytes: data.size, path });
  }
  return found;
}

const MAX_NOTE_BYTES = 32 * 1024;

export async function readSmallJson(path: string): Promise<unknown> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => null,
  );
  try {
    const info = await file?.stat();
    if (!info?.isFile() || info.size > MAX_NOTE_BYTES) return null;
    return JSON.parse((await file?.readFile('utf8')) ?? 'null');
  } catch {
    return null;
  } finally {
    await file?.close();
  }
}

/** Of another turn, or given to the worker. */
export async function dropOutgoing(config: string): Promise<void> {
  await removeTree(join(config, FOLDER));
}
