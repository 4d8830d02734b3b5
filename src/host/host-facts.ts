// What one turn's host cost, counted by the worker as the turn goes: nothing of it is the host's own word.
import type { HostFacts } from '../core/timeline.ts';

export interface HostFactsCounter {
  /** The host was given a pack of this size. */
  gave(bytes: number): void;
  saved(bytes: number): void;
  /** What looked like a new one was that of the turn before. */
  foundHot(): void;
  readonly now: () => HostFacts;
}

/** `askedAtMs`: when the turn asked for a host, by `performance.now`; it has it now. */
export function countHostFacts(
  begun: HostFacts['start'],
  askedAtMs: number,
  peakMemory: () => number | null = () => null,
): HostFactsCounter {
  let start = begun;
  const waitedMs = performance.now() - askedAtMs;
  let restoredBytes = 0;
  let savedBytes = 0;
  // What was seen before this turn is not its own.
  peakMemory();
  let peakMemoryBytes = 0;
  return {
    gave(bytes) {
      restoredBytes += bytes;
    },
    saved(bytes) {
      savedBytes += bytes;
    },
    foundHot() {
      start = 'hot';
    },
    now() {
      peakMemoryBytes = Math.max(peakMemoryBytes, peakMemory() ?? 0);
      return {
        start,
        waitedMs: Math.round(waitedMs),
        restoredBytes,
        savedBytes,
        ...(peakMemoryBytes > 0 && { peakMemoryBytes }),
      };
    },
  };
}
