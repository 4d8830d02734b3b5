// Repeats what a store refused, with growing pauses, for a few seconds: shorter than the SDK waits for an append.
import { backoffMs } from '../core/backoff.ts';
import { Refused } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';

const ATTEMPTS = 6;
const PAUSES = { firstMs: 50, maxMs: 2_000 };

export type Retry = <T>(step: () => Promise<T>) => Promise<T>;

/** The pause before trying again after `failed` failures. */
export function pauseMs(failed: number): number {
  return backoffMs(PAUSES, failed);
}

export function mayTryAgain(failed: number): boolean {
  return failed < ATTEMPTS;
}

export function createRetry(clock: Clock): Retry {
  return async (step) => {
    for (let failed = 1; ; failed++) {
      try {
        return await step();
      } catch (error) {
        const waits = error instanceof Refused && error.code !== 'lease-busy';
        if (!waits || !mayTryAgain(failed)) throw error;
        await clock.sleep(pauseMs(failed));
      }
    }
  };
}
