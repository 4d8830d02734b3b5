// One turn: lease -> restore -> run -> checkpoint -> commit -> deliver -> settle -> forget. Everything before the
// commit may be repeated by another worker; after it only the delivery may. The order of the steps is the
// product: see the numbered picture in design/turn.md.
import { backoffAfterMs, backoffMs } from './backoff.ts';
import { FORGET } from './command-turn.ts';
import { decide } from './decide-turn.ts';
import { sendContext, tellUnrecorded, tellWaiting } from './delivery.ts';
import { fireDue } from './due-schedule.ts';
import { isForgotten } from './erase-chat.ts';
import { Corrupt, HybridError, Invalid, isLeaseLost, Refused } from './errors.ts';
import { commit, compact, finish, type Unshown } from './finish-turn.ts';
import { startHeartbeat } from './heartbeat.ts';
import { newSessionId, tenantOf } from './ids.ts';
import { errorFields } from './log.ts';
import { type TurnRequest, writtenIn } from './messages.ts';
import { awaitMove, moveConversation } from './move-conversation.ts';
import type { BeginResult, WaitingFor } from './ports.ts';
import { recordTimeline, type TimelineRecorder } from './record-timeline.ts';
import { isCommitted } from './records.ts';
import { sessionUnreadable } from './replies.ts';
import { mayPass, retryWrite } from './retry-write.ts';
import {
  channelOf,
  type NotNow,
  type RunningTurn,
  type TurnContext,
  type TurnDeps,
  type TurnOutcome,
} from './running-turn.ts';
import { standingReply } from './standing.ts';
import { createSteering } from './steering.ts';
import { outageWaitMs } from './waiting.ts';

/** Between attempts that failed by themselves. */
const FAILED = { firstMs: 2_000, maxMs: 60_000 };
/** The lease or the room is somebody else's for a moment. */
const BUSY: ReadonlySet<string> = new Set(['lease-busy', 'contended', 'workplace-busy']);
/** A lease is given back for no longer. */
const RELEASE_MS = 5_000;
/** The second: a blink of a store is no news, and the wait before it is below half a minute. */
const SAID_AT_RECEIVE = 2;

/** How a lease ends. `forgive`: the attempt that begin counted is taken back. */
interface Ended {
  readonly outcome: TurnOutcome;
  readonly forgive?: boolean;
}

export async function runTurn(
  given: TurnDeps,
  request: TurnRequest,
  context: TurnContext,
): Promise<TurnOutcome> {
  const timeline = recordTimeline(request, given.clock);
  const deps: TurnDeps = {
    ...given,
    at(point) {
      timeline.at(point);
      return given.at?.(point);
    },
  };
  const unserved = await ifGone(deps, request, context.receives);
  if (unserved) return unserved;
  if (request.kind === 'await-move') return await awaitMove(deps, request);
  if (request.kind === 'due') return await fireDue(deps, request, context.receives);
  // Asked before begin, which would count an attempt: another worker, elsewhere or later, may have the channel.
  const channel = deps.channels.get(request.conversation.channel);
  if (!channel || (await channel.serves?.(request)) === false) {
    return { kind: 'retry', afterMs: outageWaitMs(context.receives), reason: 'unknown-channel' };
  }
  await deps.at?.('before-lease');
  const isForget = request.text === FORGET && request.kind === 'command' && !request.linked;
  const forgotten = await ifForgotten(deps, request, context.receives, isForget);
  if (forgotten) return forgotten;
  const begun = await begin(deps, request, context);
  if ('kind' in begun) return begun;
  await deps.at?.('after-lease');
  let ended: Ended | undefined;
  try {
    ended = await runLeased(deps, request, context, begun, timeline);
  } catch (error) {
    ended = failed(deps, begun, error, context.receives);
  } finally {
    await release(deps, begun, ended);
  }
  // Before the message leaves the queue: cut off here, it comes again, finds its line, and goes on.
  if (isForget && ended.outcome.kind === 'done' && !(await isForgotten(deps.store, request))) {
    await deps.forget?.(request.sessionKey, request.turnId);
  }
  return ended.outcome;
}

/** Of a chat that was erased nothing begins anew: not the rest of a turn, whose line is gone, nor the order itself. */
async function ifForgotten(
  { store, log }: TurnDeps,
  request: TurnRequest,
  receives: number,
  isForget: boolean,
): Promise<TurnOutcome | null> {
  if (!isForget && request.part === 0) return null;
  try {
    const isGone = isForget
      ? await isForgotten(store, request)
      : (await store.getTurn(tenantOf(request.sessionKey), request.turnId)) === null;
    if (isGone) log('info', 'turn-forgotten', { turn: request.turnId });
    return isGone ? { kind: 'done' } : null;
  } catch (error) {
    if (mayPass(error)) return waitFor('store', receives, error);
    throw error;
  }
}

/** Of a tenant that is gone nothing may be stored any more: it is told once, without a record. */
async function ifGone(deps: TurnDeps, request: TurnRequest, receives: number): Promise<TurnOutcome | null> {
  try {
    if ((await deps.standing?.(request)) !== 'gone') return null;
  } catch (error) {
    if (mayPass(error)) return waitFor('store', receives, error);
    throw error;
  }
  const { log } = deps;
  log('warn', 'tenant-gone', { turn: request.turnId });
  const channel = deps.channels.get(request.conversation.channel);
  if (channel) await tellUnrecorded(channel, request, standingReply('gone'), log);
  return { kind: 'done' };
}

async function begin(
  deps: TurnDeps,
  request: TurnRequest,
  { owner, receives }: TurnContext,
): Promise<BeginResult | TurnOutcome> {
  const { store, log, timing, retentionSec } = deps;
  try {
    const { leaseMs } = timing;
    return await store.begin({ request, owner, leaseMs, newSessionId: newSessionId(), retentionSec });
  } catch (error) {
    // Somebody else's turn on this session runs: it ends, or its lease does.
    if (error instanceof Refused && BUSY.has(error.code)) {
      return { kind: 'retry', afterMs: error.retryAfterMs, reason: error.code };
    }
    if (mayPass(error)) {
      // Once: nothing can be recorded now, so saying it at each try would fill the chat.
      if (receives === SAID_AT_RECEIVE) await tellWaiting(channelOf(deps, request), request, 'store');
      return waitFor('store', receives, error);
    }
    // Trying again changes nothing, and would hold up the conversation for ever.
    if (!(error instanceof Invalid || error instanceof Corrupt)) throw error;
    log('error', 'turn-cannot-begin', { alarm: true, turn: request.turnId, ...errorFields(error) });
    if (error instanceof Corrupt) {
      await tellUnrecorded(channelOf(deps, request), request, sessionUnreadable(request.turnId), log);
    }
    return { kind: 'dead', reason: error.code };
  }
}

/** What becomes of an attempt that threw. */
function failed({ log }: TurnDeps, { turn, lease }: BeginResult, error: unknown, receives: number): Ended {
  if (isLeaseLost(error)) {
    log('warn', 'lease-lost', { turn: turn.turnId, fence: lease.fence });
    return { outcome: { kind: 'retry', afterMs: 1_000, reason: 'lease-lost' } };
  }
  log('error', 'turn-failed', { turn: turn.turnId, attempt: turn.attempts, ...errorFields(error) });
  // Somebody else's absence is not this turn's fault. A full disk may well be the turn's own doing.
  if (error instanceof Refused && BUSY.has(error.code)) {
    return { outcome: { kind: 'retry', afterMs: error.retryAfterMs, reason: error.code }, forgive: true };
  }
  if (mayPass(error)) return { outcome: waitFor('store', receives, error), forgive: true };
  const reason = error instanceof Error ? error.message : String(error);
  return { outcome: { kind: 'retry', afterMs: backoffAfterMs(error, FAILED, turn.attempts), reason } };
}

async function runLeased(
  deps: TurnDeps,
  request: TurnRequest,
  context: TurnContext,
  { lease, head, turn: record }: BeginResult,
  timeline: TimelineRecorder,
): Promise<Ended> {
  const stop = new AbortController();
  const { leaseMs, heartbeatMs, stopEveryMs = heartbeatMs } = deps.timing;
  const steering = createSteering({ ...deps, lease, turnId: request.turnId, chat: writtenIn(request) });
  // A send that has to wait its time out needs the lease no less than the agent does.
  const heartbeat = startHeartbeat({
    ...deps,
    lease,
    turnId: request.turnId,
    leaseMs,
    everyMs: heartbeatMs,
    stopEveryMs,
    onBeat: async () => {
      // Beside the beat: what takes long here must not cost the lease.
      void steering.look();
      await context.onBeat();
    },
    onStop: () => stop.abort('stop'),
    onLost: () => stop.abort('lost'),
  });
  const channel = channelOf(deps, request);
  const { receives: tries } = context;
  const running = {
    deps,
    request,
    lease,
    head,
    record,
    channel,
    tries,
    steering,
    signal: stop.signal,
    timeline,
  };
  try {
    if (request.kind === 'move') {
      return { outcome: await moveConversation(deps, request, { lease, head, turn: record }) };
    }
    if (isCommitted(record)) return { outcome: await finish(running, record) };
    const onDeadline = () => stop.abort('deadline');
    context.deadline.addEventListener('abort', onDeadline, { once: true });
    if (context.deadline.aborted) onDeadline();
    try {
      return await runUncommitted(running);
    } finally {
      context.deadline.removeEventListener('abort', onDeadline);
    }
  } finally {
    await heartbeat.end();
  }
}

async function runUncommitted(unshown: Unshown): Promise<Ended> {
  const { deps, request, lease, record, channel, timeline } = unshown;
  const context = sendContext(deps.store, lease, request, record);
  const sink = channel.open(context);
  const running: RunningTurn = {
    ...unshown,
    progress(event) {
      timeline.progress(event);
      sink.push(event);
    },
    openConversation: async (name) => (await channel.openConversation?.(context, name)) ?? null,
  };
  try {
    const result = await decide(running);
    if ('notNow' in result) return notNow(running, result);
    const committed = await commit(running, result);
    // Still open until here: a store that is away just now is told of, too.
    await sink.close();
    await deps.at?.('after-commit');
    const outcome = await finish(running, { ...committed, anchor: context.anchor });
    if (result.compactionDue && outcome.kind !== 'retry') await compact(deps, lease);
    return {
      outcome: result.dead && outcome.kind === 'done' ? { kind: 'dead', reason: result.dead } : outcome,
    };
  } catch (error) {
    if (mayPass(error)) {
      const nextTryAtMs = deps.clock.now() + outageWaitMs(running.tries);
      running.progress({ type: 'status', status: 'waiting', waitingFor: 'store', nextTryAtMs });
    }
    throw error;
  } finally {
    await sink.close();
  }
}

function notNow({ deps, record, tries, progress }: RunningTurn, result: NotNow): Ended {
  if (result.notNow === 'continue') return { outcome: { kind: 'continue' }, forgive: true };
  if (result.notNow === 'agent-crashed') {
    return { outcome: { kind: 'retry', afterMs: backoffMs(FAILED, record.attempts), reason: result.notNow } };
  }
  const outcome = waitFor('model', tries, result);
  const nextTryAtMs = deps.clock.now() + outcome.afterMs;
  progress({ type: 'status', status: 'waiting', waitingFor: 'model', nextTryAtMs });
  return { outcome, forgive: true };
}

function waitFor(waitingFor: WaitingFor, tries: number, refusal: unknown) {
  const { retryAfterMs = 0 } = refusal as { readonly retryAfterMs?: number };
  const reason = refusal instanceof HybridError ? refusal.code : `${waitingFor}-unavailable`;
  return { kind: 'retry', afterMs: outageWaitMs(tries, retryAfterMs), reason, waitingFor } as const;
}

/** The only place where a turn gives its lease back. */
async function release(deps: TurnDeps, { lease, turn }: BeginResult, ended?: Ended): Promise<void> {
  try {
    const giveBack = () => deps.store.release(lease, ended?.forgive ? { forgive: turn.turnId } : {});
    // An attempt that is forgiven is worth asking twice; the lease runs out by itself.
    const { signal } = new AbortController();
    await (ended?.forgive ? retryWrite(giveBack, { ...deps, signal, maxMs: RELEASE_MS }) : giveBack());
  } catch (error) {
    deps.log('warn', 'release-failed', { session: lease.sessionId, ...errorFields(error) });
  }
}
