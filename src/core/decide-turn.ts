// What a turn is to commit: an answer of the agent, or of the system itself where the agent is not asked.
import { runAgentTurn, unreadable } from './agent-turn.ts';
import { attachedFiles } from './attached-files.ts';
import { awayStep } from './away.ts';
import { commandReply } from './command-turn.ts';
import { withEdit } from './edited-message.ts';
import { Corrupt } from './errors.ts';
import { withGathered } from './gather-paste.ts';
import { hearVoice, withHeard } from './hear-voice.ts';
import { isNothingLeft, withLostFiles, withoutLost } from './lost-files.ts';
import { withoutReactions, withReactions } from './reactions.ts';
import { gaveUp, withStoppedNote } from './replies.ts';
import { type Decision, type NotNow, type RunningTurn, unchanged } from './running-turn.ts';
import { type Settled, settleQuestions } from './settle-answer.ts';
import { standingReply } from './standing.ts';
import { timelineStep } from './timeline-turn.ts';

/** Works out what to commit. Only this part may call the model. */
export async function decide(running: RunningTurn): Promise<Decision | NotNow> {
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
