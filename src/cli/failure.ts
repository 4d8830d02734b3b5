// How a failed command ends: one line on standard error that says what is wrong and what to do, and an exit code by
// error family. It prints a stack trace only when DEBUG is set.
import { CommanderError } from 'commander';
import { Conflict, Corrupt, Gone, Invalid, isHybridError, Refused } from '../core/errors.ts';

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  configuration: 3,
  notFound: 4,
  busy: 5,
  corrupt: 6,
  interrupted: 130,
} as const;

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof Gone) return EXIT.notFound;
  if (error instanceof Refused || error instanceof Conflict) return EXIT.busy;
  if (error instanceof Corrupt) return EXIT.corrupt;
  if (error instanceof Invalid && error.code === 'usage') return EXIT.usage;
  if (error instanceof Invalid) return error.code === 'declined' ? EXIT.failed : EXIT.configuration;
  return fromSystem(error) === null ? EXIT.failed : EXIT.configuration;
}

export function errorLine(error: unknown): string {
  const system = fromSystem(error);
  if (system) return `error: ${system}`;
  const message = error instanceof Error ? error.message : String(error);
  const advice = isHybridError(error) && error.advice ? ` ${error.advice}` : '';
  return `error: ${sentence(message.replace(/\s*\n\s*/g, ' '))}${advice}`;
}

/** Describes errors of the operating system that a person can fix. */
function fromSystem(error: unknown): string | null {
  if (isHybridError(error) || !(error instanceof Error) || !('code' in error)) return null;
  const where = 'path' in error && typeof error.path === 'string' ? ` (${error.path})` : '';
  switch (error.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return `The disk is full${where}. Free some space, or set HYBRID_SESSIONS_DIR to another disk.`;
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return `No permission to write${where}. Set HYBRID_SESSIONS_DIR to a folder you may write to.`;
    default:
      return null;
  }
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
