// Questions as buttons below a message, and what a press of one says. A button carries at most 64 bytes: the question's id and
// the answer, nothing else; who pressed is Telegram's word. When something is decided, its buttons give way to one that
// says who decided what.
import type { AnswerInput } from '../../core/answer.ts';
import type { Question } from '../../core/question.ts';
import { answerText, decisionText, type Offer, offersOf } from '../../core/question-words.ts';
import { cutText } from '../../text/cut-text.ts';

export interface Button {
  readonly text: string;
  readonly callback_data: string;
}

export type Buttons = readonly (readonly Button[])[];

/** Longer ones Telegram cuts, and shows two beside each other as too short. */
const MAX_LABEL = 60;
const CODES = { once: 'o', chat: 'c', deny: 'd', why: 'w' } as const;
const DATA = /^a:(q[0-9a-f]{16}):(?:([ocdw])|(\d))$/;
/** Says what was decided; pressing it is a press too late. */
const DECIDED = 'd';

export function buttonsFor(questions: readonly Question[]): Buttons {
  return questions.flatMap((question, at) => {
    const place = questions.length > 1 ? `${at + 1}. ` : '';
    const button = (label: string, code: string): Button => ({
      text: cutText(`${place}${label}`, MAX_LABEL, '…'),
      callback_data: `a:${question.id}:${code}`,
    });
    if (question.answer) return [[button(`✓ ${decisionText(question.answer)}`, DECIDED)]];
    const offers = offersOf(question);
    const all = offers.map((offer, option) => button(offer.label, codeOf(offer, option)));
    // Calls have two rows of two; what the agent offers may be long.
    return question.choice ? all.map((one) => [one]) : [all.slice(0, 2), all.slice(2)];
  });
}

function codeOf({ decision }: Offer, option: number): string {
  return decision === 'reply' ? String(option) : CODES[decision];
}

/** null when it is no button of ours. */
export function answerOfButton(data: string): { readonly answer: AnswerInput; readonly text: string } | null {
  const [, question, code, option] = DATA.exec(data) ?? [];
  if (question === undefined) return null;
  if (option !== undefined) {
    return {
      answer: { question, decision: 'reply', option: Number(option) },
      text: `Answer ${Number(option) + 1}`,
    };
  }
  const decision = (['once', 'chat', 'deny', 'why'] as const).find((one) => CODES[one] === code) ?? 'deny';
  return { answer: { question, decision }, text: answerText({ decision }) };
}
