// Tells a host whose event loop stands still from one that a busy machine keeps from running. A host says something every
// few seconds by itself, whatever its agent does. Silence is counted in looks of ours that came in time: a worker
// that was paused, or had no processor itself, holds nothing against its hosts.
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../core/ports/clock.ts';

/** What the system knows of the host's own process. */
export interface Activity {
  /** It would run if there were a processor, or waits for a disk. */
  readonly isHeldUp: boolean;
  /** Processor time so far. */
  readonly cpuMs: number;
}

export interface SilenceOptions {
  readonly silentMs: number;
  /** null where it cannot be known: then silence alone counts. */
  readonly activity?: (() => Promise<Activity | null>) | undefined;
  readonly onSilent: () => void;
  readonly clock?: Clock;
}

/** Keeps no process alive, and knows no jumps of the machine's date. */
const steady: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) => pause(ms, undefined, { ref: false, ...(signal && { signal }) }).catch(() => {}),
};

const LOOKS = 15;
/** So many times `silentMs` is the most that a host may be held up. */
const HELD_UP_TIMES = 6;
/** Whoever computes for this share of `silentMs` without a word is in an endless loop. */
const COMPUTING_SHARE = 0.5;

/** Counts from the first `heard` on, and after `rest` from the next one on. */
export function watchSilence({ silentMs, activity, onSilent, clock = steady }: SilenceOptions) {
  const everyMs = silentMs / LOOKS;
  const ended = new AbortController();
  let silence = Number.NEGATIVE_INFINITY;
  let before: Activity | null = null;

  async function isStill(): Promise<boolean> {
    const now = (await activity?.()) ?? null;
    before ??= now;
    if (now === null || before === null) return silence > silentMs;
    const computed = now.cpuMs - before.cpuMs;
    if (silence > HELD_UP_TIMES * silentMs) return true;
    return silence > silentMs && (!now.isHeldUp || computed > COMPUTING_SHARE * silentMs);
  }

  async function watch(): Promise<void> {
    for (let lookedAtMs = clock.now(); ; ) {
      await clock.sleep(everyMs, ended.signal);
      if (ended.signal.aborted) return;
      const nowMs = clock.now();
      // What came late was late for us, too.
      silence += Math.min(nowMs - lookedAtMs, 2 * everyMs);
      lookedAtMs = nowMs;
      // The first looks are for hosts that are about to speak.
      if (silence < silentMs / 2 || !(await isStill())) continue;
      onSilent();
      return;
    }
  }

  watch().catch(() => {});
  return {
    heard(): void {
      silence = 0;
      before = null;
    },
    rest(): void {
      silence = Number.NEGATIVE_INFINITY;
    },
    end: () => ended.abort(),
  };
}
