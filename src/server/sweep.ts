// Removes the objects of sessions that are no more: expired, or erased by a process that died half-way. A session
// without a head whose newest object is a day old cannot be one that is only beginning.
import { systemClock } from '../core/clock.ts';
import type { SessionId, Tenant } from '../core/ids.ts';
import { errorFields, type Log } from '../core/log.ts';
import type { Clock, ObjectStore, SessionState, SessionStore } from '../core/ports.ts';

export interface SweepDeps {
  readonly store: Pick<SessionStore, 'getHead'>;
  readonly objects: Pick<ObjectStore, 'list'>;
  readonly state: Pick<SessionState, 'erase'>;
}

const EVERY_MS = 6 * 3600 * 1000;
const FIRST_AFTER_MS = 60_000;
const LEAST_AGE_MS = 24 * 3600 * 1000;

/** Returns how many sessions were removed. */
export async function sweep({ store, objects, state }: SweepDeps, clock: Clock): Promise<number> {
  const newest = new Map<string, number>();
  for await (const { key, modifiedAtMs } of objects.list('')) {
    const session = /^([^/]+\/[^/]+)\//.exec(key)?.[1];
    if (session) newest.set(session, Math.max(modifiedAtMs, newest.get(session) ?? 0));
  }
  let removed = 0;
  for (const [session, modifiedAtMs] of newest) {
    if (clock.now() - modifiedAtMs < LEAST_AGE_MS) continue;
    const [tenant, sessionId] = session.split('/') as [Tenant, SessionId];
    const head = await store.getHead(tenant, sessionId);
    if (head && head.expiresAtSec * 1000 > clock.now()) continue;
    await state.erase(tenant, sessionId);
    removed++;
  }
  return removed;
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
