// Replaces blocks of a transcript that a model refuses to read by notes. The model has read everything before its last
// answer, so the blocks after it are at fault (`unanswered`). If there are none, or removing them was not enough, every
// long block is replaced (`everything-long`). Ids, parents and the order of entries do not change.
import { cutText } from '../text/cut-text.ts';
import { summarizeTool } from './tool-summary.ts';

export type Extent = 'unanswered' | 'everything-long';

export interface TakenOut {
  readonly text: string;
  /** What the changed blocks were, for people. */
  readonly names: readonly string[];
}

interface Block {
  type: string;
  id?: string;
  name?: string;
  input?: unknown;
  text?: string;
  tool_use_id?: string;
  content?: string | Block[];
}

interface Entry {
  type?: string;
  uuid?: string;
  isSidechain?: boolean;
  isApiErrorMessage?: boolean;
  isMeta?: boolean;
  isCompactSummary?: boolean;
  message?: { id?: string; model?: string; content?: string | Block[] };
  toolUseResult?: unknown;
}

/** Applies to all unanswered results together, so that many of them fit as well as one. */
const KEPT_UNANSWERED = 20_000;
const KEPT_OF_LONG = 1_000;

export interface TakeOutOptions {
  readonly extent: Extent;
  /** Keeps the beginning of each text, for the case that only its length is at fault. */
  readonly keep: boolean;
  /** The person's last message may go, too. */
  readonly withPrompt?: boolean;
  /** A few words for the note. */
  readonly reason: string;
  readonly workspace: string;
}

/** Returns null when there is nothing to take out. */
export function takeOut(transcript: string, options: TakeOutOptions): TakenOut | null {
  const lines = transcript.split('\n').map((line) => ({ line, entry: entryOf(line) }));
  const entries = lines.flatMap(({ entry }) => (entry ? [entry] : []));
  const reach = options.extent === 'unanswered' ? entries.slice(firstUnanswered(entries)) : entries;
  const prompt = options.withPrompt ? undefined : entries.findLast(isPrompt);
  const changes = changesTo(
    reach.filter((entry) => entry !== prompt),
    callsIn(entries, options.workspace),
    options,
  );
  if (changes.size === 0) return null;
  const text = lines.map(({ line, entry }) => (entry && changes.has(entry) ? JSON.stringify(entry) : line));
  return { text: text.join('\n'), names: [...new Set([...changes.values()].flat())] };
}

/** What each call was, by its id. */
function callsIn(entries: readonly Entry[], workspace: string): ReadonlyMap<string, string> {
  const calls = new Map<string, string>();
  for (const { type, id, name, input } of entries.flatMap(blocksOf)) {
    if (type === 'tool_use' && id && name) calls.set(id, summarizeTool(name, input, workspace));
  }
  return calls;
}

/** Changes the entries in place; returns which, and what was changed in them. */
function changesTo(
  reach: readonly Entry[],
  calls: ReadonlyMap<string, string>,
  { extent, keep, reason }: TakeOutOptions,
): ReadonlyMap<Entry, readonly string[]> {
  const results = reach.flatMap(blocksOf).filter(({ type }) => type === 'tool_result').length;
  const most = extent === 'unanswered' ? Math.ceil(KEPT_UNANSWERED / Math.max(1, results)) : KEPT_OF_LONG;
  const shorten = (text: string): string => shortened(text, keep ? most : 0, reason);
  const changes = new Map<Entry, string[]>();
  for (const entry of reach) {
    const names: string[] = [];
    for (const block of blocksOf(entry)) {
      if (block.type !== 'tool_result' || block.content === undefined) continue;
      const content = changedResult(block.content, shorten, reason);
      if (content === block.content) continue;
      block.content = content;
      // A copy that only a terminal would show.
      entry.toolUseResult = 'Taken out.';
      names.push(`the result of ${calls.get(block.tool_use_id ?? '') ?? 'a tool'}`);
    }
    const mayShorten = extent === 'everything-long' || entry.type === 'user';
    if (mayShorten && shortenTexts(entry, shorten)) names.push('an earlier message');
    if (names.length > 0) changes.set(entry, names);
  }
  return changes;
}

/** The index after the model's last answer. Its tool calls may be written between their results. */
function firstUnanswered(entries: readonly Entry[]): number {
  const last = entries.findLast(isAnswer);
  if (!last) return 0;
  return entries.findIndex(
    (entry) => entry === last || (isAnswer(entry) && entry.message?.id === last.message?.id),
  );
}

function isAnswer(entry: Entry): boolean {
  const { type, isSidechain, isApiErrorMessage, message } = entry;
  return type === 'assistant' && !isSidechain && !isApiErrorMessage && message?.model !== '<synthetic>';
}

/** What the person wrote. */
function isPrompt(entry: Entry): boolean {
  if (entry.type !== 'user' || entry.isSidechain || entry.isMeta || entry.isCompactSummary) return false;
  return !blocksOf(entry).some(({ type }) => type === 'tool_result');
}

function changedResult(
  content: string | Block[],
  shorten: (text: string) => string,
  reason: string,
): string | Block[] {
  if (typeof content === 'string') return shorten(content);
  const blocks = content.map((block): Block => {
    if (block.type !== 'text') return { type: 'text', text: `[${block.type} taken out: ${reason}]` };
    const text = shorten(block.text ?? '');
    return text === block.text ? block : { type: 'text', text };
  });
  return blocks.every((block, index) => block === content[index]) ? content : blocks;
}

function shortenTexts(entry: Entry, shorten: (text: string) => string): boolean {
  const { type, isSidechain, isApiErrorMessage, isCompactSummary, message } = entry;
  if ((type !== 'user' && type !== 'assistant') || isSidechain || isApiErrorMessage || isCompactSummary)
    return false;
  if (typeof message?.content === 'string') {
    const text = shorten(message.content);
    if (text === message.content) return false;
    message.content = text;
    return true;
  }
  let touched = false;
  for (const block of blocksOf(entry)) {
    if (block.type !== 'text' || block.text === undefined) continue;
    const text = shorten(block.text);
    touched ||= text !== block.text;
    block.text = text;
  }
  return touched;
}

function shortened(text: string, most: number, reason: string): string {
  if (text === '' || TAKEN_OUT.test(text)) return text;
  const note = `[${text.length - most} characters taken out: ${reason}]`;
  if (most === 0) return note;
  return text.length <= most + note.length ? text : `${cutText(text, most)}\n${note}`;
}

/** Not twice. */
const TAKEN_OUT = /\[\d+ characters taken out: /;

function blocksOf(entry: Entry): readonly Block[] {
  const content = entry.isSidechain ? undefined : entry.message?.content;
  return Array.isArray(content) ? content : [];
}

function entryOf(line: string): Entry | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Entry) : null;
  } catch {
    return null;
  }
}
