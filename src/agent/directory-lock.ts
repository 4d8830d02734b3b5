// One at a time for a session's directory on this machine, over workers that are processes of their own: making it and removing
// it are several steps each, and a slow removal by an old lease would take away what a newer one has made meanwhile. A file
// beside the directory, which only one can create, says who is at it. That of a killed worker is taken away by exactly one
// of those who wait: the one who can give its number a second name.
import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { backoffMs } from '../core/backoff.ts';
import { isSameProcess, processStart } from './process-identity.ts';

const lockSchema = z.object({
  number: z.string().regex(/^[0-9a-f]{16}$/),
  worker: z.object({ pid: z.number(), start: z.string() }),
});

const LOOKING = { firstMs: 2, maxMs: 100 };
/** A worker that stands still holds nobody up for longer: what it does later is then as it would be without a lock. */
const PATIENCE_MS = 30_000;

export async function withDirectory<T>(path: string, act: () => Promise<T>): Promise<T> {
  const file = `${path}.lock`;
  const number = randomBytes(8).toString('hex');
  const worker = { pid: process.pid, start: (await processStart(process.pid)) ?? '' };
  const deadline = performance.now() + PATIENCE_MS;
  for (let looks = 1; !(await created(file, JSON.stringify({ number, worker }))); looks++) {
    await dropDead(file);
    if (performance.now() > deadline) return await act();
    await sleep(backoffMs(LOOKING, looks));
  }
  try {
    return await act();
  } finally {
    await rm(file, { force: true });
  }
}

/** Whole from the first moment: a name for what was written before. False when another one is there. */
async function created(file: string, text: string): Promise<boolean> {
  const draft = `${file}-${randomBytes(8).toString('hex')}`;
  try {
    // The folder goes with its last session.
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(draft, text, { mode: 0o600 });
    await link(draft, file);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST' && code !== 'ENOENT') throw error;
    return false;
  } finally {
    await rm(draft, { force: true });
  }
}

async function dropDead(file: string): Promise<void> {
  const held = lockSchema.safeParse(
    await readFile(file, 'utf8')
      .then(JSON.parse)
      .catch(() => null),
  );
  if (!held.success || (await isSameProcess(held.data.worker))) return;
  try {
    // It stays, so that nobody who read this number later than that takes away the next one's file.
    await link(file, `${file}-${held.data.number}-dead`);
  } catch {
    return;
  }
  await rm(file, { force: true });
}
