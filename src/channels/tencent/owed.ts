// What the turns of a conversation still owe the person, and how it is put in front of the next answer. All of it follows from
// the ledger: texts never change once committed, and notes say how far each turn came.
import type { StoredFile } from '../../core/attachments.ts';
import type { Reply, TurnRecord } from '../../core/records.ts';
import type { TextPart } from '../../core/split-markdown.ts';
import { oneLine } from '../../text/cut-text.ts';
import { readNote } from './send-note.ts';

/** How a channel says a reply: messages of text, and behind them files with a message for each. All are pure. */
export interface Wording {
  /** '' for a reply that says nothing. */
  readonly textOf: (reply: Reply) => string;
  readonly messagesOf: (text: string) => readonly TextPart[];
  readonly filesOf: (reply: Reply) => readonly StoredFile[];
}

const BETWEEN = '\n\n――――――\n\n';
const MAX_QUOTE = 40;

/** Turns before this one that ended with something unsent, which no other turn has taken with it. */
export function owedBefore(turns: readonly TurnRecord[], turnId: string): readonly string[] {
  const own = turns.find((turn) => turn.turnId === turnId);
  if (!own) return [];
  const taken = new Set(turns.flatMap((turn) => readNote(turn.anchor).carries));
  return turns
    .filter(({ status, sequence }) => status === 'undeliverable' && sequence < own.sequence)
    .filter((turn) => readNote(turn.anchor).owes && !taken.has(turn.turnId))
    .sort((a, b) => a.sequence - b.sequence)
    .map((turn) => turn.turnId);
}

/** The text of a turn behind what it carries; '' when there is nothing to say. */
export function wholeText(
  wording: Wording,
  turns: readonly TurnRecord[],
  carries: readonly string[],
  own: string,
): string {
  const rests = carries.map((id) => restOf(wording, turns, id));
  return [...rests, own].filter((text) => text.trim() !== '').join(BETWEEN);
}

/** Files of what a turn carries that have not come yet. */
export function wholeFiles(
  wording: Wording,
  turns: readonly TurnRecord[],
  carries: readonly string[],
  own: readonly StoredFile[],
): readonly StoredFile[] {
  return [...carries.flatMap((id) => restFilesOf(wording, turns, id)), ...own];
}

/** All that a turn carries, and what those carry. */
export function carriedBy(turns: readonly TurnRecord[], carries: readonly string[]): readonly string[] {
  return carries.flatMap((id) => [id, ...carriedBy(turns, noteOf(turns, id).carries)]);
}

function restOf(wording: Wording, turns: readonly TurnRecord[], id: string): string {
  const turn = turns.find((one) => one.turnId === id);
  if (!turn?.reply) return '';
  const { carries, sent } = readNote(turn.anchor);
  const rest = wording.messagesOf(wholeText(wording, turns, carries, wording.textOf(turn.reply))).slice(sent);
  const text = rest.map(({ body }) => body).join('');
  if (text === '' || sent > 0 || carries.length > 0) return text === '' ? '' : `… ${text}`;
  const asked = oneLine(turn.text, MAX_QUOTE);
  return asked === '' ? text : `「${asked}」\n${text}`;
}

function restFilesOf(wording: Wording, turns: readonly TurnRecord[], id: string): readonly StoredFile[] {
  const turn = turns.find((one) => one.turnId === id);
  if (!turn?.reply) return [];
  const { carries, sent } = readNote(turn.anchor);
  const texts = wording.messagesOf(wholeText(wording, turns, carries, wording.textOf(turn.reply))).length;
  return wholeFiles(wording, turns, carries, wording.filesOf(turn.reply)).slice(Math.max(0, sent - texts));
}

function noteOf(turns: readonly TurnRecord[], id: string) {
  return readNote(turns.find((one) => one.turnId === id)?.anchor ?? null);
}

/** Whether the person has written something since that waits for its answer. */
export function somebodyWaits(turns: readonly TurnRecord[], turnId: string): boolean {
  const own = turns.find((turn) => turn.turnId === turnId);
  return turns.some(
    ({ status, sequence }) =>
      own !== undefined && sequence > own.sequence && (status === 'queued' || status === 'running'),
  );
}

/** Messages sent since the person last wrote: where a platform counts anew from there. */
export function sentSinceAsked(turns: readonly TurnRecord[]): number {
  const askedAtMs = Math.max(0, ...turns.map(({ receivedAtMs }) => receivedAtMs));
  return turns.flatMap(({ anchor }) => readNote(anchor).sends).filter((atMs) => atMs >= askedAtMs).length;
}
