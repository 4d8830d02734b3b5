// Hosts whose CLI stays for its session's next turn. One serves it only if the head is still the generation and content that
// it holds, and a host that is started now would read the same agent folder; else it is ended before another one begins.
// How many stay, how large and how long is bounded; the least recently used goes first.
import { systemClock } from '../core/clock.ts';
import { errorFields, type Log } from '../core/log.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Lease, SessionHead } from '../core/records.ts';
import { newestOf } from '../state/session-state.ts';
import type { WhyEvicted } from './hot-reasons.ts';
import type { PackIntake } from './pack-intake.ts';
import type { ClaimedPlace, HostNeeds, SpareHost } from './spare-host.ts';

export interface HotLimits {
  /** So many stay. */
  readonly sessions: number;
  /** What the programs of one may hold. */
  readonly memoryBytes: number;
  readonly idleMs: number;
}

export interface HotHost {
  readonly host: SpareHost;
  readonly claimed: ClaimedPlace;
  readonly intake: PackIntake;
  /** What its tenant needs; null: nothing of its own. */
  readonly needs: HostNeeds | null;
  /** What its files and its conversation are. */
  readonly held: HeldGeneration;
}

export interface HeldGeneration {
  readonly generation: number;
  readonly content: string | null;
}

export interface HotHosts {
  /** The session's host if it may serve this head; ends it otherwise, before this returns. */
  take(lease: Lease, head: SessionHead, needs: HostNeeds | null): Promise<HotHost | WhyEvicted>;
  put(lease: Lease, host: HotHost): void;
  /** Ends one that was taken. */
  end(host: HotHost, why: WhyEvicted): Promise<void>;
  close(): Promise<void>;
}

export interface HotHostsOptions {
  readonly limits: HotLimits;
  /** Ends a host and removes what it leaves. */
  readonly leave: (host: SpareHost) => Promise<void>;
  readonly log: Log;
  readonly clock?: Pick<Clock, 'now'>;
}

interface Entry extends HotHost {
  readonly lease: Lease;
  readonly sinceMs: number;
  readonly idle: NodeJS.Timeout;
  /** Resolves when it stands still, or has been ended. */
  resting: Promise<unknown>;
}

const REST_MS = 30_000;

export function createHotHosts({ limits, leave, log, clock = systemClock }: HotHostsOptions): HotHosts {
  /** The least recently used first. */
  const entries = new Set<Entry>();

  async function end({ host, held }: HotHost, why: WhyEvicted): Promise<void> {
    log('debug', 'hot-ended', { why, generation: held.generation });
    await leave(host);
  }

  function remove(entry: Entry): boolean {
    clearTimeout(entry.idle);
    return entries.delete(entry);
  }

  function evict(entry: Entry, why: WhyEvicted): void {
    if (remove(entry)) void end(entry, why);
  }

  async function whyNot(
    entry: Entry,
    lease: Lease,
    head: SessionHead,
    needs: HostNeeds | null,
  ): Promise<WhyEvicted | null> {
    const { lease: its, held, host } = entry;
    if (
      its.tenant !== lease.tenant ||
      its.sessionKey !== lease.sessionKey ||
      its.sessionId !== lease.sessionId
    ) {
      return 'other-session';
    }
    if (held.generation !== head.generation || held.content !== (newestOf(head)?.content ?? null))
      return 'head';
    if (JSON.stringify(entry.needs) !== JSON.stringify(needs)) return 'tenant';
    // A machine that slept has timers that slept, too.
    if (clock.now() - entry.sinceMs > limits.idleMs) return 'idle';
    return (await host.isCurrent?.()) === false ? 'agent-folder' : null;
  }

  return {
    async take(lease, head, needs) {
      let why: WhyEvicted = 'first';
      for (const entry of [...entries]) {
        const { sessionKey, sessionId } = entry.lease;
        if (sessionKey !== lease.sessionKey && sessionId !== lease.sessionId) continue;
        await entry.resting;
        if (!remove(entry)) continue;
        const reason = await whyNot(entry, lease, head, needs).catch((): WhyEvicted => 'head');
        if (reason === null) return entry;
        why = reason;
        await end(entry, reason);
      }
      return why;
    },

    put(lease, hot) {
      const { link } = hot.host;
      const entry: Entry = {
        ...hot,
        lease,
        sinceMs: clock.now(),
        idle: setTimeout(() => evict(entry, 'idle'), limits.idleMs).unref(),
        resting: Promise.resolve(),
      };
      entries.add(entry);
      entry.resting = link.ask({ type: 'rest' }, 'resting', REST_MS).then(
        ({ cold, memoryBytes = 0 }) => {
          if (cold !== undefined) evict(entry, cold);
          else if (memoryBytes > limits.memoryBytes) evict(entry, 'memory-limit');
        },
        (error: unknown) => {
          log('debug', 'hot-not-resting', errorFields(error));
          evict(entry, 'died');
        },
      );
      void link.ended.then(() => evict(entry, 'died'));
      for (const oldest of entries) {
        if (entries.size <= limits.sessions) break;
        evict(oldest, 'count');
      }
    },

    end,

    async close() {
      await Promise.all([...entries].map(async (entry) => remove(entry) && (await end(entry, 'closed'))));
    },
  };
}
