// One turn: lease -> restore -> run -> checkpoint -> commit -> deliver -> settle -> forget. Everything before the
// commit may be repeated by another worker; after it only the delivery may. The order of the steps is the
// product: see the numbered picture in design/turn.md.

import { type NotNow, runAgentTurn } from './agent-turn.ts';
import { deliverReply, sendContext, tellUnrecorded } from './delivery.ts';
import { Corrupt, Invalid, isLeaseLost, Refused } from './errors.ts';
import { withGathered } from './gather-paste.ts';
import { startHeartbeat } from './heartbeat.ts';
import { newSessionId, type TurnId } from './ids.ts';
import { errorFields, type Log } from './log.ts';
import type { TurnRequest } from './messages.ts';
import { awaitMove, moveConversation } from './move-conversation.ts';
import type {
  AgentRunner,
  BeginResult,
  Channel,
  Clock,
  SessionState,
  SessionStore,
  Workplace,
} from './ports.ts';
import { isCommitted, type Lease, type Reply, type TurnRecord } from './records.ts';
import { gaveUp, NEW_SESSION_TEXT, sessionUnreadable, withStoppedNote } from './replies.ts';
import { retryWrite } from './retry-write.ts';

/** Named places where a fault kit may strike; in order. */
export const TURN_POINTS = [
  'before-lease',
  'after-lease',
  'after-restore',
  'mid-run',
  'after-agent',
  'after-pack',
  'after-commit',
  'after-send',
  'after-mark',
] as const;
export type TurnPoint = (typeof TURN_POINTS)[number];

export interface TurnTiming {
  /** How long a lease lives without a heartbeat. */
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  /** How often a running turn looks whether it is to stop; at every heartbeat when left out. */
  readonly stopEveryMs?: number;
  /** A checkpoint this often while the agent runs; 0 for none. */
  readonly checkpointEveryMs: number;
}

export interface TurnDeps {
  readonly store: SessionStore;
  readonly state: SessionState;
  readonly workplace: Workplace;
  readonly runner: AgentRunner;
  readonly channels: ReadonlyMap<string, Channel>;
  readonly clock: Clock;
  readonly log: Log;
  readonly timing: TurnTiming;
  readonly retentionSec: number;
  /** After this many begun attempts the turn is given up with an honest message. */
  readonly maxAttempts: number;
  /** For fault injection; production passes nothing. */
  readonly at?: (point: TurnPoint) => Promise<void> | void;
}

export interface TurnContext {
  readonly owner: string;
  /** Keeps the queue message invisible while the turn lives. */
  readonly onBeat: () => Promise<void>;
  /** Aborts when this worker must hand the turn on: its deadline, or its own end. */
  readonly deadline: AbortSignal;
}

export type TurnOutcome =
  | { readonly kind: 'done' }
  /** The reply is out and says that the turn failed for good; a person should look. */
  | { readonly kind: 'dead'; readonly reason: string }
  | { readonly kind: 'retry'; readonly afterMs: number; readonly reason: string }
  /** Cut off at the deadline with its state saved: to be continued at once. */
  | { readonly kind: 'continue' };

const MODEL_RETRY_MS = 15_000;
const NO_CHANNEL_RETRY_MS = 15_000;
const STORE_RETRY_MS = 5_000;

/** What to commit. */
export interface Decision {
  readonly baseGeneration: number;
  readonly generation: number;
  readonly state: BeginResult['head']['state'];
  readonly reply: Reply;
  readonly repointTo?: ReturnType<typeof newSessionId>;
  readonly dead?: string;
  readonly compactionDue?: boolean;
}

export async function runTurn(
  deps: TurnDeps,
  request: TurnRequest,
  context: TurnContext,
): Promise<TurnOutcome> {
  const { store, log } = deps;
  if (request.kind === 'await-move') return await awaitMove(deps, request);
  // Asked before begin, which would count an attempt: another worker, elsewhere or later, may have the channel.
  if (!deps.channels.has(request.conversation.channel)) {
    return { kind: 'retry', afterMs: NO_CHANNEL_RETRY_MS, reason: 'unknown-channel' };
  }
  await deps.at?.('before-lease');
  let begun: BeginResult;
  try {
    begun = await store.begin({
      request,
      owner: context.owner,
      leaseMs: deps.timing.leaseMs,
      newSessionId: newSessionId(),
      retentionSec: deps.retentionSec,
    });
  } catch (error) {
    if (error instanceof Refused) return { kind: 'retry', afterMs: error.retryAfterMs, reason: error.code };
    // Trying again changes nothing, and would hold up the conversation for ever.
    if (!(error instanceof Invalid || error instanceof Corrupt)) throw error;
    log('error', 'turn-cannot-begin', { alarm: true, turn: request.turnId, ...errorFields(error) });
    if (error instanceof Corrupt) {
      await tellUnrecorded(channelOf(deps, request), request, sessionUnreadable(request.turnId), log);
    }
    return { kind: 'dead', reason: error.code };
  }
  await deps.at?.('after-lease');
  let agentRan = false;
  const runner: AgentRunner = {
    run(run) {
      agentRan = true;
      return deps.runner.run(run);
    },
  };
  let forgiven = false;
  try {
    return await runLeased({ ...deps, runner }, request, context, begun);
  } catch (error) {
    if (isLeaseLost(error)) {
      log('warn', 'lease-lost', { turn: request.turnId, fence: begun.lease.fence });
      return { kind: 'retry', afterMs: 1_000, reason: 'lease-lost' };
    }
    log('error', 'turn-failed', {
      turn: request.turnId,
      attempt: begun.turn.attempts,
      ...errorFields(error),
    });
    // A store that is away for a while is not this turn's fault, and asking again costs no model call. A full disk
    // may well be the turn's own doing.
    forgiven = error instanceof Refused && !agentRan && error.code !== 'disk-full';
    const waitMs = error instanceof Refused ? error.retryAfterMs : backoffMs(begun.turn);
    const afterMs = forgiven ? Math.max(waitMs, STORE_RETRY_MS) : waitMs;
    return { kind: 'retry', afterMs, reason: error instanceof Error ? error.message : String(error) };
  } finally {
    await release(deps, begun.lease, forgiven ? { forgive: request.turnId } : {});
  }
}

async function runLeased(
  deps: TurnDeps,
  request: TurnRequest,
  context: TurnContext,
  begun: BeginResult,
): Promise<TurnOutcome> {
  const stop = new AbortController();
  // A send that has to wait its time out needs the lease no less than the agent does.
  const heartbeat = startHeartbeat({
    store: deps.store,
    clock: deps.clock,
    log: deps.log,
    lease: begun.lease,
    turnId: request.turnId,
    leaseMs: deps.timing.leaseMs,
    everyMs: deps.timing.heartbeatMs,
    stopEveryMs: deps.timing.stopEveryMs ?? deps.timing.heartbeatMs,
    onBeat: context.onBeat,
    onStop: () => stop.abort('stop'),
    onLost: () => stop.abort('lost'),
  });
  try {
    if (request.kind === 'move') return await moveConversation(deps, request, begun);
    if (isCommitted(begun.turn)) return await finish(deps, request, begun.lease, begun.turn);
    return await runUncommitted(deps, request, context, begun, stop);
  } finally {
    await heartbeat.end();
  }
}

async function runUncommitted(
  deps: TurnDeps,
  request: TurnRequest,
  context: TurnContext,
  begun: BeginResult,
  stop: AbortController,
): Promise<TurnOutcome> {
  const onDeadline = () => stop.abort('deadline');
  context.deadline.addEventListener('abort', onDeadline, { once: true });
  if (context.deadline.aborted) onDeadline();
  const progress = channelOf(deps, request).open(sendContext(deps.store, begun.lease, request, begun.turn));
  try {
    const result = await decide(deps, request, begun, stop.signal, (event) => progress.push(event));
    if (result === 'agent-crashed') {
      return { kind: 'retry', afterMs: backoffMs(begun.turn), reason: result };
    }
    if (result === 'continue' || result === 'model-unavailable') {
      await deps.store.release(begun.lease, { forgive: request.turnId });
      if (result === 'continue') return { kind: 'continue' };
      return { kind: 'retry', afterMs: MODEL_RETRY_MS, reason: result };
    }
    await progress.close();
    const commit = {
      lease: begun.lease,
      turnId: request.turnId,
      baseGeneration: result.baseGeneration,
      generation: result.generation,
      state: result.state,
      reply: { ...result.reply, fixedAtMs: deps.clock.now() },
      retentionSec: deps.retentionSec,
      ...(result.repointTo ? { repointTo: result.repointTo } : {}),
    };
    const committed = await retryWrite(() => deps.store.commit(commit), { ...deps, signal: stop.signal });
    await deps.at?.('after-commit');
    const outcome = await finish(deps, request, begun.lease, committed);
    if (result.compactionDue && outcome.kind !== 'retry') await compact(deps, begun.lease);
    return result.dead && outcome.kind === 'done' ? { kind: 'dead', reason: result.dead } : outcome;
  } finally {
    context.deadline.removeEventListener('abort', onDeadline);
    await progress.close();
  }
}

function backoffMs({ attempts }: TurnRecord): number {
  return 2_000 * 2 ** (attempts - 1);
}

/** Works out what to commit. Only this part may call the model. */
async function decide(
  deps: TurnDeps,
  request: TurnRequest,
  begun: BeginResult,
  signal: AbortSignal,
  progress: Parameters<typeof runAgentTurn>[4],
): Promise<Decision | NotNow> {
  const { head, turn } = begun;
  const unchanged = { baseGeneration: head.generation, generation: head.generation, state: head.state };
  if (turn.attempts > deps.maxAttempts) {
    const reason = `gave up after ${turn.attempts - 1} attempts`;
    return { ...unchanged, reply: gaveUp(request.turnId, turn.attempts - 1), dead: reason };
  }
  if (request.kind === 'new') {
    return { ...unchanged, reply: { outcome: 'ok', text: NEW_SESSION_TEXT }, repointTo: newSessionId() };
  }
  if (turn.stopRequested && turn.attempts === 1) {
    return { ...unchanged, reply: { outcome: 'stopped', text: withStoppedNote('') } };
  }
  progress({ type: 'status', status: turn.attempts > 1 ? 'retrying' : 'running' });
  const whole = await withGathered(deps, request, begun, signal);
  return await runAgentTurn(deps, whole, begun, signal, progress);
}

/** Delivers a committed turn and closes its record. */
async function finish(
  deps: TurnDeps,
  request: TurnRequest,
  lease: Lease,
  turn: TurnRecord,
): Promise<TurnOutcome> {
  if (turn.status !== 'committed') return { kind: 'done' };
  const outcome = await deliverReply(deps, channelOf(deps, request), lease, request, turn);
  if (typeof outcome === 'object') {
    return { kind: 'retry', afterMs: outcome.retryAfterMs, reason: 'delivery-refused' };
  }
  await deps.at?.('after-send');
  await deps.store.settle(lease, turn.turnId, outcome);
  await deps.at?.('after-mark');
  return outcome === 'delivered' ? { kind: 'done' } : { kind: 'dead', reason: 'undeliverable' };
}

function channelOf(deps: TurnDeps, request: TurnRequest): Channel {
  const channel = deps.channels.get(request.conversation.channel);
  if (channel) return channel;
  throw new Invalid('unknown-channel', `No channel "${request.conversation.channel}" is configured here.`);
}

/** Runs once the reply is out. A failure costs nothing but the merge: it is tried again after a later turn. */
async function compact(deps: TurnDeps, lease: Lease): Promise<void> {
  try {
    const head = await deps.store.getHead(lease.tenant, lease.sessionId);
    if (!head) return;
    const merged = await deps.state.compact(head, lease.fence);
    if (!merged) return;
    await deps.store.advance({
      lease,
      baseGeneration: head.generation,
      generation: head.generation,
      state: merged.state,
    });
    await deps.state.collect(merged.garbage);
  } catch (error) {
    deps.log('warn', 'compaction-failed', { session: lease.sessionId, ...errorFields(error) });
  }
}

async function release(deps: TurnDeps, lease: Lease, options: { forgive?: TurnId }): Promise<void> {
  try {
    await deps.store.release(lease, options);
  } catch (error) {
    deps.log('warn', 'release-failed', { session: lease.sessionId, ...errorFields(error) });
  }
}
