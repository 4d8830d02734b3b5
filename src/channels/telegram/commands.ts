// The commands this bot knows, and what it says without asking the agent.

export const COMMANDS = [
  { command: 'new', description: 'Start a fresh session' },
  { command: 'stop', description: 'Stop what I am doing' },
  { command: 'help', description: 'What this bot can do' },
] as const;

export const HELP_TEXT = [
  'Write to me and I answer. I remember this chat, and the files I work on, between messages.',
  'Every topic of a group is a conversation of its own.',
  '',
  '/new – start a fresh session; what you write behind it is its first message',
  '/stop – stop what I am doing, and what you wrote since; what you write behind it comes next',
  '/help – this text',
].join('\n');

export const NOTHING_TO_STOP = 'Nothing is running.';

/** Said at once; the stopped turns answer for themselves. */
export function stoppingText(turns: number): string {
  return turns === 1 ? 'Stopping.' : `Stopping, and ${turns - 1} more that waited.`;
}

export const TEXT_ONLY = 'I can read text only. Please send me that as a text message.';

export interface Command {
  readonly name: string;
  /** The bot it is addressed to (`/new@ThatBot`), lower case; null when it names none. */
  readonly addressee: string | null;
  readonly rest: string;
}

const SHAPE = /^\/([A-Za-z0-9_]{1,32})(?:@([A-Za-z0-9_]{3,64}))?(?:\s+([\s\S]*))?$/;

/** null when the text is no command. */
export function parseCommand(text: string): Command | null {
  const match = SHAPE.exec(text.trim());
  if (!match?.[1]) return null;
  return {
    name: match[1].toLowerCase(),
    addressee: match[2]?.toLowerCase() ?? null,
    rest: match[3]?.trim() ?? '',
  };
}
