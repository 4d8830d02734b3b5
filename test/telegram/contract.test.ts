// Telegram passes the contract of every channel, in a private chat, however it shows what goes on and where the answer comes.
import { parseAllowList } from '../../src/channels/telegram/allow-list.ts';
import { createTelegramApi } from '../../src/channels/telegram/api.ts';
import { createTelegramChannel } from '../../src/channels/telegram/channel.ts';
import { WAITING } from '../../src/channels/telegram/placeholder.ts';
import { createTelegramWebhook } from '../../src/channels/telegram/webhook.ts';
import { THINKING } from '../../src/core/progress-text.ts';
import { createManualClock, settle } from '../../testing/clock.ts';
import { type ChannelFault, channelContract, type Post } from '../../testing/contracts/channel.ts';
import { startFakeTelegram } from '../../testing/telegram/fake-telegram.ts';
import type { FaultKind } from '../../testing/telegram/faults.ts';
import { ANNA, BOT, GROUP, TOKEN } from './fixture.ts';

const SECRET = 'a-webhook-secret_0123456789';
const SECRET_HEADER = 'x-telegram-bot-api-secret-token';
const STRANGER = 2002;
const REFUSED_FOR_SEC = 7;
const FAULTS: Readonly<Record<ChannelFault, FaultKind>> = {
  refused: { kind: 'rate-limit', retryAfterSec: REFUSED_FOR_SEC },
  'lost-call': { kind: 'cut-before' },
  'lost-answer': { kind: 'cut-after' },
  'server-error': { kind: 'error', status: 502 },
};

const WAYS = {
  'with drafts': {},
  'with edits': { drafts: false },
  'with an answer of its own': { drafts: false, answer: 'new-message' },
} as const;

const contractOf = (way: keyof typeof WAYS): Parameters<typeof channelContract>[0] => ({
  name: `telegram, ${way}`,
  async create() {
    const fake = await startFakeTelegram();
    const bot = fake.addBot({ token: TOKEN, username: BOT.username });
    const clock = createManualClock();
    const api = createTelegramApi({ token: TOKEN, apiRoot: fake.apiRoot });
    const channel = createTelegramChannel({ api, clock, ...WAYS[way] });
    const seen = () => bot.chat(ANNA).messages.filter(({ from }) => from === 'bot');
    const buttons = () => seen().flatMap((message) => message.buttons.flat().map(({ text }) => text));
    const post = (body: string): Post => ({
      url: 'http://ingress.test/telegram',
      headers: { [SECRET_HEADER]: SECRET },
      body,
    });
    const newest = (updateId: number) =>
      post(JSON.stringify(bot.feed.pending.find((update) => update.update_id === updateId)));
    const message = (text: string) => ({ kind: 'message' as const, text });
    const said = (text: string, fields = {}) => newest(bot.say(ANNA, text, { fields }).updateId);
    return {
      name: 'telegram',
      channel,
      open: async (accept) =>
        createTelegramWebhook({
          ...{ secret: SECRET, bot: BOT, accept, clock, stop: async () => 0, move: async () => {} },
          policy: { tenant: 'acme', allow: parseAllowList([ANNA]) },
        }),
      written: (text, by) => newest(bot.say(ANNA, text, by === undefined ? {} : { from: STRANGER }).updateId),
      signed: post,
      forged(whole) {
        const shows = (headers: Post['headers']): Post => ({ ...whole, headers });
        return [
          { what: 'nothing shown', post: shows({}) },
          { what: 'a guess', post: shows({ [SECRET_HEADER]: `${SECRET}x` }) },
          { what: 'an empty one', post: shows({ [SECRET_HEADER]: '' }) },
        ];
      },
      documented: [
        { name: 'a message', post: said('hello'), becomes: message('hello') },
        { name: 'a caption', post: said('', { caption: 'look', photo: [{}] }), becomes: message('look') },
        { name: 'a sticker', post: said('', { sticker: {} }), becomes: null },
        { name: 'a new session', post: said('/new'), becomes: { kind: 'new', text: '' } },
        { name: 'a command of another bot', post: said('/go@other_bot'), becomes: null },
        {
          name: 'a correction',
          post: newest(bot.correct(ANNA, 1, 'new')),
          becomes: { kind: 'command', text: 'edit 1\nnew' },
        },
        { name: 'a stranger in a group', post: newest(bot.say(GROUP, 'hi').updateId), becomes: null },
        { name: 'a reaction', post: newest(bot.update({ message_reaction: {} })), becomes: null },
        { name: 'a new member', post: newest(bot.update({ my_chat_member: {} })), becomes: null },
      ],
      shown: () => [...seen(), bot.chat(ANNA).draft].flatMap((one) => (one?.text ? [one.text] : [])),
      placeholders: [THINKING, WAITING],
      get calls() {
        return bot.calls.length;
      },
      fail: (fault, options = {}) => bot.faults.add({ ...FAULTS[fault], ...options }),
      refusedForMs: REFUSED_FOR_SEC * 1_000,
      faultsLeft() {
        const { left } = bot.faults;
        bot.faults.clear();
        return left;
      },
      leave: () => bot.chat(ANNA).block(),
      async advance(ms) {
        await clock.advance(ms);
        await settle();
      },
      buttons,
      pressed(label, by) {
        const holder = seen().findLast((one) => one.buttons.flat().some(({ text }) => text.includes(label)));
        const from = by === undefined ? ANNA : STRANGER;
        return newest(bot.press(ANNA, holder?.id ?? 0, label, { from }));
      },
      files: {
        sent(name, mediaType, bytes, caption) {
          const document = { ...bot.files.keep(bytes), file_name: name, mime_type: mediaType };
          return said('', { document, caption });
        },
        shown: () =>
          seen().flatMap(({ file }) => (file ? [{ name: file.name, bytes: Buffer.from(file.bytes) }] : [])),
      },
      close: () => fake.close(),
    };
  },
  skip: [
    {
      reason: 'what Telegram shows with a call is a secret of ours, which knows neither body nor time',
      tests: ['a call that was signed long ago is refused'],
    },
  ],
});

for (const way of Object.keys(WAYS) as (keyof typeof WAYS)[]) channelContract(contractOf(way));
