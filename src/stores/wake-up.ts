// Wakes those who wait within this process. A wake-up without anybody waiting is lost: look before waiting.
import type { Clock } from '../core/ports/clock.ts';

export interface WakeUp {
  wake(): void;
  /** Until woken, `ms` have passed, or `signal` aborts. */
  wait(clock: Clock, ms: number, signal?: AbortSignal): Promise<void>;
}

export function createWakeUp(): WakeUp {
  const waiting = new Set<() => void>();
  return {
    wake() {
      for (const wake of [...waiting]) wake();
    },
    wait(clock, ms, signal) {
      const done = new AbortController();
      const wake = () => done.abort();
      waiting.add(wake);
      signal?.addEventListener('abort', wake, { once: true });
      if (signal?.aborted) wake();
      return clock.sleep(ms, done.signal).finally(() => {
        waiting.delete(wake);
        signal?.removeEventListener('abort', wake);
      });
    },
  };
}
