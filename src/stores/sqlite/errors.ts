// What SQLite's result codes mean to us. A code not named here is a defect of ours or of the file, and is reported as
// such: nothing about the data may be concluded from it.
import { Ambiguous, Corrupt, type HybridError, Invalid, isHybridError, Refused } from '../../core/errors.ts';

const PRIMARY = {
  error: 1,
  permission: 3,
  busy: 5,
  locked: 6,
  readOnly: 8,
  inputOutput: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notADatabase: 26,
} as const;

interface SqliteError extends Error {
  readonly errcode: number;
}

function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number';
}

export function isBusy(error: unknown): boolean {
  return isSqliteError(error) && (error.errcode & 0xff) === PRIMARY.busy;
}

/** The error of our families for whatever a statement threw. */
export function translateSqliteError(error: unknown): HybridError {
  if (isHybridError(error)) return error;
  if (!isSqliteError(error)) {
    return new Corrupt('store-defect', `The database layer failed: ${String(error)}`, { cause: error });
  }
  const cause = error;
  switch (error.errcode & 0xff) {
    case PRIMARY.busy:
    case PRIMARY.locked:
      return new Refused('store-busy', 'Another process holds the database.', { cause, retryAfterMs: 250 });
    case PRIMARY.readOnly:
    case PRIMARY.permission:
      return new Refused('read-only', 'The database cannot be written.', {
        cause,
        advice: 'Make the data folder and the files in it writable for this user.',
      });
    case PRIMARY.full:
      return new Refused('disk-full', 'The disk of the database is full.', {
        cause,
        advice: 'Free some space on the disk of the data folder; nothing already stored is lost.',
      });
    case PRIMARY.cannotOpen:
      return new Refused('store-unreachable', 'The database cannot be opened.', {
        cause,
        advice: 'Check that the data folder exists, is a folder, and is writable for this user.',
      });
    case PRIMARY.inputOutput:
      return new Ambiguous('store-io', `The disk of the database failed: ${error.message}`, {
        cause,
        advice: 'Check the disk of the data folder.',
      });
    case PRIMARY.notADatabase:
      return new Invalid('database-unreadable', 'The file is not a hybrid-sessions database.', {
        cause,
        advice: 'Move the file away, or point the data folder elsewhere.',
      });
    default:
      return new Corrupt('database-corrupt', `The database is damaged: ${error.message}`, {
        cause,
        advice: 'Keep a copy of the file, and restore the data folder from a backup.',
      });
  }
}
