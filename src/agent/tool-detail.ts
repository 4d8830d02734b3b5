// What a tool was given, what it answered and what it changed in a file, in sizes fit for an event that people watch.
// Promises: `input` is always valid JSON; nothing here is longer than MAX_CHARS; cuts stand between characters and say
// how much was left out.
import { cutText } from '../text/cut-text.ts';

export const MAX_CHARS = 8_000;
const SHORTEST_STRING = 60;
const MAX_ITEMS = 50;
const MAX_DEPTH = 6;
/** Enough for the note about what is missing. */
const NOTE_ROOM = 40;

/** JSON of a tool's input. Long strings in it are cut until the whole fits. */
export function toolInput(input: unknown): string {
  for (let longest = MAX_CHARS / 2; longest >= SHORTEST_STRING; longest /= 2) {
    const json = JSON.stringify(shortened(input, longest, MAX_DEPTH)) ?? 'null';
    if (json.length <= MAX_CHARS) return json;
  }
  return JSON.stringify('(too large to show)');
}

function shortened(value: unknown, longest: number, depth: number): unknown {
  if (typeof value === 'string') return cut(value, longest);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) return '…';
  if (Array.isArray(value)) {
    const items = value.slice(0, MAX_ITEMS).map((item) => shortened(item, longest, depth - 1));
    return value.length > MAX_ITEMS ? [...items, `… ${value.length - MAX_ITEMS} more`] : items;
  }
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, MAX_ITEMS)
      .map(([key, item]) => [cut(key, SHORTEST_STRING), shortened(item, longest, depth - 1)]),
  );
}

/** The text of a tool's result; other blocks are named. */
export function toolResult(content: unknown): string {
  if (typeof content === 'string') return cut(content, MAX_CHARS);
  if (!Array.isArray(content)) return '';
  const texts = content.map((block: { type?: string; text?: string }) =>
    block.type === 'text' ? (block.text ?? '') : `[${block.type ?? 'unknown'}]`,
  );
  return cut(texts.join('\n'), MAX_CHARS);
}

interface Hunk {
  readonly oldStart: number;
  readonly oldLines: number;
  readonly newStart: number;
  readonly newLines: number;
  readonly lines: readonly string[];
}

/** The change a tool made to a file, as hunks of a unified diff; undefined where its result tells of none. */
export function toolDiff(result: unknown): string | undefined {
  const hunks = (result as { structuredPatch?: readonly Hunk[] } | null | undefined)?.structuredPatch;
  if (!Array.isArray(hunks) || hunks.length === 0) return undefined;
  const lines = (hunks as readonly Hunk[]).flatMap((hunk) => [
    `@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`,
    ...hunk.lines,
  ]);
  return cut(lines.join('\n'), MAX_CHARS);
}

/** At most `longest` UTF-16 units, the note about what is missing included. */
function cut(text: string, longest: number): string {
  if (text.length <= longest) return text.toWellFormed();
  const kept = cutText(text, Math.max(0, longest - NOTE_ROOM));
  const missing = (text.length - kept.length).toLocaleString('en');
  return `${kept.toWellFormed()}… (${missing} more characters)`;
}
