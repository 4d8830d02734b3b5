// Ends every other process of this process namespace, whatever it calls itself and whoever started it. Only for a host that
// has a namespace of its own: elsewhere it would end the machine's processes.
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const TIMEOUT_MS = 5_000;

/** Throws when one survives. The namespace's first process and this one are spared. */
export async function endAllOthers(): Promise<void> {
  const deadline = Date.now() + TIMEOUT_MS;
  while ((await others()) > 0) {
    if (Date.now() > deadline) throw new Error('A process of the turn cannot be ended.');
    try {
      process.kill(-1, 'SIGKILL');
    } catch {
      // Nobody was left.
    }
    await sleep(2);
  }
}

async function others(): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== '1');
  const alive = await Promise.all(
    pids.map(async (pid) => {
      if (pid === String(process.pid)) return false;
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
      const state = stat?.[stat.lastIndexOf(')') + 2];
      return state !== undefined && state !== 'Z' && state !== 'X';
    }),
  );
  return alive.filter(Boolean).length;
}
