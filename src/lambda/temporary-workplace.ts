// The whole temporary folder as one turn's workplace: on Lambda a worker runs one turn at a time, always at the same
// paths, and whatever is in the folder before or after a turn is removed, whoever left it there (FORGET). So the
// folder must be this function's own.
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { endProcesses } from '../agent/processes.ts';
import { removeTree } from '../agent/remove-tree.ts';
import { Refused } from '../core/errors.ts';
import type { ExecutionDirectory, Workplace } from '../core/ports/execution.ts';
import type { Lease } from '../core/records.ts';

export function createTemporaryWorkplace(root: string): Workplace {
  let held: Lease | null = null;
  const directory: ExecutionDirectory = {
    root,
    config: join(root, '.claude-code'),
    workspace: join(root, 'workspace'),
  };

  async function empty(): Promise<void> {
    await endProcesses(root);
    await Promise.all((await readdir(root)).map((name) => removeTree(join(root, name))));
  }

  return {
    async open(lease) {
      if (held) throw new Refused('workplace-busy', 'Another turn runs here.');
      held = lease;
      await empty();
      for (const part of [directory.config, directory.workspace, join(root, 'home'), join(root, 'tmp')]) {
        await mkdir(part, { mode: 0o700 });
      }
      return directory;
    },
    async close(lease) {
      if (held?.owner !== lease.owner || held.fence !== lease.fence) return;
      await empty();
      held = null;
    },
  };
}
