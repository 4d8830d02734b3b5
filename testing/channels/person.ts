// Ann, who has the same conversation on every channel: what she does there, and what she sees. Each channel says how she
// does it, and what cannot be done there.
import type { OwnChannel } from '../lambda/installation.ts';
import type { FakeBot } from '../telegram/fake-bot.ts';

/** One message as it is to be seen now. */
export interface Line {
  readonly by: 'Ann' | 'Bot';
  readonly text: string;
  readonly buttons?: readonly string[];
  /** Name of the file that it shows. */
  readonly file?: string;
}

export interface PersonAbilities {
  /** How an answer is seen while it grows; or why not. */
  readonly streams: 'yes' | 'by edits' | { readonly no: string };
  /** How a question is answered. */
  readonly picks: 'yes' | 'by numbers';
  readonly sendsPictures: 'yes' | { readonly no: string };
  readonly getsFiles: 'yes' | { readonly no: string };
  /** Whether one answer may take as many messages as it needs; or why not. */
  readonly longAnswers: 'yes' | { readonly no: string };
}

export interface Person {
  /** As people write it. */
  readonly channel: string;
  readonly can: PersonAbilities;
  /** Writes; resolves when the platform has brought it. */
  writes(text: string): Promise<void>;
  /** Answers the question that waits with the offer of that name. */
  picks(label: string): Promise<void>;
  sendsPicture(words: string, bytes: Uint8Array): Promise<void>;
  /** The chat as it is now, oldest message first. */
  lines(): Promise<readonly Line[]>;
  /** Every text that was ever to be seen of the bot, drafts and what was edited away among them. */
  everSeen(): Promise<readonly string[]>;
  /** What the bot has sent her, by name. */
  files(): Promise<ReadonlyMap<string, Uint8Array>>;
}

/** Where the running system is; after a restart it may be elsewhere. */
export interface SystemAddress {
  readonly apiUrl: string;
  readonly apiKey: string;
  /** Below it every channel has its webhook. */
  readonly ingressUrl: string;
  /** The bot of a wiring that brings a Telegram of its own. */
  readonly telegramBot?: FakeBot;
}

/** A channel's platform, its person, and what the system is told of it. */
export interface Platform {
  readonly person: Person;
  /** For a local system: its environment, and its section of the configuration file. */
  readonly local: {
    readonly env: Readonly<Record<string, string>>;
    readonly section: readonly [name: string, fields: object] | null;
  };
  /** For an installation on AWS; absent where it is in every installation. */
  readonly own?: OwnChannel;
  /** Tells the platform where the system is now. */
  found(address: SystemAddress): Promise<void>;
  close(): Promise<void>;
}

/** The order of a chat of which only the bot's side is kept elsewhere, and only grows. */
export function createChatRecord(bot: () => readonly Line[]) {
  const said: { readonly line: Line; readonly after: number }[] = [];
  return {
    says(text: string, file?: string): void {
      const line: Line = { by: 'Ann', text, ...(file === undefined ? {} : { file }) };
      said.push({ line, after: bot().length });
    },
    lines(): readonly Line[] {
      const all: Line[] = [];
      const shown = bot();
      for (let at = 0; at <= shown.length; at++) {
        all.push(...said.filter(({ after }) => after === at).map(({ line }) => line));
        const line = shown[at];
        if (line) all.push(line);
      }
      return all;
    },
  };
}

/** The number below the question that stands before that offer. */
export function numberOf(label: string, lines: readonly Line[]): string {
  const question = lines.findLast(({ by, text }) => by === 'Bot' && text.includes(label));
  const number = new RegExp(`^(\\d+)\\. ${label}`, 'm').exec(question?.text ?? '')?.[1];
  if (number === undefined) throw new Error(`No number stands before "${label}".`);
  return number;
}
