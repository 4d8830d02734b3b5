// The end of a run that waits for people: what is asked, put into the reply and into the session's record. Both are
// committed in the one step that commits the files.
import { consentOf, openQuestions } from './consent.ts';
import type { AgentOutcome } from './ports.ts';
import { askedText } from './question-words.ts';
import type { Reply } from './records.ts';
import type { AnsweredTurn, Decision } from './running-turn.ts';

export function withQuestions(
  running: AnsweredTurn,
  outcome: AgentOutcome,
  reply: Reply,
  generation: number,
): Pick<Decision, 'reply' | 'consent'> {
  const { deps, request, head, channel, settled } = running;
  const { consent, answered } = settled;
  const extras = answered ? { answered } : {};
  if (!outcome.asked || reply.outcome !== 'ok') {
    return { reply: { ...reply, ...extras }, ...(consent && { consent }) };
  }
  const open = openQuestions(outcome.asked, request, generation, deps.clock.now());
  running.progress({ type: 'asked', questions: open.questions });
  const numbered = channel.capabilities.buttons !== true;
  const text = askedText(outcome.text, open.questions, numbered);
  return {
    reply: { ...reply, text, ...extras, asked: open.questions },
    consent: { ...(consent ?? consentOf(head)), open },
  };
}
