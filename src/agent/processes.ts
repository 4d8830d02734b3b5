// Finding and ending the processes of a turn. Every process of a turn carries the turn's root in its environment
// (ROOT_MARKER), which children inherit, so a child that left its process group is still found. A process that
// cleans its environment *and* leaves its family is found only by a sandbox's own process namespace.
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** The environment variable whose value is the execution directory's root. */
export const ROOT_MARKER = 'HYBRID_SESSIONS_ROOT';

const run = promisify(execFile);

interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
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
  for (let waitMs = 2; ; waitMs = Math.min(50, waitMs * 2)) {
    const found = familyOf(await listProcesses(root), pids);
    if (found.length === 0) return ended.size;
    for (const pid of found) {
      ended.add(pid);
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    if (Date.now() > deadline) throw new Error(`${found.length} processes of the turn cannot be ended.`);
    await sleep(waitMs);
  }
}

function familyOf(all: readonly ProcessEntry[], pids: readonly number[]): number[] {
  const family = new Set(all.filter((p) => p.marked || pids.includes(p.pid)).map((p) => p.pid));
  for (let size = -1; size !== family.size; ) {
    size = family.size;
    for (const entry of all) if (family.has(entry.parent)) family.add(entry.pid);
  }
  family.delete(process.pid);
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
        const environ = await readFile(`/proc/${name}/environ`, 'latin1').catch(() => '');
        const marked = environ.split('\0').includes(Buffer.from(marker).toString('latin1'));
        return { pid: Number(name), parent: Number(parent), marked };
      } catch {
        return null;
      }
    }),
  );
  return entries.filter((entry) => entry !== null);
}

async function listFromPs(root: string): Promise<ProcessEntry[]> {
  const { stdout } = await run('ps', ['axwwE', '-o', 'pid=,ppid=,state=,command='], { maxBuffer: 64 << 20 });
  return stdout.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s(.*)$/.exec(line);
    if (!match || match[3]?.startsWith('Z')) return [];
    const marked = ` ${match[4]} `.includes(` ${ROOT_MARKER}=${root} `);
    return [{ pid: Number(match[1]), parent: Number(match[2]), marked }];
  });
}
