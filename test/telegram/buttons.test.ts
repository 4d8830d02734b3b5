// Questions in a Telegram chat: buttons below the message that asks, presses as turns of their own, and what stands there
// when it is decided. Over the real core and the fake server, by webhook and by polling what the inlet makes of an update.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAllowList } from '../../src/channels/telegram/allow-list.ts';
import { answerOfButton, buttonsFor } from '../../src/channels/telegram/buttons.ts';
import { createTelegramChannel } from '../../src/channels/telegram/channel.ts';
import { createInlet } from '../../src/channels/telegram/inlet.ts';
import { ALLOWED_UPDATES } from '../../src/channels/telegram/parse-update.ts';
import { createTelegramWebhook } from '../../src/channels/telegram/webhook.ts';
import { acceptAndQueue } from '../../src/core/accept.ts';
import type { AskedCall } from '../../src/core/asked-call.ts';
import { silentLog } from '../../src/core/log.ts';
import { promise } from '../../src/core/promises.ts';
import type { Question } from '../../src/core/question.ts';
import { createFixture } from '../core/fixture.ts';
import { ANNA, BOT, GROUP, startFixture } from './fixture.ts';

const BOB = 2002;

const callOf = (id: string, command: string): AskedCall => ({
  ...{ id, tool: 'Bash', title: `Bash: ${command}`, detail: command, hash: command },
  ...{ format: 'command' as const, covers: 'call' as const, waits: 'held' as const },
});
const color: AskedCall = {
  ...{ ...callOf('toolu_9', 'x'), tool: 'AskUserQuestion' },
  choices: [
    {
      question: 'Which color?',
      multiple: false,
      options: [
        { label: 'Red', description: '' },
        { label: `Blue ${'very '.repeat(30)}dark`, description: '' },
      ],
    },
  ],
};

/** Anna and Bob write; "ask" makes the agent ask. */
async function ready(calls: readonly AskedCall[], approvers: string[] | null = null) {
  const { bot, api } = await startFixture();
  const fixture = createFixture();
  const channels = new Map([['telegram', createTelegramChannel({ api, clock: fixture.clock })]]);
  fixture.agent = async ({ request }) => ({
    ...{ status: 'ok', demo: false, text: `heard ${request.text}` },
    ...(request.text === 'ask' && { asked: { calls: [...calls], approvers, expiresAfterSec: 3_600 } }),
  });
  const inlet = createInlet({
    bot: BOT,
    policy: { tenant: 'default', allow: parseAllowList(`${ANNA},${BOB}`) },
    accept: async (request) => {
      await acceptAndQueue({ ...fixture.deps }, request);
    },
    stop: async () => 0,
    move: async () => {},
    log: silentLog,
  });
  /** Everything that has arrived, as a poller would take it, and all turns it makes. */
  const run = async () => {
    const query = { timeoutSec: 0, allowedUpdates: ALLOWED_UPDATES };
    const updates = await api.getUpdates(query);
    for (const update of updates) {
      const reply = await inlet.take(update, fixture.clock.now());
      if (reply?.kind !== 'press-reply') continue;
      // A press that comes again was answered before.
      await api.answerPress(reply.pressId, reply.text).catch(() => {});
    }
    const last = Math.max(0, ...bot.feed.pending.map(({ update_id }) => update_id));
    await api.getUpdates({ ...query, offset: last + 1 });
    while (await fixture.step({ channels }));
  };
  const ask = async (chatId = ANNA, from = ANNA) => {
    bot.say(chatId, 'ask', { from });
    await run();
    const message = bot.chat(chatId).messages.at(-1);
    if (!message) throw new Error('Nothing was asked.');
    return message.id;
  };
  const labels = (chatId: number, messageId: number) =>
    bot
      .chat(chatId)
      .messages.find(({ id }) => id === messageId)
      ?.buttons.map((row) => row.map(({ text }) => text));
  return { bot, fixture, run, ask, labels };
}

describe('a question', () => {
  test(`${promise('ASK')} has buttons; a press lets the agent go on, and the message says who decided`, async () => {
    const { bot, fixture, run, ask, labels } = await ready([callOf('toolu_1', 'npm publish')]);
    const id = await ask();
    const chat = bot.chat(ANNA);
    expect(chat.messages.at(-1)?.text).toMatch(/heard ask.*May I\?.*npm publish/s);
    expect(chat.messages.at(-1)?.text).not.toContain('1. Allow');
    expect(labels(ANNA, id)).toEqual([
      ['Allow once', 'Allow for this chat'],
      ['Deny', 'Deny and say why'],
    ]);
    bot.press(ANNA, id, 'Allow once');
    await run();
    expect(bot.waitingPresses).toBe(0);
    expect(fixture.runs.at(-1)?.decided?.calls).toMatchObject([{ id: 'toolu_1', verdict: 'allow' }]);
    expect(labels(ANNA, id)).toEqual([[`✓ Allowed once by Person ${ANNA}`]]);
    expect(chat.botTexts.slice(1)).toEqual(['heard Allow once']);
  });

  test(`${promise('ONCE-IN')} twenty presses by two people are one decision, and no more messages`, async () => {
    const { bot, fixture, run, ask, labels } = await ready([callOf('toolu_1', 'x')], ['telegram/*']);
    const id = await ask(GROUP);
    const updates = Array.from({ length: 20 }, (_, at) =>
      bot.press(GROUP, id, at === 0 ? 'Deny' : 'Allow once', { from: at % 2 ? BOB : ANNA }),
    );
    await run();
    for (const update of updates) await bot.redeliver(update);
    await run();
    expect(fixture.runs).toHaveLength(2);
    expect(fixture.runs[1]?.decided?.calls).toMatchObject([{ verdict: 'deny' }]);
    expect(labels(GROUP, id)).toEqual([[`✓ Denied by Person ${ANNA}`]]);
    expect(bot.chat(GROUP).botTexts).toHaveLength(2);
  });

  test('is not for everybody who may write', async () => {
    const { bot, fixture, run, ask, labels } = await ready([callOf('toolu_1', 'x')]);
    const id = await ask(GROUP, ANNA);
    bot.press(GROUP, id, 'Allow once', { from: BOB });
    bot.press(GROUP, id, 'Allow once', { from: 3003 });
    await run();
    expect(fixture.runs).toHaveLength(1);
    expect(labels(GROUP, id)).toHaveLength(2);
    // Bob is told; a stranger is not even that, as with a message.
    expect(bot.chat(GROUP).botTexts.slice(1)).toEqual([expect.stringContaining('Only the person')]);
    bot.press(GROUP, id, 'Allow once', { from: ANNA });
    await run();
    expect(fixture.runs).toHaveLength(2);
  });

  test('of several, each has its buttons until it is decided', async () => {
    const { bot, fixture, run, ask, labels } = await ready([callOf('toolu_1', 'one'), color]);
    const id = await ask();
    expect(bot.chat(ANNA).messages.at(-1)?.text).toMatch(/\*\*1\.\*\*.*\*\*2\.\*\* \*\*Which color/s);
    bot.press(ANNA, id, '1. Allow for this chat');
    await run();
    expect(bot.chat(ANNA).botTexts).toHaveLength(1);
    expect(labels(ANNA, id)).toEqual([
      [`✓ 1. Allowed for this chat by Person ${ANNA}`.replace('✓ 1. ', '1. ✓ ')],
      ['2. Red'],
      [expect.stringMatching(/^2\. Blue very .*…$/)],
    ]);
    bot.press(ANNA, id, '2. Blue');
    await run();
    expect(fixture.runs.at(-1)?.decided?.calls?.[1]?.answers).toEqual({
      'Which color?': color.choices?.[0]?.options[1]?.label,
    });
  });

  test('is answered in words, too: the reason after its button, an answer to what the agent asks', async () => {
    const { bot, fixture, run, ask } = await ready([callOf('toolu_1', 'one')]);
    const id = await ask();
    bot.press(ANNA, id, 'Deny and say why');
    await run();
    expect(bot.chat(ANNA).botTexts.at(-1)).toContain('Why not?');
    bot.say(ANNA, 'It is Friday.');
    await run();
    expect(fixture.runs.at(-1)?.decided?.calls?.[0]?.reason).toContain('It is Friday.');
    const other = await ready([color]);
    await other.ask();
    other.bot.say(ANNA, 'A dark green.');
    await other.run();
    expect(other.fixture.runs.at(-1)?.decided?.calls?.[0]?.answers).toEqual({
      'Which color?': 'A dark green.',
    });
  });

  test('that has expired loses its buttons and says so', async () => {
    const { bot, fixture, run, ask, labels } = await ready([callOf('toolu_1', 'one')]);
    const id = await ask();
    await fixture.clock.advance(3_600_000);
    bot.press(ANNA, id, 'Allow once');
    await run();
    expect(fixture.runs).toHaveLength(1);
    expect(labels(ANNA, id)).toEqual([]);
    expect(bot.chat(ANNA).botTexts.at(-1)).toContain('expired');
  });

  test('whose message is gone is decided all the same', async () => {
    const { bot, fixture, run, ask } = await ready([callOf('toolu_1', 'one')]);
    const id = await ask();
    bot.press(ANNA, id, 'Allow once');
    bot.chat(ANNA).delete(id);
    await run();
    expect(fixture.runs).toHaveLength(2);
    expect(bot.chat(ANNA).botTexts).toEqual(['heard Allow once']);
  });
});

test('the webhook answers a press with the press, at once', async () => {
  const { bot } = await startFixture();
  const accepted: string[] = [];
  const secret = 'a-secret-of-this-test';
  const webhook = createTelegramWebhook({
    ...{ secret, bot: BOT, policy: { tenant: 'acme', allow: parseAllowList(String(ANNA)) } },
    accept: async ({ kind, text, sender }) => void accepted.push(`${kind} ${text} ${sender?.id}`),
    stop: async () => 0,
    move: async () => {},
  });
  const press = (fields: object) =>
    webhook(
      new Request('https://x.example/', {
        method: 'POST',
        headers: { 'x-telegram-bot-api-secret-token': secret },
        body: JSON.stringify({ update_id: 7, callback_query: { id: 'p1', from: person, ...fields } }),
      }),
    );
  const person = { id: ANNA, is_bot: false, first_name: 'Anna' };
  const message = { message_id: 3, date: 0, chat: { id: ANNA, type: 'private' } };
  const answered = { method: 'answerCallbackQuery', callback_query_id: 'p1' };
  const good = await press({ message, data: `a:q${'0'.repeat(16)}:o` });
  expect(await good.json()).toEqual(answered);
  expect(accepted).toEqual([`answer Allow once ${ANNA}`]);
  for (const fields of [{ message, data: 'else' }, { message }, { data: `a:q${'0'.repeat(16)}:o` }]) {
    expect(await (await press(fields)).json()).toEqual(answered);
  }
  const stranger = await press({ message, from: { ...person, id: 9 }, data: `a:q${'0'.repeat(16)}:o` });
  expect([stranger.status, await stranger.text()]).toEqual([200, '']);
  expect(accepted).toHaveLength(1);
  expect(bot.calls).toEqual([]);
});

test('whatever is asked fits into buttons, and each says what it is', () => {
  const words = fc.string({ minLength: 1, maxLength: 200, unit: 'grapheme' });
  const options = fc.array(fc.record({ label: words, description: words }), { minLength: 1, maxLength: 4 });
  const choice = fc.option(fc.record({ question: words, options, multiple: fc.boolean() }));
  fc.assert(
    fc.property(fc.array(choice, { minLength: 1, maxLength: 10 }), (choices) => {
      const questions = choices.map(
        (one, at): Question => ({
          ...{ id: `q${String(at).padStart(16, '0')}`, call: 'c', title: 't', detail: 'd' },
          ...{ format: 'command', covers: 'call', choice: one, answer: null, reasonFrom: null },
        }),
      );
      const buttons = buttonsFor(questions).flat();
      const answers = buttons.map(({ callback_data: data }) => answerOfButton(data)?.answer);
      for (const { callback_data: data } of buttons) expect(Buffer.byteLength(data)).toBeLessThanOrEqual(64);
      expect(answers).toEqual(
        questions.flatMap(({ id: question, choice: one }) =>
          one
            ? one.options.map((_, option) => ({ question, decision: 'reply', option }))
            : ['once', 'chat', 'deny', 'why'].map((decision) => ({ question, decision })),
        ),
      );
    }),
  );
});
