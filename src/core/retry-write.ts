// Repeats a write that was refused, or whose answer was lost, while this worker still holds the turn: the agent has run,
// and running it again would cost more than waiting. Only for writes that may be repeated, and bounded: then the queue's
// retry takes over.
import { backoffMs } from './backoff.ts';
import { Ambiguous, Refused } from './errors.ts';
import { errorFields, type Log } from './log.ts';
import type { Clock } from './ports/clock.ts';

/** How long a write is repeated; when the worker is about to end, only so long. */
const MAX_RETRY_MS = 60_000;
const MAX_RETRY_AT_DEADLINE_MS = 10_000;
const MAX_WAIT_MS = 10_000;
/** Seven seconds at the usual pace. */
const SAID_AFTER_TRIES = 4;

export interface RetryWriteOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Of the turn: `reason` 'lost' ends the waiting, 'deadline' shortens it. */
  readonly signal: AbortSignal;
  /** Called before each repetition but the first few, which pass in a moment. */
  readonly onRepeat?: () => void;
  /** How long it is repeated; a minute when left out. */
  readonly maxMs?: number;
}

/** Throws what the last try threw. A full disk is not waited for: it may be the turn's own doing. */
export async function retryWrite<T>(
  write: () => Promise<T>,
  { clock, log, signal, onRepeat, maxMs = MAX_RETRY_MS }: RetryWriteOptions,
): Promise<T> {
  const startedAtMs = clock.now();
  for (let tries = 1; ; tries++) {
    try {
      return await write();
    } catch (error) {
      if (!mayPass(error)) throw error;
      const backoff = { firstMs: retryAfterMs(error), maxMs: MAX_WAIT_MS, jitter: 0.25 };
      const waitMs = backoffMs(backoff, tries);
      const patience = signal.reason === 'deadline' ? MAX_RETRY_AT_DEADLINE_MS : maxMs;
      if (signal.reason === 'lost' || clock.now() + waitMs - startedAtMs > patience) throw error;
      log('warn', 'write-repeated', { tries, waitMs: Math.round(waitMs), ...errorFields(error) });
      if (tries >= SAID_AFTER_TRIES) onRepeat?.();
      await clock.sleep(waitMs);
    }
  }
}

/** True for what another part's absence explains, and time mends. */
export function mayPass(error: unknown): boolean {
  return error instanceof Ambiguous || (error instanceof Refused && error.code !== 'disk-full');
}

function retryAfterMs(error: unknown): number {
  return error instanceof Refused ? error.retryAfterMs : 500;
}
