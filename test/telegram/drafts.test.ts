// Drafts in a private chat: what stands there while the agent works, what may be pressed, what remains. Time is the test's own.
import { expect, onTestFinished, test } from 'vitest';
import { createTelegramApi } from '../../src/channels/telegram/api.ts';
import { createTelegramChannel, type TelegramChannelOptions } from '../../src/channels/telegram/channel.ts';
import type { ProgressSink } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { createManualClock } from '../../testing/clock.ts';
import { startFakeTelegram } from '../../testing/telegram/fake-telegram.ts';
import { until } from '../waiting.ts';
import { ANNA, ask, BOT, GROUP, ledger, retryDelivery, TOKEN } from './fixture.ts';

const MAX_TRIES = 20;

async function watch(options: { chat?: number } & Pick<TelegramChannelOptions, 'answer' | 'drafts'> = {}) {
  const telegram = await startFakeTelegram();
  onTestFinished(() => telegram.close());
  const clock = createManualClock();
  const bot = telegram.addBot({ token: TOKEN, username: BOT.username, clock });
  const api = createTelegramApi({ token: TOKEN, apiRoot: telegram.apiRoot });
  const { chat: chatId = ANNA, ...rest } = options;
  const channel = createTelegramChannel({ api, clock, ...rest });
  const line = ledger(ask(bot, 'question', { chat: chatId }));
  const chat = bot.chat(chatId);
  const context = line.attempt();
  const sink = channel.open(context);
  onTestFinished(() => sink.close());
  return { bot, api, clock, channel, line, chat, context, sink };
}

const say = (sink: ProgressSink, text: string) => sink.push({ type: 'text', text });
const isDraft = ({ method }: { method: string }) => /Draft$/.test(method);

test('a private chat sees a draft that grows, with a button to stop it; no message stands there before the answer', async () => {
  const { chat, sink, clock, channel, context } = await watch();
  await until(() => chat.drafts.length === 1 && clock.sleepers >= 2);
  expect(chat.draft).toMatchObject({ text: '', canStop: true });
  say(sink, 'Half an **ans');
  await clock.advance(1_100);
  await until(() => chat.drafts.length === 2);
  expect(chat.draft).toMatchObject({ text: 'Half an **ans', kind: 'rich', canStop: true });
  expect(chat.draft?.id).toBe(chat.drafts[0]?.id);
  sink.push({ type: 'tool', id: '1', name: 'Bash', summary: 'Bash: ls', state: 'started' });
  await clock.advance(1_100);
  await until(() => chat.drafts.length === 3);
  expect(chat.draft?.text).toBe('Half an **ans\n\n⚙ `Bash: ls`');
  expect(chat.botTexts).toEqual([]);
  await sink.close();
  await channel.deliver(context, { outcome: 'ok', text: 'The answer.' });
  expect(chat.botTexts).toEqual(['The answer.']);
  expect(chat.messages.at(-1)).toMatchObject({ silent: false });
  expect(chat.draft).toBeNull();
});

test('a draft is shown again before it fades, however long nothing new is said', async () => {
  const { chat, clock } = await watch();
  await until(() => chat.drafts.length === 1 && clock.sleepers >= 2);
  for (let seconds = 0; seconds < 120; seconds += 2) {
    await clock.advance(2_000);
    const shown = chat.drafts.length;
    await until(() => chat.draft !== null && clock.sleepers >= 2 && chat.drafts.length >= shown);
  }
  expect(chat.drafts.length).toBeLessThanOrEqual(8);
});

test('a thousand pieces and a storm of 429: drafts keep to one per 1.1 seconds and to `retry_after`', async () => {
  const { bot, chat, clock, sink, channel, context } = await watch();
  await until(() => chat.drafts.length === 1 && clock.sleepers >= 2);
  for (let storm = 0; storm < 5; storm++) {
    bot.faults.add({ kind: 'rate-limit', retryAfterSec: 3, method: 'sendRichMessageDraft', after: storm });
  }
  for (let piece = 0; piece < 1_000; piece++) {
    say(sink, ` ${piece}`);
    if (piece % 10 === 0) await clock.advance(300);
  }
  const calls = bot.calls.filter(isDraft);
  for (const [at, call] of calls.entries()) {
    const next = calls[at + 1];
    if (next) expect(next.atMs - call.atMs).toBeGreaterThanOrEqual(call.outcome === '429' ? 3_000 : 1_100);
  }
  expect(calls.filter(({ outcome }) => outcome === '429')).toHaveLength(5);
  await sink.close();
  bot.faults.add({ kind: 'rate-limit', retryAfterSec: 0.001, times: 4 });
  let tries = 0;
  await retryDelivery(async () => {
    tries++;
    await clock.advance(10);
    await channel.deliver(context, { outcome: 'ok', text: 'Final.' });
  }, MAX_TRIES);
  expect(tries).toBeGreaterThan(1);
  expect(chat.botTexts.filter((text) => text !== '…')).toEqual(['Final.']);
});

test('a chat that takes no drafts gets a placeholder and edits', async () => {
  const telegram = await startFakeTelegram();
  onTestFinished(() => telegram.close());
  const bot = telegram.addBot({ token: TOKEN });
  const api = createTelegramApi({ token: TOKEN, apiRoot: telegram.apiRoot });
  bot.faults.add({
    kind: 'error',
    status: 400,
    description: 'Bad Request: PEER_ID_INVALID?',
    method: 'sendMessageDraft',
  });
  const line = ledger(ask(bot, 'question'));
  const sink = createTelegramChannel({ api }).open(line.attempt());
  await until(() => line.anchor !== null);
  await sink.close();
  expect(bot.chat(ANNA).botTexts).toEqual(['Thinking…']);
});

test(`${promise('HEARD')} what a turn waits for is a message that stays, and the next try goes on in it`, async () => {
  const { chat, clock, sink, channel, line } = await watch();
  await until(() => chat.drafts.length === 1);
  sink.push({ type: 'status', status: 'waiting', waitingFor: 'model', nextTryAtMs: null });
  await sink.close();
  expect(chat.botTexts).toEqual([expect.stringMatching(/^Waiting for the model/)]);
  const next = line.attempt();
  const again = channel.open(next);
  say(again, 'Here it is');
  await until(() => clock.sleepers >= 2);
  await clock.advance(4_000);
  await until(() => chat.botTexts[0] === 'Here it is');
  await again.close();
  await channel.deliver(next, { outcome: 'ok', text: 'Here it is.' });
  expect(chat.botTexts).toEqual(['Here it is.']);
});

test(`${promise('FENCED')} a worker that wakes from a pause shows no draft`, async () => {
  const { chat, clock, sink, context, channel, line } = await watch();
  await until(() => chat.drafts.length === 1 && clock.sleepers >= 2);
  say(sink, 'one');
  await clock.advance(1_100);
  await until(() => chat.drafts.length === 2 && clock.sleepers >= 2);
  context.lose();
  const successor = line.attempt();
  await channel.deliver(successor, { outcome: 'ok', text: 'The answer.' });
  say(sink, ' and what is old by now');
  // The clock jumps over the pause: one sleep lasts longer than it was to.
  const drafts = chat.drafts.length;
  await clock.jump(60_000);
  await sink.close();
  expect(chat.drafts).toHaveLength(drafts);
  expect(chat.botTexts).toEqual(['The answer.']);
});

test.each(['edit', 'new-message'] as const)(
  `${promise('ONCE-OUT')} in a group, answer: %s, the text stands once whatever is repeated or cut off`,
  async (answer) => {
    for (let after = 0; after < 3; after++) {
      for (const method of ['sendMessage', 'editMessageText', 'deleteMessage']) {
        const { bot, chat, line, sink, channel, api, clock } = await watch({ chat: GROUP, answer });
        await until(() => line.anchor !== null);
        await sink.close();
        bot.faults.add({ method, kind: 'cut-after', after });
        const other = createTelegramChannel({ api, clock, answer });
        await retryDelivery(() => channel.deliver(line.attempt(), { outcome: 'ok', text: 'Done.' }), 4);
        await retryDelivery(() => other.deliver(line.attempt(), { outcome: 'ok', text: 'Done.' }), 4);
        const texts = chat.botTexts.filter((text) => text !== '…');
        expect(texts, `${method} after ${after}`).toEqual(['Done.']);
      }
    }
  },
);

test('answer: new-message: the phone rings for the answer, not for the placeholder, which is gone then', async () => {
  const { chat, line, sink, channel, context } = await watch({ chat: GROUP, answer: 'new-message' });
  await until(() => line.anchor !== null);
  expect(chat.messages.at(-1)).toMatchObject({ text: 'Thinking…', silent: true });
  await sink.close();
  await channel.deliver(context, { outcome: 'ok', text: 'Done.' });
  expect(chat.messages).toMatchObject([
    { text: 'question' },
    { text: 'Done.', silent: false, replyTo: chat.messages[0]?.id },
  ]);
});
