// The example passes the contract of every channel, against a stand-in for Discord.
import { silentLog } from 'hybrid-sessions/channel';
import { createManualClock, settle } from 'hybrid-sessions/testing/clock';
import { channelContract, type Post } from 'hybrid-sessions/testing/contracts/channel';
import { createDiscord, createInteractions, discord } from './discord.ts';
import { ANN, BOB, REFUSED_FOR_SEC, startFakeDiscord, TOKEN } from './fake-discord.ts';

const LONG_AGO_MS = 10 * 60_000;

channelContract({
  name: 'discord',
  skip: [
    {
      reason: 'nothing is shown while the agent works: a message is sent when it is whole',
      tests: [
        'what the agent says is seen while it works, and gives way to the reply',
        'the worker that takes a turn over leaves nothing of the one before',
        ...['refused', 'lost-call', 'server-error'].map(
          (fault) => `${fault} at every call of progress breaks nothing, and after its end nothing is called`,
        ),
      ],
    },
  ],
  async create() {
    const fake = await startFakeDiscord();
    const clock = createManualClock();
    const { publicKey, apiRoot } = fake;
    const post = (body: string, atMs = clock.now()): Post => fake.signed(body, atMs);
    const withHeaders = (whole: Post, headers: Readonly<Record<string, string>>): Post => ({
      ...whole,
      headers: { ...whole.headers, ...headers },
    });
    return {
      name: discord.name,
      channel: createDiscord({ token: TOKEN, apiRoot }),
      open: async (accept) =>
        createInteractions(
          { tenant: 'acme', accept, clock, log: silentLog },
          { publicKey, allowedUsers: [ANN.id] },
        ),
      written: (text, by) => post(fake.asked(text, by && BOB)),
      signed: (body) => post(body),
      forged: (whole) => [
        { what: 'nothing shown', post: { ...whole, headers: {} } },
        { what: 'a guess', post: withHeaders(whole, { 'x-signature-ed25519': '0'.repeat(128) }) },
        { what: 'no signature at all', post: withHeaders(whole, { 'x-signature-ed25519': 'none' }) },
        { what: 'another time', post: withHeaders(whole, { 'x-signature-timestamp': '1' }) },
        { what: 'another body', post: { ...whole, body: whole.body.replace('hello', 'HELLO') } },
      ],
      stale: (text) => post(fake.asked(text), clock.now() - LONG_AGO_MS),
      documented: [
        { name: 'a ping', post: post(fake.interaction({ type: 1 })), becomes: null },
        { name: 'a command', post: post(fake.asked('hello')), becomes: { kind: 'message', text: 'hello' } },
        { name: 'of the core', post: post(fake.asked('/new')), becomes: { kind: 'message', text: '/new' } },
        {
          name: 'a command of another kind',
          post: post(fake.interaction({ type: 2, data: { name: 'other' } })),
          becomes: null,
        },
        {
          name: 'a button of somebody else',
          post: post(fake.interaction({ type: 3, message: { id: '1' }, data: { custom_id: 'x' } })),
          becomes: null,
        },
        {
          name: 'words that are being typed',
          post: post(fake.interaction({ type: 4, data: { options: [{ name: 'text', value: 'he' }] } })),
          becomes: null,
        },
        {
          name: 'a form',
          post: post(fake.interaction({ type: 5, data: { custom_id: 'x' } })),
          becomes: null,
        },
      ],
      shown: () => fake.messages.map(({ content }) => content),
      placeholders: [],
      get calls() {
        return fake.calls();
      },
      fail: fake.fail,
      refusedForMs: REFUSED_FOR_SEC * 1_000,
      faultsLeft: fake.faultsLeft,
      leave: fake.leave,
      async advance(ms) {
        await clock.advance(ms);
        await settle();
      },
      buttons: fake.buttons,
      pressed: (label, by) => post(fake.pressed(label, by && BOB)),
      close: fake.close,
    };
  },
});
