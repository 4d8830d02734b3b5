// Uses the whole temporary folder as the workplace of one turn. On Lambda a worker runs one turn at a time, always at
// the same paths. Everything in the folder is removed before a turn, so the folder must belong to this function alone.
// With `keepSession` the files of a turn that ended well stay for the next turn of the same session on this worker.
// That turn reuses them if the session's head has not moved since and the files are unchanged on disk. In all other
// cases they are removed first. Processes, home and temporary files are always removed.
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
  /** Ends what the turn left running. By default: the processes that name the folder in their environment. */
  readonly endOthers?: () => Promise<void>;
}

export function createTemporaryWorkplace(
  root: string,
  { keepSession, endOthers }: TemporaryWorkplaceOptions,
): Workplace {
  const directory: ExecutionDirectory = {
    root,
    config: join(root, '.claude-code'),
    workspace: join(root, 'workspace'),
  };
  const session = [directory.config, directory.workspace];
  const scratch = [join(root, 'home'), join(root, 'tmp')];
  /** The lease of the turn that runs here. */
  let holder: Lease | null = null;
  /** The session whose files stay here between two turns. */
  let keptFiles: (HeldFiles & { readonly sessionKey: string; readonly sessionId: string }) | null = null;

  /** Ends every process, and removes everything except `exceptions`. */
  async function clear(exceptions: readonly string[] = []): Promise<void> {
    if (endOthers) await endOthers();
    else await endProcesses(root);
    const names = new Set(exceptions.map((path) => basename(path)));
    const rest = (await readdir(root)).filter((name) => !names.has(name));
    await Promise.all(rest.map((name) => removeTree(join(root, name))));
  }

  async function make(folders: readonly string[]): Promise<void> {
    for (const folder of folders) await mkdir(folder, { mode: 0o700 });
  }

  const isHolder = (lease: Lease) => holder?.owner === lease.owner && holder.fence === lease.fence;

  const emptyWorkplace: Workplace = {
    async open(lease) {
      if (holder) throw new Refused('workplace-busy', 'Another turn runs here.');
      holder = lease;
      keptFiles = null;
      try {
        await clear();
        await make([...session, ...scratch]);
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
        // The workplace counts as free even if files could not be removed: the next `open` tries again, or fails.
        holder = null;
      }
    },
  };
  if (!keepSession) return emptyWorkplace;

  return {
    ...emptyWorkplace,
    async keep(lease, files) {
      if (!isHolder(lease)) return;
      try {
        await clear(session);
        // These names are not in a checkpoint, so a restored directory would not have them.
        await Promise.all(EXCLUDED_FROM_CONFIG.map(({ name }) => removeTree(join(directory.config, name))));
        const { sessionKey, sessionId } = lease;
        keptFiles = { ...files, sessionKey, sessionId };
        holder = null;
      } catch {
        await emptyWorkplace.close(lease);
      }
    },
    async reopen(lease, head) {
      const files = keptFiles;
      if (holder || !files) return null;
      // The files can be reused only once: from here on, the turn changes them or `open` removes them.
      keptFiles = null;
      if (files.sessionKey !== lease.sessionKey || files.sessionId !== lease.sessionId) return null;
      if (files.generation !== head.generation) return null;
      holder = lease;
      try {
        await clear(session);
        if (await isUnchangedSince(head, directory, files.baseline)) {
          for (const folder of session) await chmod(folder, 0o700);
          await make(scratch);
          return { directory, baseline: files.baseline };
        }
      } catch {
        // After any error the files are not reused. If the machine is at fault, the restore that follows reports it.
      }
      holder = null;
      return null;
    },
  };
}
