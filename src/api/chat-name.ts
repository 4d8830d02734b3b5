// Names of chats, as HTTP clients and programs give them. Such a chat is a conversation of the `http` channel.
import { DEFAULT_TENANT } from '../core/defaults.ts';
import { Invalid } from '../core/errors.ts';
import type { Conversation } from '../core/ids.ts';

const CHAT = /^[A-Za-z0-9._~-]{1,128}$/;

/** Throws `Invalid('bad-chat')`. */
export function conversationOfChat(chat: string | undefined): Conversation {
  if (chat === undefined || !CHAT.test(chat)) {
    throw new Invalid('bad-chat', 'A chat name is 1 to 128 characters of A-Z a-z 0-9 . _ ~ -');
  }
  return { tenant: DEFAULT_TENANT, channel: 'http', bot: 'local', chat, thread: null };
}
