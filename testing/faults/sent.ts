// What was sent for a planned message, and under which id it is to be found.
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import {
  type Conversation,
  type SessionKey,
  sessionKeyOf,
  type TurnId,
  turnIdOf,
} from '../../src/core/ids.ts';
import type { TurnRecord } from '../../src/core/records.ts';
import type { PlannedMessage } from './planned.ts';

export interface Sent {
  readonly message: PlannedMessage;
  readonly turnId: TurnId;
  readonly sessionKey: SessionKey;
  sentAtMs: number;
  /** Its turn, as it was before its chat was forgotten. */
  beforeErased?: TurnRecord;
  acknowledgedAtMs: number | null;
}

/** Telegram chats: private ones have positive ids, groups negative ones. */
export const telegramChatId = (chat: number): number => (chat % 4 === 3 ? -1 : 1) * (1_000 + chat);

export const httpChatId = (chat: number): string => `chat-${chat}`;
export const idempotencyKey = ({ number }: PlannedMessage): string => `key-${number}`;

/** Of the group after it became a supergroup. */
export const movedChatId = (chat: number): number => telegramChatId(chat) - 1_000_000;

/** Ends the id of what was written behind a command (parse-update.ts). */
export const BEHIND = '.text';

export function telegramEntry(
  message: PlannedMessage,
  botId: number,
  updateId: number,
  atMs: number,
  { behind = '', chatId = telegramChatId(message.chat) } = {},
): Sent {
  return entryOf(message, telegramPlace(botId, chatId), `${botId}:${updateId}${behind}`, atMs);
}

/** The turn that moves a group's conversation. */
export function moveEntry(message: PlannedMessage, botId: number, atMs: number): Sent {
  const from = telegramPlace(botId, telegramChatId(message.chat));
  return entryOf(message, from, `move-to:${movedChatId(message.chat)}`, atMs);
}

export const movedKey = (chat: number, botId: number): SessionKey =>
  sessionKeyOf(telegramPlace(botId, movedChatId(chat)));

/** Where it may be: a group has another key once it is a supergroup. */
export const keysOf = ({ message, sessionKey }: Sent, botId: number): SessionKey[] =>
  message.channel === 'telegram' ? [sessionKey, movedKey(message.chat, botId)] : [sessionKey];

function telegramPlace(botId: number, chatId: number): Conversation {
  const chat = String(chatId);
  return { tenant: DEFAULT_TENANT, channel: 'telegram', bot: String(botId), chat, thread: null };
}

/** A wake-up has the ids of its schedule and its due time: it is found, not foreseen. */
export function wakeEntry(message: PlannedMessage, turn: TurnRecord): Sent {
  const { sessionKey, turnId, receivedAtMs } = turn;
  return { message, sessionKey, turnId, sentAtMs: receivedAtMs, acknowledgedAtMs: receivedAtMs };
}

/** `about`: a question with its colon, for an answer to it. */
export function httpEntry(message: PlannedMessage, atMs: number, about = ''): Sent {
  const chat = httpChatId(message.chat);
  const conversation = { tenant: DEFAULT_TENANT, channel: 'http', bot: 'local', chat, thread: null };
  return entryOf(message, conversation, `${about}${idempotencyKey(message)}`, atMs);
}

function entryOf(
  message: PlannedMessage,
  conversation: Conversation,
  dedupeId: string,
  sentAtMs: number,
): Sent {
  const sessionKey = sessionKeyOf(conversation);
  return {
    message,
    sessionKey,
    turnId: turnIdOf(sessionKey, dedupeId),
    sentAtMs,
    acknowledgedAtMs: null,
  };
}
