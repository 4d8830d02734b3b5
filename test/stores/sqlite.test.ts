// The sqlite stores under the contracts of their ports.
import { join } from 'node:path';
import { createSqliteEventLog, createSqliteSessionStore } from '../../src/stores/sqlite/index.ts';
import { createManualClock } from '../../testing/clock.ts';
import { eventLogContract } from '../../testing/contracts/event-log.ts';
import { sessionStoreContract } from '../../testing/contracts/session-store.ts';
import { temporaryFolder } from './temporary-folder.ts';

sessionStoreContract({
  name: 'sqlite',
  async create() {
    const folder = temporaryFolder();
    const clock = createManualClock();
    const open = () => createSqliteSessionStore({ database: join(folder.path, 'hybrid-sessions.db'), clock });
    const stores = [open()];
    return {
      store: stores[0]!,
      clock,
      async reopen() {
        const store = open();
        stores.push(store);
        return store;
      },
      async close() {
        for (const store of stores) await store.close();
        folder.remove();
      },
    };
  },
  async createBroken() {
    const folder = temporaryFolder();
    const store = createSqliteSessionStore({ database: join(folder.path, 'hybrid-sessions.db') });
    await store.close();
    return { store, close: async () => folder.remove() };
  },
});

eventLogContract({
  name: 'sqlite',
  async create() {
    const folder = temporaryFolder();
    const clock = createManualClock();
    const open = () => createSqliteEventLog({ database: join(folder.path, 'hybrid-sessions.db'), clock });
    const logs = [open()];
    return {
      log: logs[0]!,
      advance: clock.advance,
      async reopen() {
        const log = open();
        logs.push(log);
        return log;
      },
      async close() {
        for (const log of logs) await log.close();
        folder.remove();
      },
    };
  },
});
