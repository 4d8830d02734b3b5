// One local database file, opened by as many processes as like: WAL, writes in `BEGIN IMMEDIATE`, each durable
// when it returns. Statements run on this thread; a lock held by another process blocks it for at most
// `busyTimeoutMs`, then the call is Refused. Waiting for another process's changes costs nothing while nothing is written
// (file-changes.ts).
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { Refused } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { storeError } from '../rules/errors.ts';
import { createWakeUp } from '../wake-up.ts';
import { isBusy, translateSqliteError } from './errors.ts';
import { watchFile } from './file-changes.ts';
import { prepareSchema } from './schema.ts';

export interface OpenDatabaseOptions {
  /**
   * `full`: a write is on the disk when it returns. `relaxed`: a power cut may lose the last writes (never more,
   * never half of one); a killed process loses nothing. For what may be lost, such as progress events.
   */
  readonly durability?: 'full' | 'relaxed';
  readonly busyTimeoutMs?: number;
}

export type Row = Record<string, SQLOutputValue>;

export interface SqliteDatabase {
  readonly path: string;
  get(sql: string, ...values: SQLInputValue[]): Row | undefined;
  all(sql: string, ...values: SQLInputValue[]): Row[];
  /** Number of rows changed. Only inside `write`. */
  run(sql: string, ...values: SQLInputValue[]): number;
  /** All of `work` or nothing; nobody else writes meanwhile. */
  write<T>(work: () => T): T;
  /** Differs from an earlier one when anything was written since, by any process. */
  dataVersion(): string;
  /** Until something is written after the version `since`, `ms` have passed, or `signal` aborts. */
  waitForChange(since: string, clock: Clock, ms: number, signal?: AbortSignal): Promise<void>;
  close(): void;
}

/** A look at `data_version` takes microseconds, but a process that looks so often never rests. */
const POLL_MS = 20;
/** While nobody writes: for what the file's system did not tell of. */
const QUIET_POLL_MS = 1_000;
const BUSY_TIMEOUT_MS = 5_000;

/** Opens the database, making file, folders and tables where there are none. */
export function openDatabase(path: string, options: OpenDatabaseOptions = {}): SqliteDatabase {
  const db = translated(() => connect(path, options));
  const statements = new Map<string, StatementSync>();
  const written = createWakeUp();
  const file = watchFile(`${path}-wal`, () => written.wake());
  let writes = 0;
  let closed = false;

  function statement(sql: string): StatementSync {
    if (closed) throw storeError('store-closed');
    let known = statements.get(sql);
    if (!known) {
      known = db.prepare(sql);
      statements.set(sql, known);
    }
    return known;
  }

  function transaction<T>(work: () => T): T {
    return translated(() => {
      statement('BEGIN IMMEDIATE').run();
      try {
        const result = work();
        statement('COMMIT').run();
        return result;
      } catch (error) {
        if (db.isTransaction) statement('ROLLBACK').run();
        throw error;
      }
    });
  }

  const self: SqliteDatabase = {
    path,
    get: (sql, ...values) => translated(() => statement(sql).get(...values)),
    all: (sql, ...values) => translated(() => statement(sql).all(...values)),
    run: (sql, ...values) => translated(() => Number(statement(sql).run(...values).changes)),
    write(work) {
      const result = transaction(work);
      writes += 1;
      written.wake();
      return result;
    },
    dataVersion() {
      // `data_version` tells only of other connections' writes.
      return closed ? 'closed' : `${self.get('PRAGMA data_version')?.data_version}/${writes}`;
    },
    async waitForChange(since, clock, ms, signal) {
      const untilMs = clock.now() + ms;
      file.begin();
      try {
        while (!signal?.aborted && self.dataVersion() === since) {
          const leftMs = untilMs - clock.now();
          if (leftMs <= 0) return;
          const pollMs = file.isQuiet() ? QUIET_POLL_MS : POLL_MS;
          await written.wait(clock, Math.min(pollMs, leftMs), signal);
        }
      } finally {
        file.end();
      }
    },
    close() {
      if (closed) return;
      closed = true;
      statements.clear();
      file.close();
      db.close();
      written.wake();
    },
  };
  return self;
}

function translated<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw translateSqliteError(error);
  }
}

function connect(path: string, options: OpenDatabaseOptions): DatabaseSync {
  const timeout = options.busyTimeoutMs ?? BUSY_TIMEOUT_MS;
  makeFile(path);
  // Not imported by name: a Node without it would fail to link before it could say that it is too old.
  const sqlite = process.getBuiltinModule('node:sqlite');
  const db = new sqlite.DatabaseSync(path, { timeout });
  try {
    // Switching to WAL does not always wait for the busy timeout when several processes open a new file at once.
    retryWhileBusy(timeout, () => {
      const mode = db.prepare('PRAGMA journal_mode').get()?.journal_mode;
      if (mode !== 'wal') db.exec('PRAGMA journal_mode = WAL');
    });
    db.exec(`PRAGMA synchronous = ${options.durability === 'relaxed' ? 'NORMAL' : 'FULL'}`);
    // What is erased is overwritten, not only given free.
    db.exec('PRAGMA secure_delete = ON');
    retryWhileBusy(timeout, () => prepareSchema(db));
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Conversations are private: a new file is its owner's alone. */
function makeFile(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    closeSync(openSync(path, 'a', 0o600));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') {
      throw new Refused('read-only', 'The database cannot be written.', {
        cause,
        advice: 'Make the data folder and the files in it writable for this user.',
      });
    }
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new Refused('disk-full', 'The disk of the database is full.', {
        cause,
        advice: 'Free some space on the disk of the data folder.',
      });
    }
    throw new Refused('store-unreachable', 'The database cannot be opened.', {
      cause,
      advice: 'Check that the data folder exists, is a folder, and is writable for this user.',
    });
  }
}

function retryWhileBusy(timeoutMs: number, work: () => void): void {
  const untilMs = Date.now() + timeoutMs;
  for (;;) {
    try {
      work();
      return;
    } catch (error) {
      if (!isBusy(error) || Date.now() >= untilMs) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

/** A factory takes a path (the database is its own, and closed with it) or an opened database (shared). */
export function borrowOrOpen(
  database: SqliteDatabase | string,
  options: OpenDatabaseOptions = {},
): { db: SqliteDatabase; close: () => void } {
  if (typeof database !== 'string') return { db: database, close: () => {} };
  const db = openDatabase(database, options);
  return { db, close: () => db.close() };
}
