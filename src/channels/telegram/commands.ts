// The commands as Telegram shows them, and what the bot says without asking the agent.
import { COMMANDS, type Command, LANGUAGES } from '../../core/commands.ts';
import type { OfferedCommand } from '../../core/offered-commands.ts';

/** What Telegram offers while a person types: in each kind of chat, in each language. */
export interface CommandMenu {
  readonly scope: 'default' | 'all_private_chats' | 'all_group_chats';
  /** null: whoever's language has no menu of its own. */
  readonly language: string | null;
  readonly commands: readonly { readonly command: string; readonly description: string }[];
}

export function commandMenus(offered: readonly OfferedCommand[] = []): readonly CommandMenu[] {
  const known: readonly Command[] = COMMANDS;
  return (['default', 'all_private_chats', 'all_group_chats'] as const).flatMap((scope) =>
    [null, ...LANGUAGES].map((language) => ({
      scope,
      language,
      // Those of the agent folder have one language, its owner's.
      commands: [
        ...known
          .filter(({ inGroups }) => scope !== 'all_group_chats' || inGroups !== false)
          .map(({ name, help, helpIn }) => {
            return { command: name, description: plain(language === null ? help : helpIn[language]) };
          }),
        ...offered.map(({ name, help }) => ({ command: name, description: plain(help) })),
      ],
    })),
  );
}

export function helpText(offered: readonly OfferedCommand[] = []): string {
  return [
    'Write to me and I answer. I remember this chat, and the files I work on, between messages.',
    'Every topic of a group is a conversation of its own.',
    '',
    ...COMMANDS.map(({ usage, help }) => `${usage} – ${plain(help)}`),
    ...offered.map(({ name, help }) => `/${name} – ${plain(help)}`),
  ].join('\n');
}

/** Menus and this text show no Markdown. */
function plain(text: string): string {
  return text.replaceAll('`', '');
}

export const NOTHING_TO_STOP = 'Nothing is running.';

/** Said at once; the stopped turns answer for themselves. */
export function stoppingText(turns: number): string {
  return turns === 1 ? 'Stopping.' : `Stopping, and ${turns - 1} more that waited.`;
}

export const NOT_READ =
  'I cannot read that. I take text, pictures, files, voice and video messages, places and contacts.';

export interface WrittenCommand {
  readonly name: string;
  /** The bot it is addressed to (`/new@ThatBot`), lower case; null when it names none. */
  readonly addressee: string | null;
  readonly rest: string;
}

const SHAPE = /^\/([A-Za-z0-9_]{1,32})(?:@([A-Za-z0-9_]{3,64}))?(?:\s+([\s\S]*))?$/;

/** null when the text is no command. */
export function parseCommand(text: string): WrittenCommand | null {
  const match = SHAPE.exec(text.trim());
  if (!match?.[1]) return null;
  return {
    name: match[1].toLowerCase(),
    addressee: match[2]?.toLowerCase() ?? null,
    rest: match[3]?.trim() ?? '',
  };
}
