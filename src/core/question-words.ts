// A question to people in words, for every channel: what is to be run or changed, what may be answered, and what was
// decided by whom. Where a channel has no buttons, each answer has a number.
import type { Answer, Question } from './question.ts';

/** What may be said to a call, in the order in which it is offered. */
export const APPROVALS = ['once', 'chat', 'deny', 'why'] as const;

const LABELS = {
  once: 'Allow once',
  chat: 'Allow for this chat',
  deny: 'Deny',
  why: 'Deny and say why',
} as const;

/** One answer that a person can pick; `reply`: of those that the agent offers. */
export interface Offer {
  readonly question: string;
  readonly decision: (typeof APPROVALS)[number] | 'reply';
  readonly label: string;
  readonly description: string;
}

export function offersOf(question: Question): readonly Offer[] {
  const { id, choice, covers } = question;
  if (choice) {
    return choice.options.map(({ label, description }) => ({
      ...{ question: id, decision: 'reply' as const, label, description },
    }));
  }
  const scope = covers === 'call' ? 'exactly this, again' : 'every call of this tool';
  return APPROVALS.map((decision) => ({
    question: id,
    decision,
    label: LABELS[decision],
    description: decision === 'chat' ? scope : '',
  }));
}

/** An answer as it stands in the list of turns. */
export function answerText(answer: {
  readonly decision: Offer['decision'];
  readonly text?: string | undefined;
}): string {
  if (answer.decision === 'reply') return answer.text ?? '';
  return answer.text ? `Deny: ${answer.text}` : LABELS[answer.decision];
}

/** The reply of a turn that waits for people: what the agent said, and what it asks. */
export function askedText(said: string, questions: readonly Question[], numbered: boolean): string {
  let number = 0;
  const isList = !numbered && questions.length > 1;
  const parts = questions.map((question, at) => {
    const offers = numbered
      ? offersOf(question).map(({ label, description }) => {
          number += 1;
          return `${number}. ${label}${description === '' ? '' : ` (${description})`}`;
        })
      : [];
    const place = isList ? `**${at + 1}.** ` : '';
    return [place + describe(question), offers.join('\n')].filter(Boolean).join('\n\n');
  });
  const how = numbered ? howToAnswer(questions) : '';
  return [said.trim(), ...parts, how].filter(Boolean).join('\n\n');
}

function howToAnswer(questions: readonly Question[]): string {
  if (questions.every(({ choice }) => choice)) return '_Answer with a number, or in your own words._';
  const many = questions.length > 1 ? 'with the numbers, e.g. `1 5`' : 'with a number';
  return `_Answer ${many}; behind the last one you can say why. Any other message denies it._`;
}

/** The question itself, without what may be answered. */
export function describe({ title, detail, format, choice }: Question): string {
  if (choice) return `**${choice.question}**`;
  const language = format === 'diff' ? 'diff' : format === 'json' ? 'json' : 'sh';
  return `**May I?** ${plainLine(title)}\n\n${fenced(detail, language)}`;
}

/** What became of it: `Allowed once by Ann`. */
export function decisionText(answer: Answer): string {
  const by = `by ${answer.name ?? (answer.by.id === null ? 'you' : answer.by.id)}`;
  const why = answer.text ? `: ${answer.text}` : '';
  switch (answer.decision) {
    case 'once':
      return `Allowed once ${by}`;
    case 'chat':
      return `Allowed for this chat ${by}`;
    case 'deny':
      return `Denied ${by}${why}`;
    case 'reply':
      return `Answered ${by}${why}`;
  }
}

/** A line of code may hold what Markdown would take for its own. */
export function plainLine(text: string): string {
  const ticks = '`'.repeat(longestRun(text) + 1);
  return `${ticks} ${text} ${ticks}`;
}

export function fenced(text: string, language: string): string {
  const fence = '`'.repeat(Math.max(3, longestRun(text) + 1));
  return `${fence}${language}\n${text}\n${fence}`;
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}
