// Updates that are no message, and what a bot hears in groups: over the webhook and by polling, against the fake.
import { describe, expect, test } from 'vitest';
import { parseAllowList } from '../../src/channels/telegram/allow-list.ts';
import { draftIdOf } from '../../src/channels/telegram/draft-id.ts';
import { callFor } from '../../src/channels/telegram/fixed-reply.ts';
import { type GroupPolicy, groupPolicySchema } from '../../src/channels/telegram/group-policy.ts';
import { createInlet } from '../../src/channels/telegram/inlet.ts';
import { parseUpdate } from '../../src/channels/telegram/parse-update.ts';
import { createTelegramWebhook } from '../../src/channels/telegram/webhook.ts';
import { silentLog } from '../../src/core/log.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import { ALLOW_ANNA, ANNA, ask, BOT, GROUP, reasonOf, startFixture } from './fixture.ts';

const STRANGER = 6_666;
const OTHER_GROUP = -7_007;
const SECRET = 'a-webhook-secret_0123456789';

async function start() {
  const { bot, api, apiRoot } = await startFixture();
  const stopped: string[] = [];
  const turns: TurnRequest[] = [];
  const inlet = createInlet({
    bot: BOT,
    policy: { tenant: 'acme', allow: parseAllowList([ANNA], [GROUP]) },
    accept: async (request) => void turns.push(request),
    stop: async (_, applies) => {
      const hit = turns.filter(applies).map(({ text }) => text);
      stopped.push(...hit);
      return hit.length;
    },
    move: async () => {},
    log: silentLog,
  });
  /** The newest update through the inlet, and what is due as a call. */
  const take = async () => {
    const due = await inlet.take(bot.feed.pending.at(-1), 1);
    if (due) await callFor(api, due);
    return due?.kind ?? null;
  };
  return { bot, apiRoot, turns, stopped, take };
}

describe('the stop button of a draft', () => {
  test('stops the turn that the draft shows, and no other', async () => {
    const { bot, turns, stopped, take } = await start();
    for (const text of ['one', 'two', 'three']) {
      bot.say(ANNA, text);
      await take();
    }
    const draft = draftIdOf(turns[1]?.turnId ?? ('' as never));
    bot.update({ stopped_message_generation: { chat: { id: ANNA }, draft_id: draft } });
    expect(await take()).toBeNull();
    expect(stopped).toEqual(['two']);
    bot.update({ stopped_message_generation: { chat: { id: STRANGER }, draft_id: draft } });
    await take();
    expect(stopped).toEqual(['two']);
  });
});

describe('coming into groups', () => {
  test('it leaves a group that a stranger added it to, and stays where it is allowed', async () => {
    const { bot, take } = await start();
    bot.member(OTHER_GROUP, STRANGER, 'member');
    expect(await take()).toBe('leave');
    const left = () =>
      bot.calls.filter(({ method }) => method === 'leaveChat').map(({ payload }) => payload.chat_id);
    expect(left()).toEqual([OTHER_GROUP]);
    bot.member(OTHER_GROUP, ANNA, 'member');
    expect(await take()).toBeNull();
    bot.member(GROUP, STRANGER, 'member');
    expect(await take()).toBeNull();
    bot.member(OTHER_GROUP, STRANGER, 'kicked');
    expect(await take()).toBeNull();
    expect(left()).toEqual([OTHER_GROUP]);
  });
});

describe('ways of use that are not served', () => {
  test('a guest question is refused in words, a stranger gets none', async () => {
    const { bot, turns, take } = await start();
    bot.guest(OTHER_GROUP, 'what is the weather?', ANNA);
    expect(await take()).toBe('guest-reply');
    expect(bot.guestAnswers).toEqual([expect.stringMatching(/^I answer only in chats/)]);
    bot.guest(OTHER_GROUP, 'hello', STRANGER);
    expect(await take()).toBeNull();
    expect(bot.guestAnswers).toHaveLength(1);
    expect(turns).toEqual([]);
  });

  test('whoever connects a business account is told that nobody is answered there', async () => {
    const { bot, take } = await start();
    bot.chat(ANNA);
    const connection = { id: 'c', user: { id: ANNA }, user_chat_id: ANNA, date: 1, is_enabled: true };
    bot.update({ business_connection: connection });
    expect(await take()).toBe('text');
    expect(bot.chat(ANNA).botTexts).toEqual([expect.stringMatching(/business accounts/)]);
    bot.update({ business_connection: { ...connection, is_enabled: false } });
    expect(await take()).toBeNull();
    bot.update({ business_connection: { ...connection, user: { id: STRANGER } } });
    expect(await take()).toBeNull();
    bot.update({ business_message: { message_id: 1, text: 'a customer' } });
    expect(await take()).toBeNull();
    expect(bot.chat(ANNA).botTexts).toHaveLength(1);
  });
});

test('the webhook answers a message with the typing action, in its topic, and makes no call', async () => {
  const { bot } = await startFixture();
  const handle = createTelegramWebhook({
    secret: SECRET,
    bot: BOT,
    policy: ALLOW_ANNA,
    accept: async () => {},
    stop: async () => 0,
    move: async () => {},
  });
  ask(bot, 'hello', { chat: GROUP, thread: 9 });
  const response = await handle(
    new Request('http://ingress.test/telegram', {
      method: 'POST',
      headers: { 'x-telegram-bot-api-secret-token': SECRET },
      body: JSON.stringify(bot.feed.pending.at(-1)),
    }),
  );
  expect(await response.json()).toEqual({
    method: 'sendChatAction',
    chat_id: GROUP,
    message_thread_id: 9,
    action: 'typing',
  });
  expect(bot.calls).toEqual([]);
});

describe('what is heard in groups', () => {
  const hears = (fields: Record<string, unknown>, groups?: Partial<GroupPolicy>, chat = GROUP) => {
    const message = {
      message_id: 5,
      from: { id: ANNA, is_bot: false, first_name: 'A' },
      chat: { id: chat, type: chat > 0 ? 'private' : 'supergroup' },
      ...fields,
    };
    const policy = { ...ALLOW_ANNA, groups: groupPolicySchema.parse(groups ?? {}) };
    return reasonOf(parseUpdate({ update_id: 1, message }, BOT, policy, 1));
  };
  const mine = { reply_to_message: { message_id: 4, from: { id: Number(BOT.id), is_bot: true } } };
  const hers = { reply_to_message: { message_id: 4, from: { id: STRANGER } } };
  const topic = { is_topic_message: true, message_thread_id: 3 };

  test.each([
    ['a plain message', { text: 'hello all' }, 'not-addressed', 'turn', 'not-addressed'],
    ['a mention', { text: `so, @${BOT.username.toUpperCase()}, what now?` }, 'turn', 'turn', 'not-addressed'],
    [
      'the name of another bot',
      { text: `@${BOT.username}_2 hello` },
      'not-addressed',
      'turn',
      'not-addressed',
    ],
    ['an address', { text: `mail me@${BOT.username}x.test` }, 'not-addressed', 'turn', 'not-addressed'],
    ['an answer to the bot', { text: 'yes', ...mine }, 'turn', 'turn', 'not-addressed'],
    ['an answer to a person', { text: 'yes', ...hers }, 'not-addressed', 'turn', 'not-addressed'],
    ['a topic that the bot opened', { text: 'yes', ...topic, ...mine }, 'turn', 'turn', 'not-addressed'],
    ["somebody else's topic", { text: 'yes', ...topic, ...hers }, 'not-addressed', 'turn', 'not-addressed'],
    [
      'a caption with a mention',
      { caption: `@${BOT.username} look`, photo: [] },
      'turn',
      'turn',
      'not-addressed',
    ],
    ['a command of ours', { text: '/status' }, 'turn', 'turn', 'turn'],
    ['/new', { text: '/new' }, 'turn', 'turn', 'turn'],
    ['/stop', { text: '/stop' }, 'stop', 'stop', 'stop'],
    ['a command for this bot', { text: `/x@${BOT.username}` }, 'turn', 'turn', 'turn'],
    ['a command for another bot', { text: '/status@other_bot' }, ...Array(3).fill('other-bots-command')],
    [
      'a command that is not ours',
      { text: '/weather' },
      'not-addressed',
      'other-bots-command',
      'not-addressed',
    ],
  ] as [string, Record<string, unknown>, string, string, string][])(
    '%s',
    (_, fields, mention, all, commands) => {
      expect(hears(fields)).toBe(mention);
      expect(hears(fields, { default: 'all' })).toBe(all);
      expect(hears(fields, { default: 'commands' })).toBe(commands);
      expect(hears(fields, { default: 'commands', chats: { [GROUP]: 'all' } })).toBe(all);
    },
  );

  test('a private chat hears everything under every policy', () => {
    for (const rule of ['mention', 'all', 'commands'] as const) {
      expect(hears({ text: 'hello' }, { default: rule }, ANNA)).toBe('turn');
    }
  });

  test("a discussion group is a group: the channel's own posts are not heard, comments are", () => {
    const post = {
      text: 'news',
      is_automatic_forward: true,
      sender_chat: { id: -1_009 },
      from: { id: 777_000, is_bot: false },
    };
    expect(hears(post, { default: 'all' })).toBe('anonymous-sender');
    const comment = {
      text: `@${BOT.username} true?`,
      message_thread_id: 4,
      reply_to_message: { message_id: 4, sender_chat: { id: -1_009 } },
    };
    expect(hears(comment)).toBe('turn');
  });
});
