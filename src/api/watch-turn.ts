// Yields a turn's events as they happen, for event streams and for programs. They come from the event log. The final
// reply comes from the ledger when the log does not have it, because it was pruned or its writer died. While the store
// itself is away no worker can write that into it: the watcher says so (HEARD), and goes on when it is back.
import { backoffMs } from '../core/backoff.ts';
import { Ambiguous, Refused } from '../core/errors.ts';
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
const AWAY = { firstMs: 500, maxMs: 10_000, jitter: 0.25 };
/** What is over by the second try is not worth a word. */
const TOLD_AT_FAILURE = 2;

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
  let runs = after > 0 || turn.status === 'running';
  const underway = (): WatchedItem => ({
    sequence: null,
    event: { type: 'status', status: runs ? 'running' : 'queued' },
  });
  if (after === 0 && !isCommitted(turn)) yield underway();
  let failures = 0;
  while (!signal.aborted && current) {
    const known: TurnRecord = current;
    const seen = await unlessAway(async () => {
      const waitMs = isCommitted(known) ? 0 : LEDGER_POLL_MS;
      const logged = await deps.events.read(tenant, turnId, sequence, { waitMs, signal });
      if (logged.length > 0 || isCommitted(known)) return { logged, turn: known };
      return { logged, turn: await deps.store.getTurn(tenant, turnId) };
    });
    if (seen === null) {
      failures += 1;
      if (failures === TOLD_AT_FAILURE) yield { sequence: null, event: WAITS };
    } else {
      current = seen.turn;
      runs ||= seen.logged.length > 0 || current?.status === 'running';
      // What it waited for is there again.
      if (failures >= TOLD_AT_FAILURE && !isCommitted(known)) yield underway();
      failures = 0;
      for (const { sequence: id, event } of seen.logged) {
        sequence = id;
        yield { sequence: id, event };
        if (event.type === 'final') return;
      }
      if (seen.logged.length > 0) {
        quietSinceMs = deps.clock.now();
        continue;
      }
      if (isCommitted(known)) {
        const { reply, sessionId, generation } = known;
        yield { sequence: sequence + 1, event: { type: 'final', reply, sessionId, generation } };
        return;
      }
    }
    if (deps.clock.now() - quietSinceMs >= QUIET_MS) {
      quietSinceMs = deps.clock.now();
      yield { sequence: null, event: null };
    }
    if (seen === null) await deps.clock.sleep(backoffMs(AWAY, failures), signal);
  }
}

const WAITS: WatchedEvent = { type: 'status', status: 'waiting', waitingFor: 'store', nextTryAtMs: null };

/** null when a store refused or did not answer; what else is wrong is thrown. */
export async function unlessAway<T>(look: () => Promise<T>): Promise<T | null> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Refused || error instanceof Ambiguous) return null;
    throw error;
  }
}
