// A turn's events as they happen, for event streams and for programs. The event log is followed and the ledger has
// the last word: a watcher gets the reply even where the log was pruned or its writer died.
import type { TurnEvent } from '../core/ports.ts';
import { isCommitted, type TurnRecord } from '../core/records.ts';
import type { ApiDeps } from './deps.ts';

export type WatchDeps = Pick<ApiDeps, 'store' | 'events' | 'clock'>;

/** `final` of the ledger: what it does not hold is null. */
export type WatchedEvent =
  | Exclude<TurnEvent, { type: 'final' }>
  | ({ readonly type: 'final' } & Pick<TurnRecord, 'reply' | 'sessionId' | 'generation'>);

export interface Watched {
  /** null: not of the log, never to be asked for again. */
  readonly sequence: number | null;
  /** null: nothing happened for a while. */
  readonly event: WatchedEvent | null;
}

/** The ledger is looked at this often while nothing is logged. */
export const LOOK_MS = 5_000;
const QUIET_MS = 15_000;

/** What follows `after`. Ends behind `final`, when the turn is erased, or when `signal` aborts. */
export async function* watchTurn(
  deps: WatchDeps,
  turn: TurnRecord,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<Watched, void, undefined> {
  const { tenant, turnId } = turn;
  let sequence = after;
  let quietSinceMs = deps.clock.now();
  let current: TurnRecord | null = turn;
  if (after === 0 && !isCommitted(turn)) {
    const status = turn.status === 'running' ? 'running' : 'queued';
    yield { sequence: null, event: { type: 'status', status } };
  }
  while (!signal.aborted && current) {
    const waitMs = isCommitted(current) ? 0 : LOOK_MS;
    const logged = await deps.events.read(tenant, turnId, sequence, { waitMs, signal });
    for (const { sequence: id, event } of logged) {
      sequence = id;
      yield { sequence: id, event };
      if (event.type === 'final') return;
    }
    if (logged.length > 0) {
      quietSinceMs = deps.clock.now();
      continue;
    }
    if (isCommitted(current)) {
      const { reply, sessionId, generation } = current;
      yield { sequence: sequence + 1, event: { type: 'final', reply, sessionId, generation } };
      return;
    }
    if (deps.clock.now() - quietSinceMs >= QUIET_MS) {
      quietSinceMs = deps.clock.now();
      yield { sequence: null, event: null };
    }
    current = await deps.store.getTurn(tenant, turnId);
  }
}
