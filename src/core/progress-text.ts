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

export interface ProgressText {
  take(event: TurnEvent): void;
  /** True when nothing goes on until something is back. */
  waits(): boolean;
  /** Never empty. */
  text(): string;
}

/** `maxLength`: the most UTF-16 units that a message of the platform holds. */
export function createProgressText(maxLength: number): ProgressText {
  let said = '';
  let line = '';
  let waits = false;
  return {
    waits: () => waits,
    take(event) {
      waits = event.type === 'status' && event.status === 'waiting';
      if (event.type === 'text') {
        said += event.text;
        line = '';
      } else if (event.type === 'tool') {
        line = event.state === 'started' ? `⚙ ${inCode(event.summary || event.name)}` : '';
      } else if (event.type === 'status') {
        if (event.status === 'retrying') said = '';
        line =
          event.status === 'waiting' ? waitingText(event) : event.status === 'stopping' ? 'Stopping…' : '';
      }
    },
    text() {
      const status = line || (said.trim() === '' ? THINKING : '');
      const room = maxLength - status.length - CUT_OFF.length - 2;
      const parts = said.trim() === '' ? [] : splitMarkdown(said, room);
      const last = parts.at(-1)?.text.trimEnd() ?? '';
      const body = parts.length > 1 ? `${CUT_OFF}${last}` : last;
      return [body, status].filter((piece) => piece !== '').join('\n\n');
    },
  };
}

/** One short line in which every character stands for itself. */
function inCode(text: string): string {
  return `\`${oneLine(text.replaceAll('`', "'"), 80)}\``;
}
