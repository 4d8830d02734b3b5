// On Lambda the agent's processes have the worker's own user, and no sandbox is possible. Two things hold nevertheless:
// nobody of that user can look into the worker (its Node may be executed, but not read; see the Dockerfile), and no
// process outlives a turn, also one that has emptied its environment and left its family. This file ends the processes,
// and looks at the start whether both can hold here.
// Ending every process of a user is only right where that user runs nothing else. So it happens under Lambda's Runtime
// API, when the deployment says so, and when no other process of this user is there at the start.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../core/backoff.ts';
import type { Environment } from './configuration.ts';
import { VARIABLES } from './variables.ts';

export type OtherProcesses =
  | {
      readonly kind: 'ours';
      /** Ends every other process of this user, and returns when none is left. Throws when one survives for `timeoutMs`. */
      end(timeoutMs?: number): Promise<void>;
    }
  /** They are not to be touched. `fault`: the deployment says that they may be, which is not true here. */
  | { readonly kind: 'not-ours'; readonly fault: string | null };

const LOOKING = { firstMs: 1, maxMs: 50 };

interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
}

/** To be called at the start, before anything of an agent runs. */
export function takeOtherProcesses(environment: Environment): OtherProcesses {
  if (environment[VARIABLES.soleUser] !== 'true') return { kind: 'not-ours', fault: null };
  const user = process.getuid?.();
  if (process.platform !== 'linux' || !environment.AWS_LAMBDA_RUNTIME_API)
    return notOurs('this is not Lambda');
  if (user === undefined || user === 0) return notOurs('this process runs as root');
  const ancestors = ancestorsOf(process.pid);
  const strangers = processesOf(user).filter(({ pid }) => !ancestors.includes(pid));
  if (strangers.length > 0) return notOurs(`${strangers.length} other processes of this user run already`);
  // A shell that started this process and waits for it. Process 1 is never reached by a signal to everyone.
  const spared = ancestors.filter((pid) => pid !== 1 && processesOf(user).some((entry) => entry.pid === pid));
  const left = () => processesOf(user).filter(({ pid }) => pid !== 1 && !spared.includes(pid));

  return {
    kind: 'ours',
    async end(timeoutMs = 5_000) {
      const deadline = performance.now() + timeoutMs;
      for (let looks = 1; ; looks++) {
        // One step of the kernel: nothing can start itself anew meanwhile. A spared parent takes single steps.
        if (spared.length === 0) kill(-1);
        else for (const { pid } of left()) kill(pid);
        const surviving = left();
        if (surviving.length === 0) return;
        if (performance.now() > deadline) {
          throw new Error(`${surviving.length} processes of this user cannot be ended.`);
        }
        await sleep(backoffMs(LOOKING, looks));
      }
    },
  };
}

/** True when another process of this user can look into this one: read its memory, variables and descriptors. */
export function isOpenToOthers(): boolean {
  if (process.platform !== 'linux') return true;
  return spawnSync('/bin/cat', [`/proc/${process.pid}/environ`], { env: {}, stdio: 'ignore' }).status === 0;
}

function notOurs(reason: string): OtherProcesses {
  return { kind: 'not-ours', fault: reason };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Nobody there (any more), or only processes of other users.
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

function ancestorsOf(pid: number): number[] {
  const ancestors: number[] = [];
  for (let at = pid; at > 1 && !ancestors.includes(at); ) {
    at = entryOf(String(at))?.parent ?? 0;
    if (at > 0) ancestors.push(at);
  }
  return ancestors;
}

/** The user's processes, by any of their user ids, without this one and those that have ended. */
function processesOf(user: number): ProcessEntry[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
    const entry = entryOf(name);
    return entry?.users.includes(user) && !entry.ended ? [entry] : [];
  });
}

function entryOf(
  name: string,
): (ProcessEntry & { readonly users: readonly number[]; readonly ended: boolean }) | null {
  let status: string;
  try {
    status = readFileSync(`/proc/${name}/status`, 'latin1');
  } catch {
    return null;
  }
  const field = (of: string) => new RegExp(`^${of}:\\s+(.*)$`, 'm').exec(status)?.[1] ?? '';
  return {
    pid: Number(name),
    parent: Number(field('PPid')),
    users: field('Uid').split(/\s+/).map(Number),
    ended: /^[ZX]/.test(field('State')),
  };
}
