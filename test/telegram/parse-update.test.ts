// What one update means, as a pure function: turns, commands, topics, other bots, and who is not heard at all.

import { describe, expect, test } from 'vitest';
import { parseAllowList } from '../../src/channels/telegram/allow-list.ts';
import { commandMenus } from '../../src/channels/telegram/commands.ts';
import { groupPolicySchema } from '../../src/channels/telegram/group-policy.ts';
import { parseUpdate } from '../../src/channels/telegram/parse-update.ts';
import { inputsOf } from '../../src/core/command-requests.ts';
import { COMMANDS } from '../../src/core/commands.ts';
import { editText, isEdit } from '../../src/core/edited-message.ts';
import { ALLOW_ANNA, ANNA, BOT, GROUP, reasonOf } from './fixture.ts';

const STRANGER = 6666;

function message(fields: Record<string, unknown>) {
  return {
    update_id: 900,
    message: {
      message_id: 5,
      date: 1,
      from: { id: ANNA, is_bot: false, first_name: 'Anna', last_name: 'Berg' },
      chat: { id: ANNA, type: 'private', first_name: 'Anna' },
      ...fields,
    },
  };
}

const inGroup = (fields: Record<string, unknown>) =>
  message({ chat: { id: GROUP, type: 'supergroup' }, ...fields });
const parse = (update: unknown, policy = ALLOW_ANNA) => parseUpdate(update, BOT, policy, 77);

function turn(update: unknown) {
  const parsed = parse(update);
  if (parsed.kind !== 'turn') throw new Error(`Expected a turn, got ${JSON.stringify(parsed)}`);
  return parsed.request;
}

describe('turns', () => {
  test('a text in a private chat carries everything an answer needs', () => {
    expect(turn(message({ text: 'hello' }))).toMatchObject({
      kind: 'message',
      text: 'hello',
      dedupeId: '4242:900',
      conversation: { tenant: 'acme', channel: 'telegram', bot: '4242', chat: '1001', thread: null },
      sender: { id: '1001', name: 'Anna Berg' },
      replyTarget: { chatId: ANNA, threadId: null, messageId: 5, private: true },
      receivedAtMs: 77,
    });
  });

  test('every topic is a conversation of its own; a chain of answers is none', () => {
    const topic = turn(inGroup({ text: 'a', message_thread_id: 9, is_topic_message: true }));
    const chain = turn(inGroup({ text: 'a', message_thread_id: 9 }));
    const privateTopic = turn(message({ text: 'a', message_thread_id: 4, is_topic_message: true }));
    expect(topic.conversation.thread).toBe('9');
    expect(topic.replyTarget).toMatchObject({ threadId: 9, private: false });
    expect(chain.conversation.thread).toBeNull();
    expect(privateTopic.replyTarget).toMatchObject({ threadId: 4, private: true });
    expect(new Set([topic, chain, privateTopic].map((request) => request.sessionKey)).size).toBe(3);
  });

  test('the same update is the same turn', () => {
    expect(turn(message({ text: 'hello' })).turnId).toBe(turn(message({ text: 'hello' })).turnId);
  });

  test('a mention of this bot at the start is not part of what was said', () => {
    expect(turn(inGroup({ text: '@Hybrid_Test_Bot do it' })).text).toBe('do it');
    expect(turn(inGroup({ text: '@hybrid_test_bot2 do it' })).text).toBe('@hybrid_test_bot2 do it');
  });
});

describe('commands', () => {
  test.each(['/new', '/new@hybrid_test_bot', '/NEW@Hybrid_Test_Bot'])('%s starts a fresh session', (text) => {
    expect(turn(message({ text }))).toMatchObject({ kind: 'new', text: '' });
    expect(turn(inGroup({ text }))).toMatchObject({ kind: 'new' });
  });

  test.each(['/help', '/start', '/start payload', '/help@hybrid_test_bot'])(
    '%s is answered without a turn',
    (text) => {
      expect(parse(message({ text }))).toMatchObject({
        kind: 'command-reply',
        text: expect.stringContaining('/new'),
        target: { chatId: ANNA, messageId: 5 },
      });
    },
  );

  test('every command of the list is ours, in groups without a name, too', () => {
    for (const { name, kind, takes } of COMMANDS) {
      if (['new', 'stop', 'help'].includes(name)) continue;
      const text = takes.test('') ? `/${name}` : `/${name} use tabs`;
      expect(turn(inGroup({ text })), text).toMatchObject({ kind: 'message', text });
      expect(inputsOf(turn(inGroup({ text }))).requests[0].kind, text).toBe(kind);
    }
  });

  test('a reaction is an input of its chat, from people who may write there', () => {
    const reaction = (fields: object) => ({
      update_id: 9,
      message_reaction: {
        chat: { id: ANNA, type: 'private' },
        message_id: 5,
        user: { id: ANNA, is_bot: false, first_name: 'Anna' },
        date: 1,
        old_reaction: [],
        new_reaction: [
          { type: 'emoji', emoji: '👍' },
          { type: 'custom_emoji', custom_emoji_id: '1' },
          { type: 'paid' },
        ],
        ...fields,
      },
    });
    expect(parse(reaction({}))).toMatchObject({
      kind: 'turn',
      request: {
        kind: 'command',
        text: 'reaction 5\n["👍","an emoji of their own","⭐"]',
        sender: { id: String(ANNA) },
      },
    });
    expect(parse(reaction({ new_reaction: [] }))).toMatchObject({ request: { text: 'reaction 5\n[]' } });
    const stranger = { id: 6_666, is_bot: false, first_name: 'X' };
    expect(reasonOf(parse(reaction({ user: stranger })))).toBe('not-allowed');
    expect(reasonOf(parse(reaction({ user: { ...stranger, id: ANNA, is_bot: true } })))).toBe('not-allowed');
    expect(reasonOf(parse(reaction({ user: undefined, actor_chat: { id: GROUP } })))).toBe('not-allowed');
    expect(reasonOf(parse(reaction({ new_reaction: 'x' })))).toBe('malformed');
  });

  test('those of the agent folder are ours, offered in every menu, and explained', () => {
    const offered = [{ name: 'hours', help: 'When we are `open`' }];
    const policy = {
      ...ALLOW_ANNA,
      groups: groupPolicySchema.parse({ default: 'commands' }),
      commands: offered,
    };
    expect(parse(inGroup({ text: '/hours' }), policy)).toMatchObject({ request: { text: '/hours' } });
    expect(reasonOf(parse(inGroup({ text: '/hours' })))).toBe('other-bots-command');
    expect(reasonOf(parse(inGroup({ text: '/weather' }), policy))).toBe('not-addressed');
    expect(parse(message({ text: '/help' }), policy)).toMatchObject({
      text: expect.stringContaining('/hours – When we are open'),
    });
    for (const { commands } of commandMenus(offered)) {
      expect(commands.at(-1)).toEqual({ command: 'hours', description: 'When we are open' });
    }
  });

  test("other bots' commands are theirs", () => {
    for (const text of ['/new@other_bot', '/help@other_bot', '/weather@other_bot x', '/weather']) {
      expect(reasonOf(parse(inGroup({ text }))), text).toBe('other-bots-command');
    }
  });

  test('a command that is none of ours is a message where nobody else can be meant', () => {
    expect(turn(message({ text: '/weather Bern' }))).toMatchObject({
      kind: 'message',
      text: '/weather Bern',
    });
    expect(turn(inGroup({ text: '/weather@hybrid_test_bot' })).kind).toBe('message');
    expect(turn(message({ text: '/etc/hosts is a file' })).kind).toBe('message');
  });
});

describe('what is no text', () => {
  test.each(['photo', 'voice', 'document', 'sticker', 'location'])('a %s gets one polite line', (field) => {
    expect(parse(message({ [field]: {}, media_group_id: 'g1' }))).toMatchObject({
      kind: 'command-reply',
      text: expect.stringContaining('text'),
      albumId: 'g1',
    });
    expect(reasonOf(parse(inGroup({ [field]: {} })))).toBe('not-text');
  });

  test("Telegram's own news, edits and unknown updates are passed over", () => {
    expect(reasonOf(parse(message({ pinned_message: {} })))).toBe('not-text');
    expect(reasonOf(parse({ update_id: 1, edited_message: message({ text: '/new' }).message }))).toBe(
      'edited',
    );
    expect(reasonOf(parse({ update_id: 1, edited_message: { text: 5 } }))).toBe('malformed');
    const changed = turn({ update_id: 901, edited_message: message({ text: 'x' }).message });
    expect(isEdit(changed)).toBe(true);
    expect(changed).toMatchObject({ dedupeId: '4242:901', text: editText('5', 'x') });
    expect(reasonOf(parse({ update_id: 1, poll: {} }))).toBe('unhandled-update');
  });

  test.each([
    null,
    7,
    'x',
    [],
    {},
    { update_id: 'one' },
    { update_id: 1, message: {} },
    { update_id: 1, message: 5 },
  ])('malformed: %j', (update) => {
    expect(reasonOf(parse(update))).toBe('malformed');
  });
});

describe('who is heard', () => {
  test.each([
    undefined,
    null,
    '',
    '  ',
    ',',
    [],
    'anna',
    '1001,@anna',
    '1001 -5',
    '0x3e9',
    1001,
    {},
    [1001, null],
    '1001.5',
  ])('a list of %j allows nobody', (list) => {
    const allow = parseAllowList(list);
    expect(allow.problem).not.toBeNull();
    for (const text of ['hello', '/new', '/help', '/start']) {
      const parsed = parse(message({ text }), { tenant: 'acme', allow });
      expect(reasonOf(parsed), text).toBe('not-allowed');
    }
    expect(reasonOf(parse(message({ photo: [] }), { tenant: 'acme', allow }))).toBe('not-allowed');
  });

  test.each(['1001', '7, 1001', '7 1001\n8', ['1001'], [1001]])('a list of %j allows Anna', (list) => {
    const parsed = parse(message({ text: 'hi' }), { tenant: 'acme', allow: parseAllowList(list) });
    expect(parsed.kind).toBe('turn');
  });

  test('in a group each sender counts, not the chat', () => {
    const from = { id: STRANGER, is_bot: false, first_name: 'S' };
    for (const text of ['hello', '/new', '/help'])
      expect(reasonOf(parse(inGroup({ text, from })))).toBe('not-allowed');
    const allowed = { tenant: 'acme', allow: parseAllowList(String(Math.abs(GROUP))) };
    expect(reasonOf(parse(inGroup({ text: 'hello' }), allowed))).toBe('not-allowed');
  });

  test('nobody is heard under a borrowed name', () => {
    const asChannel = { text: 'x', sender_chat: { id: GROUP, type: 'channel' } };
    expect(reasonOf(parse(inGroup(asChannel)))).toBe('anonymous-sender');
    expect(reasonOf(parse(inGroup({ text: 'x', from: undefined })))).toBe('anonymous-sender');
    expect(reasonOf(parse(inGroup({ text: 'x', from: { id: ANNA, is_bot: true } })))).toBe('bot-sender');
  });
});
