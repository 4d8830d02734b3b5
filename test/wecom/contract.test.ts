// A WeCom AI bot passes the contract of every channel, as far as the platform goes.
import { createWecomChannel } from '../../src/channels/wecom/channel.ts';
import { createWecomWebhook } from '../../src/channels/wecom/webhook.ts';
import { silentLog } from '../../src/core/log.ts';
import { createManualClock, settle } from '../../testing/clock.ts';
import { type ChannelFault, channelContract, type Post } from '../../testing/contracts/channel.ts';
import { type AnswerFault, startFakeWecom } from '../../testing/wecom/fake-wecom.ts';

const ANNA = 'anna.li';
const STRANGER = 'somebody';
const FAULTS: Readonly<Record<ChannelFault, AnswerFault>> = {
  refused: 'too-fast',
  'lost-call': 'cut-before',
  'lost-answer': 'cut-after',
  'server-error': 'busy',
};
const ONE_MESSAGE = 'one message is all that may be sent: the rest is owed (deliver.test.ts)';

channelContract({
  name: 'wecom',
  async create() {
    const clock = createManualClock();
    const wecom = await startFakeWecom({ clock });
    const { botId, token, aesKey } = wecom.bot;
    const post = (payload: string): Post => {
      const { query, body } = wecom.callOf(payload);
      return {
        url: `http://ingress.test/wecom?${query}`,
        headers: { 'content-type': 'application/json' },
        body,
      };
    };
    const said = (content: string, by = ANNA) => wecom.payload(by, { msgtype: 'text', text: { content } });
    const message = (fields: object) => post(wecom.payload(ANNA, fields));
    const text = (one: string) => ({ kind: 'message' as const, text: one });
    const withQuery = (whole: Post, name: string, value: string): Post => {
      const url = new URL(whole.url);
      url.searchParams.set(name, value);
      return { ...whole, url: url.href };
    };
    return {
      name: 'wecom',
      channel: createWecomChannel({ clock, aesKey }),
      open: async (accept) =>
        createWecomWebhook({
          ...{ token, aesKey, accept, clock, log: silentLog },
          policy: { tenant: 'acme', botId, allowedUsers: [ANNA], apiRoot: wecom.apiRoot },
        }),
      written: (words, by) => post(said(words, by === undefined ? ANNA : STRANGER)),
      signed: post,
      forged: (whole) => [
        { what: 'nothing shown', post: { ...whole, url: 'http://ingress.test/wecom' } },
        { what: 'a guess', post: withQuery(whole, 'msg_signature', '0'.repeat(40)) },
        { what: 'another time', post: withQuery(whole, 'timestamp', '1') },
        { what: 'another nonce', post: withQuery(whole, 'nonce', '1') },
        { what: 'another body', post: { ...whole, body: post(said('other words')).body } },
        { what: 'a text that is not encrypted', post: { ...whole, body: said('other words') } },
      ],
      stale: (words) =>
        withQuery(post(said(words)), 'timestamp', String(Math.floor(clock.now() / 1_000) - 360)),
      documented: [
        { name: 'a text', post: post(said('hello')), becomes: text('hello') },
        {
          name: 'a text in a group',
          post: message({ chatid: 'wr1', msgtype: 'text', text: { content: '@Bot hello @Bob' } }),
          becomes: text('hello @Bob'),
        },
        {
          name: 'a voice',
          post: message({ msgtype: 'voice', voice: { content: 'heard' } }),
          becomes: text('heard'),
        },
        {
          name: 'text with a picture',
          post: message({
            msgtype: 'mixed',
            mixed: {
              msg_item: [
                { msgtype: 'text', text: { content: 'look' } },
                { msgtype: 'image', image: { url: 'u' } },
              ],
            },
          }),
          becomes: text('look'),
        },
        {
          name: 'a picture',
          post: message({ msgtype: 'image', image: { url: 'https://x.test/u' } }),
          becomes: text(''),
        },
        {
          name: 'a file',
          post: message({ msgtype: 'file', file: { url: 'https://x.test/u' } }),
          becomes: text(''),
        },
        {
          name: 'a film',
          post: message({ msgtype: 'video', video: { url: 'https://x.test/u' } }),
          becomes: text(''),
        },
        { name: 'a card', post: message({ msgtype: 'link', link: { url: 'u' } }), becomes: null },
        {
          name: 'who comes in',
          post: message({ msgtype: 'event', event: { eventtype: 'enter_chat' } }),
          becomes: null,
        },
        {
          name: 'a stream asked for again',
          post: message({ msgtype: 'stream', stream: { id: 's' } }),
          becomes: null,
        },
        {
          name: 'an address elsewhere',
          post: message({ msgtype: 'text', text: { content: 'x' }, response_url: 'http://elsewhere.test/x' }),
          becomes: null,
        },
        {
          name: 'another bot',
          post: message({ msgtype: 'text', text: { content: 'x' }, aibotid: 'y' }),
          becomes: null,
        },
        { name: 'a command', post: post(said('/status')), becomes: text('/status') },
      ],
      shown: () => wecom.chat(ANNA),
      placeholders: [],
      get calls() {
        return wecom.calls.length;
      },
      fail: (fault, options) => wecom.fail(FAULTS[fault], options),
      refusedForMs: 1_000,
      faultsLeft: () => wecom.strikesLeft(),
      leave: () => wecom.endAddresses(),
      async advance(ms) {
        await clock.advance(ms);
        await settle();
      },
      close: () => wecom.close(),
    };
  },
  skip: [
    {
      reason: ONE_MESSAGE,
      tests: [
        'a long reply comes in parts, each within the limit, in order and whole',
        'code that a part ends in is whole on both sides',
        'refused at any call: in the end the reply stands once, and nothing stands beside it',
        'lost-call at any call: in the end the reply stands once, and nothing stands beside it',
        'lost-answer at any call: in the end the reply stands once, and nothing stands beside it',
        'server-error at any call: in the end the reply stands once, and nothing stands beside it',
      ],
    },
    {
      reason: 'a message of progress would be the one message that may be sent',
      tests: [
        'what the agent says is seen while it works, and gives way to the reply',
        'refused at every call of progress breaks nothing, and after its end nothing is called',
        'lost-call at every call of progress breaks nothing, and after its end nothing is called',
        'server-error at every call of progress breaks nothing, and after its end nothing is called',
        'the worker that takes a turn over leaves nothing of the one before',
      ],
    },
    {
      reason: 'answers are numbers (core, design/approvals.md)',
      tests: [
        'a question has a button for each answer, and a press of it says what it says',
        'what the agent offers stands on buttons, however long it is',
        'a press belongs to the conversation of the question, and the same press again is the same turn',
        'a press of a stranger is none',
        'what was decided stands where the buttons were',
      ],
    },
  ],
});
