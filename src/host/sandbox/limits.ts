// How much of the machine one host may use, all its processes together where that can be had. Set by `prlimit` before the
// program starts (per process, by the kernel), and watched from outside (all processes, see watch.ts).
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

export const limitsSchema = z.strictObject({
  /** Of one process. */
  cpuSec: z.int().min(1).max(1_000_000).default(3_600),
  /** Of all processes together. */
  memoryBytes: z
    .int()
    .min(256 * MIB)
    .default(4 * GIB),
  processes: z.int().min(16).max(100_000).default(512),
  /** Of one process. */
  openFiles: z.int().min(64).max(1_000_000).default(4_096),
  /** Of one file. */
  fileBytes: z
    .int()
    .min(MIB)
    .default(2 * GIB),
  /** All writable folders of the session together. */
  diskBytes: z
    .int()
    .min(16 * MIB)
    .default(4 * GIB),
  /** `/tmp` and `/dev/shm`, which are in memory. */
  temporaryBytes: z
    .int()
    .min(MIB)
    .default(256 * MIB),
  /** Through the proxy to allowed hosts, both ways, in the life of the host. */
  networkBytes: z
    .int()
    .min(MIB)
    .default(16 * GIB),
});

export type SandboxLimits = z.infer<typeof limitsSchema>;

export const DEFAULT_LIMITS: SandboxLimits = limitsSchema.parse({});

/** Runtimes take address space that they never fill: the CLI 2.4 GB at its start. It counts as data all the same. */
const RESERVED_BYTES = 3 * GIB;
/** Between the signal that says what happened and the one that ends it. */
const XCPU_SEC = 5;

/** Arguments of util-linux's `prlimit`. A limit that we are under ourselves cannot be raised for a child. */
export function prlimitArguments(limits: SandboxLimits, own = ownHardLimits()): string[] {
  const wanted: readonly (readonly [string, string, number])[] = [
    ['core', 'Max core file size', 0],
    ['cpu', 'Max cpu time', limits.cpuSec],
    ['data', 'Max data size', limits.memoryBytes + RESERVED_BYTES],
    ['nproc', 'Max processes', limits.processes],
    ['nofile', 'Max open files', limits.openFiles],
    ['fsize', 'Max file size', limits.fileBytes],
  ];
  return wanted.map(([option, name, value]) => {
    const most = own.get(name) ?? Number.POSITIVE_INFINITY;
    const hard = Math.min(option === 'cpu' ? value + XCPU_SEC : value, most);
    return `--${option}=${Math.min(value, most)}:${hard}`;
  });
}

/** Hard limits of this process by their names in /proc/self/limits; what is unlimited is left out. */
function ownHardLimits(): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const line of readFileSync('/proc/self/limits', 'utf8').split('\n')) {
    const match = /^(\S.*?)\s{2,}\S+\s+(\d+)\s/.exec(line);
    if (match) found.set(match[1]!, Number(match[2]));
  }
  return found;
}
