// Upkeep of a session by a command: under a lease of its own, which lives as long as the work takes. The fence decides
// whether what is written counts, so a beat that fails is no harm by itself.
import { randomUUID } from 'node:crypto';
import { systemClock } from '../core/clock.ts';
import type { TurnId } from '../core/ids.ts';
import { silentLog } from '../core/log.ts';
import type { SessionStore } from '../core/ports.ts';
import type { Lease, SessionHead } from '../core/records.ts';
import { retryWrite } from '../core/retry-write.ts';

const LEASE_MS = 15_000;
const BEAT_MS = 5_000;
/** For a turn to end, or for the lease of a command that was cut off to run out. */
const PATIENCE_MS = 45_000;
/** Of no turn: renewing asks whether one is to stop. */
const NO_TURN = 'turn_none' as TurnId;

/** Waits for a turn that runs; Refused('lease-busy') when it takes its time. `head` is as it was when the lease was granted. */
export async function holdSession<T>(
  store: SessionStore,
  { tenant, sessionId }: Pick<SessionHead, 'tenant' | 'sessionId'>,
  work: (lease: Lease, head: SessionHead) => Promise<T>,
): Promise<T> {
  const owner = `operator-${randomUUID()}`;
  const { signal } = new AbortController();
  const { lease, head } = await retryWrite(
    () => store.lease({ tenant, sessionId, owner, leaseMs: LEASE_MS }),
    { clock: systemClock, log: silentLog, signal, maxMs: PATIENCE_MS },
  );
  const beat = setInterval(() => void store.renew(lease, LEASE_MS, NO_TURN).catch(() => {}), BEAT_MS);
  try {
    return await work(lease, head);
  } finally {
    clearInterval(beat);
    await store.release(lease);
  }
}
