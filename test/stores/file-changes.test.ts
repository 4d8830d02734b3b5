// Waiting for what other processes write: woken by the kernel's report, and at rest while nothing is written.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Clock } from '../../src/core/ports/clock.ts';
import { openDatabase } from '../../src/stores/sqlite/index.ts';
import { temporaryFolder } from './temporary-folder.ts';

const onLinux = process.platform === 'linux';

function fileForTest(): string {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  return join(folder.path, 'sessions.db');
}

/** Its sleepers are woken by what they wait for, never by time. */
function stoppedClock(): Clock & { readonly asked: number[] } {
  const asked: number[] = [];
  return {
    asked,
    now: () => 0,
    sleep(ms, signal) {
      asked.push(ms);
      return new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }));
    },
  };
}

test.runIf(onLinux)("another process's write wakes a waiter that no clock would wake", async () => {
  const path = fileForTest();
  const db = openDatabase(path);
  const writer = fork(join(import.meta.dirname, 'writes-on.ts'), [path]);
  await once(writer, 'message');
  await db.waitForChange(db.dataVersion(), stoppedClock(), 60_000);
  writer.kill();
  await once(writer, 'exit');
  db.close();
});

test.runIf(onLinux)('a waiter looks often only for a moment after a write, and rests then', async () => {
  const db = openDatabase(fileForTest());
  const asked: number[] = [];
  const clock: Clock = {
    now: () => 0,
    async sleep(ms, signal) {
      asked.push(ms);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(ms, 20));
        signal?.addEventListener('abort', () => {
          clearTimeout(timer);
          resolve();
        });
      });
    },
  };
  const end = new AbortController();
  const waiting = db.waitForChange(db.dataVersion(), clock, 60_000, end.signal);
  expect(asked[0]).toBe(20);
  await expect.poll(() => asked.at(-1)).toBe(1_000);
  end.abort();
  await waiting;
  db.close();
});

test('a database that is closed while somebody waits ends the waiting', async () => {
  const db = openDatabase(fileForTest());
  const waiting = db.waitForChange(db.dataVersion(), stoppedClock(), 60_000);
  db.close();
  await waiting;
});
