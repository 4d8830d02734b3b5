// How much a session's folders hold, counted by `du` in a sandbox of its own: whoever walks through an agent's files has
// no more rights than the agent, and the agent cannot reach the one who counts.

import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { SAFE_PATH } from '../../agent/environment.ts';
import type { RunsAs } from './inside-user.ts';
import type { Bubblewrap } from './sandbox.ts';
import { startWalled } from './start-walled.ts';

export interface DiskUse {
  readonly bytes: number;
  /** False when there are folders that may not be read. */
  readonly complete: boolean;
}

const MEASURE_MS = 60_000;

export async function measureDisk(
  sandbox: Bubblewrap,
  folders: readonly string[],
  user: RunsAs,
): Promise<DiskUse> {
  const counting = await startWalled({
    sandbox,
    user,
    program: { command: 'du', args: ['-skx', '--', ...folders] },
    env: { PATH: SAFE_PATH, LC_ALL: 'C' },
    cwd: '/',
    directories: { root: '/nothing', writable: [], readOnly: folders },
    stdio: ['ignore', 'pipe', 'ignore'],
    network: sandbox.ownNetwork ? 'none' : 'open',
  });
  const timer = setTimeout(counting.kill, MEASURE_MS);
  const [lines, { code }] = await Promise.all([text(counting.stdio[1] as Readable), counting.ended]);
  clearTimeout(timer);
  const kilobytes = lines
    .split('\n')
    .map((line) => Number.parseInt(line, 10) || 0)
    .reduce((sum, size) => sum + size, 0);
  return { bytes: kilobytes * 1_024, complete: code === 0 };
}
