// One directory per session on this machine, made for a turn and removed after it. The path depends only on tenant and
// session (transcripts hold absolute paths), and no two of them share one. A note beside the directory, out of the agent's reach, says whose it
// is; only that lease may remove it, and a newer lease takes it over after ending whatever still runs there.
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DEFAULT_TENANT } from '../core/defaults.ts';
import { Conflict, Invalid } from '../core/errors.ts';
import type { ExecutionDirectory, Workplace } from '../core/ports/execution.ts';
import type { Lease } from '../core/records.ts';
import { withDirectory } from './directory-lock.ts';
import { isSameProcess, processStart } from './process-identity.ts';
import { endProcesses, pauseProcesses } from './processes.ts';
import { removeTree } from './remove-tree.ts';

const noteSchema = z.object({
  owner: z.string(),
  fence: z.number(),
  worker: z.object({ pid: z.number(), start: z.string() }),
});
type Note = z.infer<typeof noteSchema>;

/** The most attempts to write a note into a folder that another worker may remove as empty. */
const MAX_TRIES = 100;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Two tenants can have one session id, by an import. A digest also keeps apart what a file system calls the same name
 * (case, forms of one letter), and is never taken for an id of the default tenant's.
 */
export function folderNameOf({ tenant, sessionId }: Pick<Lease, 'tenant' | 'sessionId'>): string {
  if (tenant === DEFAULT_TENANT && UUID.test(sessionId)) return sessionId;
  const hex = createHash('sha256')
    .update(JSON.stringify([tenant, sessionId]))
    .digest('hex');
  return hex.slice(0, 40);
}

export interface WorkplaceOptions {
  /** Below it each session gets its directory. Private to this user; may be on tmpfs. */
  readonly root: string;
}

export function createWorkplace({ root }: WorkplaceOptions): Workplace {
  if (root.includes(' -')) {
    // The CLI takes what follows " -" in the path of its shell wrapper for an option.
    throw new Invalid('execution-root', 'The folder for turns has " -" in its path.', {
      advice: 'Set TMPDIR to a folder without " -" in its path.',
    });
  }
  const pathOf = (lease: Lease): string => join(root, folderNameOf(lease));

  async function clear(path: string): Promise<void> {
    await endProcesses(path);
    // Moved aside first: the path is free at once, and nothing can be opened through it while it is removed.
    const trash = join(root, `.trash-${randomBytes(8).toString('hex')}`);
    try {
      await rename(path, trash);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    await removeTree(trash);
  }

  async function make(lease: Lease, path: string): Promise<ExecutionDirectory> {
    const held = await readNote(`${path}.json`);
    if (held && held.fence > lease.fence && (await isSameProcess(held.worker))) {
      throw new Conflict('lease-lost', 'A newer lease of this session works here already.');
    }
    const worker = { pid: process.pid, start: (await processStart(process.pid)) ?? '' };
    await writeNote(root, `${path}.json`, { owner: lease.owner, fence: lease.fence, worker });
    await clear(path);
    const directory: ExecutionDirectory = {
      root: path,
      config: join(path, 'config'),
      workspace: join(path, 'workspace'),
    };
    await mkdir(path, { mode: 0o700 });
    for (const part of ['config', 'workspace', 'home', 'tmp']) await mkdir(join(path, part), { mode: 0o700 });
    return directory;
  }

  async function remove(lease: Lease, path: string): Promise<void> {
    const held = await readNote(`${path}.json`);
    if (held?.owner !== lease.owner || held.fence !== lease.fence) return;
    await clear(path);
    await rm(`${path}.json`, { force: true });
  }

  return {
    async open(lease) {
      const path = pathOf(lease);
      return await withDirectory(path, () => make(lease, path));
    },

    pause: (lease) => pauseProcesses(pathOf(lease)),

    async close(lease) {
      const path = pathOf(lease);
      await withDirectory(path, () => remove(lease, path));
      // Removes the root only if it is empty, that is when no other session runs.
      await rmdir(root).catch(() => {});
    },
  };
}

async function readNote(path: string): Promise<Note | null> {
  try {
    return noteSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return null;
  }
}

async function writeNote(root: string, path: string, note: Note): Promise<void> {
  const draft = join(root, `.note-${randomBytes(8).toString('hex')}`);
  for (let tries = 1; ; tries++) {
    await mkdir(root, { recursive: true, mode: 0o700 });
    try {
      await writeFile(draft, JSON.stringify(note), { mode: 0o600 });
      break;
    } catch (error) {
      // Another worker closed the last session in it, and removed the empty folder, just now.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === MAX_TRIES) throw error;
    }
  }
  await rename(draft, path);
}
