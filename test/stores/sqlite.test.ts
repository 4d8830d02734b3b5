// The sqlite stores under the contracts of their ports.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Ambiguous, Corrupt, Invalid, Refused } from '../../src/core/errors.ts';
import { createSqliteTurnQueue } from '../../src/queues/sqlite/turn-queue.ts';
import { translateSqliteError } from '../../src/stores/sqlite/errors.ts';
import { createSqliteTenantHoldings } from '../../src/stores/sqlite/holdings.ts';
import {
  createSqliteEventLog,
  createSqliteNotes,
  createSqlitePlaces,
  createSqliteSchedules,
  createSqliteSessionStore,
  createSqliteTenantRegistry,
  createSqliteUsageLedger,
  createSqliteWebhooks,
  openDatabase,
} from '../../src/stores/sqlite/index.ts';
import { createManualClock } from '../../testing/clock.ts';
import { channelNotesContract } from '../../testing/contracts/channel-notes.ts';
import { eventLogContract } from '../../testing/contracts/event-log.ts';
import { placesContract } from '../../testing/contracts/places.ts';
import { schedulesContract } from '../../testing/contracts/schedules.ts';
import { type PlatformError, sessionStoreContract } from '../../testing/contracts/session-store.ts';
import { tenantHoldingsContract } from '../../testing/contracts/tenant-holdings.ts';
import { tenantRegistryContract } from '../../testing/contracts/tenant-registry.ts';
import { usageLedgerContract } from '../../testing/contracts/usage-ledger.ts';
import { webhooksContract } from '../../testing/contracts/webhooks.ts';
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
      async damageState({ sessionId }) {
        const raw = new DatabaseSync(join(folder.path, 'hybrid-sessions.db'));
        raw.prepare("UPDATE heads SET state = '{' WHERE session_id = ?").run(sessionId);
        raw.close();
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
  platformErrors: [
    sqliteError(5, 'store-busy', Refused),
    sqliteError(6, 'store-busy', Refused),
    sqliteError(8, 'read-only', Refused, /writable/),
    sqliteError(3, 'read-only', Refused, /writable/),
    sqliteError(13, 'disk-full', Refused, /Free some space/),
    sqliteError(14, 'store-unreachable', Refused, /exists/),
    sqliteError(10, 'store-io', Ambiguous, /Check the disk/),
    sqliteError(26, 'database-unreadable', Invalid, /Move the file away/),
    sqliteError(11, 'database-corrupt', Corrupt, /backup/),
    {
      code: 'store-defect',
      family: Corrupt,
      provoke: async () => {
        throw translateSqliteError(new TypeError('not bound'));
      },
    },
  ],
  skip: [
    {
      reason: 'a begin is one transaction, nothing can come between',
      tests: ['error contended: family, code and advice, whichever way it comes'],
    },
  ],
});

/** As `node:sqlite` throws it; how real files come to it is in sqlite-database.test.ts. */
function sqliteError(errcode: number, code: string, family: PlatformError['family'], advice?: RegExp) {
  const thrown = Object.assign(new Error(`SQLite says ${errcode}`), { errcode });
  const provoke = async () => {
    throw translateSqliteError(thrown);
  };
  return { code, family, ...(advice && { advice }), provoke };
}

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

channelNotesContract({
  name: 'sqlite',
  async create() {
    const folder = temporaryFolder();
    const clock = createManualClock();
    const open = () => createSqliteNotes({ database: join(folder.path, 'hybrid-sessions.db'), clock });
    const opened = [open()];
    return {
      notes: opened[0]!,
      clock,
      async reopen() {
        const notes = open();
        opened.push(notes);
        return notes;
      },
      async close() {
        for (const notes of opened) await notes.close();
        folder.remove();
      },
    };
  },
});

schedulesContract({
  name: 'sqlite',
  async create() {
    const folder = temporaryFolder();
    const clock = createManualClock();
    const open = () => createSqliteSchedules({ database: join(folder.path, 'hybrid-sessions.db'), clock });
    const opened = [open()];
    return {
      schedules: opened[0]!,
      clock,
      async reopen() {
        const schedules = open();
        opened.push(schedules);
        return schedules;
      },
      async close() {
        for (const schedules of opened) await schedules.close();
        folder.remove();
      },
    };
  },
});

webhooksContract({
  name: 'sqlite',
  async create() {
    const folder = temporaryFolder();
    const clock = createManualClock();
    const open = () => createSqliteWebhooks({ database: join(folder.path, 'hybrid-sessions.db'), clock });
    const opened = [open()];
    return {
      webhooks: opened[0]!,
      clock,
      async reopen() {
        const webhooks = open();
        opened.push(webhooks);
        return webhooks;
      },
      async close() {
        for (const webhooks of opened) await webhooks.close();
        folder.remove();
      },
    };
  },
});

placesContract({
  name: 'sqlite',
  async create() {
    const folder = temporaryFolder();
    const clock = createManualClock();
    const open = () => createSqlitePlaces({ database: join(folder.path, 'hybrid-sessions.db'), clock });
    const opened = [open()];
    return {
      places: opened[0]!,
      clock,
      async reopen() {
        const places = open();
        opened.push(places);
        return places;
      },
      async close() {
        for (const places of opened) await places.close();
        folder.remove();
      },
    };
  },
});

usageLedgerContract({
  name: 'sqlite',
  async create() {
    const folder = temporaryFolder();
    const clock = createManualClock();
    const open = () => createSqliteUsageLedger({ database: join(folder.path, 'hybrid-sessions.db'), clock });
    const ledgers = [open()];
    return {
      ledger: ledgers[0]!,
      clock,
      async reopen() {
        const ledger = open();
        ledgers.push(ledger);
        return ledger;
      },
      async close() {
        for (const ledger of ledgers) await ledger.close();
        folder.remove();
      },
    };
  },
});

tenantRegistryContract({
  name: 'sqlite',
  async create() {
    const folder = temporaryFolder();
    const clock = createManualClock();
    const database = join(folder.path, 'hybrid-sessions.db');
    const open = () => createSqliteTenantRegistry({ database, clock });
    const registry = open();
    return {
      registry,
      clock,
      reopen: async () => open(),
      async damage(tenant) {
        const raw = new DatabaseSync(database);
        raw.prepare('UPDATE tenants SET settings = ? WHERE tenant = ?').run('{"bots":7}', tenant);
        raw.close();
      },
      async close() {
        await registry.close();
        folder.remove();
      },
    };
  },
});

tenantHoldingsContract({
  name: 'sqlite',
  async create() {
    const folder = temporaryFolder();
    const clock = createManualClock();
    const database = openDatabase(join(folder.path, 'hybrid-sessions.db'));
    return {
      store: createSqliteSessionStore({ database, clock }),
      events: createSqliteEventLog({ database, clock }),
      holdings: createSqliteTenantHoldings(database),
      tenants: createSqliteTenantRegistry({ database, clock }),
      queue: createSqliteTurnQueue({ database, clock }),
      async close() {
        database.close();
        folder.remove();
      },
    };
  },
});
