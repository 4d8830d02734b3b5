// Process ids are reused; a pid together with its start time names one process for good.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** When a process began, in the system's own words; null when there is none. */
export async function processStart(pid: number): Promise<string | null> {
  try {
    if (process.platform === 'linux') {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      // A zombie has ended; field 22 of proc(5) is the start in clock ticks since boot.
      return fields[0] === 'Z' ? null : (fields[19] ?? null);
    }
    const { stdout } = await run('ps', ['-o', 'lstart=', '-p', String(pid)]);
    return stdout.trim() || null;
  } catch {
    return null;
  }
}

export async function isSameProcess(known: {
  readonly pid: number;
  readonly start: string;
}): Promise<boolean> {
  return known.start !== '' && (await processStart(known.pid)) === known.start;
}
