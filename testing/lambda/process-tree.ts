// The processes below one, by their parents. In a process namespace of its own none leaves that tree.
import { readdirSync, readFileSync } from 'node:fs';

interface Entry {
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
