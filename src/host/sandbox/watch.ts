// Looks at every host from outside, about once a second: what all its processes use together, which no limit on a single
// process bounds. A host over a limit is ended, and the reason told. Memory comes from /proc; the disk is measured only
// when the file system has lost room, in a sandbox of its own, for only the agent's own rights may walk through its files.
// Not seen: memory in files that are nowhere mapped (memfd), and deleted files that are still open.
import { readdirSync, readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { DiskUse } from './disk-use.ts';
import type { FirstProcess } from './first-process.ts';
import type { SandboxLimits } from './limits.ts';
import type { SandboxEnd, SandboxNotice } from './sandbox.ts';

export interface WatchedHost {
  readonly first: Promise<FirstProcess | null>;
  readonly limits: SandboxLimits;
  /** One that it writes to: on that file system. */
  readonly folder: string | null;
  readonly measure: () => Promise<DiskUse>;
  readonly onNotice?: (notice: SandboxNotice) => void;
  readonly onOver: (over: NonNullable<SandboxEnd['overLimit']>) => void;
}

interface State extends WatchedHost {
  pid: number | null;
  /** Of the file system, when the host began and when its folders were last measured. */
  freeAtStart: number | null;
  freeAtMeasure: number;
  measuring: boolean;
  toldOfProcesses: boolean;
  peakMemoryBytes: number;
}

const LOOK_EVERY_MS = 1_000;
/** Of our time that looking may take: with very many processes it is done less often. */
const SHARE_OF_TIME = 20;
/** The disk is measured again when so much of the limit has gone from the file system since. */
const MEASURE_SHARE = 8;

const hosts = new Set<State>();
let timer: NodeJS.Timeout | undefined;

export interface Watching {
  stop(): void;
  /** The most memory that its programs were seen to hold at once since the last call; looks now, too. */
  peakMemoryBytes(): number;
}

export function watchHost(host: WatchedHost): Watching {
  const state: State = {
    ...host,
    pid: null,
    freeAtStart: null,
    freeAtMeasure: 0,
    measuring: false,
    toldOfProcesses: false,
    peakMemoryBytes: 0,
  };
  hosts.add(state);
  void host.first.then((found) => {
    state.pid = found?.pid ?? null;
  });
  if (timer === undefined) lookIn(LOOK_EVERY_MS);
  return {
    stop: () => void hosts.delete(state),
    peakMemoryBytes() {
      if (hosts.has(state)) lookAt(state, childrenOf);
      const peak = state.peakMemoryBytes;
      state.peakMemoryBytes = 0;
      return peak;
    },
  };
}

function lookIn(ms: number): void {
  timer = setTimeout(() => {
    if (hosts.size === 0) {
      timer = undefined;
      return;
    }
    const began = performance.now();
    lookAtProcesses();
    const took = performance.now() - began;
    for (const state of hosts) void lookAtDisk(state).catch(() => {});
    lookIn(Math.max(LOOK_EVERY_MS, took * SHARE_OF_TIME));
  }, ms);
  timer.unref();
}

function lookAtProcesses(): void {
  const children = childrenByParent();
  for (const state of hosts) lookAt(state, (pid) => children.get(pid) ?? []);
}

function lookAt(state: State, children: (pid: number) => readonly number[]): void {
  if (state.pid === null) return;
  const family = [state.pid];
  for (const pid of family) family.push(...children(pid));
  const { memoryBytes, processes } = state.limits;
  let memory = 0;
  let tasks = 0;
  for (const pid of family) {
    const status = read(`/proc/${pid}/status`);
    memory += kilobytes(status, 'RssAnon') + kilobytes(status, 'RssShmem');
    tasks += Number(/^Threads:\s+(\d+)$/m.exec(status)?.[1] ?? 0);
  }
  state.peakMemoryBytes = Math.max(state.peakMemoryBytes, memory);
  // What processes share was counted for each; the exact figure takes the kernel longer.
  if (memory > memoryBytes && exactMemory(family) > memoryBytes) {
    const message = `The programs of this session used more than ${sizeText(memoryBytes)} of memory together and were ended.`;
    state.onOver({ limit: 'memoryBytes', message });
  }
  if (tasks >= processes - 1 && !state.toldOfProcesses) {
    state.toldOfProcesses = true;
    const message = `The session runs as many processes as it may (${processes}); it cannot start more.`;
    state.onNotice?.({ type: 'limit', limit: 'processes', message });
  }
}

/** Of the first thread, which is the one that starts programs: a look at one host, without reading all of /proc. */
function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
}

function childrenByParent(): ReadonlyMap<number, readonly number[]> {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!pid) continue;
    const stat = read(`/proc/${name}/stat`);
    // `pid (comm) state ppid ...`: comm may hold spaces and brackets, so count from the last one.
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ', 2)[1] ?? 0);
    const found = children.get(parent);
    if (found) found.push(pid);
    else children.set(parent, [pid]);
  }
  return children;
}

function exactMemory(pids: readonly number[]): number {
  let memory = 0;
  for (const pid of pids) {
    const shares = read(`/proc/${pid}/smaps_rollup`);
    memory += kilobytes(shares, 'Pss_Anon') + kilobytes(shares, 'Pss_Shmem');
  }
  return memory;
}

async function lookAtDisk(state: State): Promise<void> {
  const { folder } = state;
  if (folder === null || state.measuring) return;
  const { bsize, bavail } = await statfs(folder);
  const free = bsize * bavail;
  if (state.freeAtStart === null) {
    state.freeAtStart = free;
    state.freeAtMeasure = free;
    return;
  }
  const { diskBytes } = state.limits;
  if (state.freeAtMeasure - free < diskBytes / MEASURE_SHARE) {
    state.freeAtMeasure = Math.max(state.freeAtMeasure, free);
    return;
  }
  state.measuring = true;
  try {
    const { bytes, complete } = await state.measure();
    state.freeAtMeasure = free;
    // A folder that nobody may read hides what is in it. If the disk lost too much meanwhile, that is taken for the reason.
    const hides = !complete && state.freeAtStart - free > diskBytes;
    if (bytes <= diskBytes && !hides) return;
    const message = `The files of this session took more than ${sizeText(diskBytes)} of disk and its programs were ended.`;
    state.onOver({ limit: 'diskBytes', message });
  } finally {
    state.measuring = false;
  }
}

/** Empty for a process that has just ended. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

const kilobytes = (text: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1_024;

const sizeText = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
