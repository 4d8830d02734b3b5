// The folder in which a host finds the packs that it may read. For the worker it is write-only: what lies there is a copy, or
// a second name, of an object that never changes.
import { createWriteStream } from 'node:fs';
import { chmod, copyFile, link, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Gone } from '../core/errors.ts';
import type { ObjectStore } from '../core/ports/objects.ts';

export interface Incoming {
  /** False when there is no such object. Staging one twice is harmless. */
  stage(key: string, name: string): Promise<boolean>;
}

/** `shared`: a second name of the store's own file will do, for the host cannot write to it. */
export async function createIncoming(
  folder: string,
  objects: Pick<ObjectStore, 'stream' | 'fileOf'>,
  { shared }: { readonly shared: boolean },
): Promise<Incoming> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  return {
    async stage(key, name) {
      const file = join(folder, `${name}.pack`);
      const source = objects.fileOf?.(key);
      try {
        if (source === undefined) await pipeline(Readable.from(objects.stream(key)), createWriteStream(file));
        else if (!shared || !(await linked(source, file))) await copyFile(source, file);
        // A host that runs as another user reads it as one of the others; no other user gets into the folder above.
        if (source === undefined || !shared) await chmod(file, 0o644);
        return true;
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === 'EEXIST') return true;
        await rm(file, { force: true });
        if (error instanceof Gone || (source !== undefined && code === 'ENOENT')) return false;
        throw error;
      }
    },
  };
}

/** False where files of the two folders cannot have the same content: on two disks. */
async function linked(source: string, file: string): Promise<boolean> {
  try {
    await link(source, file);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EXDEV' || code === 'EPERM' || code === 'EMLINK' || code === 'ENOTSUP') return false;
    throw error;
  }
}
