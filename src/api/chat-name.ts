// Names of chats, as HTTP clients and programs give them, and what of the store belongs to them: conversations of the
// `http` channel. Every route and every call of a program that is given an id goes through `findTurn`, so that a guessed
// id of another channel is as unknown as one that does not exist.
import { Invalid } from '../core/errors.ts';
import { type Conversation, conversationOf, type TurnId } from '../core/ids.ts';
import type { SessionStore } from '../core/ports.ts';
import type { TurnRecord } from '../core/records.ts';
import type { Owner } from './deps.ts';

const OF_CHATS = { channel: 'http', bot: 'local' } as const;
const CHAT = /^[A-Za-z0-9._~-]{1,128}$/;

export function isChatName(name: string): boolean {
  return CHAT.test(name);
}

/** Throws `Invalid('bad-chat')`. */
export function conversationOfChat(chat: string | undefined, { name }: Owner): Conversation {
  if (chat === undefined || !CHAT.test(chat)) {
    throw new Invalid('bad-chat', 'A chat name is 1 to 128 characters of A-Z a-z 0-9 . _ ~ -');
  }
  return { tenant: name, ...OF_CHATS, chat, thread: null };
}

/** The turn, if it belongs to a chat of this API. */
export async function findTurn(
  store: Pick<SessionStore, 'getTurn'>,
  turnId: TurnId,
  { tenant }: Owner,
): Promise<TurnRecord | null> {
  const turn = await store.getTurn(tenant, turnId);
  if (turn === null) return null;
  const { channel, bot } = conversationOf(turn.sessionKey);
  return channel === OF_CHATS.channel && bot === OF_CHATS.bot ? turn : null;
}
