// A checkpoint in mid-turn holds one moment of the session's files (MOMENT): the turn's processes stand still while the
// files are read, and go on before anything is uploaded. What lasts longer than a moment is given up, not torn.
import { Refused } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Clock } from '../core/ports.ts';

/** How long a person's command may stand still for it. */
const MAX_PAUSE_MS = 5_000;

export interface Pausing {
  /** Stops the turn's processes; null when they cannot be stopped now. Absent where they never can. */
  readonly pause?: (() => Promise<{ resume(): void } | null>) | undefined;
  readonly session: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Runs `checkpoint`, which calls `onRead` as soon as it needs the files no more. Throws `Refused` when there was no pause. */
export async function atOneMoment<T>(
  { pause, session, clock, log }: Pausing,
  checkpoint: (onRead: () => void) => Promise<T>,
): Promise<T> {
  const startedAtMs = clock.now();
  const paused = await pause?.();
  if (!paused) throw new Refused('not-paused', "The turn's processes cannot be paused.");
  const ended = new AbortController();
  let overdue = false;
  const bounded = clock.sleep(MAX_PAUSE_MS, ended.signal).then(() => {
    if (ended.signal.aborted) return;
    overdue = true;
    paused.resume();
  });
  try {
    return await checkpoint(() => {
      if (overdue)
        throw new Refused('pause-too-long', 'The changed files take longer to read than a pause may last.');
      ended.abort();
      paused.resume();
      log('info', 'paused-for-checkpoint', { session, ms: clock.now() - startedAtMs });
    });
  } finally {
    ended.abort();
    await bounded;
    paused.resume();
  }
}
