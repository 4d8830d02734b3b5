// The whole temporary folder as one turn's workplace: on Lambda a worker runs one turn at a time, always at the same
// paths, and whatever is in the folder before a turn is removed, whoever left it there. So the folder must be this
// function's own. With `keepSession` the files of a turn that ended well stay for the same session's next turn here:
// it takes them up if the session's head is still the very one they are, and they are still as they were left. In any
// other case, and for any other session, they are removed first. Processes, home and temporary files never stay.
import { chmod, mkdir, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { endProcesses, pauseProcesses } from '../agent/processes.ts';
import { removeTree } from '../agent/remove-tree.ts';
import { Refused } from '../core/errors.ts';
import type { ExecutionDirectory, HeldFiles, Workplace } from '../core/ports/execution.ts';
import type { Lease } from '../core/records.ts';
import { EXCLUDED_FROM_CONFIG } from '../state/excluded.ts';
import { isUnchangedSince } from '../state/unchanged-since.ts';

export interface TemporaryWorkplaceOptions {
  /** Keep a session's files for its next turn; otherwise the folder is empty after every turn. */
  readonly keepSession: boolean;
}

export function createTemporaryWorkplace(
  root: string,
  { keepSession }: TemporaryWorkplaceOptions,
): Workplace {
  const directory: ExecutionDirectory = {
    root,
    config: join(root, '.claude-code'),
    workspace: join(root, 'workspace'),
  };
  const session = [directory.config, directory.workspace];
  const besides = [join(root, 'home'), join(root, 'tmp')];
  /** Whose turn runs here. */
  let holder: Lease | null = null;
  /** What lies here between two turns. */
  let kept: (HeldFiles & { readonly sessionKey: string; readonly sessionId: string }) | null = null;

  /** Ends every process, and removes all but `stays`. */
  async function clear(stays: readonly string[] = []): Promise<void> {
    await endProcesses(root);
    const names = new Set(stays.map((path) => basename(path)));
    const rest = (await readdir(root)).filter((name) => !names.has(name));
    await Promise.all(rest.map((name) => removeTree(join(root, name))));
  }

  async function make(folders: readonly string[]): Promise<void> {
    for (const folder of folders) await mkdir(folder, { mode: 0o700 });
  }

  const isHolder = (lease: Lease) => holder?.owner === lease.owner && holder.fence === lease.fence;

  const always: Workplace = {
    async open(lease) {
      if (holder) throw new Refused('workplace-busy', 'Another turn runs here.');
      holder = lease;
      kept = null;
      try {
        await clear();
        await make([...session, ...besides]);
        return directory;
      } catch (error) {
        holder = null;
        throw error;
      }
    },
    pause: () => pauseProcesses(root),
    async close(lease) {
      if (!isHolder(lease)) return;
      try {
        await clear();
      } finally {
        // What could not be removed keeps the next turn from opening, not this worker from trying again.
        holder = null;
      }
    },
  };
  if (!keepSession) return always;

  return {
    ...always,
    async keep(lease, files) {
      if (!isHolder(lease)) return;
      try {
        await clear(session);
        // A checkpoint leaves them out, so a restore would not bring them back.
        await Promise.all(EXCLUDED_FROM_CONFIG.map(({ name }) => removeTree(join(directory.config, name))));
        const { sessionKey, sessionId } = lease;
        kept = { ...files, sessionKey, sessionId };
        holder = null;
      } catch {
        await always.close(lease);
      }
    },
    async reopen(lease, head) {
      const files = kept;
      if (holder || !files) return null;
      // Whatever comes of it: either a turn changes the files, or `open` removes them.
      kept = null;
      if (files.sessionKey !== lease.sessionKey || files.sessionId !== lease.sessionId) return null;
      if (files.generation !== head.generation) return null;
      holder = lease;
      try {
        await clear(session);
        if (await isUnchangedSince(head, directory, files.baseline)) {
          for (const folder of session) await chmod(folder, 0o700);
          await make(besides);
          return { directory, baseline: files.baseline };
        }
      } catch {
        // No reason is good enough to go on with them: a restore says what is wrong with this machine, if anything is.
      }
      holder = null;
      return null;
    },
  };
}
