// Answers to a question as buttons: a label for people, and a code of up to 30 characters that a platform gives back when the
// button is pressed. What a code means follows from the code alone, so any machine can read a press, at any time.
import type { AnswerInput } from '../core/answer.ts';
import type { Question } from '../core/question.ts';
import { answerText, type Offer, offersOf } from '../core/question-words.ts';

export interface ButtonCode {
  readonly label: string;
  readonly code: string;
}

const CODE = /^(q[0-9a-f]{16}):(?:(once|chat|deny|why)|reply:(\d{1,2}))$/;

export function buttonsOf(question: Question): readonly ButtonCode[] {
  return offersOf(question).map(({ decision, label }, at) => ({
    label,
    code: `${question.id}:${decision === 'reply' ? `reply:${at}` : decision}`,
  }));
}

/** What a press says, for `turnRequest`; null when it is no button of ours. */
export function pressOf(
  code: string,
): { readonly kind: 'answer'; readonly answer: AnswerInput; readonly text: string } | null {
  const [, question, decision, option] = CODE.exec(code) ?? [];
  if (question === undefined) return null;
  if (option !== undefined) {
    const place = Number(option);
    const answer = { question, decision: 'reply' as const, option: place };
    return { kind: 'answer', answer, text: `Answer ${place + 1}` };
  }
  const said = decision as Exclude<Offer['decision'], 'reply'>;
  return { kind: 'answer', answer: { question, decision: said }, text: answerText({ decision: said }) };
}
