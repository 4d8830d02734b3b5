// The right of one instance to write one session: a lease, renewed by use. It knows nothing of transcripts. Taking it
// waits a while for another's lease to run out; every move of the head is fenced, and an answer that was lost is
// looked up, so that a write that landed is a success and is never made twice.
import { randomUUID } from 'node:crypto';
import { Ambiguous, Conflict, isHybridError, isLeaseLost, Refused } from '../core/errors.ts';
import { type Conversation, newSessionId } from '../core/ids.ts';
import { type Json, turnRequest } from '../core/messages.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { SessionStore } from '../core/ports/store.ts';
import type { SessionHead } from '../core/records.ts';
import { mayTryAgain, pauseMs, type Retry } from './retry.ts';

export interface WriterLeaseOptions {
  readonly store: SessionStore;
  readonly clock: Clock;
  readonly conversation: Conversation;
  readonly leaseMs: number;
  readonly takeoverWaitMs: number;
  readonly retentionSec: number;
  readonly retry: Retry;
}

export interface WriterLease {
  /** The head as it was when the lease was granted. */
  readonly head: SessionHead;
  readonly fence: number;
  /** True when the session's retention should slide: give this lease back and take another. */
  stale(): boolean;
  /** Renews the lease when half of it has passed. Conflict('lease-lost') when somebody else took over. */
  renew(): Promise<void>;
  /**
   * Generation + 1 with this state. `landed` recognises it in a head. Conflict('lease-lost') if not ours any more.
   * After any failure the lease is spent: give it back and take another.
   */
  move(baseGeneration: number, state: Json, landed: (head: SessionHead) => boolean): Promise<void>;
  release(): Promise<void>;
}

/** Another writer may give its lease back before it runs out. */
const LOOK_EVERY_MS = 1_000;
/** The session's retention slides this often in its length. */
const SLIDES = 20;

/** Waits for another writer's lease to run out; Conflict('another-writer') when it lives on. */
export async function whenFree<T>(
  { clock, retry, takeoverWaitMs }: Pick<WriterLeaseOptions, 'clock' | 'retry' | 'takeoverWaitMs'>,
  step: () => Promise<T>,
): Promise<T> {
  const untilMs = clock.now() + takeoverWaitMs;
  for (;;) {
    try {
      return await retry(step);
    } catch (error) {
      if (!(error instanceof Refused && error.code === 'lease-busy')) throw error;
      const leftMs = untilMs - clock.now();
      if (leftMs <= 0) {
        throw new Conflict('another-writer', 'Another writer holds this session.', {
          cause: error,
          data: { retryAfterMs: error.retryAfterMs },
          advice: 'End the other one, or call its release(), or wait until its lease has run out.',
        });
      }
      await clock.sleep(Math.max(1, Math.min(leftMs, error.retryAfterMs, LOOK_EVERY_MS)));
    }
  }
}

/** Throws Conflict('another-writer') when another's lease lives on. */
export async function takeWriterLease(
  options: WriterLeaseOptions,
  sessionHint: string | null,
): Promise<WriterLease> {
  const { store, clock, conversation, leaseMs, retentionSec, retry } = options;
  const request = turnRequest({
    conversation,
    dedupeId: `writer-${randomUUID()}`,
    text: '',
    receivedAtMs: clock.now(),
    sessionHint,
  });
  const { turnId } = request;
  const takenAtMs = clock.now();
  let provenAtMs = takenAtMs;

  const { lease, head } = await whenFree(options, () => {
    provenAtMs = clock.now();
    return store.begin({ request, owner: randomUUID(), leaseMs, newSessionId: newSessionId(), retentionSec });
  });
  let committed = false;

  async function moveOnce(baseGeneration: number, state: Json): Promise<void> {
    const generation = baseGeneration + 1;
    if (committed) return store.advance({ lease, baseGeneration, generation, state });
    const reply = { text: '', outcome: 'ok' } as const;
    await store.commit({ lease, turnId, baseGeneration, generation, state, reply, retentionSec });
  }

  /** Closing the ledger line is bookkeeping: nothing waits for it. */
  async function settle(): Promise<void> {
    await store.settle(lease, turnId, 'delivered').catch(() => {});
  }

  return {
    head,
    fence: lease.fence,
    stale: () => clock.now() - takenAtMs > (retentionSec * 1_000) / SLIDES,

    async renew() {
      const askedAtMs = clock.now();
      if (askedAtMs - provenAtMs < leaseMs / 2) return;
      await retry(() => store.renew(lease, leaseMs, turnId));
      provenAtMs = askedAtMs;
    },

    async move(baseGeneration, state, landed) {
      const first = !committed;
      for (let failed = 1; ; failed++) {
        try {
          await moveOnce(baseGeneration, state);
          break;
        } catch (error) {
          const unsure = isLeaseLost(error) || error instanceof Ambiguous || !isHybridError(error);
          if (unsure) {
            const now = await retry(() => store.getHead(lease.tenant, lease.sessionId));
            if (now !== null && landed(now)) break;
          }
          const again = error instanceof Refused || error instanceof Ambiguous;
          if (!again || !mayTryAgain(failed)) throw error;
          await clock.sleep(pauseMs(failed));
        }
      }
      committed = true;
      if (first) await settle();
    },

    async release() {
      await store.release(lease, committed ? {} : { forgive: turnId });
    },
  };
}
