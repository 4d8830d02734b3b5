// A backup taken while sessions are used is one moment of all of them: every head in it can be restored.
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { newSessionId } from '../../src/core/ids.ts';
import { turnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import { backUp, restoreBackup } from '../../src/local/backup.ts';
import { dataFolder } from '../../src/local/data-folder.ts';
import { openStores } from '../../src/local/stores.ts';
import { verifyState } from '../../src/state/verify.ts';
import { createFilesystemObjectStore } from '../../src/stores/filesystem/index.ts';
import { freshDirectory } from '../state/fixture.ts';

const settings = {
  limits: { maxWorkspaceBytes: 1e9, maxWorkspaceFiles: 10_000 },
  keepGenerations: 1,
  retentionSec: 86_400,
};
let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'backup-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

/** Commits one generation with a file that holds the message; what the session needs no more is removed. */
async function turn(
  stores: Awaited<ReturnType<typeof openStores>>,
  chat: string,
  text: string,
): Promise<void> {
  const { store, state, queue } = stores;
  const conversation = { tenant: 'default', channel: 'http', bot: 'local', chat, thread: null };
  const request = turnRequest({ conversation, dedupeId: text, text, receivedAtMs: 0 });
  await store.accept(request, settings.retentionSec);
  await queue.send(request);
  const { lease, head } = await store.begin({
    request,
    owner: 'test',
    leaseMs: 60_000,
    newSessionId: newSessionId(),
    retentionSec: settings.retentionSec,
  });
  const directory = freshDirectory();
  const { baseline } = await state.restore(head, directory);
  writeFileSync(join(directory.workspace, 'said'), text.repeat(1_000));
  const generation = head.generation + 1;
  const saved = await state.checkpoint({ head, generation, fence: lease.fence, baseline, directory });
  await store.commit({
    lease,
    turnId: request.turnId,
    baseGeneration: head.generation,
    generation,
    state: saved.state,
    reply: { text: 'ok', outcome: 'ok' },
    retentionSec: settings.retentionSec,
  });
  await store.release(lease);
}

async function withStores<T>(
  dataDir: string,
  use: (s: Awaited<ReturnType<typeof openStores>>) => Promise<T>,
) {
  const stores = await openStores({ ...settings, dataDir }, { create: true });
  try {
    return await use(stores);
  } finally {
    await stores.close();
  }
}

async function damage(dataDir: string): Promise<string[]> {
  return await withStores(dataDir, async ({ store, objects }) => {
    const { items } = await store.listHeads('default' as never);
    const reports = await Promise.all(items.map((head) => verifyState(objects, head)));
    return reports.flatMap(({ problems }) => problems.map(({ message }) => message));
  });
}

test(`${promise('ATOMIC')} backups under writing hold sessions that can be read back whole`, async () => {
  const data = join(base, 'data');
  let ended = false;
  const writing = withStores(data, async (stores) => {
    for (let n = 0; !ended; n++) for (const chat of ['a', 'b', 'c']) await turn(stores, chat, `${chat}${n}`);
  });
  try {
    while (!existsSync(join(data, 'sessions.db'))) await systemClock.sleep(5);
    for (let n = 0; n < 6; n++) {
      const copy = join(base, `copy-${n}`);
      const { sessions } = await backUp(dataFolder(data), copy);
      expect(await damage(copy)).toEqual([]);
      expect(sessions).toBe(
        await withStores(copy, async ({ store }) => (await store.listHeads('default' as never)).items.length),
      );
    }
  } finally {
    ended = true;
    await writing;
  }
});

test('a restored backup is the data folder: sessions, turns and waiting messages', async () => {
  const data = join(base, 'data');
  await withStores(data, (stores) => turn(stores, 'a', 'hello'));
  await backUp(dataFolder(data), join(base, 'copy'));
  await withStores(data, (stores) => turn(stores, 'a', 'later'));
  const back = join(base, 'back');
  expect(await restoreBackup(join(base, 'copy'), back)).toMatchObject({ sessions: 1 });
  expect(await damage(back)).toEqual([]);
  await withStores(back, async ({ store, queue }) => {
    const [head] = (await store.listHeads('default' as never)).items;
    expect((await store.listTurns(head!.sessionKey)).items.map(({ text }) => text)).toEqual(['hello']);
    expect(await queue.depth()).toBe(1);
  });
});

test('nothing is overwritten, nothing half is left, and nobody else can read it', async () => {
  const data = join(base, 'data');
  await withStores(data, (stores) => turn(stores, 'a', 'hello'));
  const copy = join(base, 'copy');
  await backUp(dataFolder(data), copy);
  for (const path of [copy, join(copy, 'sessions.db'), join(copy, 'objects')]) {
    expect(statSync(path).mode & 0o077, path).toBe(0);
  }
  await expect(backUp(dataFolder(data), copy)).rejects.toMatchObject({ code: 'exists' });
  await expect(restoreBackup(copy, data)).rejects.toMatchObject({ code: 'exists' });
  await expect(restoreBackup(join(base, 'none'), join(base, 'x'))).rejects.toMatchObject({
    code: 'no-backup',
  });
  await expect(backUp(dataFolder(join(base, 'none')), join(base, 'x'))).rejects.toMatchObject({
    code: 'no-data',
  });
  const objects = createFilesystemObjectStore({ root: join(copy, 'objects') });
  for await (const { key } of objects.list('')) await objects.delete([key]);
  await expect(restoreBackup(copy, join(base, 'x'))).rejects.toMatchObject({ code: 'backup-incomplete' });
  expect(readdirSync(base).sort()).toEqual(['copy', 'data']);
});
