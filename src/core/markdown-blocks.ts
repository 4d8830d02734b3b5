// Which blocks of a Markdown text are open at the end of a line: a code fence, a table, list items, a quote. Enough
// of GitHub's Markdown to cut a text there and to open the same blocks again; what looks odd is taken for text.

export interface Fence {
  /** What stands before the marker on its line: indentation, quote marks. */
  readonly indent: string;
  readonly marker: string;
  readonly info: string;
}

interface ListItem {
  /** `-` or `12.` */
  readonly marker: string;
  /** The column where the item's content begins. */
  readonly offset: number;
}

export interface OpenBlocks {
  readonly fence: Fence | null;
  /** Header and delimiter row of the table whose rows are being read, with their line ends. */
  readonly table: string | null;
  /** Outermost first. */
  readonly items: readonly ListItem[];
  /** The quote marks before the last line. */
  readonly quote: string;
  /** The last line, if it may be a table's header. */
  readonly last: string | null;
}

export const NOTHING_OPEN: OpenBlocks = { fence: null, table: null, items: [], quote: '', last: null };

/** Markers, indents and info strings longer than this are treated as text: no reply has them, an attack might. */
const MAX_MARKER = 32;
const MAX_INDENT = 24;
const MAX_INFO = 40;
const MAX_DEPTH = 6;
/** Longest text that closes what is open: line break, indent, marker. */
export const CLOSING_ROOM = 1 + MAX_INDENT + MAX_MARKER;

const LINE_START = /^(?:[ \t>]|(?:[-*+]|\d{1,9}[.)])[ \t])*/;
const QUOTE = /^(?: {0,3}> ?)+/;
const ITEM = /^([-*+]|\d{1,9}[.)])( {1,4}(?=\S)|[ \t]|$)/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const DELIMITER = /^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?\s*$/;

/** What is open after a piece of text. A last line without its end counts as a line. */
export function blocksAfter(text: string, open: OpenBlocks): OpenBlocks {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.reduce((state, line) => blocksAfterLine(line, state), open);
}

export function blocksAfterLine(line: string, open: OpenBlocks): OpenBlocks {
  const fence = fenceAfterLine(line, open.fence);
  if (open.fence) return { ...open, fence, table: null, last: null };
  const quote = QUOTE.exec(line)?.[0] ?? '';
  const known = depthOf(quote) === depthOf(open.quote) ? open : NOTHING_OPEN;
  const rest = line.slice(quote.length);
  if (rest.trim() === '') return { ...NOTHING_OPEN, items: known.items, quote };
  if (RULE.test(rest)) return { ...NOTHING_OPEN, quote };
  const { items, opened } = itemsAfter(rest, known.items);
  const state = { fence, items, quote };
  if (fence) return { ...state, table: null, last: null };
  // The bullet before a header stays where it is: its column is what counts.
  const last = quote + rest.replace(/^\s*(?:(?:[-*+]|\d{1,9}[.)])\s+)+/, (start) => ' '.repeat(start.length));
  if (!opened && known.table !== null && !/^ {0,3}#{1,6}\s/.test(rest)) {
    return { ...state, table: known.table, last: null };
  }
  const isTable = known.last !== null && !opened && isDelimiterOf(rest, known.last.slice(quote.length));
  return isTable
    ? { ...state, table: `${known.last}\n${line}\n`, last: null }
    : { ...state, table: null, last };
}

export interface Reopening {
  /** What stands before the next piece of the text. */
  readonly prefix: string;
  /** The end of it that is on the same line: what the beginning of that line stood behind. */
  readonly lead: string;
}

/** What opens the same blocks again before `rest`, which begins inside a line or with a new one. */
export function reopening(open: OpenBlocks, rest: string, insideLine: boolean, maxLength: number): Reopening {
  const { fence, quote } = open;
  const [next = ''] = rest.split('\n', 1);
  const goesOn = insideLine || blocksAfterLine(next, open).table !== null;
  const table = goesOn ? open.table : null;
  const code = fence ? `${fence.indent}${fence.marker}${fence.info}\n` : '';
  const head = code || (table ?? '');
  const margin = fence ? fence.indent : quote;
  const items = insideLine ? open.items : itemsAround(open, rest);
  const inItem = fence ? margin : quote + ' '.repeat(items.at(-1)?.offset ?? 0);
  for (const [before, lead] of [
    [continued(items, quote) + head, inItem],
    [head, margin],
    [code, fence ? margin : ''],
  ] as const) {
    const onLine = insideLine ? lead : '';
    if (before.length + onLine.length <= maxLength) return { prefix: before + onLine, lead: onLine };
  }
  return { prefix: code, lead: '' };
}

/** The text with a fence that it leaves open closed. */
export function balanced(text: string): string {
  const open = fenceAfter(text, null);
  if (!open) return text;
  return `${text}${text.endsWith('\n') ? '' : '\n'}${open.indent}${open.marker}`;
}

/** The list items that the next line belongs to. */
export function itemsAround(open: OpenBlocks, rest: string): readonly ListItem[] {
  const next = rest.split('\n').find((line) => line.slice(QUOTE.exec(line)?.[0].length ?? 0).trim() !== '');
  if (next === undefined) return [];
  if (open.fence) return open.items;
  const quote = QUOTE.exec(next)?.[0] ?? '';
  if (depthOf(quote) !== depthOf(open.quote)) return [];
  const indent = widthOf(next.slice(quote.length));
  return open.items.filter(({ offset }) => offset <= indent);
}

/** `1. …` for each item: numbers and depth of what follows stay what they were. */
function continued(items: readonly ListItem[], quote: string): string {
  // A numbered item may not follow a line of text at once.
  const blank = `${quote.trimEnd()}\n`;
  const lines = items.map(({ marker, offset }, depth) => {
    const indent = items[depth - 1]?.offset ?? 0;
    return `${quote}${' '.repeat(indent)}${marker.padEnd(offset - indent)}…\n${blank}`;
  });
  return lines.join('');
}

function itemsAfter(
  rest: string,
  known: readonly ListItem[],
): { readonly items: readonly ListItem[]; readonly opened: boolean } {
  let column = widthOf(rest);
  const items = known.filter(({ offset }) => offset <= column);
  const before = items.length;
  if (column - (items.at(-1)?.offset ?? 0) > 3) return { items, opened: false };
  let left = rest.trimStart();
  for (let item = ITEM.exec(left); item && items.length < MAX_DEPTH; item = ITEM.exec(left)) {
    const [whole, marker = ''] = item;
    const width = whole.length > marker.length ? whole.length : marker.length + 1;
    items.push({ marker, offset: column + width });
    column += width;
    left = left.slice(whole.length);
  }
  return { items, opened: items.length > before };
}

function widthOf(line: string): number {
  let column = 0;
  for (const char of line) {
    if (char === '\t') column += 4 - (column % 4);
    else if (char === ' ') column++;
    else break;
  }
  return column;
}

function depthOf(quote: string): number {
  return quote.replaceAll(/[^>]/g, '').length;
}

function isDelimiterOf(line: string, header: string): boolean {
  return line.includes('|') && DELIMITER.test(line) && cellsOf(line) === cellsOf(header);
}

function cellsOf(row: string): number {
  const bare = row.trim().replaceAll(/\\./g, '');
  return bare.replace(/^\|/, '').replace(/\|$/, '').split('|').length;
}

/** The fence open after `text`, if `open` was open before it. */
function fenceAfter(text: string, open: Fence | null): Fence | null {
  let state = open;
  for (const line of text.split('\n')) state = fenceAfterLine(line, state);
  return state;
}

export function fenceAfterLine(line: string, open: Fence | null): Fence | null {
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
