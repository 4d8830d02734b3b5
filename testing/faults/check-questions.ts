// What must come of a question and of each press (ASK): the first press of somebody who may decide counts, once; what comes
// instead of a press denies; whoever comes later is told so.
import type { Outcome } from './check-input.ts';
import type { Findings } from './findings.ts';

/** The number of the message that is asked back about; `unknown` after a turn that was stopped or failed. */
export type OpenAsk = number | 'unknown' | null;

/** After a message: it denies what was open, and may ask itself. */
export function opened(open: OpenAsk, { turn, number, answered }: Outcome): OpenAsk {
  if (turn?.reply?.asked) return number;
  return answered ? null : open && 'unknown';
}

const TOO_LATE = new Set(['already-answered', 'no-longer-open']);

/** What ran because of it; null for nothing. */
export function checkPress(
  open: OpenAsk,
  outcome: Outcome,
  { expect }: Findings,
): 'allowed' | 'denied' | null {
  const { turn, number, answered, sent } = outcome;
  const { act } = sent.message;
  const reply = turn?.reply;
  if (act?.kind !== 'press' || !reply || !answered) return null;
  const isOpen = open === act.of;
  const mayBeOpen = isOpen || open === 'unknown';
  if (reply.code === 'not-permitted') {
    expect(act.stranger && mayBeOpen, 'ask', number, () => 'Somebody who may decide was turned away.');
    return null;
  }
  if (reply.code !== undefined) {
    const isRight = TOO_LATE.has(reply.code) && !isOpen;
    expect(isRight, 'ask', number, () => `The question was open, and the press was ${reply.code}.`);
    return null;
  }
  expect(!act.stranger, 'ask', number, () => 'Somebody who may not decide has decided.');
  expect(mayBeOpen, 'ask', number, () => `It ran for a question that was not open: ${reply.text}`);
  const word = act.decision === 'deny' ? 'Left out' : 'Noted';
  const isRight = reply.text.startsWith(`${word} #m${act.of} for`);
  expect(isRight, 'ask', number, () => `Pressed was ${act.decision}, and the reply is: ${reply.text}`);
  return act.decision === 'deny' ? 'denied' : 'allowed';
}
