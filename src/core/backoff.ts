// The one way to space tries: each wait is twice the one before, up to a limit, with a part of it left to chance where
// many would otherwise come back at the same moment. Who waits for what is listed in design/retries.md.
import { Refused } from './errors.ts';

export interface Backoff {
  /** After the first failure. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** The share of a wait that is left to chance, 0 to 1; none when left out. */
  readonly jitter?: number;
}

/** How long to wait after `failures` failures in a row (1 or more). */
export function backoffMs({ firstMs, maxMs, jitter = 0 }: Backoff, failures: number): number {
  const waitMs = Math.min(maxMs, firstMs * 2 ** Math.min(Math.max(failures - 1, 0), 30));
  return waitMs * (1 - jitter + jitter * Math.random());
}

/** The same, but never before the time that the other side named. */
export function backoffAfterMs(error: unknown, backoff: Backoff, failures: number): number {
  const waitMs = backoffMs(backoff, failures);
  return error instanceof Refused ? Math.max(error.retryAfterMs, waitMs) : waitMs;
}
