// Cuts a long Markdown text into messages that each fit a platform's limit. Promises: the bodies of the parts,
// joined, are the text, character by character; what a cut falls into is whole on both sides: code is closed and
// opened again, a table's header is repeated, a list item goes on under its own number and depth, no character (as
// people see them) is torn. Only a line longer than a part is cut within, and there no link, address or code in it. Pure: the same text and limit always give
// the same parts, which delivery retries rely on.
import { boundariesIn } from '../text/cut-text.ts';
import { Invalid } from './errors.ts';
import {
  balanced,
  blocksAfter,
  blocksAfterLine,
  CLOSING_ROOM,
  type Fence,
  fenceAfterLine,
  itemsAround,
  NOTHING_OPEN,
  type OpenBlocks,
  reopening,
} from './markdown-blocks.ts';

export interface TextPart {
  /** What is sent: `body`, with what is needed before and after it where a cut fell into a block. */
  readonly text: string;
  /** The piece of the original. */
  readonly body: string;
}

/** Smallest limit that leaves room for what is repeated. */
const MIN_LIMIT = 256;

/** Splits at `limit` UTF-16 code units, preferring paragraph, item, line and word ends, in that order. */
export function splitMarkdown(text: string, limit: number): readonly TextPart[] {
  if (limit < MIN_LIMIT)
    throw new Invalid('limit-too-small', `A message limit below ${MIN_LIMIT} is too small.`);
  const parts: TextPart[] = [];
  let start = 0;
  let open = NOTHING_OPEN;
  do {
    const rest = text.slice(start);
    const insideLine = start > 0 && text[start - 1] !== '\n';
    const { prefix, lead } = reopening(open, rest, insideLine, Math.floor(limit / 3));
    const whole = prefix + rest;
    const end =
      whole.length <= limit && balanced(whole).length <= limit
        ? text.length
        : cutAt(text, { start, lead, room: limit - prefix.length }, open);
    const body = text.slice(start, end);
    parts.push({ text: balanced(prefix + body), body });
    open = blocksAfter(lead + body, open);
    start = end;
  } while (start < text.length);
  return parts;
}

interface Piece {
  readonly start: number;
  /** The text before its first line: a list marker, a quote mark or an indent. */
  readonly lead: string;
  /** The most UTF-16 units of text that it may hold. */
  readonly room: number;
}

/** Where to end a piece. */
function cutAt(text: string, { start, lead, room }: Piece, open: OpenBlocks): number {
  const furthest = start + room - CLOSING_ROOM;
  const half = start + Math.floor(room / 2);
  const quarter = start + Math.floor(room / 4);
  const best = { paragraph: -1, item: -1, line: -1 };
  let state = open;
  let at = start;
  for (let end = text.indexOf('\n', at); end >= 0 && end < furthest; end = text.indexOf('\n', at)) {
    const line = (at === start ? lead : '') + text.slice(at, end);
    const before = state;
    state = blocksAfterLine(line, before);
    at = end + 1;
    if (at <= quarter || leavesScraps(before, state, lineAt(text, at))) continue;
    best.line = at;
    if (at < half || state.fence || state.table !== null) continue;
    if (itemsAround(state, text.slice(at, furthest + room)).length > 0) continue;
    best.item = at;
    if (line.trim() === '') best.paragraph = at;
  }
  for (const found of [best.paragraph, best.item, best.line]) if (found > 0) return found;
  return midLineCut(text, at, half, furthest, state);
}

function lineAt(text: string, at: number): string {
  const end = text.indexOf('\n', at);
  return text.slice(at, end < 0 ? text.length : end);
}

/** A cut here would leave an empty code block or table behind, or a header without its table. */
function leavesScraps(before: OpenBlocks, here: OpenBlocks, next: string): boolean {
  if (here.fence) return before.fence === null || fenceAfterLine(next, here.fence) === null;
  if (here.table !== null) return before.table === null;
  return here.last !== null && blocksAfterLine(next, here).table !== null;
}

/** A cut inside one long line: at a space if there is one, and never so that a half looks like a fence. */
function midLineCut(text: string, lineStart: number, half: number, furthest: number, state: OpenBlocks) {
  const earliest = Math.max(half, lineStart);
  const wholeLine = lineAt(text, lineStart);
  const whole = spansIn(wholeLine, lineStart, Math.floor((furthest - lineStart) / 2));
  const torn = (at: number) => whole.some(({ start, end }) => at > start && at < end);
  const candidates = boundariesIn(text, lineStart, furthest).filter((at) => at > earliest && !torn(at));
  for (const onlySpaces of [true, false]) {
    for (const at of candidates.toReversed()) {
      if (onlySpaces ? text[at - 1] !== ' ' : text[at - 1] === '\\') continue;
      if (keepsFences(wholeLine, at - lineStart, state.fence)) return at;
    }
  }
  const last = candidates.at(-1);
  if (last !== undefined) return last;
  const after = text.charCodeAt(furthest);
  return after >= 0xdc00 && after <= 0xdfff ? furthest - 1 : furthest;
}

/** Links, addresses and code within a line. */
const SPAN =
  /!?\[(?:\\.|[^[\]\\])*\]\((?:\\.|[^()\\]|\([^()]*\))*\)|(`+)(?!`)[^\n]*?(?<!`)\1(?!`)|<?https?:\/\/[^\s<>]+>?/g;

/** What is not to be cut in two; a longer one has no other way. */
function spansIn(line: string, lineStart: number, longest: number) {
  return [...line.matchAll(SPAN)]
    .filter(([span]) => span.length <= longest)
    .map(({ index, 0: span }) => ({ start: lineStart + index, end: lineStart + index + span.length }));
}

/** True when the two halves of the line, each on a line of its own, open and close what the whole line did. */
function keepsFences(wholeLine: string, at: number, fence: Fence | null): boolean {
  const expected = fenceAfterLine(wholeLine, fence);
  const between = fenceAfterLine(wholeLine.slice(0, at), fence);
  return between === fence && sameFence(fenceAfterLine(wholeLine.slice(at), between), expected);
}

function sameFence(a: Fence | null, b: Fence | null): boolean {
  return a === b || (a !== null && b !== null && a.marker === b.marker && a.info === b.info);
}
