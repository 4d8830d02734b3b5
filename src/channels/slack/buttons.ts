// Questions as a message of buttons below the reply that asks, and what a press of one says. It is a message of its own,
// because Slack changes a message as a whole only: when something is decided, the decision takes the place of its buttons,
// and the question above stays as it is.
import type { AnswerInput } from '../../core/answer.ts';
import type { Question } from '../../core/question.ts';
import { answerText, decisionText, type Offer, offersOf } from '../../core/question-words.ts';
import { cutText } from '../../text/cut-text.ts';
import type { Block, MessageContent } from './api.ts';

/** Longer ones Slack refuses. */
const MAX_LABEL = 75;
const MAX_SECTION = 3_000;
const ACTION = /^answer:(q[0-9a-f]{16}):(?:(once|chat|deny|why)|reply:(\d))$/;
const STYLES: Readonly<Record<string, string>> = { once: 'primary', deny: 'danger' };

export function questionsContent(questions: readonly Question[]): MessageContent {
  const isOpen = questions.some(({ answer }) => answer === null);
  return {
    text: isOpen ? 'Please decide.' : 'Decided.',
    blocks: questions.map((question, at) => blockOf(question, questions.length > 1 ? `${at + 1}. ` : '')),
  };
}

/** What stands where the buttons of a question were that nobody can answer any more. */
export const NOTHING_TO_DECIDE: MessageContent = {
  text: 'No longer open.',
  blocks: [plainSection('No longer open.')],
};

function blockOf(question: Question, place: string): Block {
  if (question.answer) return plainSection(`${place}✓ ${decisionText(question.answer)}`);
  return {
    type: 'actions',
    elements: offersOf(question).map((offer, option) => {
      const style = STYLES[offer.decision];
      return {
        type: 'button',
        text: { type: 'plain_text', text: cutText(`${place}${offer.label}`, MAX_LABEL, '…'), emoji: false },
        action_id: `answer:${question.id}:${codeOf(offer, option)}`,
        value: question.id,
        ...(style && { style }),
      };
    }),
  };
}

function codeOf({ decision }: Offer, option: number): string {
  return decision === 'reply' ? `reply:${option}` : decision;
}

function plainSection(text: string): Block {
  return {
    type: 'section',
    text: { type: 'plain_text', text: cutText(text, MAX_SECTION, '…'), emoji: false },
  };
}

/** null when it is no button of ours. */
export function answerOfAction(
  actionId: string,
): { readonly answer: AnswerInput; readonly text: string } | null {
  const [, question, decision, option] = ACTION.exec(actionId) ?? [];
  if (question === undefined) return null;
  if (option !== undefined) {
    const place = Number(option);
    return { answer: { question, decision: 'reply', option: place }, text: `Answer ${place + 1}` };
  }
  const said = decision as Exclude<Offer['decision'], 'reply'>;
  return { answer: { question, decision: said }, text: answerText({ decision: said }) };
}
