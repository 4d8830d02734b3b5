// A turn from its commit on: the reply goes out, the record is closed, packs are merged.
import { asJson } from './consent.ts';
import { deliverReply } from './delivery.ts';
import { errorFields } from './log.ts';
import type { Lease, TurnRecord } from './records.ts';
import { retryWrite } from './retry-write.ts';
import {
  type Decision,
  type RunningTurn,
  retryOptionsOf,
  type TurnDeps,
  type TurnOutcome,
} from './running-turn.ts';
import { timelineFields } from './timeline-fields.ts';
import { outageWaitMs } from './waiting.ts';

/** Before anything of it can be shown. */
export type Unshown = Omit<RunningTurn, 'progress' | 'openConversation'>;

export async function commit(running: RunningTurn, result: Decision): Promise<TurnRecord> {
  const { deps, request, lease } = running;
  const input = {
    lease,
    turnId: request.turnId,
    baseGeneration: result.baseGeneration,
    generation: result.generation,
    state: result.state,
    reply: { ...result.reply, fixedAtMs: deps.clock.now() },
    retentionSec: deps.retentionSec,
    ...(result.repointTo ? { repointTo: result.repointTo } : {}),
    ...(result.returnTo ? { returnTo: result.returnTo } : {}),
    ...(result.fork ? { fork: result.fork } : {}),
    ...(result.consent ? { consent: asJson(result.consent) } : {}),
  };
  return await retryWrite(() => deps.store.commit(input), retryOptionsOf(running));
}

/** Delivers a committed turn and closes its record. */
export async function finish(
  { deps, channel, lease, request, tries, timeline }: Unshown,
  turn: TurnRecord,
): Promise<TurnOutcome> {
  if (turn.status !== 'committed') return { kind: 'done' };
  // Before the reply says so; again when this is cut off, which changes nothing.
  if (turn.reply?.schedules) await deps.scheduling?.apply(request, turn.reply.schedules);
  // Beside the reply, which does not wait for it; neither is left running when the other fails.
  const announced = deps.announce?.(turn) ?? Promise.resolve();
  announced.catch(() => {});
  const outcome = await deliverReply(deps, channel, lease, request, turn);
  await announced;
  if (typeof outcome === 'object') {
    return { kind: 'retry', afterMs: outageWaitMs(tries, outcome.retryAfterMs), reason: 'delivery-refused' };
  }
  await deps.at?.('after-send');
  const timed = timeline.done(turn.attempts);
  const kept = deps.infraUsdOf ? { ...timed, infraUsd: deps.infraUsdOf(timed) } : timed;
  await deps.store.settle(lease, turn.turnId, outcome === 'owed' ? 'undeliverable' : outcome, kept);
  await deps.at?.('after-mark');
  deps.log('info', 'turn-timeline', { turn: turn.turnId, ...timelineFields(kept) });
  if (turn.reply) {
    deps.onClosed?.({ request, sessionId: lease.sessionId, outcome: turn.reply.outcome, timeline: kept });
  }
  return outcome === 'undeliverable' ? { kind: 'dead', reason: 'undeliverable' } : { kind: 'done' };
}

/** Runs once the reply is out. A failure costs nothing but the merge: it is tried again after a later turn. */
export async function compact(deps: TurnDeps, lease: Lease): Promise<void> {
  try {
    const head = await deps.store.getHead(lease.tenant, lease.sessionId);
    if (!head) return;
    const merged = await deps.state.compact(head, lease.fence);
    if (!merged) return;
    const { generation } = head;
    await deps.store.advance({ lease, baseGeneration: generation, generation, state: merged.state });
    await deps.state.collect(merged.garbage, { shared: merged.shared ?? false });
  } catch (error) {
    deps.log('warn', 'compaction-failed', { session: lease.sessionId, ...errorFields(error) });
  }
}
