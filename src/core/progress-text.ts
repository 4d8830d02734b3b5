// The text to show while a turn runs, made from its events: what the agent has said so far (its end, where that is longer
// than a message), and below it one quiet line about the tool at work or what is waited for. Pure; for every channel that
// can show a text and change it.
import { oneLine } from '../text/cut-text.ts';
import type { TurnEvent } from './ports.ts';
import { splitMarkdown } from './split-markdown.ts';
import { waitingText } from './waiting.ts';

/** Shown while there is nothing else to show. */
export const THINKING = 'Thinking…';
const CUT_OFF = '…\n\n';

/** What goes on beside what is said. */
export type Doing =
  | { readonly kind: 'tool'; readonly summary: string }
  | { readonly kind: 'waiting'; readonly words: string }
  | { readonly kind: 'stopping' };

export interface ProgressText {
  take(event: TurnEvent): void;
  /** True when nothing goes on until something is back. */
  waits(): boolean;
  /** Never empty. */
  text(): string;
  /** For who can only append: all that was said. It begins anew when the turn does. */
  said(): string;
  doing(): Doing | null;
}

/** `maxLength`: the most UTF-16 units that a message of the platform holds. */
export function createProgressText(maxLength: number): ProgressText {
  let said = '';
  let doing: Doing | null = null;
  return {
    waits: () => doing?.kind === 'waiting',
    take(event) {
      if (event.type === 'text') {
        said += event.text;
        doing = null;
      } else if (event.type === 'tool') {
        doing = event.state === 'started' ? { kind: 'tool', summary: event.summary || event.name } : null;
      } else if (event.type === 'status') {
        if (event.status === 'retrying') said = '';
        doing = statusOf(event);
      } else if (doing?.kind === 'waiting') doing = null;
    },
    text() {
      const status = doing ? lineOf(doing) : said.trim() === '' ? THINKING : '';
      const room = maxLength - status.length - CUT_OFF.length - 2;
      const parts = said.trim() === '' ? [] : splitMarkdown(said, room);
      const last = parts.at(-1)?.text.trimEnd() ?? '';
      const body = parts.length > 1 ? `${CUT_OFF}${last}` : last;
      return [body, status].filter((piece) => piece !== '').join('\n\n');
    },
    said: () => said,
    doing: () => doing,
  };
}

function statusOf(event: TurnEvent & { type: 'status' }): Doing | null {
  if (event.status === 'waiting') return { kind: 'waiting', words: waitingText(event) };
  return event.status === 'stopping' ? { kind: 'stopping' } : null;
}

function lineOf(doing: Doing): string {
  if (doing.kind === 'tool') return `⚙ ${inCode(doing.summary)}`;
  return doing.kind === 'waiting' ? doing.words : 'Stopping…';
}

/** One short line in which every character stands for itself. */
function inCode(text: string): string {
  return `\`${oneLine(text.replaceAll('`', "'"), 80)}\``;
}
