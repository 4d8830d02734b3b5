// A checkpoint in mid-turn holds one moment of the session's files (MOMENT): the turn's processes stand still while the
// files are read, and go on before anything is uploaded. What lasts longer than a moment is given up, not torn.
import { Refused } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Clock, Workplace } from '../core/ports.ts';
import type { Lease } from '../core/records.ts';

/** How long a person's command may stand still for it. */
const MAX_PAUSE_MS = 5_000;

interface Pausing {
  readonly workplace: Pick<Workplace, 'pause'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Runs `checkpoint`, which calls `onRead` as soon as it needs the files no more. Throws `Refused` when there was no pause. */
export async function atOneMoment<T>(
  { workplace, clock, log }: Pausing,
  lease: Lease,
  checkpoint: (onRead: () => void) => Promise<T>,
): Promise<T> {
  const startedAtMs = clock.now();
  const paused = await workplace.pause?.(lease);
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
      log('info', 'paused-for-checkpoint', { session: lease.sessionId, ms: clock.now() - startedAtMs });
    });
  } finally {
    ended.abort();
    await bounded;
    paused.resume();
  }
}
