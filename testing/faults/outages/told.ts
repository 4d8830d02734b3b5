// What each person could read and when, by the run's clock: for Telegram from the calls that the platform carried out,
// for HTTP from the events that were written.
import type { FakeBot } from '../../telegram/fake-bot.ts';
import type { HistoryLine } from '../injected-faults.ts';
import { telegramChatId } from '../sent.ts';

/** From `atMs` on the newest thing to read is a word that something is waited for, or is not. */
export interface Shown {
  readonly atMs: number;
  readonly isWord: boolean;
  readonly text: string;
}

const KEPT = 'Your message is kept.';

export function shownInTelegram(bot: FakeBot, chat: number): Shown[] {
  const chatId = telegramChatId(chat);
  return bot.calls.flatMap(({ method, payload, outcome, atMs }) => {
    const writes = method === 'sendMessage' || method === 'editMessageText';
    if (!writes || outcome !== 'ok' || Number(payload.chat_id) !== chatId) return [];
    const rich = payload.rich_message as { markdown?: string } | undefined;
    const text = String(rich?.markdown ?? payload.text ?? '').trim();
    return [{ atMs, isWord: text.includes(KEPT), text }];
  });
}

export function shownOverHttp(history: readonly HistoryLine[], turnId: string): Shown[] {
  return history.flatMap(({ what, turn, kinds, atMs }) =>
    what === 'event' && turn === turnId
      ? (kinds as string[]).map((text) => ({ atMs, isWord: text === 'waiting', text }))
      : [],
  );
}

/** The longest time between the two moments in which no word stood there. */
export function longestSilenceMs(shown: readonly Shown[], fromMs: number, untilMs: number): number {
  let isWord = shown.filter(({ atMs }) => atMs <= fromMs).at(-1)?.isWord ?? false;
  let sinceMs = fromMs;
  let longest = 0;
  for (const { atMs, isWord: next } of [
    ...shown.filter(({ atMs }) => fromMs < atMs && atMs < untilMs),
    { atMs: untilMs, isWord: true },
  ]) {
    if (!isWord) longest = Math.max(longest, atMs - sinceMs);
    // Another text without a word goes on with the same silence.
    if (isWord || next) sinceMs = atMs;
    isWord = next;
  }
  return longest;
}
