// Over SQLite and a folder: what one machine needs.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFilesystemObjectStore } from '../../src/stores/filesystem/object-store.ts';
import { createSqliteSessionStore } from '../../src/stores/sqlite/index.ts';
import { agentSessionStoreContract } from '../../testing/contracts/agent-session-store.ts';

agentSessionStoreContract({
  name: 'SQLite and a folder',
  longEntries: 4_000,
  async create(clock) {
    const folder = mkdtempSync(join(tmpdir(), 'hs-session-store-'));
    const store = createSqliteSessionStore({ database: join(folder, 'sessions.db'), clock });
    return {
      store,
      objects: createFilesystemObjectStore({ root: join(folder, 'packs') }),
      async close() {
        await store.close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
});
