// What the file system's error codes mean to us.
import { Ambiguous, type HybridError, isHybridError, Refused } from '../../core/errors.ts';

export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** The error of our families for whatever a file operation threw. Absence (ENOENT) is the caller's to judge. */
export function translateFileError(cause: unknown): HybridError {
  if (isHybridError(cause)) return cause;
  switch (errnoOf(cause)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new Refused('disk-full', 'The disk of the data folder is full.', {
        cause,
        advice: 'Free some space on the disk of the data folder; nothing already stored is lost.',
      });
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return new Refused('read-only', 'The data folder cannot be written.', {
        cause,
        advice: 'Make the data folder and the files in it writable for this user.',
      });
    case 'EMFILE':
    case 'ENFILE':
      return new Refused('too-many-open-files', 'Too many files are open.', {
        cause,
        advice: 'Raise the limit of open files (`ulimit -n`).',
      });
    case 'EIO':
      return new Ambiguous('store-io', 'The disk of the data folder failed.', {
        cause,
        advice: 'Check the disk of the data folder.',
      });
    default:
      return new Refused('store-unreachable', 'The data folder cannot be used.', {
        cause,
        advice: 'Check that the data folder is there, is a folder, and that its disk is mounted.',
      });
  }
}
