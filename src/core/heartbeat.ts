// Keeps a running turn ours: renews the lease, keeps the queue message invisible, and hears a stop (between beats, too,
// where beats are rare: a person waits for it). When the lease cannot be proved any more it says so before the lease can
// have run out, so that a worker that lost touch with the store ends its agent rather than running beside its successor.
import { isLeaseLost } from './errors.ts';
import type { TurnId } from './ids.ts';
import { errorFields, type Log } from './log.ts';
import type { Clock, SessionStore } from './ports.ts';
import type { Lease } from './records.ts';

export interface HeartbeatOptions {
  readonly store: SessionStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly lease: Lease;
  readonly turnId: TurnId;
  readonly leaseMs: number;
  readonly everyMs: number;
  /** How often a stop is looked for. */
  readonly stopEveryMs: number;
  /** Called at every beat while the lease is ours, e.g. to extend the queue message's visibility. */
  readonly onBeat: () => Promise<void>;
  readonly onStop: () => void;
  readonly onLost: () => void;
}

export interface Heartbeat {
  readonly lost: boolean;
  end(): Promise<void>;
}

export function startHeartbeat(options: HeartbeatOptions): Heartbeat {
  const { store, clock, log, lease, turnId } = options;
  const ended = new AbortController();
  let lost = false;
  let provenAtMs = clock.now();

  const loseIt = () => {
    if (lost) return;
    lost = true;
    options.onLost();
  };

  const beat = async () => {
    const askedAtMs = clock.now();
    try {
      const { stopRequested } = await store.renew(lease, options.leaseMs, turnId);
      provenAtMs = askedAtMs;
      if (stopRequested) options.onStop();
      await options.onBeat();
    } catch (error) {
      log('warn', 'heartbeat-failed', { turn: turnId, ...errorFields(error) });
      if (isLeaseLost(error)) loseIt();
    }
    // One beat's margin: the successor may begin the moment the lease runs out.
    if (clock.now() - provenAtMs > options.leaseMs - options.everyMs) loseIt();
  };

  const beating = (async () => {
    while (!ended.signal.aborted && !lost) {
      await clock.sleep(options.everyMs, ended.signal);
      if (!ended.signal.aborted) await beat();
    }
  })();

  const listening = (async () => {
    while (options.stopEveryMs < options.everyMs && !ended.signal.aborted && !lost) {
      await clock.sleep(options.stopEveryMs, ended.signal);
      if (ended.signal.aborted) return;
      try {
        if ((await store.getTurn(lease.tenant, turnId))?.stopRequested) return options.onStop();
      } catch (error) {
        log('warn', 'stop-not-heard', { turn: turnId, ...errorFields(error) });
      }
    }
  })();

  return {
    get lost() {
      return lost;
    },
    async end() {
      ended.abort();
      await Promise.all([beating, listening]);
    },
  };
}
