// The processes below one, by their parents. In a process namespace of its own none leaves that tree.
import { readdirSync, readFileSync } from 'node:fs';

export interface Entry {
  readonly pid: number;
  readonly parent: number;
  readonly state: string;
}

/** Its descendants that have not ended, parents first. */
export function processesBelow(pid: number): readonly Entry[] {
  const children = Map.groupBy(processes(), ({ parent }) => parent);
  const below: Entry[] = [];
  const add = (parent: number): void => {
    for (const child of children.get(parent) ?? []) {
      below.push(child);
      add(child.pid);
    }
  };
  add(pid);
  return below.filter(({ state }) => state !== 'Z' && state !== 'X');
}

/**
 * Those that do not stand still. Who waits for a child that was stopped before it ran a program of its own (vfork) can do
 * nothing, and cannot be stopped either.
 */
export function movingIn(tree: readonly Entry[]): readonly Entry[] {
  const stopped = new Set(tree.filter(({ state }) => state === 'T').map(({ parent }) => parent));
  return tree.filter(({ pid, state }) => state !== 'T' && !(state === 'D' && stopped.has(pid)));
}

function processes(): Entry[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const [state = '', parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return [{ pid: Number(name), parent: Number(parent), state }];
    } catch {
      return [];
    }
  });
}
