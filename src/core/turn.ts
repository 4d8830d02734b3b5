// One turn: lease -> restore -> run -> checkpoint -> commit -> deliver -> settle -> forget. Everything before the
// commit may be repeated by another worker; after it only the delivery may. The order of the steps is the
// product: see the numbered picture in design/turn.md.
import { runAgentTurn, unreadable } from './agent-turn.ts';
import { attachedFiles } from './attached-files.ts';
import { awayStep } from './away.ts';
import { backoffAfterMs, backoffMs } from './backoff.ts';
import { commandReply, FORGET } from './command-turn.ts';
import { asJson } from './consent.ts';
import { deliverReply, sendContext, tellUnrecorded, tellWaiting } from './delivery.ts';
import { fireDue } from './due-schedule.ts';
import { withEdit } from './edited-message.ts';
import { isForgotten } from './erase-chat.ts';
import { Corrupt, HybridError, Invalid, isLeaseLost, Refused } from './errors.ts';
import { withGathered } from './gather-paste.ts';
import { hearVoice, withHeard } from './hear-voice.ts';
import { startHeartbeat } from './heartbeat.ts';
import { newSessionId, tenantOf } from './ids.ts';
import { errorFields } from './log.ts';
import { isNothingLeft, withLostFiles, withoutLost } from './lost-files.ts';
import { type TurnRequest, writtenIn } from './messages.ts';
import { awaitMove, moveConversation } from './move-conversation.ts';
import type { BeginResult, WaitingFor } from './ports.ts';
import { withoutReactions, withReactions } from './reactions.ts';
import { recordTimeline, type TimelineRecorder } from './record-timeline.ts';
import { isCommitted, type Lease, type TurnRecord } from './records.ts';
import { gaveUp, sessionUnreadable, withStoppedNote } from './replies.ts';
import { mayPass, retryWrite } from './retry-write.ts';
import {
  channelOf,
  type Decision,
  type NotNow,
  type RunningTurn,
  retryOptionsOf,
  type TurnContext,
  type TurnDeps,
  type TurnOutcome,
  unchanged,
} from './running-turn.ts';
import { type Settled, settleQuestions } from './settle-answer.ts';
import { standingReply } from './standing.ts';
import { createSteering } from './steering.ts';
import { timelineFields } from './timeline-fields.ts';
import { timelineStep } from './timeline-turn.ts';
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

type Unshown = Omit<RunningTurn, 'progress' | 'openConversation'>;

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

/** Works out what to commit. Only this part may call the model. */
async function decide(running: RunningTurn): Promise<Decision | NotNow> {
  const { deps, request, record } = running;
  if (record.attempts > deps.maxAttempts) {
    const failures = record.attempts - 1;
    const reason = `gave up after ${failures} attempts`;
    return { ...unchanged(running, gaveUp(request.turnId, failures)), dead: reason };
  }
  if ((await deps.standing?.(request)) === 'disabled') return unchanged(running, standingReply('disabled'));
  const whileAway = awayStep(running);
  if (whileAway) return whileAway;
  if (request.kind === 'command') {
    const { reply, consent } = await commandReply(running);
    return { ...unchanged(running, reply), ...(consent && { consent }) };
  }
  const step = await timelineStep(running);
  if (step) return step;
  if (record.stopRequested && record.attempts === 1) {
    return unchanged(running, { outcome: 'stopped', text: withStoppedNote('') });
  }
  const settled = settle(running);
  if (settled instanceof Corrupt) return unreadable(running, settled);
  if ('reply' in settled) {
    const { reply, consent } = settled;
    return { ...unchanged(running, reply), ...(consent && { consent }) };
  }
  running.progress({ type: 'status', status: running.tries > 1 ? 'retrying' : 'running' });
  const gathered = withReactions(running, await withEdit(running, await withGathered(running)));
  const attached = await attachedFiles(running, gathered);
  if (isNothingLeft(gathered, attached)) {
    return unchanged(running, { outcome: 'ok', text: withLostFiles('', attached.lost) });
  }
  const voice = await hearVoice(running, gathered, attached);
  const result = await runAgentTurn({
    ...running,
    settled,
    attached,
    unheard: voice.unheard,
    request: withHeard(withoutLost(gathered, attached), voice),
  });
  return withoutReactions(running, result);
}

/** What waits for people, and what this message means for it. */
function settle(running: RunningTurn): Settled | Corrupt {
  const { deps, channel } = running;
  const buttons = channel.capabilities.buttons === true;
  try {
    return settleQuestions({ ...running, buttons, nowMs: deps.clock.now() });
  } catch (error) {
    if (error instanceof Corrupt) return error;
    throw error;
  }
}

async function commit(running: RunningTurn, result: Decision): Promise<TurnRecord> {
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
async function finish(
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
async function compact(deps: TurnDeps, lease: Lease): Promise<void> {
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
