// Cuts a long Markdown text into messages that each fit a platform's limit. Promises: the bodies of the parts,
// joined, are the text, character by character; a code fence open at a cut is closed there and opened again in
// the next part, so every part's fences are balanced; no surrogate pair is torn. Tables and lists may be cut
// between lines. Pure: the same text and limit always give the same parts, which delivery retries rely on.
import { Invalid } from './errors.ts';

export interface TextPart {
  /** What is sent: `body`, with a fence reopened before it or closed after it where a cut fell into code. */
  readonly text: string;
  /** The piece of the original. */
  readonly body: string;
}

interface Fence {
  /** What stands before the marker on its line: indentation, quote marks. */
  readonly indent: string;
  readonly marker: string;
  readonly info: string;
}

/** Smallest limit that leaves room for fences. */
const MIN_LIMIT = 256;
/** Markers, indents and info strings longer than this are treated as text: no reply has them, an attack might. */
const MAX_MARKER = 32;
const MAX_INDENT = 24;
const MAX_INFO = 40;
/** Room kept for closing a fence: line break, indent, marker. */
const CLOSING_ROOM = 1 + MAX_INDENT + MAX_MARKER;

const LINE_START = /^(?:[ \t>]|(?:[-*+]|\d{1,9}[.)])[ \t])*/;

/** Splits at `limit` UTF-16 code units, preferring paragraph, line and word ends, in that order. */
export function splitMarkdown(text: string, limit: number): readonly TextPart[] {
  if (limit < MIN_LIMIT)
    throw new Invalid('limit-too-small', `A message limit below ${MIN_LIMIT} is too small.`);
  const parts: TextPart[] = [];
  let start = 0;
  let open: Fence | null = null;
  do {
    const prefix: string = open ? `${open.indent}${open.marker}${open.info}\n` : '';
    const room: number = limit - prefix.length;
    const end = fits(prefix, text.slice(start), limit) ? text.length : cutAt(text, start, room, open);
    const body = text.slice(start, end);
    parts.push({ text: balanced(prefix + body), body });
    open = fenceAfter(body, open);
    start = end;
  } while (start < text.length);
  return parts;
}

/** The text with a fence that it leaves open closed. */
export function balanced(text: string): string {
  const open = fenceAfter(text, null);
  if (!open) return text;
  return `${text}${text.endsWith('\n') ? '' : '\n'}${open.indent}${open.marker}`;
}

function fits(prefix: string, rest: string, limit: number): boolean {
  return prefix.length + rest.length <= limit && balanced(prefix + rest).length <= limit;
}

/** The fence open after `text`, if `open` was open before it. */
function fenceAfter(text: string, open: Fence | null): Fence | null {
  let state = open;
  for (const line of text.split('\n')) state = fenceAfterLine(line, state);
  return state;
}

function fenceAfterLine(line: string, open: Fence | null): Fence | null {
  if (!line.includes('```') && !line.includes('~~~')) return open;
  const start = LINE_START.exec(line)?.[0] ?? '';
  const rest = line.slice(start.length);
  const marker = /^(?:`{3,}|~{3,})/.exec(rest)?.[0];
  if (!marker || marker.length > MAX_MARKER || start.length > MAX_INDENT) return open;
  const info = rest.slice(marker.length).trim();
  if (open) {
    const closes = marker[0] === open.marker[0] && marker.length >= open.marker.length && info === '';
    return closes ? null : open;
  }
  if (marker.startsWith('`') && info.includes('`')) return null;
  // Inside a list item the code is indented as far as the item's text, without its bullet.
  return { indent: start.replace(/[^\s>]/g, ' '), marker, info: info.length > MAX_INFO ? '' : info };
}

/** Where to end the part that begins at `start` and may hold `room` units. */
function cutAt(text: string, start: number, room: number, open: Fence | null): number {
  const furthest = start + room - CLOSING_ROOM;
  const earliest = start + Math.floor(room / 2);
  const paragraph = lastParagraphEnd(text, start, earliest, furthest, open);
  if (paragraph > 0) return paragraph;
  const line = lineCut(text, start, start + Math.floor(room / 4), furthest, open);
  if (line > 0) return line;
  const lineStart = Math.max(text.lastIndexOf('\n', furthest - 1) + 1, start);
  const state = fenceAfter(text.slice(start, lineStart), open);
  const lineEnd = text.indexOf('\n', furthest);
  const wholeLine = text.slice(lineStart, lineEnd < 0 ? text.length : lineEnd);
  return midLineCut(text, { start, lineStart, earliest, furthest, wholeLine, state });
}

/** The last blank line outside code within reach, or -1. */
function lastParagraphEnd(
  text: string,
  start: number,
  earliest: number,
  furthest: number,
  open: Fence | null,
) {
  let state = open;
  let best = -1;
  for (let at = start; at < furthest; ) {
    const end = text.indexOf('\n', at);
    if (end < 0 || end >= furthest) break;
    const line = text.slice(at, end);
    state = fenceAfterLine(line, state);
    if (!state && line.trim() === '' && end + 1 >= earliest) best = end + 1;
    at = end + 1;
  }
  return best;
}

/** The last line end within reach, or -1. Steps back a little rather than leave an empty code block behind. */
function lineCut(
  text: string,
  start: number,
  earliest: number,
  furthest: number,
  open: Fence | null,
): number {
  const last = text.lastIndexOf('\n', furthest - 1) + 1;
  if (last <= earliest) return -1;
  for (let at = last, tries = 0; at > earliest && tries < 4; tries++) {
    const before = text.lastIndexOf('\n', at - 2) + 1;
    const state = fenceAfter(text.slice(start, at), open);
    const opensHere =
      state !== null && fenceAfter(text.slice(start, Math.max(before, start)), open) !== state;
    const closesNext =
      state !== null && fenceAfterLine(text.slice(at).split('\n', 1)[0] ?? '', state) === null;
    if (!opensHere && !closesNext) return at;
    at = before;
  }
  return last;
}

interface LongLine {
  readonly start: number;
  readonly lineStart: number;
  readonly earliest: number;
  readonly furthest: number;
  readonly wholeLine: string;
  readonly state: Fence | null;
}

/** A cut inside one long line: at a space if there is one, and never so that a half looks like a fence. */
function midLineCut(text: string, line: LongLine): number {
  for (const onlySpaces of [true, false]) {
    for (let at = line.furthest; at > line.earliest; at--) {
      if (onlySpaces && text[at - 1] !== ' ') continue;
      if (isWholeCharacter(text, at) && keepsFences(line, at - line.lineStart)) return at;
    }
  }
  return isWholeCharacter(text, line.furthest) ? line.furthest : line.furthest - 1;
}

function isWholeCharacter(text: string, at: number): boolean {
  const before = text.charCodeAt(at - 1);
  const after = text.charCodeAt(at);
  return !(before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff);
}

/** True when the two halves of the line, each on a line of its own, open and close what the whole line did. */
function keepsFences({ wholeLine, state }: LongLine, at: number): boolean {
  const expected = fenceAfterLine(wholeLine, state);
  const between = fenceAfterLine(wholeLine.slice(0, at), state);
  return between === state && sameFence(fenceAfterLine(wholeLine.slice(at), between), expected);
}

function sameFence(a: Fence | null, b: Fence | null): boolean {
  return a === b || (a !== null && b !== null && a.marker === b.marker && a.info === b.info);
}
