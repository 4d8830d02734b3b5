// Translates errors of the file system into the project's error families. A full or read-only disk loses no data: the
// last committed generation is still in the store.
import { HybridError, Refused } from '../core/errors.ts';

const MEANINGS: Readonly<Record<string, readonly [code: string, text: string, advice: string]>> = {
  ENOSPC: ['disk-full', 'The disk is full', 'Free space on the disk of the execution directory.'],
  EDQUOT: [
    'disk-full',
    'The disk quota is used up',
    'Free space or raise the quota of the execution directory.',
  ],
  EFBIG: ['disk-full', 'A file is larger than this disk allows', 'Use a disk that takes larger files.'],
  EROFS: ['disk-read-only', 'The disk is read-only', 'Give a folder that can be written.'],
  EACCES: ['disk-denied', 'The folder may not be written', 'Give this user the right to write there.'],
  EPERM: ['disk-denied', 'The folder may not be written', 'Give this user the right to write there.'],
  EMFILE: ['too-many-open-files', 'Too many files are open', 'Raise the limit of open files (ulimit -n).'],
  ENFILE: ['too-many-open-files', 'Too many files are open', 'Raise the limit of open files of the machine.'],
  ENAMETOOLONG: [
    'path-too-long',
    'A path is too long here',
    'Use a shorter folder for execution directories.',
  ],
  EEXIST: [
    'directory-not-empty',
    'A file is already there',
    'Restore into an empty folder that tells case apart.',
  ],
  EIO: ['disk-failed', 'The disk failed', 'Check the disk.'],
};

/** What to throw for an error met while reading or writing the execution directory. */
export function diskError(error: unknown, doing: string): unknown {
  if (error instanceof HybridError) return error;
  const errno = codeOf(error);
  const meaning = errno === undefined ? undefined : MEANINGS[errno];
  if (meaning === undefined) return error;
  const [code, text, advice] = meaning;
  return new Refused(code, `${text} (${errno}) while ${doing}.`, {
    cause: error,
    advice,
    data: { errno: errno! },
  });
}

export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
