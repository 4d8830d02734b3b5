// The part of a turn between lease and commit that needs an agent host: restore, run the agent, save. Ends with a
// decision to commit, or with "not now". The host is closed when it returns, unless it may stay for a next turn that
// begins with exactly what this one leaves.

import { schedulingFor, withSchedules } from './agent-scheduling.ts';
import { chosenIn } from './consent.ts';
import { MAX_TURN_PARTS } from './defaults.ts';
import { withEndedPrograms } from './ended-programs.ts';
import { Conflict, Corrupt, Invalid } from './errors.ts';
import { gateReply } from './gate-reply.ts';
import { withUnheard } from './hear-voice.ts';
import { type Tried, withAnotherHost } from './host-trouble.ts';
import { errorFields } from './log.ts';
import { withLostFiles } from './lost-files.ts';
import type { TurnRequest } from './messages.ts';
import type { AgentHost, AgentOutcome, HostRun } from './ports.ts';
import type { Reply } from './records.ts';
import {
  failedReply,
  modelRefuses,
  stateUnreadable,
  tooLarge,
  tooLong,
  withRefusedNote,
  withStoppedNote,
} from './replies.ts';
import { retryWrite } from './retry-write.ts';
import {
  type AnsweredTurn,
  type Decision,
  type NotNow,
  type RunningTurn,
  retryOptionsOf,
  unchanged,
} from './running-turn.ts';
import type { AgentScheduling } from './schedule-orders.ts';
import { takeSentFiles, withMissingFiles } from './sent-files.ts';
import { createStateSaver, type StateSaver, saveEvery } from './state-saver.ts';
import { isDoubtful } from './waiting.ts';
import { withQuestions } from './with-questions.ts';

export async function runAgentTurn(running: AnsweredTurn): Promise<Decision | NotNow> {
  return await withAnotherHost(running, runOnHost);
}

async function runOnHost(
  running: AnsweredTurn,
  tried: { saver?: Tried['saver'] },
): Promise<Decision | NotNow> {
  const { deps, lease, head } = running;
  let host: AgentHost;
  try {
    host = await deps.hosts.open(lease, head);
  } catch (error) {
    if (error instanceof Corrupt) return unreadable(running, error);
    if (isNotAvailable(error)) return notAvailable(running, error);
    throw error;
  }
  let result: AgentTurn | null = null;
  running.timeline.host(host.facts?.());
  try {
    await deps.at?.('after-restore');
    const saver = createStateSaver(running, host);
    tried.saver = saver;
    result = await runRestored(running, host, saver);
    running.timeline.host(host.facts?.());
    return result;
  } finally {
    const keep = result !== null && 'isComplete' in result && result.isComplete === true;
    await host.close({ keep }).catch((error: unknown) => {
      deps.log('error', 'host-not-closed', { turn: running.request.turnId, ...errorFields(error) });
    });
  }
}

/** `isComplete` is set when the turn succeeded and every file was saved. */
type AgentTurn = (Decision & { readonly isComplete?: boolean }) | NotNow;

async function runRestored(running: AnsweredTurn, host: AgentHost, saver: StateSaver): Promise<AgentTurn> {
  const { deps, request, signal } = running;
  const scheduling = await schedulingFor(running);
  const { outcome, toolsRan } = await runAgent(running, host, saver, scheduling);
  running.timeline.calls(outcome.calls ?? []);
  await deps.at?.('after-agent');
  if (signal.aborted && signal.reason === 'lost') {
    throw new Conflict('lease-lost', 'The lease was lost while the agent ran.');
  }
  const failure = outcome.failure?.code;
  if (failure === 'resume-lost') {
    return unreadable(running, new Corrupt('resume-lost', outcome.failure?.message ?? ''));
  }
  const retrying = retryOptionsOf(running);
  const isTooLong = outcome.status === 'deadline' && request.part + 1 >= MAX_TURN_PARTS;
  const said = outcome.gate
    ? await gateReply(running, outcome.gate)
    : isTooLong
      ? tooLong(outcome.text, MAX_TURN_PARTS, request.turnId)
      : replyOf(outcome, request);
  const reply = { ...said, text: withEndedPrograms(said.text, outcome.ended) };
  try {
    if (failure === 'model-unavailable' && (await isLasting(running, outcome))) {
      return { ...unchanged(saver, modelRefuses(request.turnId)), dead: 'model-refuses' };
    }
    if (failure === 'model-unavailable' || failure === 'agent-crashed') {
      // What tools did outside the workspace cannot be taken back: the next attempt must know that they ran.
      if (toolsRan) await retryWrite(saver.save, retrying);
      return { notNow: failure, retryAfterMs: outcome.failure?.retryAfterMs ?? 0 };
    }
    if (outcome.status === 'deadline' && !isTooLong) {
      await retryWrite(saver.save, retrying);
      // Their own messages are in the queue before the rest of this turn.
      await retryWrite(running.steering.settle, retrying);
      return { notNow: 'continue' };
    }
    const { files, missing } = await takeSentFiles(running, host, outcome.sent);
    const { head, refused, compactionDue } = await retryWrite(saver.prepare, retrying);
    await deps.at?.('after-pack');
    // What the agent took is answered by this turn: nobody may run it again once the turn is committed.
    await retryWrite(running.steering.settle, retrying);
    const scheduled = await withSchedules(running, outcome, reply);
    const asking = withQuestions(running, outcome, scheduled, head.generation);
    return {
      baseGeneration: saver.head.generation,
      generation: head.generation,
      state: head.state,
      isComplete: reply.outcome === 'ok' && refused.length === 0 && !outcome.asked,
      ...asking,
      reply: {
        ...asking.reply,
        ...(files.length > 0 && { files }),
        text: withMissingFiles(
          withUnheard(
            withLostFiles(withRefusedNote(asking.reply.text, refused), running.attached.lost),
            running.unheard,
          ),
          missing,
        ),
      },
      compactionDue,
    };
  } catch (error) {
    if (!(error instanceof Invalid) || error.code !== 'workspace-too-large') throw error;
    // Also at a deadline: the next part of the turn would fail in the same way.
    const advice = error.advice ?? error.message;
    return unchanged(saver, { ...reply, ...tooLarge(outcome.text, advice, request.turnId) });
  }
}

async function runAgent(
  running: AnsweredTurn,
  host: AgentHost,
  saver: StateSaver,
  scheduling: AgentScheduling | undefined,
): Promise<{ readonly outcome: AgentOutcome; readonly toolsRan: boolean }> {
  const { deps, request, record, head, signal } = running;
  // A first turn is saved only after the agent has sent an event. Before that the directory may hold no conversation, and
  // a saved state without a conversation would later count as one that lost it.
  const resume = head.generation > 0 && !deps.state.isBlank(head);
  let alive = resume;
  let toolsRan = false;
  if (record.attempts > 1 || request.part > 0) await running.steering.recall();
  const midTurn = saveEvery(running, saver, () => alive);
  try {
    const ending = host.run({
      sessionId: head.sessionId,
      ...agentSession(running),
      resume,
      continuing: record.generation !== null,
      request,
      decided: running.settled.run,
      ...chosenModel(head),
      ...(running.attached.files.length > 0 && { files: running.attached.files }),
      progress(event) {
        alive = true;
        if (event.type === 'tool') toolsRan = true;
        running.progress(event);
      },
      tries: running.tries,
      steering: running.steering,
      ...(scheduling && { scheduling }),
      signal,
    });
    await deps.at?.('mid-run');
    return { outcome: await ending, toolsRan };
  } finally {
    await midTurn.end();
  }
}

function chosenModel(head: RunningTurn['head']): Pick<HostRun, 'model'> {
  const { model } = chosenIn(head);
  return model === undefined ? {} : { model };
}

function agentSession({ deps, head }: RunningTurn): Pick<HostRun, 'agentSessionId'> {
  const agentSessionId = deps.state.agentSessionOf(head);
  return agentSessionId === head.sessionId ? {} : { agentSessionId };
}

/** True when this request fails repeatedly while the model answers others. That is no outage, and waiting would not end. */
async function isLasting({ deps, request, tries }: RunningTurn, { failure }: AgentOutcome): Promise<boolean> {
  const ageMs = deps.clock.now() - request.receivedAtMs;
  if (!isDoubtful(failure?.status, tries, ageMs)) return false;
  return (await deps.hosts.modelAnswers?.()) ?? false;
}

function replyOf(outcome: AgentOutcome, request: TurnRequest): Reply {
  const extras = {
    ...(outcome.demo ? { demo: true } : {}),
    ...(outcome.usage ? { usage: outcome.usage } : {}),
    ...(outcome.contextTokens ? { contextTokens: outcome.contextTokens } : {}),
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

/** A tenant's settings name what is not here: trying again changes nothing. */
function isNotAvailable(error: unknown): error is Invalid {
  return error instanceof Invalid && error.code === 'agent-not-available';
}

function notAvailable(running: RunningTurn, error: Invalid): Decision {
  const { deps, request } = running;
  deps.log('error', 'agent-not-available', {
    alarm: true,
    turn: request.turnId,
    tenant: running.lease.tenant,
    what: String(error.data.what ?? ''),
    advice: error.advice ?? '',
  });
  return unchanged(running, failedReply(error.code, error.message, request.turnId));
}

/** NO-AMNESIA: the state stays as it is, the person is told, the operator is alarmed. */
export function unreadable(running: RunningTurn, error: Corrupt): Decision {
  const { deps, request, head } = running;
  deps.log('error', 'state-unreadable', {
    alarm: true,
    turn: request.turnId,
    session: head.sessionId,
    generation: head.generation,
    ...errorFields(error),
  });
  return { ...unchanged(running, stateUnreadable(request.turnId)), dead: 'state-unreadable' };
}
