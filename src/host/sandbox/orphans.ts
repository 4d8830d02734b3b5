// Bubblewrap's second process waits for the first one while they set up, and does not notice when that one is killed just
// then: it waits for ever, and runs nothing. Nobody else would end it. Ours are known by the name that they are started under.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** In place of the program's path, in the list of processes. */
export const SANDBOX_NAME = 'hybrid-sessions-sandbox';

const LOOKS = 100;
const LOOK_AGAIN_MS = 5;

/** Ends those whose first process is gone, and returns when they are. One that runs has it as its parent, in whichever worker. */
export async function endOrphans(): Promise<void> {
  for (let looks = 1; killOrphans() > 0 && looks < LOOKS; looks++) await sleep(LOOK_AGAIN_MS);
}

function killOrphans(): number {
  let found = 0;
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!pid || !isOurs(name)) continue;
    const status = read(`/proc/${name}/status`);
    const parent = /^PPid:\s+(\d+)$/m.exec(status)?.[1];
    const isFirstOfNamespace = /^NSpid:.*\s1$/m.test(status);
    if (parent === undefined || !isFirstOfNamespace || isOurs(parent)) continue;
    try {
      process.kill(pid, 'SIGKILL');
      found++;
    } catch {
      // Gone by itself, or another user's.
    }
  }
  return found;
}

function isOurs(pid: string): boolean {
  return read(`/proc/${pid}/cmdline`).startsWith(`${SANDBOX_NAME}\0`);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
