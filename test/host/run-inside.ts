// Runs scripts in sandboxes as one user or another, by way of sandbox-worker.ts, and says as whom tests can run here.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Sandbox } from '../../src/host/sandbox/index.ts';
import { CANARY, type Job, type Ran } from './sandbox-worker.ts';

export { CANARY, type Ran } from './sandbox-worker.ts';

const isRoot = process.getuid?.() === 0;

/** Started by root, also as a plain user: both ways must hold. */
export const USERS: readonly { readonly name: string; readonly uid: number | null }[] = isRoot
  ? [
      { name: 'root', uid: null },
      { name: 'a plain user', uid: 65_533 },
    ]
  : [{ name: 'a plain user', uid: null }];

const WORKER = join(import.meta.dirname, 'sandbox-worker.ts');

export interface Outcome {
  readonly sandbox: Sandbox;
  readonly results: readonly Ran[];
}

export async function runInside(job: Partial<Job> & Pick<Job, 'scripts'>): Promise<Outcome> {
  const worker = startWorker(job);
  const [out, err] = await Promise.all([text(worker.stdout), text(worker.stderr)]);
  if (out === '') throw new Error(`the worker said nothing: ${err}`);
  return JSON.parse(out) as Outcome;
}

/** Its descriptor 200 is a file of this machine, as a careless supervisor might leave one open. */
export function startWorker(job: Partial<Job> & Pick<Job, 'scripts'>) {
  const folder = mkdtempSync(join(tmpdir(), 'hybrid-sandbox-left-open-'));
  const file = join(folder, 'left-open');
  writeFileSync(file, CANARY);
  const whole: Job = { uid: null, wall: 'detected', ...job };
  const worker = spawn(
    '/bin/bash',
    ['-c', 'exec 200< "$1"; shift; exec "$@"', 'bash', file, process.execPath, WORKER, JSON.stringify(whole)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  worker.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return worker;
}
