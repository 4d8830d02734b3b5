// SQLite stores of one machine, by `node:sqlite`. One file holds sessions, queue and events; see design/stores.md.
export { type OpenDatabaseOptions, openDatabase, type SqliteDatabase } from './sqlite-database.ts';
export { createSqliteEventLog, type SqliteEventLogOptions } from './sqlite-events.ts';
export { createSqliteSessionStore, type SqliteSessionStoreOptions } from './sqlite-session.ts';
