// One chat as its person sees it: one reply per message, in order, nothing of another chat. Besides there may be a lone
// placeholder where an answer of Telegram was lost, and one word per message that its storage is being waited for: nothing
// can be recorded then, so nothing can be edited later.

import { MAX_MESSAGE_LENGTH } from '../../src/channels/telegram/capabilities.ts';
import { WAITING } from '../../src/channels/telegram/placeholder.ts';
import { THINKING } from '../../src/core/progress-text.ts';
import { waitingText } from '../../src/core/waiting.ts';
import type { FakeBot } from '../telegram/fake-bot.ts';
import type { Outcome } from './check-input.ts';
import type { Findings } from './findings.ts';
import { canaryOf } from './plan.ts';
import { telegramChatId } from './simulated-users.ts';

const STORE_AWAY = waitingText({ waitingFor: 'store', nextTryAtMs: null });

/** Returns how many lone placeholders are left. */
export function checkChat(chat: readonly Outcome[], bot: FakeBot, findings: Findings): number {
  const number = chat[0]?.sent.message.chat ?? 0;
  const replies = new Map<string, Outcome>();
  for (const outcome of chat) {
    const text = outcome.turn?.reply?.text;
    if (text === undefined) continue;
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
    replies.set(text.trim(), outcome);
  }
  checkMemory(chat, findings);
  const inOrder = chat.filter(({ continued }) => !continued);
  if (chat[0]?.sent.message.channel !== 'telegram') return 0;

  const chatId = telegramChatId(number);
  const seen = bot.chat(chatId).messages.filter(({ from }) => from === 'bot');
  const leftovers = seen.filter(({ text }) => text === THINKING || text === WAITING);
  const announced = seen.filter(({ text }) => text === STORE_AWAY);
  findings.expect(
    announced.length <= chat.length,
    'one-reply',
    null,
    () => `It was told ${announced.length} times that the storage is away, for ${chat.length} messages.`,
  );
  for (const outcome of chat) {
    const text = outcome.turn?.reply?.text.trim();
    const shown = seen.filter((message) => message.text === text).length;
    findings.expect(
      shown === 1,
      'one-reply',
      outcome.number,
      () => `Its final text is to be seen ${shown} times.`,
    );
  }
  for (const message of seen) {
    if (leftovers.includes(message) || announced.includes(message)) continue;
    findings.expect(
      replies.has(message.text),
      'one-reply',
      null,
      () => `A text that is no turn's reply: ${message.text}`,
    );
  }
  const landed = landings(chat, chatId, bot);
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
function landings(chat: readonly Outcome[], chatId: number, bot: FakeBot): Map<number, number> {
  const landed = new Map<number, number>();
  const byText = new Map(chat.map((outcome) => [outcome.turn?.reply?.text.trim(), outcome.number]));
  bot.calls.forEach(({ method, payload, outcome }, index) => {
    if (method !== 'editMessageText' || Number(payload.chat_id) !== chatId) return;
    const notDone = outcome === 'cut-before' || /^\d+$/.test(outcome);
    const rich = payload.rich_message as { markdown?: string } | undefined;
    const number = byText.get(String(rich?.markdown ?? payload.text ?? '').trim());
    if (!notDone && number !== undefined && !landed.has(number)) landed.set(number, index);
  });
  return landed;
}

/** What a reply says the agent remembers: everything answered before it in this chat, and nothing unheard of. */
function checkMemory(chat: readonly Outcome[], { expect }: Findings): void {
  const answered = chat
    .filter((outcome) => outcome.answered)
    .sort((a, b) => (a.turn?.generation ?? 0) - (b.turn?.generation ?? 0));
  const numbers = new Set(chat.map(({ number }) => number));
  answered.forEach((outcome, index) => {
    const said = outcome.turn?.reply?.text.split('I remember')[1] ?? '';
    const remembered = [...said.matchAll(/#m(\d+)/g)].map((found) => Number(found[1]));
    const missing = answered.slice(0, index).filter(({ number }) => !remembered.includes(number));
    const foreign = remembered.filter((number) => !numbers.has(number));
    expect(
      missing.length === 0,
      'memory',
      outcome.number,
      () => `It no longer knew ${missing.map(({ number }) => `#m${number}`).join(' ')}.`,
    );
    expect(
      foreign.length === 0,
      'apart',
      outcome.number,
      () => `It knew ${foreign.join(' ')} of another chat.`,
    );
    const twice = remembered.length !== new Set(remembered).size;
    expect(!twice, 'transcript', outcome.number, () => 'It remembered a message twice.');
  });
  // Turns of a conversation run in the order of its messages, but for those that went on after a deadline.
  const order = answered.filter(({ continued }) => !continued).map(({ number }) => number);
  for (let i = 1; i < order.length; i++) {
    expect(
      (order[i - 1] ?? 0) < (order[i] ?? 0),
      'order',
      order[i] ?? null,
      () => `It ran before #m${order[i - 1]}.`,
    );
  }
}

export function ownCanaryOnly(text: string, chat: number): boolean {
  return [...text.matchAll(/canary\d+x\d+/g)].every(([found]) => found === canaryOf(chat));
}
