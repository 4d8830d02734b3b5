// Whether a process stands still or is kept from running, as the system counts. Linux only.
import { readFile } from 'node:fs/promises';
import type { Activity } from '../silence.ts';

/** Of /proc: USER_HZ, the same on every Linux that Node runs on. */
const TICK_MS = 10;

/** null when it is gone or cannot be looked at. */
export async function activityOf(pid: number | undefined): Promise<Activity | null> {
  const stat = pid === undefined ? '' : await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  // `pid (comm) state ...`: comm may hold spaces and brackets, so count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, user, system] = [fields[0], Number(fields[11]), Number(fields[12])];
  if (!state || !Number.isFinite(user + system)) return null;
  return { isHeldUp: state === 'R' || state === 'D', cpuMs: (user + system) * TICK_MS };
}

/** Of a namespace's program: the first process started it before anything else, and kept it as its first child. */
export async function activityInside(first: number | undefined): Promise<Activity | null> {
  if (first === undefined) return null;
  const children = await readFile(`/proc/${first}/task/${first}/children`, 'latin1').catch(() => '');
  const [program] = children.trim().split(' ');
  return program ? await activityOf(Number(program)) : null;
}
