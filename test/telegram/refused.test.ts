// A final text that Telegram refuses, and a group that is a supergroup by the time of the answer: the person always
// ends with words, once.
import { expect, test } from 'vitest';
import { createTelegramChannel } from '../../src/channels/telegram/channel.ts';
import { Invalid } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import type { Reply } from '../../src/core/records.ts';
import { ANNA, ask, GROUP, ledger, startFixture } from './fixture.ts';

const ok = (text: string): Reply => ({ outcome: 'ok', text });
const SUPERGROUP = -1_005_005;

const REFUSALS = [
  'Bad Request: message text is empty',
  'Bad Request: strings must be encoded in UTF-8',
  'Bad Request: message is too long',
  "Bad Request: can't parse entities: unclosed tag",
  'Bad Request: something new that nobody has heard of',
];

test.each(REFUSALS)(
  'refused in every form (%s): a line with a support id, and the operator hears of it',
  async (description) => {
    const { bot, api } = await startFixture();
    const request = ask(bot, 'question');
    bot.faults.add({
      kind: 'error',
      status: 400,
      description,
      method: 'editMessageText',
      text: (text) => text.includes('ODD'),
      times: 99,
    });
    const long = `${'fine words '.repeat(360)}\n\nODD ${'odd words '.repeat(200)}\n\n${'more words '.repeat(360)}`;
    const line = ledger(request);
    const delivered = createTelegramChannel({ api }).deliver(line.attempt(), ok(long));
    await expect(delivered).rejects.toThrow(Invalid);
    const texts = bot.chat(ANNA).botTexts;
    expect(texts.filter((text) => text.includes(`Support id: ${request.turnId.slice(5, 13)}`))).toHaveLength(
      1,
    );
    expect(texts.some((text) => text.startsWith('fine words'))).toBe(true);
    expect(texts.some((text) => text.endsWith('more words'))).toBe(true);
    expect(texts).not.toContain('…');
  },
);

test('half a surrogate pair is mended, not refused', async () => {
  const { bot, api } = await startFixture();
  const request = ask(bot, 'question');
  await createTelegramChannel({ api }).deliver(ledger(request).attempt(), ok('torn \ud83d'));
  expect(bot.chat(ANNA).botTexts).toEqual(['torn \ufffd']);
});

test(`${promise('ONCE-OUT')} a reply begun in a group lands in the supergroup that it became, once`, async () => {
  const { bot, api } = await startFixture();
  bot.chat(GROUP, 'group');
  const line = ledger(ask(bot, 'question', { chat: GROUP }));
  const channel = createTelegramChannel({ api });
  await channel.deliver(line.attempt(), ok('half'));
  bot.migrate(GROUP, SUPERGROUP);
  // In the new chat the same numbers are other messages: they must not be written over.
  for (let i = 0; i < 5; i++) await api.sendText({ chatId: SUPERGROUP, threadId: null }, `other ${i}`);
  for (let i = 0; i < 3; i++) await channel.deliver(line.attempt(), ok('whole'));
  await createTelegramChannel({ api }).deliver(line.attempt(), ok('whole'));
  expect(bot.chat(SUPERGROUP).botTexts).toEqual([
    'other 0',
    'other 1',
    'other 2',
    'other 3',
    'other 4',
    'whole',
  ]);
  expect(bot.chat(SUPERGROUP).messages.at(-1)?.replyTo).toBeNull();
});
