// Several real processes on one session, one of them killed on the way: what was acknowledged is there, once, whole,
// and in each process's own order.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { createAgentSessionStore } from '../../src/sdk-session-store/agent-session-store.ts';
import { createFilesystemObjectStore } from '../../src/stores/filesystem/object-store.ts';
import { createSqliteSessionStore } from '../../src/stores/sqlite/index.ts';

const BATCHES = 12;

/** Runs one contender; kills it once it has acknowledged `killAfter` batches. Resolves to what it acknowledged. */
function contend(folder: string, name: string, killAfter = Number.POSITIVE_INFINITY): Promise<string[]> {
  const program = join(import.meta.dirname, 'contender.ts');
  const child = spawn(process.execPath, [program, folder, name, String(BATCHES)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const acknowledged: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    acknowledged.push(line);
    if (acknowledged.length === killAfter) child.kill('SIGKILL');
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0 || signal === 'SIGKILL') resolve(acknowledged);
      else reject(new Error(`${name} ended with ${code}`));
    });
  });
}

test(`${promise('FENCED', 'ATOMIC', 'ONCE-IN')} processes that contend for a session lose, double and mix nothing`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hs-contenders-'));
  try {
    const store = createSqliteSessionStore({ database: join(folder, 'sessions.db') });
    const objects = createFilesystemObjectStore({ root: join(folder, 'packs') });
    const acknowledged = (
      await Promise.all([contend(folder, 'one'), contend(folder, 'two', 4), contend(folder, 'three')])
    ).flat();
    expect(acknowledged.length).toBeGreaterThanOrEqual(2 * BATCHES + 4);
    const session = createAgentSessionStore({ store, objects });
    const uuids = (await session.load({ projectKey: 'project', sessionId: 'shared' }))!.map(
      ({ uuid }) => uuid!,
    );
    expect(new Set(uuids).size).toBe(uuids.length);
    const kept: string[] = [];
    for (let at = 0; at < uuids.length; at += 3) {
      const batch = uuids[at]!.slice(0, -2);
      expect(uuids.slice(at, at + 3)).toEqual(['a', 'b', 'c'].map((part) => `${batch}-${part}`));
      kept.push(batch);
    }
    expect(acknowledged.filter((batch) => !kept.includes(batch))).toEqual([]);
    // The killed one may have been cut off between its commit and its word.
    expect(kept.length - acknowledged.length).toBeLessThanOrEqual(1);
    for (const name of ['one', 'two', 'three']) {
      const order = kept
        .filter((batch) => batch.startsWith(name))
        .map((batch) => Number(batch.split('-')[1]));
      expect(order).toEqual(order.map((_, i) => i));
    }
    await store.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
