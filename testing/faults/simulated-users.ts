// The simulated users: one per chat, over the fake Telegram or the HTTP API. They repeat messages that may not have
// arrived, and send some twice at the same moment. A message counts as acknowledged when the sender got a success.

import { setTimeout as pause } from 'node:timers/promises';
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import type { SessionStore } from '../../src/core/ports.ts';
import type { FakeBot } from '../telegram/fake-bot.ts';
import type { Note } from './injected-faults.ts';
import type { PlannedMessage } from './planned.ts';
import { awaitsRedelivery } from './redeliveries.ts';
import { type Input, inputOf } from './said-or-pressed.ts';
import {
  BEHIND,
  httpChatId,
  httpEntry,
  idempotencyKey,
  movedChatId,
  movedKey,
  moveEntry,
  type Sent,
  telegramChatId,
  telegramEntry,
} from './sent.ts';
import { noteScheduling, noteTurnNumber } from './turn-numbers.ts';

export interface UserOptions {
  readonly bot: FakeBot;
  /** Where the HTTP API is now; it may come back elsewhere. */
  readonly serverUrl: () => string;
  /** Where a question that a person waits for can be seen. */
  readonly turns: Pick<SessionStore, 'getTurn'>;
  /** Of the run. */
  readonly folder: string;
  /** Groups that have become supergroups. */
  readonly moved: Set<number>;
  readonly note: Note;
  readonly signal: AbortSignal;
}

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
    if (message.act?.kind === 'forget') {
      await Promise.all(later);
      await untilQuiet(message.chat, options, sent);
    }
    if (message.act?.kind === 'migrate') {
      await migrate(message, options, sent);
      continue;
    }
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

/** Everything written in the chat so far is answered, and none of it is on its way once more. What became of it is kept. */
async function untilQuiet(
  chat: number,
  { turns, folder, signal }: UserOptions,
  sent: readonly Sent[],
): Promise<void> {
  const mine = sent.filter(({ message, beforeErased }) => message.chat === chat && !beforeErased);
  while (!signal.aborted) {
    const lines = await Promise.all(
      mine.map(({ turnId }) => turns.getTurn(DEFAULT_TENANT, turnId).catch(() => null)),
    );
    const isQuiet = lines.every((turn) => turn?.status === 'delivered' || turn?.status === 'undeliverable');
    if (isQuiet && !awaitsRedelivery(folder, mine)) {
      for (const [at, entry] of mine.entries()) {
        const turn = lines[at];
        if (turn) entry.beforeErased = turn;
      }
      return;
    }
    await pause(50, undefined, { signal }).catch(() => {});
  }
}

async function migrate(
  message: PlannedMessage,
  { bot, folder, moved, note, signal }: UserOptions,
  sent: Sent[],
): Promise<void> {
  const entry = moveEntry(message, bot.id, Date.now());
  noteTurnNumber(folder, entry.turnId, message.number);
  sent.push(entry);
  noteScheduling(folder, movedKey(message.chat, bot.id));
  const { updateIds } = bot.migrate(telegramChatId(message.chat), movedChatId(message.chat));
  moved.add(message.chat);
  note('said', { message: message.number, turn: entry.turnId, act: 'migrate', chat: message.chat });
  const pending = () => bot.feed.pending.some(({ update_id: id }) => updateIds.includes(Number(id)));
  while (pending() && !signal.aborted) await pause(5);
  if (!pending()) acknowledge(entry, note);
}

const sayInTelegram: Say = async (message, input, { bot, folder, moved, note, signal }, sent) => {
  const person = Math.abs(telegramChatId(message.chat));
  const chatId = moved.has(message.chat) ? movedChatId(message.chat) : telegramChatId(message.chat);
  const updateId =
    'text' in input
      ? bot.say(chatId, input.text, { from: person }).updateId
      : bot.press(chatId, input.messageId, input.label, { from: input.from });
  const { act } = message;
  const isStop = act?.kind === 'stop';
  const entry = telegramEntry(message, bot.id, updateId, Date.now(), {
    behind: isStop ? BEHIND : '',
    chatId,
  });
  // A stop alone is no turn there: it is done beside the queue.
  const isTurn = !isStop || act.text;
  if (isTurn) {
    noteTurnNumber(folder, entry.turnId, message.number);
    if (act?.kind === 'schedule') noteScheduling(folder, entry.sessionKey);
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
  if (message.act?.kind === 'schedule') noteScheduling(folder, entry.sessionKey);
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

function acknowledge(entry: Sent, note: Note): void {
  entry.acknowledgedAtMs = Date.now();
  note('acknowledged', { message: entry.message.number });
}
