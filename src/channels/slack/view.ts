// Events of a turn as the text to show now: what was said so far, and a line about what is being done.
import type { TurnEvent } from '../../core/ports.ts';
import { splitMarkdown } from '../../core/split-markdown.ts';
import { waitingText } from '../../core/waiting.ts';
import { oneLine } from '../../text/cut-text.ts';
import { MAX_MESSAGE_LENGTH } from './content.ts';
import { callsNobody } from './message-text.ts';
import { THINKING } from './placeholder.ts';

const CUT_OFF = '…\n\n';

export interface View {
  take(event: TurnEvent): void;
  /** True when nothing goes on until something is back. */
  waits(): boolean;
  text(): string;
}

export function createView(): View {
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
      const status = callsNobody(line || (said.trim() === '' ? THINKING : ''));
      const room = MAX_MESSAGE_LENGTH - status.length - CUT_OFF.length - 2;
      const parts = said.trim() === '' ? [] : splitMarkdown(callsNobody(said.toWellFormed()), room);
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
