// The event log in memory: a list per turn, and a signal that wakes readers when something was appended.
import { systemClock } from '../../core/clock.ts';
import type { EventLog, LoggedEvent } from '../../core/ports/channel.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { isFinal, upToFinal } from '../rules/turn-events.ts';
import { createWakeUp } from '../wake-up.ts';

export interface MemoryEventLogOptions {
  readonly clock?: Clock;
}

export function createMemoryEventLog(options: MemoryEventLogOptions = {}): EventLog {
  const clock = options.clock ?? systemClock;
  const turns = new Map<string, LoggedEvent[]>();
  const appended = createWakeUp();

  return {
    async append(tenant, turnId, events) {
      const id = `${tenant}/${turnId}`;
      const logged = turns.get(id) ?? [];
      if (isFinal(logged.at(-1)?.event)) return;
      for (const event of upToFinal(events)) {
        logged.push({ sequence: logged.length + 1, atMs: clock.now(), event: structuredClone(event) });
      }
      turns.set(id, logged);
      appended.wake();
    },

    async read(tenant, turnId, afterSequence, { waitMs, signal }) {
      const untilMs = clock.now() + waitMs;
      for (;;) {
        const news = (turns.get(`${tenant}/${turnId}`) ?? []).slice(Math.max(0, afterSequence));
        const leftMs = untilMs - clock.now();
        if (news.length > 0 || leftMs <= 0 || signal?.aborted) return structuredClone(news);
        await appended.wait(clock, leftMs, signal);
      }
    },
  };
}
