// What the turns of this machine wait for right now, as its workers tell it: for `/healthz`.
import type { Clock, WaitingFor } from '../core/ports.ts';
import type { Outage } from '../core/waiting.ts';

export interface Outages {
  waits(waiting: { readonly waitingFor: WaitingFor; readonly nextTryAtMs: number }): void;
  /** A turn was answered: whatever was away is back. */
  clear(): void;
  list(): readonly Outage[];
}

export function createOutages(clock: Clock): Outages {
  const away = new Map<WaitingFor, Outage>();
  return {
    waits({ waitingFor, nextTryAtMs }) {
      const sinceMs = away.get(waitingFor)?.sinceMs ?? clock.now();
      away.set(waitingFor, { waitingFor, sinceMs, nextTryAtMs });
    },
    clear: () => away.clear(),
    list: () => [...away.values()],
  };
}
