// What the system itself says to a person. Plain sentences, no stack, no path: an id that finds the log line.

import type { TurnId } from './ids.ts';
import type { CheckpointResult, TimelineStep, TurnMark } from './ports.ts';
import type { Reply } from './records.ts';

export const NEW_SESSION_TEXT = 'Started a fresh session. I no longer see what we said before.';

/** Said of a step back or forth: what it changed, and what it left. */
export function undoneText({ turns, asOf }: TimelineStep): string {
  return [
    `Undone: ${namesOf(turns)}. ${nowAsAfter(asOf)}`,
    'What was done outside of the working directory stays done. `/redo` brings it back, until your next message.',
  ].join(' ');
}

export function redoneText({ turns, asOf }: TimelineStep): string {
  return `Back again: ${namesOf(turns)}. ${nowAsAfter(asOf)}`;
}

export function backInEarlierSession(isRedo: boolean, asOf: TurnMark | null): string {
  const where = isRedo ? 'This is the later session again.' : 'The new session is undone.';
  const way = isRedo ? '' : ' `/redo` leads to the later one again, until your next message.';
  return `${where} ${nowAsAfter(asOf)}${way}`;
}

export function nothingToUndo(possible: number, isNew: boolean) {
  const text = isNew
    ? 'There is no earlier session that I could go back to.'
    : possible === 0
      ? 'There is nothing that I can undo.'
      : `I can undo the last ${possible === 1 ? 'turn' : `${possible} turns`}, not more. Write \`/undo\` with a number from 1 to ${possible}.`;
  return { code: 'nothing-to-undo', text };
}

export const NOTHING_TO_REDO = { code: 'nothing-to-redo', text: 'There is nothing that I can bring back.' };

export const FORKED_NOTHING = {
  code: 'nothing-to-fork',
  text: 'Nothing has been said here yet, so there is nothing to fork.',
};

export const NO_PLACE = {
  code: 'no-place',
  text: 'I cannot open another conversation from here.',
};

export function forkTaken(place: string) {
  return { code: 'chat-exists', text: `“${place}” is a conversation already. Name another one.` };
}

export function forkedTo(place: string): string {
  return `Forked to “${place}”: it begins with all that was said and made here. From now on each goes its own way.`;
}

function namesOf(turns: readonly TurnMark[]): string {
  return turns.map(({ text }) => `“${text || 'a message without text'}”`).join(', ');
}

function nowAsAfter(asOf: TurnMark | null): string {
  const when = asOf ? `after “${asOf.text}”` : 'before that';
  return `The conversation and the files are as they were ${when}.`;
}

/** Short enough to read out, long enough to find the turn in a log. */
export function supportId(turnId: TurnId): string {
  return turnId.slice(5, 13);
}

export function failedReply(code: string, text: string, turnId: TurnId): Reply {
  return { outcome: 'failed', code, text: `${text}\n\n(Support id: ${supportId(turnId)})` };
}

export function gaveUp(turnId: TurnId, attempts: number): Reply {
  return failedReply(
    'gave-up',
    attempts > 0
      ? `I could not answer this message: it failed ${times(attempts)}. Nothing said before is lost; you can go on writing.`
      : 'I could not answer this message: nothing here was able to take it on. Nothing said before is lost; please send it again.',
    turnId,
  );
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

export function modelRefuses(turnId: TurnId): Reply {
  return failedReply(
    'model-refuses',
    "The model's server failed on this message again and again, while it answers others, so I stopped trying. " +
      'Nothing said before is lost. `/drop` takes it out of our conversation, so that you can send it again in other words or in ' +
      'smaller parts; /new starts a fresh session.',
    turnId,
  );
}

export function stateUnreadable(turnId: TurnId): Reply {
  return failedReply(
    'state-unreadable',
    'I cannot read back the saved state of this conversation, so I did not answer rather than forget it. ' +
      'Nothing was overwritten, and an earlier state of it may still be whole: the operator has been told, and goes ' +
      'back to it with `hybrid-sessions sessions repair`. /new starts a fresh session meanwhile.',
    turnId,
  );
}

/** Not even `/new` gets past this one. */
export function sessionUnreadable(turnId: TurnId): Reply {
  return failedReply(
    'session-unreadable',
    'I cannot find the saved session that this conversation belongs to, so I did not answer rather than forget it. ' +
      'Your message is kept, and the operator has been told.',
    turnId,
  );
}

export function tooLarge(answer: string, advice: string, turnId: TurnId): Reply {
  const text = `This turn's changes were not kept: ${advice} The last saved state stays as it was.`;
  return failedReply('workspace-too-large', answer ? `${answer}\n\n---\n${text}` : text, turnId);
}

/** `message` says which limit was met. */
export function overLimit(message: string, limit: string, turnId: TurnId): Reply {
  return failedReply(
    'over-limit',
    `${message} What I was doing for this message is not kept beyond the last save; nothing said before is lost. ` +
      `Ask me for less at a time, or in smaller steps. Whoever runs this service can allow more: \`limits.${limit}\` ` +
      "in the agent folder's settings.json.",
    turnId,
  );
}

const HUNG_WHILE = {
  start: 'starting',
  restore: 'laying out the files of this conversation',
  run: 'working on this message',
  save: 'saving what it had done',
} as const;

export function agentHung(step: keyof typeof HUNG_WHILE, turnId: TurnId): Reply {
  return failedReply(
    'agent-hung',
    `I could not answer this message: the agent stopped responding twice while ${HUNG_WHILE[step]}, so I stopped trying. ` +
      'Nothing said before is lost. Send it again in other words or in smaller parts; if it happens again, tell whoever runs ' +
      'this service.',
    turnId,
  );
}

/** Its files are kept, as at any end. */
export function tooLong(answer: string, parts: number, turnId: TurnId): Reply {
  const text =
    `This turn was ended because it had already been continued ${times(parts - 1)}, which is the most there is. ` +
    'What it did is kept; write to me, and I go on from there.';
  return failedReply('turn-too-long', answer.trim() ? `${answer.trimEnd()}\n\n---\n${text}` : text, turnId);
}

export function withStoppedNote(text: string): string {
  return text.trim() ? `${text.trimEnd()}\n\n_(stopped)_` : '_(stopped)_';
}

/** Appends what could not be kept, so that nobody looks for it later in vain. */
export function withRefusedNote(text: string, refused: CheckpointResult['refused']): string {
  if (refused.length === 0) return text;
  const shown = refused.slice(0, 5).map((r) => `\`${r.path}\` (${r.reason})`);
  const more = refused.length > shown.length ? ` and ${refused.length - shown.length} more` : '';
  return `${text}\n\n_Not kept after this turn: ${shown.join(', ')}${more}._`;
}
