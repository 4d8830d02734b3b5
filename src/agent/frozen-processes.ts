// The processes of a CLI between two turns: the CLI and its tool servers stand still (SIGSTOP), so no timer fires, no request
// goes out and no file changes; everything else that a turn started is gone. Linux only.
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../core/backoff.ts';
import { startPauseGuard } from './pause-guard.ts';
import { isSameProcess, processStart } from './process-identity.ts';
import { allThreadsStopped, familyUnder } from './processes.ts';

export interface KnownProcess {
  readonly pid: number;
  readonly start: string;
}

export interface ProcessPlace {
  /** The mark of the session's processes. */
  readonly root: string;
  /** True where every other process that can be seen belongs to the session. */
  readonly alone: boolean;
}

export interface FrozenProcesses {
  readonly memoryBytes: number;
  /** False when one of them is gone, or ran meanwhile. */
  areAsLeft(): Promise<boolean>;
  thaw(): void;
}

const LOOKING = { firstMs: 1, maxMs: 20 };
const TIMEOUT_MS = 2_000;

/** The CLI and what it has started by itself. Ask before the agent can have started anything. */
export async function processesOf(cli: number, { root }: ProcessPlace): Promise<readonly KnownProcess[]> {
  const pids = await familyUnder(root, [cli]);
  const known = await Promise.all(pids.map(async (pid) => ({ pid, start: (await processStart(pid)) ?? '' })));
  return known.filter(({ start }) => start !== '');
}

/** Freezes those that are `known` and ends all others. null when that cannot be had, or when a known one is gone. */
export async function freezeOnly(
  known: readonly KnownProcess[],
  cli: number,
  place: ProcessPlace,
): Promise<FrozenProcesses | null> {
  const pids = known.map(({ pid }) => pid);
  if (!pids.includes(cli) || !(await allAlive(known))) return null;
  // A stopped process does not notice that this one is gone. In a namespace of its own it ends with it anyway.
  const guard = place.alone ? null : startPauseGuard();
  guard?.watch(pids);
  const thaw = (): void => {
    for (const pid of pids.toReversed()) signal(pid, 'SIGCONT');
    guard?.end();
  };
  const deadline = performance.now() + TIMEOUT_MS;
  for (let looks = 1; ; looks++) {
    for (const pid of pids) signal(pid, 'SIGSTOP');
    const others = (await processesIn(place, cli)).filter((pid) => !pids.includes(pid));
    // One of another user's that is not ours to end: then nothing is known to stand still.
    const ends = others.map((pid) => signal(pid, 'SIGKILL')).every(Boolean);
    if (others.length === 0 && (await areStopped(pids))) break;
    if (!ends || performance.now() > deadline) {
      thaw();
      return null;
    }
    await sleep(backoffMs(LOOKING, looks));
  }
  return {
    memoryBytes: await memoryOf([...pids, process.pid]),
    areAsLeft: async () => (await allAlive(known)) && (await areStopped(pids)),
    thaw,
  };
}

async function processesIn({ root, alone }: ProcessPlace, cli: number): Promise<number[]> {
  if (!alone) return await familyUnder(root, [cli]);
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const states = await Promise.all(pids.map(async (pid) => [pid, await stateOf(pid)] as const));
  const isOver = (state: string | null) => state === null || state === 'Z' || state === 'X';
  return states.flatMap(([pid, state]) => (pid === 1 || pid === process.pid || isOver(state) ? [] : [pid]));
}

async function stateOf(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  return stat?.[stat.lastIndexOf(')') + 2] ?? null;
}

async function areStopped(pids: readonly number[]): Promise<boolean> {
  const stopped = await Promise.all(pids.map((pid) => allThreadsStopped(String(pid)).catch(() => false)));
  return stopped.every(Boolean);
}

async function allAlive(known: readonly KnownProcess[]): Promise<boolean> {
  return (await Promise.all(known.map(isSameProcess))).every(Boolean);
}

/** What is theirs alone; of a program's own pages there is one copy for all. */
async function memoryOf(pids: readonly number[]): Promise<number> {
  const sizes = await Promise.all(
    pids.map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      return kilobytes(status, 'RssAnon') + kilobytes(status, 'RssShmem');
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0) * 1_024;
}

const kilobytes = (text: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);

/** False when it may not be sent there. */
function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPERM') return false;
    if (code !== 'ESRCH') throw error;
  }
  return true;
}
