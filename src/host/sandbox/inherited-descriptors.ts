// Descriptors that whoever started this process left open for it (a shell, a supervisor) would be handed on to every child,
// also into a sandbox. Node marks its own, and inherited ones with low numbers, so that they are not; this finds the rest
// and puts an empty device in their place.
import type { StdioOptions } from 'node:child_process';
import { openSync, readdirSync, readFileSync } from 'node:fs';

type Stdio = Exclude<StdioOptions, string>;

/** O_CLOEXEC of fcntl.h, the same on x64 and arm64. */
const CLOSED_ON_EXEC = 0o2_000_000;

let inherited: readonly number[] | undefined;
let empty: number | undefined;

/** `stdio` for `spawn`, longer where that is needed to cover such descriptors. */
export function coverInherited(stdio: Stdio): Stdio {
  // None is added later: what this process opens itself is marked.
  inherited ??= findInherited();
  const covered = [...stdio];
  for (const fd of inherited) {
    if (fd < stdio.length) continue;
    while (covered.length < fd) covered.push('ignore');
    empty ??= openSync('/dev/null', 'r');
    covered[fd] = empty;
  }
  return covered;
}

function findInherited(): readonly number[] {
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => fd > 2 && isHandedOn(fd))
    .sort((a, b) => a - b);
}

function isHandedOn(fd: number): boolean {
  try {
    const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & CLOSED_ON_EXEC) === 0;
  } catch {
    // The one that listed the folder.
    return false;
  }
}
