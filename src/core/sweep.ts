// Removes expired sessions, rows and objects, and objects that an interrupted erase has left behind. A session is leased
// first and read again under the lease, so that nothing is removed while a turn uses it.
import { randomUUID } from 'node:crypto';
import { systemClock } from './clock.ts';
import { Gone, Refused } from './errors.ts';
import { type SessionId, type Tenant, tenantOf } from './ids.ts';
import { errorFields, type Log } from './log.ts';
import type { Clock, DeadLetter, ObjectStore, Page, SessionState, SessionStore, TurnQueue } from './ports.ts';
import type { RetentionOf } from './retention.ts';
import { findFiles } from './sweep-files.ts';

export interface SweepDeps {
  readonly store: Pick<SessionStore, 'getHead' | 'getMapping' | 'getTurn' | 'lease' | 'release' | 'expired'>;
  readonly objects: Pick<ObjectStore, 'list' | 'delete'>;
  readonly state: Pick<SessionState, 'erase'>;
  /** What was set aside for a person ends with the conversation's time, too; left out where the queue sees to that. */
  readonly setAside?: {
    readonly deadLetters: TurnQueue['deadLetters'];
    readonly retentionSec: number;
    readonly retentionOf?: RetentionOf;
  };
}

const EVERY_MS = 6 * 3600 * 1000;
const FIRST_AFTER_MS = 60_000;
/** A session without a head whose newest object is a day old cannot be one that is only beginning. */
const MIN_AGE_MS = 24 * 3600 * 1000;
const LEASE_MS = 60_000;
const PAGE = 100;

/** How many heads are asked for at once. */
const PARALLEL = 16;

/** Returns how many sessions were removed. When `signal` aborts, it ends after the current session; the next sweep continues. */
export async function sweep(deps: SweepDeps, clock: Clock, signal?: AbortSignal): Promise<number> {
  if (deps.setAside) await sweepSetAside(deps.setAside, clock, signal);
  return (await sweepExpired(deps, clock, signal)) + (await sweepWithoutHead(deps, clock, signal));
}

async function sweepSetAside(
  { deadLetters, retentionSec, retentionOf }: NonNullable<SweepDeps['setAside']>,
  clock: Clock,
  signal?: AbortSignal,
): Promise<void> {
  let cursor: string | null | undefined;
  while (cursor !== null && !signal?.aborted) {
    const page: Page<DeadLetter> = await deadLetters.list({ limit: PAGE, ...(cursor && { cursor }) });
    for (const { id, request, deadAtMs } of page.items) {
      const keptSec = (await retentionOf?.(tenantOf(request.sessionKey))) ?? retentionSec;
      // Somebody may be replaying it just now.
      if (clock.now() - deadAtMs >= keptSec * 1000) await deadLetters.drop(id).catch(unlessGone);
    }
    cursor = page.cursor;
  }
}

function unlessGone(error: unknown): void {
  if (!(error instanceof Gone)) throw error;
}

async function sweepExpired(deps: SweepDeps, clock: Clock, signal?: AbortSignal): Promise<number> {
  const { expired } = deps.store;
  let removed = 0;
  // A session that stays is listed again, first. When a whole page stays, the sweep ends.
  for (let before = -1; expired && removed > before; ) {
    before = removed;
    for (const { tenant, sessionId } of await expired.list(PAGE)) {
      if (signal?.aborted) return removed;
      if (await removeExpired(deps, tenant, sessionId, clock)) removed++;
    }
  }
  return removed;
}

/**
 * False when the session lives after all, or a turn runs on it: it is looked at again next time. Objects go first:
 * cut off in between, the head is still there to name them. A live mapping keeps its session, whatever the head says.
 */
async function removeExpired(
  { store, state }: SweepDeps,
  tenant: Tenant,
  sessionId: SessionId,
  clock: Clock,
): Promise<boolean> {
  const leased = await leaseIfFree(store, tenant, sessionId);
  if (leased === 'busy' || leased === 'absent') return false;
  const { lease, head } = leased;
  try {
    const mapping = await store.getMapping(head.sessionKey);
    if (head.expiresAtSec * 1000 > clock.now() || mapping?.session_id === sessionId) return false;
    await state.erase(tenant, sessionId, head.state);
    await store.expired?.remove(lease);
    return true;
  } finally {
    await store.release(lease);
  }
}

async function leaseIfFree(store: SweepDeps['store'], tenant: Tenant, sessionId: SessionId) {
  try {
    return await store.lease({ tenant, sessionId, owner: `sweep-${randomUUID()}`, leaseMs: LEASE_MS });
  } catch (error) {
    if (error instanceof Gone) return 'absent';
    if (error instanceof Refused && error.code === 'lease-busy') return 'busy';
    throw error;
  }
}

/** Objects of sessions that have no head at all, and files of turns that are gone. */
async function sweepWithoutHead(deps: SweepDeps, clock: Clock, signal?: AbortSignal): Promise<number> {
  const newest = new Map<string, number>();
  const files = findFiles();
  for await (const object of deps.objects.list('')) {
    if (signal?.aborted) return 0;
    const { key, modifiedAtMs } = object;
    if (files.see(object)) continue;
    const session = /^([^/]+\/[^/]+)\//.exec(key)?.[1];
    if (session) newest.set(session, Math.max(modifiedAtMs, newest.get(session) ?? 0));
  }
  await files.remove(deps, clock, signal);
  const old = [...newest].filter(([, modifiedAtMs]) => clock.now() - modifiedAtMs >= MIN_AGE_MS);
  // The order is random, so that sweeps which end early do not always check the same sessions.
  const waiting = old.map(([session]) => session).sort(() => Math.random() - 0.5);
  let removed = 0;
  const look = async () => {
    for (let session = waiting.pop(); session !== undefined && !signal?.aborted; session = waiting.pop()) {
      const [tenant, sessionId] = session.split('/') as [Tenant, SessionId];
      if (await removeWithoutHead(deps, tenant, sessionId)) removed++;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, look));
  return removed;
}

async function removeWithoutHead(deps: SweepDeps, tenant: Tenant, sessionId: SessionId): Promise<boolean> {
  const { store, state } = deps;
  if (await store.getHead(tenant, sessionId)) return false;
  // `getHead` hides expired heads. One that still exists is in use or was leased, and a later sweep removes it.
  const leased = await leaseIfFree(store, tenant, sessionId);
  if (leased === 'busy') return false;
  if (leased !== 'absent') {
    await store.release(leased.lease);
    return false;
  }
  await state.erase(tenant, sessionId);
  return true;
}

export function startSweep(deps: SweepDeps, log: Log): { stop(): Promise<void> } {
  const ended = new AbortController();
  const running = (async () => {
    await systemClock.sleep(FIRST_AFTER_MS, ended.signal);
    while (!ended.signal.aborted) {
      try {
        const removed = await sweep(deps, systemClock);
        if (removed > 0) log('info', 'expired-removed', { sessions: removed });
      } catch (error) {
        log('warn', 'sweep-failed', errorFields(error));
      }
      await systemClock.sleep(EVERY_MS, ended.signal);
    }
  })();
  return {
    async stop() {
      ended.abort();
      await running;
    },
  };
}
