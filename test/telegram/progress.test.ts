// What a person watches while a turn runs: a placeholder, throttled edits, typing; and nothing after the end. Time is
// the test's own, so the edit budget is exact.
import { expect, onTestFinished, test } from 'vitest';
import { createTelegramChannel } from '../../src/channels/telegram/channel.ts';
import { Refused } from '../../src/core/errors.ts';
import type { ProgressSink } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { createManualClock } from '../../testing/clock.ts';
import { until } from '../waiting.ts';
import { ANNA, ask, GROUP, ledger, retryDelivery, startFixture } from './fixture.ts';

async function watch(options: { chat?: number; thread?: number } = {}) {
  const { bot, api } = await startFixture();
  const clock = createManualClock();
  const channel = createTelegramChannel({ api, clock, drafts: false });
  const line = ledger(ask(bot, 'question', options));
  const chat = bot.chat(options.chat ?? ANNA);
  const context = line.attempt();
  const sink = channel.open(context);
  onTestFinished(() => sink.close());
  const edits = () => bot.calls.filter(({ method }) => method === 'editMessageText').length;
  return { bot, api, clock, channel, line, chat, context, sink, edits };
}

const say = (sink: ProgressSink, text: string) => sink.push({ type: 'text', text });

test('a placeholder comes at once, in answer and in the topic, and is recorded', async () => {
  const { chat, line } = await watch({ chat: GROUP, thread: 8 });
  await until(() => line.anchor !== null && chat.typing > 0);
  const [question, placeholder] = chat.messages;
  expect(placeholder).toMatchObject({ text: 'Thinking…', threadId: 8, replyTo: question?.id, silent: false });
  expect(line.anchor).toMatchObject({ parts: [placeholder?.id] });
});

test('the final text lands in the placeholder', async () => {
  const { chat, sink, channel, line, context } = await watch();
  await until(() => line.anchor !== null);
  await sink.close();
  await channel.deliver(context, { outcome: 'ok', text: 'Done.' });
  expect(chat.messages.at(-1)).toMatchObject({ text: 'Done.', history: ['Thinking…', 'Done.'] });
  expect(chat.botTexts).toHaveLength(1);
});

test.each([
  ['a private chat', ANNA, 1_100],
  ['a group', GROUP, 3_100],
] as const)(
  'in %s a thousand pieces become one edit per interval, each with the newest text',
  async (_, chatId, everyMs) => {
    const { sink, clock, chat, edits, line } = await watch({ chat: chatId });
    await until(() => line.anchor !== null && clock.sleepers === 2);
    for (let round = 1; round <= 3; round++) {
      for (let i = 0; i < 1_000; i++) say(sink, `${round}`);
      await clock.advance(everyMs - 1);
      expect(edits()).toBe(round - 1);
      await clock.advance(1);
      await until(() => edits() === round && clock.sleepers === 2);
      expect(chat.botTexts[0]?.length).toBe(1_000 * round);
    }
  },
);

test('nothing new, nothing edited; what comes after a pause is shown at once', async () => {
  const { sink, clock, chat, edits, line } = await watch();
  await until(() => line.anchor !== null && clock.sleepers === 2);
  await clock.advance(60_000);
  expect(edits()).toBe(0);
  say(sink, 'Hello');
  await until(() => edits() === 1);
  expect(chat.botTexts).toEqual(['Hello']);
});

test('a tool at work is a line below the text, and disappears', async () => {
  const { sink, clock, chat, line, edits } = await watch();
  await until(() => line.anchor !== null && clock.sleepers === 2);
  say(sink, 'I look.');
  sink.push({ type: 'tool', id: '1', name: 'Bash', summary: 'Bash: ls -la $HOME\n`x` >a', state: 'started' });
  await clock.advance(1_100);
  await until(() => edits() === 1);
  expect(chat.botTexts[0]).toBe("I look.\n\n⚙ `Bash: ls -la $HOME 'x' >a`");
  sink.push({ type: 'tool', id: '1', name: 'Bash', summary: 'Bash: ls', state: 'done' });
  await clock.advance(1_100);
  await until(() => edits() === 2);
  expect(chat.botTexts[0]).toBe('I look.');
});

test('a text longer than a message shows its end', async () => {
  const { sink, clock, chat, line, edits } = await watch();
  await until(() => line.anchor !== null && clock.sleepers === 2);
  say(sink, `${'word '.repeat(2_000)}\n\nthe end`);
  await clock.advance(1_100);
  await until(() => edits() === 1);
  expect(chat.botTexts[0]).toMatch(/^…\n\n[\s\S]*the end$/);
});

test('a storm of 429 drops edits, obeys retry_after, and never costs the final text', async () => {
  const { sink, clock, chat, edits, line, bot, channel, context } = await watch();
  await until(() => line.anchor !== null && clock.sleepers === 2);
  bot.faults.add({ kind: 'rate-limit', retryAfterSec: 120, method: 'editMessageText' });
  say(sink, 'one');
  await clock.advance(1_100);
  await until(() => edits() === 1 && clock.sleepers === 2);
  for (let i = 0; i < 50; i++) {
    say(sink, ` ${i}`);
    await clock.advance(2_000);
  }
  expect(edits()).toBe(1);
  await sink.close();
  const refused = await channel.deliver(context, { outcome: 'ok', text: 'Final.' }).catch((error) => error);
  expect(refused).toMatchObject({ code: 'rate-limited' });
  await clock.advance(refused.retryAfterMs);
  await channel.deliver(context, { outcome: 'ok', text: 'Final.' });
  expect(chat.botTexts).toEqual(['Final.']);
});

test('typing is kept alive until the end', async () => {
  const { clock, chat, line, sink } = await watch();
  await until(() => line.anchor !== null && clock.sleepers === 2);
  for (let round = 2; round <= 4; round++) {
    await clock.advance(4_500);
    await until(() => chat.typing === round && clock.sleepers >= 1);
  }
  await sink.close();
  await clock.advance(60_000);
  expect(chat.typing).toBe(4);
});

test('after close nothing more is written, even with text waiting', async () => {
  const { sink, clock, chat, line, edits } = await watch();
  await until(() => line.anchor !== null && clock.sleepers === 2);
  say(sink, 'never shown');
  await sink.close();
  say(sink, 'nor this');
  await clock.advance(60_000);
  expect(edits()).toBe(0);
  expect(chat.botTexts).toEqual(['Thinking…']);
});

test('trouble while streaming never reaches the turn', async () => {
  const { bot, api } = await startFixture();
  for (const kind of ['cut-before', 'cut-after'] as const) {
    const line = ledger(ask(bot, `question ${kind}`));
    const channel = createTelegramChannel({ api, drafts: false });
    bot.faults.add({ kind, method: 'sendMessage' });
    const sink = channel.open(line.attempt());
    say(sink, 'text');
    await until(() => bot.faults.left === 0);
    await sink.close();
    await channel.deliver(line.attempt(), { outcome: 'ok', text: `answer ${kind}` });
  }
  // The one whose answer was lost stays, and says nothing wrong.
  expect(bot.chat(ANNA).botTexts).toEqual(['answer cut-before', 'Thinking…', 'answer cut-after']);
  bot.chat(ANNA).block();
  const sink = createTelegramChannel({ api, drafts: false }).open(ledger(ask(bot, 'blocked')).attempt());
  await sink.close();
});

test(`${promise('FENCED')} a worker that wakes from a pause finds no message to write into`, async () => {
  const paused = await watch();
  await until(() => paused.line.anchor !== null && paused.clock.sleepers === 2);
  say(paused.sink, 'stale text of the paused worker');

  const successor = createTelegramChannel({ api: paused.api, drafts: false });
  const context = paused.line.attempt();
  const sink = successor.open(context);
  await until(() => paused.bot.calls.some(({ method }) => method === 'deleteMessage'));
  await sink.close();
  await successor.deliver(context, { outcome: 'ok', text: 'The answer.' });

  paused.context.lose();
  await paused.clock.advance(10_000);
  await until(() =>
    paused.bot.calls.some(({ method, outcome }) => method === 'editMessageText' && outcome === '400'),
  );
  await paused.sink.close();
  expect(paused.chat.botTexts).toEqual(['The answer.']);
  expect(paused.chat.messages.at(-1)?.silent).toBe(true);
});

test(`${promise('ONCE-OUT')} half an answer of an earlier attempt is gone in the end, though deleting failed first`, async () => {
  const { chat, bot, api, line, sink, clock, edits } = await watch();
  await until(() => line.anchor !== null && clock.sleepers === 2);
  say(sink, 'Half an ans');
  await clock.advance(1_100);
  await until(() => edits() === 1);
  await sink.close();

  const second = createTelegramChannel({ api, drafts: false });
  bot.faults.add({ kind: 'cut-before', method: 'deleteMessage', times: 2 });
  const context = line.attempt();
  const again = second.open(context);
  await until(() => bot.faults.left === 1);
  await again.close();
  expect(chat.botTexts).toEqual(['Half an ans', 'Thinking…']);
  await retryDelivery(() => second.deliver(context, { outcome: 'ok', text: 'The whole answer.' }), 3);
  expect(chat.botTexts).toEqual(['The whole answer.']);
});

test('a placeholder that could not be recorded is taken back before another is sent', async () => {
  const { bot, api } = await startFixture();
  const line = ledger(ask(bot, 'question'));
  const context = line.attempt();
  let busy = 1;
  const remember: typeof context.remember = async (note) => {
    if (busy-- > 0) throw new Refused('store-busy', 'Busy.', { retryAfterMs: 1 });
    await context.remember(note);
  };
  const sink = createTelegramChannel({ api, drafts: false }).open({ ...context, remember });
  await until(() => line.anchor !== null);
  await sink.close();
  expect(bot.chat(ANNA).botTexts).toEqual(['Thinking…']);
  expect(bot.chat(ANNA).allMessages).toHaveLength(3);
});

test(`${promise('FENCED')} a placeholder sent without the lease is taken back`, async () => {
  const { bot, api } = await startFixture();
  const context = ledger(ask(bot, 'question')).attempt();
  context.lose();
  const sink = createTelegramChannel({ api, drafts: false }).open(context);
  await until(() => bot.calls.some(({ method }) => method === 'deleteMessage'));
  await sink.close();
  expect(bot.chat(ANNA).botTexts).toEqual([]);
});

test(`${promise('HEARD')} a turn that waits says so in its message, and the next try goes on in the same one`, async () => {
  const { chat, channel, clock, line, sink } = await watch();
  await until(() => line.anchor !== null);
  const nextTryAtMs = Date.UTC(2026, 0, 2, 3, 4, 5);
  sink.push({ type: 'status', status: 'waiting', waitingFor: 'model', nextTryAtMs });
  await sink.close();
  expect(chat.botTexts).toEqual([
    'Waiting for the model, which does not answer right now. Your message is kept. Next try at 03:04:05 UTC.',
  ]);
  const next = line.attempt();
  const again = channel.open(next);
  onTestFinished(() => again.close());
  again.push({ type: 'status', status: 'retrying' });
  await until(() => clock.sleepers === 2);
  say(again, 'Here it is');
  await clock.advance(4_000);
  await until(() => chat.botTexts[0] === 'Here it is');
  await again.close();
  await channel.deliver(next, { outcome: 'ok', text: 'Here it is.' });
  expect(chat.botTexts).toEqual(['Here it is.']);
  expect(chat.messages.filter(({ from }) => from === 'bot')).toHaveLength(1);
});

test(`${promise('HEARD')} an attempt that ends before its first message still says what it waits for`, async () => {
  const { api, bot } = await startFixture();
  const line = ledger(ask(bot, 'question'));
  const sink = createTelegramChannel({ api, clock: createManualClock(), drafts: false }).open(line.attempt());
  sink.push({ type: 'status', status: 'waiting', waitingFor: 'store', nextTryAtMs: null });
  await sink.close();
  expect(bot.chat(ANNA).botTexts).toEqual([expect.stringMatching(/^Waiting for the storage.*kept\.$/)]);
});
