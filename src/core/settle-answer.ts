// What a turn makes of the questions that wait: an answer is recorded, completes them, comes too late or from somebody who
// may not decide; a message instead of an answer denies what waits. Decided under the lease, over the session's own record, so
// of any number of presses the first one counts. Says either what to reply without running anything, or how to run.
import type { Decided, DecidedCall } from './asked-call.ts';
import { type Consent, consentOf, type Grant, isExpired, mayDecide, type OpenQuestions } from './consent.ts';
import type { TurnRequest } from './messages.ts';
import { isSamePrincipal, speakerOf } from './principal.ts';
import type { Answer, Question } from './question.ts';
import { decisionText, offersOf } from './question-words.ts';
import type { Reply, SessionHead, TurnRecord } from './records.ts';

export type Settled =
  /** Nothing to run. `consent`: what changes with the reply. */
  | { readonly reply: Reply; readonly consent?: Consent }
  /** `consent`: what holds when the run is committed, but for what it asks itself. */
  | { readonly run: Decided; readonly consent?: Consent; readonly answered?: readonly Question[] };

export interface Settling {
  readonly request: TurnRequest;
  readonly head: SessionHead;
  readonly record: Pick<TurnRecord, 'generation'>;
  /** The channel shows buttons; without them people answer with numbers. */
  readonly buttons: boolean;
  readonly nowMs: number;
}

/** Older ones go first. */
const MAX_GRANTS = 100;

/** Corrupt when the session's record cannot be read. */
export function settleQuestions(settling: Settling): Settled {
  const { request, head, record, nowMs } = settling;
  const consent = consentOf(head);
  const continuing = record.generation !== null;
  const isCurrent = consent.open?.generation === head.generation;
  const open = consent.open && (isCurrent || continuing) ? consent.open : null;
  if (request.kind === 'answer') return settlePress(settling, consent, open, continuing);
  const plain = { run: { calls: null, granted: rulesOf(consent.granted) } };
  // A question of another generation may be that of a turn which is cut in parts: its own next part closes it.
  if (!open || continuing) return plain;
  if (isExpired(open, nowMs)) return { ...plain, consent: { ...consent, open: null } };
  if (request.kind === 'wake') return { reply: notWoken(request) };
  const answers = answersIn(settling, open);
  if (answers === null) return { ...plain, consent: closed(consent, deniedBy(settling, open)) };
  const who = speakerOf(request);
  const isPermitted = answers.every(({ question }) => {
    const asked = open.questions.find(({ id }) => id === question);
    return asked !== undefined && mayDecide(open, asked, who);
  });
  if (!isPermitted) return { reply: notPermitted(open) };
  let questions = open.questions;
  for (const { question, answer } of answers) questions = withAnswer(questions, question, answer);
  return complete(consent, { ...open, questions }, false);
}

function settlePress(
  { request, nowMs }: Settling,
  consent: Consent,
  open: OpenQuestions | null,
  continuing: boolean,
): Settled {
  const input = request.answer;
  if (input === undefined) return { reply: quiet('bad-answer', 'This answer cannot be read.') };
  if ('withdraw' in input) return withdraw(consent, input.withdraw);
  const question = open?.questions.find(({ id }) => id === input.question);
  if (!open || !question) {
    if (continuing) return { run: { calls: [], granted: rulesOf(consent.granted) } };
    const late = consent.closed.find(({ id }) => id === input.question);
    if (late) return { reply: alreadyAnswered(late, consent.closed) };
    return { reply: quiet('no-longer-open', 'This question does not wait for an answer any more.') };
  }
  if (!continuing && isExpired(open, nowMs)) {
    const text = 'This question has expired, so nothing was run. Write to me, and I go on from there.';
    return { reply: { outcome: 'ok', code: 'expired', text }, consent: { ...consent, open: null } };
  }
  const who = speakerOf(request);
  if (!mayDecide(open, question, who)) return { reply: notPermitted(open) };
  if (question.answer && !continuing) return { reply: alreadyAnswered(question, open.questions) };
  const by = { by: who, name: request.sender?.name ?? null, atMs: nowMs };
  if (input.decision === 'why' && input.text === undefined) {
    const questions = open.questions.map((one) => (one === question ? { ...one, reasonFrom: who } : one));
    const text = 'Why not? Your next message is the reason.';
    return { reply: { outcome: 'ok', text }, consent: { ...consent, open: { ...open, questions } } };
  }
  const answer = answerFrom(question, input, by);
  if (answer === null) return { reply: quiet('bad-answer', 'This is no answer to that question.') };
  const questions = question.answer ? open.questions : withAnswer(open.questions, question.id, answer);
  return complete(consent, { ...open, questions }, true);
}

type By = Pick<Answer, 'by' | 'name' | 'atMs'>;

function answerFrom(
  question: Question,
  input: Exclude<NonNullable<TurnRequest['answer']>, { withdraw: string }>,
  by: By,
): Answer | null {
  const { decision, text = null, option } = input;
  if (question.choice === null) {
    if (decision === 'reply') return null;
    return { ...by, decision: decision === 'why' ? 'deny' : decision, text };
  }
  const words = text?.trim() || (option === undefined ? '' : question.choice.options[option]?.label);
  return decision === 'reply' && words ? { ...by, decision, text: words } : null;
}

/** Nothing waits any more: the agent goes on. Until then the answer is only noted. */
function complete(consent: Consent, open: OpenQuestions, isPress: boolean): Settled {
  const left = open.questions.filter(({ answer }) => answer === null).length;
  if (left > 0) {
    const text = left === 1 ? 'Noted. One more question waits.' : `Noted. ${left} more questions wait.`;
    const reply: Reply = { outcome: 'ok', text, answered: open.questions, ...(isPress && { quiet: true }) };
    return { reply, consent: { ...consent, open } };
  }
  const granted = [...consent.granted, ...grantsOf(open)].slice(-MAX_GRANTS);
  return {
    run: { calls: open.calls.map((call) => decidedCall(open, call)), granted: rulesOf(granted) },
    consent: { ...closed(consent, open.questions), granted },
    answered: open.questions,
  };
}

function decidedCall(open: OpenQuestions, call: OpenQuestions['calls'][number]): DecidedCall {
  const { id, tool, title, hash, waits } = call;
  const asked = open.questions.filter((question) => question.call === id);
  const denied = asked.find(({ answer }) => answer?.decision === 'deny')?.answer;
  // What is complete has an answer to everything.
  const by = asked[0]?.answer?.by ?? open.speaker;
  const base = { id, tool, title, hash, waits, by };
  if (denied) {
    const reason = denied.text
      ? `The person did not allow this, and says why: ${denied.text}`
      : 'The person did not allow this.';
    return { ...base, verdict: 'deny', reason };
  }
  const answers = asked.flatMap(({ choice, answer }) =>
    choice && answer ? [[choice.question, answer.text ?? ''] as const] : [],
  );
  return {
    ...base,
    verdict: 'allow',
    ...(answers.length > 0 && { answers: Object.fromEntries(answers) }),
  };
}

function grantsOf(open: OpenQuestions): readonly Grant[] {
  return open.questions.flatMap(({ id, call: callId, title, answer }) => {
    const call = open.calls.find((one) => one.id === callId);
    if (answer?.decision !== 'chat' || !call) return [];
    const hash = call.covers === 'call' ? call.hash : null;
    const { by, name, atMs } = answer;
    return [{ id: `g${id.slice(1)}`, tool: call.tool, hash, title, by, name, atMs }];
  });
}

function rulesOf(granted: readonly Grant[]): Decided['granted'] {
  return granted.map(({ tool, hash }) => ({ tool, hash }));
}

function withdraw(consent: Consent, id: string): Settled {
  const grant = consent.granted.find((one) => one.id === id);
  if (!grant) return { reply: quiet('not-granted', 'This is not allowed for this chat, or not any more.') };
  const granted = consent.granted.filter((one) => one !== grant);
  const text = `From now on I ask again: ${grant.title}`;
  return { reply: { outcome: 'ok', text }, consent: { ...consent, granted } };
}

interface Given {
  readonly question: string;
  readonly answer: Answer;
}

/** The answers that a message stands for; null when it is a message like any other. */
function answersIn({ request, buttons, nowMs }: Settling, open: OpenQuestions): readonly Given[] | null {
  const who = speakerOf(request);
  const by = { by: who, name: request.sender?.name ?? null, atMs: nowMs };
  const waiting = open.questions.filter(({ answer }) => answer === null);
  const explained = waiting.find(({ reasonFrom }) => reasonFrom && isSamePrincipal(reasonFrom, who));
  if (explained) {
    return [{ question: explained.id, answer: { ...by, decision: 'deny', text: request.text } }];
  }
  const picked = buttons ? null : pickedIn(request.text, open, by);
  if (picked) return picked;
  const only = waiting.length === 1 ? waiting[0] : undefined;
  if (!only?.choice || !mayDecide(open, only, who)) return null;
  return [{ question: only.id, answer: { ...by, decision: 'reply', text: request.text } }];
}

const NUMBERS = /^\s*(\d{1,3}(?:[\s,]+\d{1,3})*)(?:[\s.,:)]+(\S[\s\S]*)?)?$/;

/** `1`, `2 5`, `4 because it is Friday`: numbers as they were shown, over all questions. */
function pickedIn(text: string, open: OpenQuestions, by: By): readonly Given[] | null {
  const [, numbers, words] = NUMBERS.exec(text) ?? [];
  if (numbers === undefined) return null;
  const offers = open.questions.flatMap((question) => offersOf(question));
  const picked = numbers.split(/[\s,]+/).map((number) => offers[Number(number) - 1]);
  const last = picked.at(-1);
  if (words !== undefined && last?.decision !== 'deny' && last?.decision !== 'why') return null;
  const given: Given[] = [];
  for (const offer of picked) {
    if (!offer || given.some(({ question }) => question === offer.question)) return null;
    const { question, decision, label } = offer;
    const reason = offer === last ? (words ?? null) : null;
    const answer: Answer =
      decision === 'reply'
        ? { ...by, decision, text: label }
        : { ...by, decision: decision === 'why' ? 'deny' : decision, text: reason };
    given.push({ question, answer });
  }
  return given;
}

function withAnswer(questions: readonly Question[], id: string, answer: Answer): Question[] {
  return questions.map((one) => (one.id === id && !one.answer ? { ...one, answer, reasonFrom: null } : one));
}

/** What they would show is not needed any more, and may be long. */
function closed(consent: Consent, questions: readonly Question[]): Consent {
  return { ...consent, open: null, closed: questions.map((one) => ({ ...one, detail: '' })) };
}

/** A message came instead of answers. */
function deniedBy({ request, nowMs }: Settling, { questions }: OpenQuestions): readonly Question[] {
  const answer: Answer = {
    ...{ decision: 'deny', text: null, by: speakerOf(request) },
    ...{ name: request.sender?.name ?? null, atMs: nowMs },
  };
  return questions.map((one) => ({ ...one, answer: one.answer ?? answer }));
}

function alreadyAnswered({ answer }: Question, questions: readonly Question[]): Reply {
  const what = answer ? ` ${decisionText(answer)}.` : '';
  return { ...quiet('already-answered', `This was decided before.${what}`), answered: questions };
}

/** Only people answer questions: a wake-up neither decides nor denies, and is not lost in silence. */
function notWoken({ context }: TurnRequest): Reply {
  if (context?.event) {
    const told = `An event for “${context.event.trigger}” came, and nothing was done about it: a question above waits for your answer.`;
    return { outcome: 'failed', code: 'question-open', text: `${told} It can be sent again afterwards.` };
  }
  const name = context?.wakeUp?.name ?? 'A schedule';
  const text = `“${name}” was due now, but has not run: a question above waits for your answer. \`/schedules\` shows how to run it afterwards.`;
  return { outcome: 'failed', code: 'question-open', text };
}

function quiet(code: string, text: string): Reply {
  return { outcome: 'ok', code, text, quiet: true };
}

function notPermitted({ approvers }: OpenQuestions): Reply {
  const text =
    approvers === null
      ? 'Only the person whose message led to this question may answer it. It still waits.'
      : 'You are not among those who may decide this. It still waits.';
  return { outcome: 'ok', code: 'not-permitted', text };
}
