// Removes sessions whose retention is over, once a day: their objects, then their heads and mappings, each under a
// lease (see src/core/sweep.ts). DynamoDB's time to live deletes ledger lines and events. What one round does not
// finish is left to the next round. And timers of schedules that rang for nothing ring again.
import type { Context } from 'aws-lambda';
import { systemClock } from '../../core/clock.ts';
import { sweep } from '../../core/sweep.ts';
import { createSessionState } from '../../state/session-state.ts';
import { createDynamoSessionStore } from '../../stores/dynamodb/session-store.ts';
import { createS3ObjectStore } from '../../stores/s3/object-store.ts';
import { readConfiguration, sweepSchema } from '../configuration.ts';
import { createObservability } from '../observability.ts';
import { timersOf } from '../timers.ts';

/** The round ends this long before the time-out, so that the session being removed is finished. */
const MARGIN_MS = 30_000;

const configuration = readConfiguration(sweepSchema, process.env);
const { log, flush } = createObservability(configuration);
const { mappingTable, stateTable, bucket } = configuration;
const store = createDynamoSessionStore({ mappingTable, stateTable, clock: systemClock });
const objects = createS3ObjectStore({ bucket });
// Limits matter for checkpoints only, and the sweep only erases.
const limits = { maxWorkspaceBytes: 0, maxWorkspaceFiles: 0 };
const state = createSessionState({ objects, limits, heads: store });
const timers = timersOf(configuration);

/** By then its message has come, if it comes: what is still there was given up on its way. */
const OVERDUE_MS = 15 * 60_000;

async function ringAgain(signal: AbortSignal): Promise<void> {
  const rung = await timers.ringAgain(systemClock.now() - OVERDUE_MS, signal);
  if (rung > 0) log('warn', 'timers-rung-again', { timers: rung });
}

export async function handler(_event: unknown, context: Context): Promise<{ readonly removed: number }> {
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), Math.max(0, context.getRemainingTimeInMillis() - MARGIN_MS));
  try {
    // Begun first: wake-ups are waited for. Neither keeps the other from being done.
    const ringing = ringAgain(ending.signal);
    ringing.catch(() => {});
    const removed = await sweep({ store, objects, state }, systemClock, ending.signal);
    log('info', 'expired-removed', { sessions: removed, complete: !ending.signal.aborted });
    await ringing;
    return { removed };
  } finally {
    clearTimeout(timer);
    flush();
  }
}
