// Time for workers, stores and people that run in one process: it stands still while anything is being done, then goes
// straight to the next moment that somebody waits for. An outage of six hours costs only the work of its tries, and a
// slow machine makes nobody late.
import type { Clock } from '../../../src/core/ports/clock.ts';
import { settle } from '../../clock.ts';

export interface SimulatedTime {
  readonly clock: Clock;
  /** Real input and output: time stands still until it has ended. `name` for work in which time may pass. */
  during<T>(work: () => Promise<T>, name?: string): Promise<T>;
  /** Lets time pass in the middle of the work of that name; where that has ended meanwhile, only time passes. */
  pass(ms: number, name: string): Promise<void>;
  /** Goes on until `isOver`. False when nobody waits for anything any more, `untilMs` has come, or `signal` aborts. */
  run(isOver: () => Promise<boolean>, untilMs: number, signal: AbortSignal): Promise<boolean>;
}

/** `passing`: so many callers let time pass in it now. */
interface Work {
  passing: number;
  isOver: boolean;
}

interface Sleeper {
  readonly dueMs: number;
  readonly wake: () => void;
}

export function createSimulatedTime(startMs: number): SimulatedTime {
  let nowMs = startMs;
  let underWay = 0;
  let ended = () => {};
  const sleeping = new Set<Sleeper>();
  const named = new Map<string, Work>();

  const clock: Clock = {
    now: () => nowMs,
    sleep(ms, signal) {
      if (signal?.aborted || ms <= 0) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = () => {
          sleeping.delete(sleeper);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        // Whole milliseconds, as timers are.
        const sleeper: Sleeper = { dueMs: nowMs + Math.ceil(ms), wake };
        sleeping.add(sleeper);
        signal?.addEventListener('abort', wake, { once: true });
      });
    },
  };

  /** Promises run to their end before the event loop turns, so a turn without work under way means that all wait. */
  async function stands(): Promise<void> {
    for (;;) {
      while (underWay > 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        ended = resolve;
        await promise;
      }
      await settle();
      await settle();
      if (underWay === 0) return;
    }
  }

  function rest(): void {
    underWay--;
    if (underWay === 0) ended();
  }

  function next(): Sleeper | null {
    let first: Sleeper | null = null;
    for (const sleeper of sleeping) if (!first || sleeper.dueMs < first.dueMs) first = sleeper;
    return first;
  }

  return {
    clock,
    async during(work, name) {
      const mine: Work = { passing: 0, isOver: false };
      if (name !== undefined) named.set(name, mine);
      underWay++;
      try {
        return await work();
      } finally {
        if (name !== undefined && named.get(name) === mine) named.delete(name);
        mine.isOver = true;
        if (mine.passing === 0) rest();
      }
    },
    async pass(ms, name) {
      const work = named.get(name);
      if (work && work.passing++ === 0) rest();
      await clock.sleep(ms);
      if (work && --work.passing === 0 && !work.isOver) underWay++;
    },
    async run(isOver, untilMs, signal) {
      for (;;) {
        await stands();
        if (signal.aborted) return false;
        if (await isOver()) return true;
        const first = next();
        if (first === null || first.dueMs > untilMs) return false;
        nowMs = Math.max(nowMs, first.dueMs);
        first.wake();
      }
    },
  };
}
