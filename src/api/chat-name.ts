// Names of chats, as HTTP clients and programs give them, and what of the store belongs to them: conversations of the
// `http` channel. Every route and every call of a program that is given an id goes through `findTurn`, so that a guessed
// id of another channel is as unknown as one that does not exist.
import { Invalid } from '../core/errors.ts';
import {
  type Conversation,
  conversationOf,
  type SessionKey,
  sessionKeyOf,
  type TurnId,
} from '../core/ids.ts';
import { linkingOf } from '../core/links.ts';
import type { SessionStore } from '../core/ports.ts';
import { chatOf, type TurnRecord } from '../core/records.ts';
import type { Owner } from './deps.ts';

export const CHANNEL = 'http';
const CHAT = /^[A-Za-z0-9._~-]{1,128}$/;

export function isChatName(name: string): boolean {
  return CHAT.test(name);
}

/** Throws `Invalid('bad-chat')`. */
export function conversationOfChat(chat: string | undefined, owner: Owner): Conversation {
  if (chat === undefined || !CHAT.test(chat)) {
    throw new Invalid('bad-chat', 'A chat name is 1 to 128 characters of A-Z a-z 0-9 . _ ~ -');
  }
  return { tenant: owner.name, ...ofOwner(owner), chat, thread: null };
}

/**
 * Where an owner's chats are: those of programs in one place, each person's in another. No person's id can name another place,
 * and whatever a request says, this is the only way to a conversation.
 */
export function ofOwner({ user }: Pick<Owner, 'user'>): { readonly channel: string; readonly bot: string } {
  return { channel: CHANNEL, bot: user === undefined ? 'local' : `${PERSON}${user.id}` };
}

const PERSON = 'user/';

/** Whose chat it is; null for one of programs. */
export function personOf({ bot }: Pick<Conversation, 'bot'>): string | null {
  return bot.startsWith(PERSON) ? bot.slice(PERSON.length) : null;
}

/** Who speaks, for whoever asks rights and limits; null where only a key was shown. */
export function senderOf({
  user,
}: Pick<Owner, 'user'>): { readonly id: string; readonly name: string | null } | null {
  return user ?? null;
}

/** The conversation whose session and turns a chat has: its own, or that which it is linked to. */
export async function sharedKey(store: SessionStore, conversation: Conversation): Promise<SessionKey> {
  const own = sessionKeyOf(conversation);
  return (await linkingOf(store)?.homeOf(own)) ?? own;
}

/** The turn, if it belongs to a chat of this API. */
export async function findTurn(
  store: Pick<SessionStore, 'getTurn'>,
  turnId: TurnId,
  owner: Owner,
): Promise<TurnRecord | null> {
  const turn = await store.getTurn(owner.tenant, turnId);
  if (turn === null) return null;
  const own = ofOwner(owner);
  // Said in a chat of theirs, or in one that shares the session of a chat of theirs.
  const isOwn = [turn.sessionKey, chatOf(turn)].some((key) => {
    const { channel, bot } = conversationOf(key);
    return channel === own.channel && bot === own.bot;
  });
  return isOwn ? turn : null;
}
