// The simulated users: one per chat, over the fake Telegram or the HTTP API. They repeat messages that may not have
// arrived, and send some twice at the same moment. A message counts as acknowledged when the sender got a success.

import { setTimeout as pause } from 'node:timers/promises';
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import {
  type Conversation,
  type SessionKey,
  sessionKeyOf,
  type TurnId,
  turnIdOf,
} from '../../src/core/ids.ts';
import type { SessionStore } from '../../src/core/ports.ts';
import type { FakeBot } from '../telegram/fake-bot.ts';
import type { Note } from './injected-faults.ts';
import type { PlannedMessage } from './plan.ts';
import { type Input, inputOf } from './said-or-pressed.ts';
import { noteTurnNumber } from './turn-numbers.ts';

export interface Sent {
  readonly message: PlannedMessage;
  readonly turnId: TurnId;
  readonly sessionKey: SessionKey;
  sentAtMs: number;
  acknowledgedAtMs: number | null;
}

export interface UserOptions {
  readonly bot: FakeBot;
  /** Where the HTTP API is now; it may come back elsewhere. */
  readonly serverUrl: () => string;
  /** Where a question that a person waits for can be seen. */
  readonly turns: Pick<SessionStore, 'getTurn'>;
  /** Of the run. */
  readonly folder: string;
  readonly note: Note;
  readonly signal: AbortSignal;
}

/** Telegram chats: private ones have positive ids, groups negative ones. */
export const telegramChatId = (chat: number): number => (chat % 4 === 3 ? -1 : 1) * (1_000 + chat);

/** Below the acknowledgement of a message in the HTTP API. */
const HTTP_TIMEOUT_MS = 2_000;

/** Plays a chat's messages in order; resolves when all are acknowledged or the run is over. */
export async function playChat(
  messages: readonly PlannedMessage[],
  options: UserOptions,
  sent: Sent[],
): Promise<void> {
  const later: Promise<unknown>[] = [];
  for (const message of messages) {
    await pause(message.pauseMs, undefined, { signal: options.signal }).catch(() => {});
    if (options.signal.aborted) return;
    const input = await inputOf(message, options, sent);
    if (input === null) continue;
    const say = message.channel === 'telegram' ? sayInTelegram : sayOverHttp;
    later.push((await say(message, input, options, sent)).copies);
  }
  await Promise.all(later);
}

type Say = (
  message: PlannedMessage,
  input: Input,
  options: UserOptions,
  sent: Sent[],
) => Promise<{ readonly copies: Promise<unknown> }>;

const sayInTelegram: Say = async (message, input, { bot, folder, note, signal }, sent) => {
  const chatId = telegramChatId(message.chat);
  const updateId =
    'text' in input
      ? bot.say(chatId, input.text).updateId
      : bot.press(chatId, input.messageId, input.label, { from: input.from });
  const { act } = message;
  const isStop = act?.kind === 'stop';
  const entry = telegramEntry(message, bot.id, updateId, Date.now(), isStop ? BEHIND : '');
  // A stop alone is no turn there: it is done beside the queue.
  const isTurn = !isStop || act.text;
  if (isTurn) {
    noteTurnNumber(folder, entry.turnId, message.number);
    sent.push(entry);
  }
  note('said', { message: message.number, turn: entry.turnId, act: act?.kind, chat: message.chat });
  const redeliver = () => bot.redeliver(updateId).catch(() => {});
  const copies = Array.from({ length: message.duplicates }, redeliver);
  const pending = () => bot.feed.pending.some((update) => update.update_id === updateId);
  while (pending() && !signal.aborted) await pause(5);
  if (!pending()) acknowledge(entry, note);
  return { copies: Promise.all([...copies, again(message, redeliver, signal)]) };
};

const sayOverHttp: Say = async (message, input, { serverUrl, folder, note, signal }, sent) => {
  const chat = `v1/chats/${httpChatId(message.chat)}`;
  const key = idempotencyKey(message);
  const about = 'text' in input ? '' : `${input.question}:`;
  const entry = httpEntry(message, Date.now(), about);
  noteTurnNumber(folder, entry.turnId, message.number);
  sent.push(entry);
  note('said', { message: message.number, turn: entry.turnId, act: message.act?.kind });
  const path = 'text' in input ? 'messages' : `questions/${input.question}`;
  const body = JSON.stringify('text' in input ? { text: input.text } : { decision: input.decision });
  const post = async (): Promise<boolean> => {
    try {
      const response = await fetch(`${serverUrl()}/${chat}/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key, prefer: 'respond-async' },
        body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(HTTP_TIMEOUT_MS)]),
      });
      const answer = (await response.json()) as { turn_id?: string };
      return response.ok && answer.turn_id === entry.turnId;
    } catch {
      return false;
    }
  };
  const copies = Array.from({ length: message.duplicates }, post);
  while (!signal.aborted && !(await post())) await pause(50);
  if (!signal.aborted) acknowledge(entry, note);
  return { copies: Promise.all([...copies, again(message, post, signal)]) };
};

async function again(
  message: PlannedMessage,
  send: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  if (message.againAfterMs === null) return;
  await pause(message.againAfterMs, undefined, { signal }).catch(() => {});
  if (!signal.aborted) await send();
}

export const httpChatId = (chat: number): string => `chat-${chat}`;
export const idempotencyKey = ({ number }: PlannedMessage): string => `key-${number}`;

/** Ends the id of what was written behind a command (parse-update.ts). */
const BEHIND = '.text';

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

function acknowledge(entry: Sent, note: Note): void {
  entry.acknowledgedAtMs = Date.now();
  note('acknowledged', { message: entry.message.number });
}
