// A program that carries one session on, again and again, among others that do the same: loads, appends a batch of
// three, and prints the batch's name once it was acknowledged. Usage: contender.ts <folder> <name> <batches>
import { join } from 'node:path';
import { Conflict } from '../../src/core/errors.ts';
import { createAgentSessionStore } from '../../src/sdk-session-store/agent-session-store.ts';
import { createFilesystemObjectStore } from '../../src/stores/filesystem/object-store.ts';
import { createSqliteSessionStore } from '../../src/stores/sqlite/index.ts';

const [folder = '', name = '', batches = '0'] = process.argv.slice(2);
const store = createSqliteSessionStore({ database: join(folder, 'sessions.db') });
const objects = createFilesystemObjectStore({ root: join(folder, 'packs') });
const session = createAgentSessionStore({ store, objects, leaseMs: 400, takeoverWaitMs: 2_000 });
const key = { projectKey: 'project', sessionId: 'shared' };

for (let i = 0; i < Number(batches); ) {
  await session.load(key);
  const batch = ['a', 'b', 'c'].map((part) => ({ type: 'user', uuid: `${name}-${i}-${part}` }));
  try {
    await session.append(key, batch);
    await session.release(key);
    process.stdout.write(`${name}-${i}\n`);
    i++;
  } catch (error) {
    if (!(error instanceof Conflict)) throw error;
  }
}
await store.close();
