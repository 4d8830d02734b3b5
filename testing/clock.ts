// Clocks for tests. The manual one stands still until the test moves it, so waiting costs nothing and nothing
// depends on how fast the machine is. The skewed one is real time seen by a machine whose clock is wrong.
import '../src/node-version.ts';

import type { Clock } from '../src/core/ports/clock.ts';

export interface ManualClock extends Clock {
  /** Moves time on, waking sleepers in the order they are due and letting what they do run before the next. */
  advance(ms: number): Promise<void>;
  /** Time goes on at once, as for a process that was paused: all who are due wake only then. */
  jump(ms: number): Promise<void>;
  /** How many are asleep now. */
  readonly sleepers: number;
}

interface Sleeper {
  readonly dueMs: number;
  readonly wake: () => void;
}

const DEFAULT_START_MS = Date.UTC(2026, 10, 22, 12, 0, 0);

/** Lets promises and input/output that are ready run before going on. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function createManualClock(startMs: number = DEFAULT_START_MS): ManualClock {
  let nowMs = startMs;
  const sleeping = new Set<Sleeper>();

  function nextDue(untilMs: number): Sleeper | undefined {
    let first: Sleeper | undefined;
    for (const sleeper of sleeping) {
      if (sleeper.dueMs <= untilMs && (!first || sleeper.dueMs < first.dueMs)) first = sleeper;
    }
    return first;
  }

  return {
    now: () => nowMs,
    sleep(ms, signal) {
      if (signal?.aborted || ms <= 0) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = () => {
          sleeping.delete(sleeper);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        const sleeper: Sleeper = { dueMs: nowMs + ms, wake };
        sleeping.add(sleeper);
        signal?.addEventListener('abort', wake, { once: true });
      });
    },
    async advance(ms) {
      const untilMs = nowMs + ms;
      await settle();
      for (let next = nextDue(untilMs); next; next = nextDue(untilMs)) {
        nowMs = Math.max(nowMs, next.dueMs);
        next.wake();
        await settle();
      }
      nowMs = untilMs;
      await settle();
    },
    async jump(ms) {
      nowMs += ms;
      for (let next = nextDue(nowMs); next; next = nextDue(nowMs)) next.wake();
      await settle();
    },
    get sleepers() {
      return sleeping.size;
    },
  };
}

/** `base` as a machine sees it whose clock is `skewMs` ahead (or behind, if negative). */
export function createSkewedClock(base: Clock, skewMs: number): Clock {
  return { now: () => base.now() + skewMs, sleep: (ms, signal) => base.sleep(ms, signal) };
}
