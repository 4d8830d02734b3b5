// Shows one turn's events in a terminal: text as it arrives, one line per tool call, and at the end the part of the
// reply that has not been shown yet.
import type { AnswerView } from '../api/views.ts';
import { oneLine } from '../text/cut-text.ts';
import { createPieceJoiner, harmless } from '../text/harmless.ts';
import type { WatchedEvent } from './api-client.ts';
import { fileLines } from './download.ts';
import type { Terminal } from './terminal.ts';

export interface ChatScreen {
  /** `label` begins the answer's first line. null when the turn vanished (its chat was erased). */
  show(events: AsyncIterable<WatchedEvent>, label?: string): Promise<AnswerView | null>;
}

export function createChatScreen(terminal: Terminal, { streams }: { streams: boolean }): ChatScreen {
  // Text since the last tool line: the reply usually repeats exactly that.
  let shown = '';
  let atLineStart = true;
  let lastNotice = '';
  let pieces = createPieceJoiner();

  function write(text: string): void {
    if (text === '') return;
    if (streams) terminal.write(harmless(text));
    atLineStart = text.endsWith('\n');
  }

  function writeDimmed(text: string): void {
    if (!streams) return;
    if (!atLineStart) terminal.line();
    terminal.line(terminal.style('dim', text));
    atLineStart = true;
    shown = '';
  }

  /** Shows each new text once: a wait is shown again only when its time has changed. */
  function notice(text: string): void {
    if (text === lastNotice) return;
    lastNotice = text;
    if (streams) writeDimmed(text);
    else terminal.note(text);
  }

  function finish(answer: AnswerView): void {
    const reply = answer.reply?.text ?? '';
    const already = shown.trim();
    const rest = reply.trim().startsWith(already) ? reply.trim().slice(already.length) : `\n${reply}`;
    write(already === '' ? reply : rest);
    if (!atLineStart) write('\n');
    const files = answer.reply?.files ?? [];
    for (const line of fileLines(files)) writeDimmed(line);
    if (files.length > 0) writeDimmed('/download saves them here.');
  }

  return {
    async show(events, label = '') {
      shown = '';
      pieces = createPieceJoiner();
      terminal.write(label);
      atLineStart = label === '';
      for await (const { event, data } of events) {
        if (event === 'text') {
          const text = pieces.join(data.text);
          shown += text;
          write(text);
        } else if (event === 'tool') {
          if (data.state === 'started') writeDimmed(toolLine(data.summary || data.name));
          else if (data.state === 'failed') writeDimmed(`  ${data.name} failed`);
        } else if (event === 'status') {
          if (data.status === 'retrying' && shown !== '')
            writeDimmed('(interrupted; starting this turn over)');
          // Never hidden: without it a wait of hours looks like a hang.
          if (data.status === 'waiting') notice(waitingLine(data.text ?? '', data.next_try_at ?? null));
        } else if (event === 'final') {
          finish(data);
          return data;
        }
      }
      return null;
    },
  };
}

function waitingLine(text: string, nextTryAt: string | null): string {
  const at = nextTryAt === null ? '' : ` Next try at ${new Date(nextTryAt).toLocaleTimeString()}.`;
  return `${harmless(text)}${at}`;
}

function toolLine(summary: string): string {
  return `• ${oneLine(harmless(summary), 100)}`;
}
