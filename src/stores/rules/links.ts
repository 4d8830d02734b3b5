// Notes on linked conversations: which one is there, and when it may be changed.
import type { Json } from '../../core/messages.ts';
import type { LinkChange, LinkNote } from '../../core/ports/links.ts';
import { isLive } from './retention.ts';

export interface StoredLink {
  readonly value: Json;
  readonly version: string;
  /** null: kept for good. */
  readonly expiresAtSec: number | null;
}

/** What is over is none, whether or not it has been deleted. */
export function liveLink(stored: StoredLink | null | undefined, nowMs: number): LinkNote | null {
  if (!stored || (stored.expiresAtSec !== null && !isLive(stored.expiresAtSec, nowMs))) return null;
  return { value: stored.value, version: stored.version };
}

/** Only as long as it is the note that was read. */
export function mayChange(
  stored: StoredLink | null | undefined,
  { over }: Pick<LinkChange, 'over'>,
  nowMs: number,
): boolean {
  return (liveLink(stored, nowMs)?.version ?? null) === over;
}

/** null where it is removed. `version`: one that was never used before. */
export function changedLink({ value, expiresAtSec }: LinkChange, version: string): StoredLink | null {
  return value === null ? null : { value, version, expiresAtSec: expiresAtSec ?? null };
}
