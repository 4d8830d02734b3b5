// Finding, pausing and ending the processes of a turn. Every process of a turn carries the turn's root in its environment
// (ROOT_MARKER), which children inherit, so a child that left its process group is still found. A process that
// cleans its environment *and* leaves its family is found only by a sandbox's own process namespace.

import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { backoffMs } from '../core/backoff.ts';
import { startPauseGuard } from './pause-guard.ts';

/** The environment variable whose value is the execution directory's root. */
export const ROOT_MARKER = 'HYBRID_SESSIONS_ROOT';

/** A killed process is gone in a moment. */
const LOOKING = { firstMs: 2, maxMs: 50 };
const HALTING = { firstMs: 1, maxMs: 10 };

const run = promisify(execFile);

interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  /** Every thread of it is stopped. */
  readonly stopped: boolean;
  readonly marked: boolean;
}

/**
 * Ends every process of the turn under `root`, and the descendants of `pids`, at once (SIGKILL), and returns when
 * none is left. Throws when one survives for `timeoutMs`.
 */
export async function endProcesses(
  root: string,
  pids: readonly number[] = [],
  timeoutMs = 5_000,
): Promise<number> {
  const ended = new Set<number>();
  const deadline = Date.now() + timeoutMs;
  for (let looks = 1; ; looks++) {
    const found = familyOf(await listProcesses(root), pids);
    if (found.length === 0) return ended.size;
    for (const { pid } of found) {
      ended.add(pid);
      signal(pid, 'SIGKILL');
    }
    if (Date.now() > deadline) throw new Error(`${found.length} processes of the turn cannot be ended.`);
    await sleep(backoffMs(LOOKING, looks));
  }
}

/** Every process of the turn under `root`, and the descendants of `pids`. */
export async function familyUnder(root: string, pids: readonly number[]): Promise<number[]> {
  return familyOf(await listProcesses(root), pids).map(({ pid }) => pid);
}

/** The same, each with its parent. */
export async function parentsUnder(root: string): Promise<ReadonlyMap<number, number>> {
  return new Map(familyOf(await listProcesses(root), []).map(({ pid, parent }) => [pid, parent]));
}

/**
 * Stops every process of the turn under `root` (SIGSTOP) and returns when all their threads stand still, so that its
 * files are one moment. `resume` lets go of those that this call stopped. null when they do not come to a halt within
 * `timeoutMs` (a process waits for a disk or a network mount); then all go on.
 */
export async function pauseProcesses(root: string, timeoutMs = 1_000): Promise<PausedProcesses | null> {
  const paused: number[] = [];
  const guard = startPauseGuard();
  // Children first: a parent that goes on must not find a child stopped, or its shell takes that for Ctrl-Z.
  const resume = () => {
    for (const pid of paused.splice(0).reverse()) signal(pid, 'SIGCONT');
    guard.end();
  };
  const deadline = performance.now() + timeoutMs;
  try {
    for (let looks = 1; ; looks++) {
      const moving = familyOf(await listProcesses(root), []).filter(({ stopped }) => !stopped);
      if (moving.length === 0) return { resume };
      if (performance.now() > deadline) break;
      // Again and again: what was forked meanwhile is found the next time round.
      const found = moving.map(({ pid }) => pid).filter((pid) => !paused.includes(pid));
      paused.push(...found);
      guard.watch(paused);
      for (const pid of found) signal(pid, 'SIGSTOP');
      await sleep(backoffMs(HALTING, looks));
    }
  } catch (error) {
    resume();
    throw error;
  }
  resume();
  return null;
}

export interface PausedProcesses {
  resume(): void;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Parents before their children. */
function familyOf(all: readonly ProcessEntry[], pids: readonly number[]): ProcessEntry[] {
  const children = Map.groupBy(all, (entry) => entry.parent);
  const family = new Set<ProcessEntry>();
  const add = (entry: ProcessEntry): void => {
    if (family.has(entry) || entry.pid === process.pid) return;
    family.add(entry);
    children.get(entry.pid)?.forEach(add);
  };
  const isRoot = (entry: ProcessEntry) => entry.marked || pids.includes(entry.pid);
  const parents = new Map(all.map((entry) => [entry.pid, entry]));
  for (const entry of all) {
    const parent = parents.get(entry.parent);
    if (isRoot(entry) && !(parent && isRoot(parent))) add(entry);
  }
  return [...family];
}

async function listProcesses(root: string): Promise<ProcessEntry[]> {
  return process.platform === 'linux' ? listFromProc(root) : listFromPs(root);
}

async function listFromProc(root: string): Promise<ProcessEntry[]> {
  const marker = `${ROOT_MARKER}=${root}`;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const entries = await Promise.all(
    pids.map(async (name): Promise<ProcessEntry | null> => {
      try {
        const stat = await readFile(`/proc/${name}/stat`, 'utf8');
        // `pid (comm) state ppid ...`: comm may hold spaces and brackets, so count from the last one.
        const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        if (state === 'Z' || state === 'X') return null;
        const stopped = state === 'T' && (await allThreadsStopped(name));
        const environ = await readFile(`/proc/${name}/environ`, 'latin1').catch(() => '');
        const marked = environ.split('\0').includes(Buffer.from(marker).toString('latin1'));
        return { pid: Number(name), parent: Number(parent), stopped, marked };
      } catch {
        return null;
      }
    }),
  );
  return entries.filter((entry) => entry !== null);
}

/** The first thread may stand still while another one is in the middle of a write. */
export async function allThreadsStopped(pid: string): Promise<boolean> {
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8').catch(() => null);
    const state = stat?.[stat.lastIndexOf(')') + 2];
    if (state !== undefined && !'TZX'.includes(state)) return false;
  }
  return true;
}

async function listFromPs(root: string): Promise<ProcessEntry[]> {
  const { stdout } = await run('ps', ['axwwE', '-o', 'pid=,ppid=,state=,command='], { maxBuffer: 64 << 20 });
  return stdout.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s(.*)$/.exec(line);
    if (!match || match[3]?.startsWith('Z')) return [];
    const marked = ` ${match[4]} `.includes(` ${ROOT_MARKER}=${root} `);
    const stopped = match[3]?.startsWith('T') === true;
    return [{ pid: Number(match[1]), parent: Number(match[2]), stopped, marked }];
  });
}
