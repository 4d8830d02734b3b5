// SQLite stores of one machine, by `node:sqlite`. One file holds sessions, queue and events; see design/stores.md.
import '../../node-version.ts';

export { type OpenDatabaseOptions, openDatabase, type SqliteDatabase } from './database.ts';
export { createSqliteEventLog, type SqliteEventLogOptions } from './event-log.ts';
export { createSqliteNotes, type SqliteNotesOptions } from './notes.ts';
export { createSqlitePlaces, type SqlitePlacesOptions } from './places.ts';
export { createSqliteSchedules, type SqliteSchedulesOptions } from './schedules.ts';
export { createSqliteSessionStore, type SqliteSessionStoreOptions } from './session-store.ts';
export { createSqliteTenantRegistry, type SqliteTenantRegistryOptions } from './tenant-registry.ts';
export { createSqliteUsageLedger, type SqliteUsageLedgerOptions } from './usage-ledger.ts';
export { createSqliteWebhooks, type SqliteWebhooksOptions } from './webhooks.ts';
