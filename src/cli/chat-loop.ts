// The conversation in a terminal. It reads lines, runs one turn at a time, and keeps lines that are typed meanwhile for
// the next turn. Pasted lines make one message. Ctrl-C stops the running turn; at the prompt it ends the chat.
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import type { FileView, ReplyView } from '../api/views.ts';
import { COMMANDS } from '../core/commands.ts';
import { oneLine } from '../text/cut-text.ts';
import { harmless } from '../text/harmless.ts';
import type { ApiClient } from './api-client.ts';
import { createChatScreen } from './chat-screen.ts';
import type { CliContext } from './context.ts';
import { filesMeant, saveFile } from './download.ts';
import { EXIT, errorLine, exitCodeOf } from './failure.ts';

export interface Conversation {
  readonly context: CliContext;
  readonly client: ApiClient;
  readonly name: string;
  readonly chatId: string;
}

/** Lines that arrive closer together than a person types were pasted. */
const PASTE_MS = 25;

const HELP = `${COMMANDS.map(({ usage, help }) => `${usage}  ${help}`).join('\n')}
/help   this list
/download [n]  save the files of the last answer into this folder
/quit   leave (also Ctrl-D)
Ctrl-C  stop the running turn; at the prompt: leave`;

/** Returns the exit code. */
export async function converse({ context, client, name, chatId }: Conversation): Promise<number> {
  const { terminal } = context;
  const info = await client.info();
  const asked = await greet();

  const screen = createChatScreen(terminal, { streams: true });
  const lines = createInterface({
    input: process.stdin,
    output: terminal.interactive ? process.stdout : undefined,
    terminal: terminal.interactive,
    prompt: promptFor(asked),
    historySize: 200,
  });
  const waiting: string[] = [];
  let pasted: string[] = [];
  let pasteEnds: NodeJS.Timeout | undefined;
  let running: string | null = null;
  /** Of the last answer. */
  let files: readonly FileView[] = [];
  let stopAsked = false;
  let busy = false;
  let ended = false;
  const left = Promise.withResolvers<number>();

  lines.on('line', (line) => {
    pasted.push(line);
    clearTimeout(pasteEnds);
    if (terminal.interactive) pasteEnds = setTimeout(endPaste, PASTE_MS);
    else endPaste();
  });
  lines.on('close', () => {
    ended = true;
    endPaste();
  });
  lines.on('SIGINT', () => {
    if (running && !stopAsked) {
      stopAsked = true;
      terminal.note(terminal.style('dim', '\nstopping… (Ctrl-C again to leave)'));
      client.stop(running).catch((error) => terminal.note(errorLine(error)));
    } else {
      if (terminal.interactive) terminal.line();
      left.resolve(running ? EXIT.interrupted : EXIT.ok);
      lines.close();
    }
  });

  function endPaste(): void {
    clearTimeout(pasteEnds);
    const text = pasted.join('\n').trim();
    pasted = [];
    if (text !== '') waiting.push(text);
    void next();
  }

  async function next(): Promise<void> {
    if (busy) return;
    const text = waiting.shift();
    if (text === undefined) {
      if (ended) left.resolve(EXIT.ok);
      else if (terminal.interactive) lines.prompt();
      return;
    }
    busy = true;
    try {
      if (text === '/quit' || text === '/exit') {
        waiting.length = 0;
        left.resolve(EXIT.ok);
        lines.close();
      } else if (text === '/help') terminal.line(HELP);
      else if (/^\/download(\s|$)/.test(text)) await download(text.slice('/download'.length).trim());
      else await sendAndShow(text);
    } catch (error) {
      terminal.note(errorLine(error));
      if (!terminal.interactive) left.resolve(exitCodeOf(error));
    }
    busy = false;
    await next();
  }

  async function sendAndShow(text: string): Promise<void> {
    const kind = text === '/new' ? 'new' : 'message';
    stopAsked = false;
    const { turn_id } = await client.send(chatId, {
      kind,
      text: kind === 'new' ? '' : text,
      key: randomUUID(),
    });
    running = turn_id;
    const label = terminal.style(['bold', 'green'], info.model.demo ? 'demo model › ' : 'agent › ');
    const answer = await screen.show(client.watch(turn_id), terminal.interactive ? label : '');
    running = null;
    files = answer?.reply?.files ?? [];
    if (answer === null) terminal.note('This chat was erased.');
    lines.setPrompt(promptFor(answer?.reply?.asked));
    if (terminal.interactive) terminal.line();
  }

  async function download(rest: string): Promise<void> {
    for (const file of filesMeant(files, rest)) {
      const path = await saveFile(context.cwd, file.name, await client.download(file));
      terminal.line(`Saved ${harmless(path)}.`);
    }
  }

  /** What the person is asked for: a message, or an answer to what the agent has asked. */
  function promptFor(questions: ReplyView['asked']): string {
    if (!questions?.length) return terminal.style(['bold', 'cyan'], 'you › ');
    return terminal.style(['bold', 'yellow'], 'your answer › ');
  }

  /** Returns what waits for an answer. */
  async function greet(): Promise<ReplyView['asked']> {
    if (!terminal.interactive) {
      if (info.model.demo) terminal.note('This is the demo model, not Claude.');
      return [];
    }
    terminal.line(
      `${terminal.style('bold', 'hybrid-sessions')} · chat ${name} · ${harmless(info.model.name)}`,
    );
    if (info.model.demo) {
      terminal.line(
        terminal.style(
          'yellow',
          'This is the demo model, not Claude: set ANTHROPIC_API_KEY for the real one.',
        ),
      );
    }
    terminal.line(terminal.style('dim', '/help for commands, Ctrl-C stops a turn'));
    const known = await client.chat(chatId);
    const last = known?.turns.at(-1);
    if (last) {
      const said = oneLine(harmless(last.text), 60);
      const about = last.kind === 'new' ? 'a fresh session' : `last time you wrote: ${said}`;
      terminal.line(
        terminal.style(
          'dim',
          `going on from ${last.updated_at.slice(0, 16).replace('T', ' ')} UTC; ${about}`,
        ),
      );
    }
    const asked = last?.reply?.asked;
    files = last?.reply?.files ?? [];
    if (asked?.length) terminal.line(harmless(last?.reply?.text ?? ''));
    terminal.line();
    return asked;
  }

  void next();
  const code = await left.promise;
  clearTimeout(pasteEnds);
  lines.close();
  return code;
}
