// A host without a wall around it: a process group of its own whose members carry a mark.
import { spawn } from 'node:child_process';
import { endProcesses, ROOT_MARKER } from '../../agent/processes.ts';
import { activityOf } from './activity.ts';
import { endOf, streamsOf } from './child.ts';
import { SOCKETS_VARIABLE } from './forward.ts';
import type { SandboxedProcess, StartOptions } from './sandbox.ts';

export function startBare(options: StartOptions): SandboxedProcess {
  const { program, directories, sockets = {} } = options;
  const { root } = directories;
  const child = spawn(program.command, program.args, {
    env: { ...options.env, [ROOT_MARKER]: root, [SOCKETS_VARIABLE]: JSON.stringify(sockets) },
    cwd: options.cwd,
    stdio: [...options.stdio],
    detached: true,
  });
  const pids = child.pid === undefined ? [] : [child.pid];
  return {
    pid: child.pid ?? -1,
    stdio: streamsOf(child, options.stdio.length),
    kill: () => void child.kill('SIGKILL'),
    watch() {},
    peakMemoryBytes: () => null,
    activity: () => activityOf(child.pid),
    ended: endOf(child).then(async (end) => {
      await endProcesses(root, pids).catch(() => {});
      return end;
    }),
  };
}
