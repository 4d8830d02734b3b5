// Shows one turn's events in a terminal: text as it comes, one line per tool call, and at the end whatever part of
// the reply has not been shown yet.
import type { AnswerView } from '../api/views.ts';
import { oneLine } from '../text/cut-text.ts';
import type { WatchedEvent } from './api-client.ts';
import { harmless, type Terminal } from './terminal.ts';

export interface ChatScreen {
  /** `label` begins the answer's first line. null when the turn vanished (its chat was erased). */
  show(events: AsyncIterable<WatchedEvent>, label?: string): Promise<AnswerView | null>;
}

export function createChatScreen(terminal: Terminal, { streams }: { streams: boolean }): ChatScreen {
  // Text since the last tool line: the reply usually repeats exactly that.
  let shown = '';
  let atLineStart = true;

  function write(text: string): void {
    if (text === '') return;
    if (streams) terminal.write(harmless(text));
    atLineStart = text.endsWith('\n');
  }

  function remark(text: string): void {
    if (!streams) return;
    if (!atLineStart) terminal.line();
    terminal.line(terminal.style('dim', text));
    atLineStart = true;
    shown = '';
  }

  function finish(answer: AnswerView): void {
    const reply = answer.reply?.text ?? '';
    const already = shown.trim();
    const rest = reply.trim().startsWith(already) ? reply.trim().slice(already.length) : `\n${reply}`;
    write(already === '' ? reply : rest);
    if (!atLineStart) write('\n');
  }

  return {
    async show(events, label = '') {
      shown = '';
      terminal.write(label);
      atLineStart = label === '';
      for await (const { event, data } of events) {
        if (event === 'text') {
          shown += data.text;
          write(data.text);
        } else if (event === 'tool') {
          if (data.state === 'started') remark(toolLine(data.summary || data.name));
          else if (data.state === 'failed') remark(`  ${data.name} failed`);
        } else if (event === 'status') {
          if (data.status === 'retrying') remark('(interrupted; starting this turn over)');
        } else {
          finish(data);
          return data;
        }
      }
      return null;
    },
  };
}

function toolLine(summary: string): string {
  return `• ${oneLine(harmless(summary), 100)}`;
}
