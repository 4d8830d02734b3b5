// One chat as its person sees it: one reply per message, in order, nothing of another chat. Besides there may be a lone
// placeholder where an answer of Telegram was lost, and one word per message that its storage is being waited for: nothing
// can be recorded then, so nothing can be edited later.

import { MAX_MESSAGE_LENGTH } from '../../src/channels/telegram/capabilities.ts';
import { NOTHING_TO_STOP } from '../../src/channels/telegram/commands.ts';
import { WAITING } from '../../src/channels/telegram/placeholder.ts';
import { THINKING } from '../../src/core/progress-text.ts';
import { GATHERED } from '../../src/core/records.ts';
import { waitingText } from '../../src/core/waiting.ts';
import type { FakeBot } from '../telegram/fake-bot.ts';
import type { Outcome } from './check-input.ts';
import type { Findings } from './findings.ts';
import { canaryOf } from './planned.ts';
import { movedChatId, telegramChatId } from './sent.ts';

const STORE_AWAY = waitingText({ waitingFor: 'store', nextTryAtMs: null });

/** Returns how many lone placeholders are left. */
export function checkChat(chat: readonly Outcome[], bot: FakeBot, findings: Findings): number {
  const number = chat[0]?.sent.message.chat ?? 0;
  /** How often each text must be to be seen: different turns may say the same. */
  const replies = new Map<string, number>();
  for (const outcome of chat) {
    const { reply } = outcome.turn ?? {};
    if (!reply) continue;
    const { text } = reply;
    findings.expect(
      ownCanaryOnly(text, number),
      'apart',
      outcome.number,
      () => `The reply tells of another chat: ${text}`,
    );
    findings.expect(
      text.length < MAX_MESSAGE_LENGTH,
      'kit',
      outcome.number,
      () => 'The kit expects replies of one message.',
    );
    if (isShown(outcome)) replies.set(text.trim(), (replies.get(text.trim()) ?? 0) + 1);
  }
  const inOrder = chat.filter(
    ({ continued, turn, sent }) =>
      !continued &&
      sent.message.act?.kind !== 'wake' &&
      turn?.reply &&
      replies.get(turn.reply.text.trim()) === 1,
  );
  if (chat[0]?.sent.message.channel !== 'telegram') return 0;

  const chatId = telegramChatId(number);
  // A group that became a supergroup is one chat to its people.
  const places = [
    chatId,
    ...(chat.some(({ sent }) => sent.message.act?.kind === 'migrate') ? [movedChatId(number)] : []),
  ];
  const seen = places.flatMap((id) => bot.chat(id).messages).filter(({ from }) => from === 'bot');
  const leftovers = seen.filter(({ text }) => text === THINKING || text === WAITING);
  const announced = seen.filter(({ text }) => text === STORE_AWAY);
  findings.expect(
    announced.length <= chat.length,
    'one-reply',
    null,
    () => `It was told ${announced.length} times that the storage is away, for ${chat.length} messages.`,
  );
  for (const outcome of chat) {
    const reply = outcome.turn?.reply;
    if (reply && !isShown(outcome)) continue;
    const text = reply?.text.trim() ?? '';
    const shown = seen.filter((message) => message.text === text).length;
    findings.expect(
      shown === (replies.get(text) ?? 1),
      'one-reply',
      outcome.number,
      () => `Its final text is to be seen ${shown} times: ${text}`,
    );
  }
  for (const message of seen) {
    if (leftovers.includes(message) || announced.includes(message) || isSaidAtOnce(message.text)) continue;
    findings.expect(
      replies.has(message.text),
      'one-reply',
      null,
      () => `A text that is no turn's reply: ${message.text}`,
    );
  }
  const landed = landings(chat, places, bot);
  const times = inOrder.map((outcome) => landed.get(outcome.number) ?? -1);
  for (let i = 1; i < times.length; i++) {
    const [before, after] = [inOrder[i - 1], inOrder[i]];
    findings.expect(
      (times[i - 1] ?? 0) < (times[i] ?? 0),
      'order',
      after?.number ?? null,
      () => `Answered before #m${before?.number}.`,
    );
  }
  return leftovers.length;
}

/** When each final text was first to be seen: the number of the call that put it there. */
function landings(chat: readonly Outcome[], places: readonly number[], bot: FakeBot): Map<number, number> {
  const landed = new Map<number, number>();
  const byText = new Map(chat.map((outcome) => [outcome.turn?.reply?.text.trim(), outcome.number]));
  bot.calls.forEach(({ method, payload, outcome }, index) => {
    if (method !== 'editMessageText' || !places.includes(Number(payload.chat_id))) return;
    const notDone = outcome === 'cut-before' || /^\d+$/.test(outcome);
    const rich = payload.rich_message as { markdown?: string } | undefined;
    const number = byText.get(String(rich?.markdown ?? payload.text ?? '').trim());
    if (!notDone && number !== undefined && !landed.has(number)) landed.set(number, index);
  });
  return landed;
}

/** What was taken into another turn, what a press says beside its question, and a move are no messages. */
const isShown = ({ turn }: Outcome): boolean =>
  turn?.kind !== 'move' && turn?.reply?.quiet !== true && turn?.reply?.code !== GATHERED.code;

/** The answer to a stop comes from the inlet, beside the queue: it may be lost, or come twice. */
const isSaidAtOnce = (text: string): boolean =>
  text === NOTHING_TO_STOP || text === 'Stopping.' || text.startsWith('Stopping, and ');

export function ownCanaryOnly(text: string, chat: number): boolean {
  return [...text.matchAll(/canary\d+x\d+/g)].every(([found]) => found === canaryOf(chat));
}
