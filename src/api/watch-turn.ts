// Yields a turn's events as they happen, for event streams and for programs. They come from the event log. The final
// reply comes from the ledger when the log does not have it, because it was pruned or its writer died.
import type { TurnEvent } from '../core/ports.ts';
import { isCommitted, type TurnRecord } from '../core/records.ts';
import type { ApiDeps } from './deps.ts';

export type WatchDeps = Pick<ApiDeps, 'store' | 'events' | 'clock'>;

/** An event of the turn. In a `final` that comes from the ledger, fields may be null. */
export type WatchedEvent =
  | Exclude<TurnEvent, { type: 'final' }>
  | ({ readonly type: 'final' } & Pick<TurnRecord, 'reply' | 'sessionId' | 'generation'>);

export interface WatchedItem {
  /** Position in the event log; null for an item that is not in the log and cannot be asked for again. */
  readonly sequence: number | null;
  /** null when nothing happened for a while: a sign of life. */
  readonly event: WatchedEvent | null;
}

/** How often the ledger is read while nothing is logged. */
export const LEDGER_POLL_MS = 5_000;
const QUIET_MS = 15_000;

/** The events after number `after`. Ends after `final`, when the turn is erased, or when `signal` aborts. */
export async function* watchTurn(
  deps: WatchDeps,
  turn: TurnRecord,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<WatchedItem, void, undefined> {
  const { tenant, turnId } = turn;
  let sequence = after;
  let quietSinceMs = deps.clock.now();
  let current: TurnRecord | null = turn;
  if (after === 0 && !isCommitted(turn)) {
    const status = turn.status === 'running' ? 'running' : 'queued';
    yield { sequence: null, event: { type: 'status', status } };
  }
  while (!signal.aborted && current) {
    const waitMs = isCommitted(current) ? 0 : LEDGER_POLL_MS;
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
