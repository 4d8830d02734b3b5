// What a person may order in a chat, on every channel: one list, from which messages are read, help is written and menus
// of platforms are filled. What is not in it, or is written in another way, is text for the agent.
import type { TurnRequest } from './messages.ts';

export interface Command {
  readonly name: string;
  /** As people write it. */
  readonly usage: string;
  readonly help: string;
  /** What it becomes in the conversation's queue. */
  readonly kind: TurnRequest['kind'];
  /** What may stand behind it; anything else makes it text for the agent. */
  readonly takes: RegExp;
}

const NOTHING = /^$/;
const ANYTHING = /^[\s\S]*$/;

export const COMMANDS = [
  {
    name: 'new',
    usage: '/new [text]',
    help: 'Start a fresh session; the text is its first message',
    kind: 'new',
    takes: ANYTHING,
  },
  {
    name: 'undo',
    usage: '/undo [number]',
    help: 'Undo the last turn, or so many, files included; `/undo new` goes back to the session before the last /new',
    kind: 'undo',
    takes: /^(?:\d{1,4}|new)?$/,
  },
  {
    name: 'redo',
    usage: '/redo',
    help: 'Bring back what the last /undo took away',
    kind: 'redo',
    takes: NOTHING,
  },
  {
    name: 'fork',
    usage: '/fork [name]',
    help: 'Go on from here in another conversation, too',
    kind: 'fork',
    takes: /^[^\n]{0,128}$/,
  },
  {
    name: 'btw',
    usage: '/btw text',
    help: 'Tell this to the turn that runs, at its next step',
    kind: 'steer',
    takes: /\S/,
  },
] as const satisfies readonly Command[];

const SHAPE = /^\/([a-z]{1,32})(?:@\w{3,64})?(?:\s+([\s\S]*))?$/i;

export interface ReadCommand {
  readonly command: Command;
  readonly rest: string;
}

/** null for text that the agent gets. In a group a command may name the bot. */
export function readCommand(text: string): ReadCommand | null {
  const [, name = '', behind = ''] = SHAPE.exec(text.trim()) ?? [];
  const command = COMMANDS.find((one) => one.name === name.toLowerCase());
  const rest = behind.trim();
  return command?.takes.test(rest) ? { command, rest } : null;
}
