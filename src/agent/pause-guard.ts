// Lets paused processes go on when the worker that paused them is killed meanwhile: a stopped process notices nothing by
// itself, not even that its worker is gone. The guard is a shell that waits for the end of a pipe to this process.
import { spawn } from 'node:child_process';

export interface PauseGuard {
  /** The processes that are paused, all of them; to be called before they are. */
  watch(pids: readonly number[]): void;
  /** The processes go on by themselves from here. */
  end(): void;
}

/** Keeps the last line that it was told; continues the processes in it when nothing more can come. */
const GUARD = 'pids=; while read -r line; do pids=$line; done; [ -z "$pids" ] || kill -CONT $pids';

export function startPauseGuard(): PauseGuard {
  // Of a group of its own: whoever ends the worker's whole group must not end the guard with it.
  const guard = spawn('/bin/sh', ['-c', GUARD], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    env: {},
  });
  guard.on('error', () => {});
  guard.stdin.on('error', () => {});
  guard.unref();
  return {
    watch: (pids) => void guard.stdin.write(`${pids.join(' ')}\n`),
    end: () => void guard.stdin.end('\n'),
  };
}
