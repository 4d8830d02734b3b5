// What a bot hears in a group: everything that Telegram shows it, what is addressed to it, or its commands only; for all
// groups, and for single ones. In private chats everything is for the bot.
import { z } from 'zod';

const policy = z.enum(['mention', 'all', 'commands']);

export const groupPolicySchema = z.strictObject({
  default: policy.default('mention'),
  chats: z.record(z.string().regex(/^-\d{1,15}$/, 'ids of groups are negative numbers'), policy).default({}),
});
export type GroupPolicy = z.infer<typeof groupPolicySchema>;

/** What a message in a group tells about whom it is for. */
export interface Addressed {
  readonly text: string;
  /** One of our commands, or one that names this bot. */
  readonly isCommand: boolean;
  /** It answers a message of the bot, or stands in a topic that the bot opened. */
  readonly answersBot: boolean;
}

export function isHeard(
  groups: GroupPolicy | undefined,
  chatId: number,
  username: string,
  { text, isCommand, answersBot }: Addressed,
): boolean {
  const rule = groups?.chats[String(chatId)] ?? groups?.default ?? 'all';
  if (rule === 'all' || isCommand) return true;
  return rule === 'mention' && (answersBot || isMentioned(text, username));
}

function isMentioned(text: string, username: string): boolean {
  const words: readonly string[] = text.toLowerCase().match(/@\w+/g) ?? [];
  return words.includes(`@${username.toLowerCase()}`);
}
