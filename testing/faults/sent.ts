// What was sent for a planned message, and under which id it is to be found.
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import {
  type Conversation,
  type SessionKey,
  sessionKeyOf,
  type TurnId,
  turnIdOf,
} from '../../src/core/ids.ts';
import type { PlannedMessage } from './planned.ts';

export interface Sent {
  readonly message: PlannedMessage;
  readonly turnId: TurnId;
  readonly sessionKey: SessionKey;
  sentAtMs: number;
  acknowledgedAtMs: number | null;
}

/** Telegram chats: private ones have positive ids, groups negative ones. */
export const telegramChatId = (chat: number): number => (chat % 4 === 3 ? -1 : 1) * (1_000 + chat);

export const httpChatId = (chat: number): string => `chat-${chat}`;
export const idempotencyKey = ({ number }: PlannedMessage): string => `key-${number}`;

/** Ends the id of what was written behind a command (parse-update.ts). */
export const BEHIND = '.text';

export function telegramEntry(
  message: PlannedMessage,
  botId: number,
  updateId: number,
  atMs: number,
  behind = '',
): Sent {
  const conversation = {
    tenant: DEFAULT_TENANT,
    channel: 'telegram',
    bot: String(botId),
    chat: String(telegramChatId(message.chat)),
    thread: null,
  };
  return entryOf(message, conversation, `${botId}:${updateId}${behind}`, atMs);
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
