// `/download` in the terminal chat: files that the agent sent, saved into the current folder. Nothing there is written over.
import { open } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { FileView } from '../api/views.ts';
import { fileNameOf, sizeText } from '../core/attachments.ts';
import { Invalid } from '../core/errors.ts';
import { harmless } from '../text/harmless.ts';

const MAX_NAMES = 1_000;

/** A line for each file, numbered as `/download` takes them. */
export function fileLines(files: readonly FileView[]): readonly string[] {
  return files.map(({ name, bytes, caption }, at) => {
    const size = bytes === null ? '' : ` (${sizeText(bytes)})`;
    const words = caption === undefined ? '' : ` ${harmless(caption)}`;
    return `📎 ${at + 1}. ${harmless(name)}${size}${words}`;
  });
}

/** Which files are meant by what stands behind `/download`: all, or one by its number. Throws Invalid('usage'). */
export function filesMeant(files: readonly FileView[], rest: string): readonly FileView[] {
  if (files.length === 0) throw new Invalid('usage', 'The last answer brought no file.');
  if (rest === '') return files;
  const file = /^\d+$/.test(rest) ? files[Number(rest) - 1] : undefined;
  if (!file)
    throw new Invalid('usage', `Write /download, or /download with a number from 1 to ${files.length}.`);
  return [file];
}

/** The path under which it now lies. */
export async function saveFile(
  folder: string,
  name: string,
  body: ReadableStream<Uint8Array>,
): Promise<string> {
  const plain = fileNameOf(name);
  const extension = extname(plain);
  const stem = plain.slice(0, plain.length - extension.length);
  for (let count = 1; count <= MAX_NAMES; count++) {
    const path = join(folder, count === 1 ? plain : `${stem}-${count}${extension}`);
    const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    if (!file) continue;
    try {
      for await (const piece of body) await file.write(piece);
      return path;
    } finally {
      await file.close();
    }
  }
  throw new Invalid('exists', `There are too many files named ${harmless(plain)} here.`);
}
