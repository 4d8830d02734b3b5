// Shows a running turn on a platform where something sent can be changed: a message by edits, a draft that fades. The
// platform says how (`ProgressSurface`); here is when: never more often than it allows, the newest text only, not while it
// asks to wait. Best effort: nothing is thrown into the turn, and after `close` nothing more is shown.
import { Gone, Invalid, isLeaseLost, Refused } from './errors.ts';
import type { TurnId } from './ids.ts';
import { errorFields, type Log } from './log.ts';
import type { Clock, ProgressSink } from './ports.ts';
import { createProgressText, type ProgressText } from './progress-text.ts';

export interface Stream {
  readonly text: ProgressText;
  /** The turn needs nothing shown any more. */
  readonly ended: AbortSignal;
  /** Resolves at the next event, and at the end; for any number that wait. */
  changed(): Promise<void>;
}

export interface StreamOptions {
  readonly log: Log;
  readonly turnId: TurnId;
  readonly maxLength: number;
  /** Nothing is shown before the first event. */
  readonly waitsForEvent?: boolean;
}

/** `run` shows the stream until it has ended; what it throws is logged. */
export function openStream(options: StreamOptions, run: (stream: Stream) => Promise<void>): ProgressSink {
  const text = createProgressText(options.maxLength);
  const ended = new AbortController();
  let waiting: (() => void)[] = [];
  const wake = () => {
    const woken = waiting;
    waiting = [];
    for (const go of woken) go();
  };
  let running: Promise<void> | null = null;
  const changed = () => new Promise<void>((resolve) => void waiting.push(resolve));
  const begin = () => {
    running ??= run({ text, ended: ended.signal, changed }).catch((error: unknown) => {
      options.log('warn', 'progress-ended', { turn: options.turnId, ...errorFields(error) });
    });
  };
  if (!options.waitsForEvent) begin();
  return {
    push(event) {
      if (ended.signal.aborted) return;
      text.take(event);
      begin();
      wake();
    },
    async close() {
      ended.abort();
      wake();
      await running;
    },
  };
}

export interface ProgressSurface {
  /** Least time between two calls of `show`. */
  readonly everyMs: number;
  /** Where what is shown fades: it is shown again after so long. */
  readonly fadesMs?: number;
  /** Refused: later. Invalid: not this text. Gone, or a lost lease: never again. */
  show(text: string): Promise<void>;
}

/** How long a sleep may last beyond its time before this process counts as one that was paused. */
const PAUSED_MS = 5_000;

export interface Showing {
  /** What stands there already. */
  readonly shown: string;
  readonly firstAfterMs?: number;
  /** Asked after a pause: throws when another worker has the turn by now. */
  readonly stillOurs?: () => Promise<void>;
}

/** Keeps the surface at the newest text; resolves to what it shows at the end. */
export async function keepShowing(
  clock: Clock,
  surface: ProgressSurface,
  { text, ended, changed }: Stream,
  { shown: before, firstAfterMs = surface.everyMs, stillOurs }: Showing,
): Promise<string> {
  let shown = before;
  let shownAtMs = clock.now();
  let waitMs = firstAfterMs;
  for (;;) {
    await sleepOurs(clock, waitMs, ended, stillOurs);
    waitMs = surface.everyMs;
    const change = changed();
    if (!ended.aborted && text.text() === shown) await nextReason(clock, change, surface.fadesMs, ended);
    if (ended.aborted) return shown;
    const next = text.text();
    const fades = surface.fadesMs !== undefined && clock.now() - shownAtMs >= surface.fadesMs;
    if (next === shown && !fades) continue;
    try {
      await surface.show(next);
      shown = next;
      shownAtMs = clock.now();
    } catch (error) {
      if (error instanceof Refused) waitMs = Math.max(surface.everyMs, error.retryAfterMs);
      else if (error instanceof Invalid) shown = next;
      else if (error instanceof Gone || isLeaseLost(error)) return shown;
      else throw error;
    }
  }
}

/** Resolves at the change, or after so many milliseconds where that is given. */
export async function nextReason(
  clock: Clock,
  change: Promise<void>,
  withinMs: number | undefined,
  ended: AbortSignal,
): Promise<void> {
  if (withinMs === undefined) return await change;
  const awake = new AbortController();
  const signal = AbortSignal.any([ended, awake.signal]);
  await Promise.race([change, clock.sleep(withinMs, signal)]);
  awake.abort();
}

async function sleepOurs(
  clock: Clock,
  waitMs: number,
  ended: AbortSignal,
  stillOurs: (() => Promise<void>) | undefined,
): Promise<void> {
  const beganMs = clock.now();
  await clock.sleep(waitMs, ended);
  if (!ended.aborted && clock.now() - beganMs > waitMs + PAUSED_MS) await stillOurs?.();
}

/** Says "typing" again and again, where a platform shows it for a moment only. Ends quietly when it is refused for good. */
export async function keepTyping(
  clock: Clock,
  everyMs: number,
  send: () => Promise<void>,
  ended: AbortSignal,
): Promise<void> {
  while (!ended.aborted) {
    let waitMs = everyMs;
    try {
      await send();
    } catch (error) {
      if (!(error instanceof Refused)) return;
      waitMs = Math.max(waitMs, error.retryAfterMs);
    }
    await clock.sleep(waitMs, ended);
  }
}
