// The part of a turn between lease and commit that needs a directory: restore, run the agent, checkpoint. Ends
// with a decision to commit, or with "not now". The directory is gone when it returns, unless the workplace keeps it
// for a next turn that begins with exactly what this one leaves.
import { Conflict, Corrupt, Invalid, isLeaseLost, Refused } from './errors.ts';
import { errorFields } from './log.ts';
import type { TurnRequest } from './messages.ts';
import { atOneMoment } from './one-moment.ts';
import type {
  AgentOutcome,
  BeginResult,
  ExecutionDirectory,
  HeldFiles,
  RestoredState,
  TurnEvent,
} from './ports.ts';
import type { Reply, SessionHead } from './records.ts';
import { failedReply, stateUnreadable, tooLarge, withRefusedNote, withStoppedNote } from './replies.ts';
import { retryWrite } from './retry-write.ts';
import type { Decision, TurnDeps } from './turn.ts';

/** Nothing to commit yet. */
export type NotNow = 'continue' | 'model-unavailable' | 'agent-crashed';

export async function runAgentTurn(
  deps: TurnDeps,
  request: TurnRequest,
  begun: BeginResult,
  signal: AbortSignal,
  progress: (event: TurnEvent) => void,
): Promise<Decision | NotNow> {
  const hot = await deps.workplace.reopen?.(begun.lease, begun.head);
  const directory = hot?.directory ?? (await deps.workplace.open(begun.lease));
  let result: AgentTurn | null = null;
  try {
    let restored: Pick<RestoredState, 'baseline'>;
    try {
      restored = hot ?? (await deps.state.restore(begun.head, directory));
    } catch (error) {
      if (error instanceof Corrupt) return unreadable(deps, request, begun, error);
      throw error;
    }
    await deps.at?.('after-restore');
    result = await runRestored(deps, request, begun, directory, restored, signal, progress);
    return result;
  } finally {
    const files = typeof result === 'object' ? result?.files : undefined;
    const { lease } = begun;
    const left = files && deps.workplace.keep?.(lease, files);
    await (left ?? deps.workplace.close(lease)).catch((error: unknown) => {
      deps.log('error', 'directory-not-removed', { turn: request.turnId, ...errorFields(error) });
    });
  }
}

/** `files`: of a turn that went well in every way, and is all in its state. */
type AgentTurn = (Decision & { readonly files?: HeldFiles }) | NotNow;

async function runRestored(
  deps: TurnDeps,
  request: TurnRequest,
  begun: BeginResult,
  directory: ExecutionDirectory,
  restored: Pick<RestoredState, 'baseline'>,
  signal: AbortSignal,
  progress: (event: TurnEvent) => void,
): Promise<AgentTurn> {
  const { turn, lease } = begun;
  const saver = stateSaver(deps, request, begun, directory, restored);
  // A first turn is worth saving once the agent has shown a sign of life: before that its directory may hold no
  // trace of a conversation, and a state without one is later taken for one that lost it.
  let alive = begun.head.generation > 0;
  const midTurn = saveEvery(deps, saver, () => alive);
  let toolsRan = false;
  let outcome: AgentOutcome;
  try {
    const running = deps.runner.run({
      sessionId: lease.sessionId,
      resume: begun.head.generation > 0,
      continuing: turn.generation !== null,
      directory,
      request,
      progress(event) {
        alive = true;
        if (event.type === 'tool') toolsRan = true;
        progress(event);
      },
      signal,
    });
    await deps.at?.('mid-run');
    outcome = await running;
  } finally {
    await midTurn.end();
  }
  await deps.at?.('after-agent');
  if (signal.aborted && signal.reason === 'lost') {
    throw new Conflict('lease-lost', 'The lease was lost while the agent ran.');
  }
  if (outcome.failure?.code === 'resume-lost') {
    return unreadable(deps, request, begun, new Corrupt('resume-lost', outcome.failure.message));
  }
  const reply = replyOf(outcome, request);
  try {
    const failure = outcome.failure?.code;
    if (failure === 'model-unavailable' || failure === 'agent-crashed') {
      // What tools did outside the workspace cannot be taken back: the next attempt must know that they ran.
      if (toolsRan) await retryWrite(saver.save, { ...deps, signal });
      return failure;
    }
    if (outcome.status === 'deadline') {
      await retryWrite(saver.save, { ...deps, signal });
      return 'continue';
    }
    const { head, baseline, refused, compactionDue } = await retryWrite(saver.prepare, { ...deps, signal });
    await deps.at?.('after-pack');
    const isComplete = reply.outcome === 'ok' && refused.length === 0;
    return {
      baseGeneration: saver.head.generation,
      generation: head.generation,
      state: head.state,
      ...(isComplete ? { files: { generation: head.generation, baseline } } : {}),
      reply: { ...reply, text: withRefusedNote(reply.text, refused) },
      compactionDue,
    };
  } catch (error) {
    if (!(error instanceof Invalid) || error.code !== 'workspace-too-large') throw error;
    // Also where the turn was to go on later: it would only come to the same end again.
    const { generation, state } = saver.head;
    const advice = error.advice ?? error.message;
    return {
      baseGeneration: generation,
      generation,
      state,
      reply: { ...reply, ...tooLarge(outcome.text, advice, request.turnId) },
    };
  }
}

function replyOf(outcome: AgentOutcome, request: TurnRequest): Reply {
  const extras = {
    ...(outcome.demo ? { demo: true } : {}),
    ...(outcome.usage ? { usage: outcome.usage } : {}),
  };
  if (outcome.status === 'stopped') {
    return { outcome: 'stopped', text: withStoppedNote(outcome.text), ...extras };
  }
  if (outcome.status === 'failed') {
    const text = outcome.failure?.message ?? 'The agent ended without an answer.';
    const said = outcome.text.trim() ? `${outcome.text.trimEnd()}\n\n---\n` : '';
    return {
      ...failedReply(outcome.failure?.code ?? 'agent-error', `${said}${text}`, request.turnId),
      ...extras,
    };
  }
  return { outcome: 'ok', text: outcome.text.trim() ? outcome.text : '_(no answer)_', ...extras };
}

/** NO-AMNESIA: the state stays as it is, the person is told, the operator is alarmed. */
function unreadable(deps: TurnDeps, request: TurnRequest, begun: BeginResult, error: Corrupt): Decision {
  const { generation, state, sessionId } = begun.head;
  deps.log('error', 'state-unreadable', {
    alarm: true,
    turn: request.turnId,
    session: sessionId,
    generation,
    ...errorFields(error),
  });
  return {
    baseGeneration: generation,
    generation,
    state,
    reply: stateUnreadable(request.turnId),
    dead: 'state-unreadable',
  };
}

interface StateSaver {
  /** The head as last advanced: what a commit must be based on. */
  readonly head: SessionHead;
  /** Checkpoints, without moving the head. */
  prepare(onRead?: () => void): Promise<{
    head: SessionHead;
    baseline: unknown;
    refused: readonly { path: string; reason: string }[];
    compactionDue: boolean;
  }>;
  /** Checkpoints and moves the head: this much of the turn survives a crash. */
  save(): Promise<void>;
}

function stateSaver(
  deps: TurnDeps,
  request: TurnRequest,
  begun: BeginResult,
  directory: ExecutionDirectory,
  restored: Pick<RestoredState, 'baseline'>,
): StateSaver {
  let head = begun.head;
  let baseline = restored.baseline;
  const prepare: StateSaver['prepare'] = async (onRead) => {
    const generation = head.generation + 1;
    const result = await deps.state.checkpoint({
      head,
      generation,
      fence: begun.lease.fence,
      baseline,
      directory,
      ...(onRead ? { onRead } : {}),
    });
    baseline = result.baseline;
    return {
      head: { ...head, generation, state: result.state },
      baseline,
      refused: result.refused,
      compactionDue: result.compactionDue,
    };
  };
  return {
    get head() {
      return head;
    },
    prepare,
    async save() {
      const next = (await atOneMoment(deps, begun.lease, prepare)).head;
      await deps.store.advance({
        lease: begun.lease,
        baseGeneration: head.generation,
        generation: next.generation,
        state: next.state ?? null,
        turnId: request.turnId,
      });
      head = next;
    },
  };
}

/** Saves the running turn now and then. A failed save only means that a crash would cost more. */
function saveEvery(deps: TurnDeps, saver: StateSaver, worthSaving: () => boolean): { end(): Promise<void> } {
  const everyMs = deps.timing.checkpointEveryMs;
  if (everyMs <= 0) return { end: async () => {} };
  const ended = new AbortController();
  const running = (async () => {
    while (!ended.signal.aborted) {
      await deps.clock.sleep(everyMs, ended.signal);
      if (ended.signal.aborted) return;
      if (!worthSaving()) continue;
      try {
        await saver.save();
      } catch (error) {
        deps.log('warn', 'mid-turn-checkpoint-failed', errorFields(error));
        if (isLeaseLost(error) || !(error instanceof Refused)) return;
      }
    }
  })();
  return {
    async end() {
      ended.abort();
      await running;
    },
  };
}
