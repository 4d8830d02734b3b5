// Slack passes the contract of every channel, in a direct conversation and in a thread, where it streams.
import { createSlackApi } from '../../src/channels/slack/api.ts';
import { createSlackChannel } from '../../src/channels/slack/channel.ts';
import { slack } from '../../src/channels/slack/descriptor.ts';
import { WAITING } from '../../src/channels/slack/placeholder.ts';
import { THINKING } from '../../src/core/progress-text.ts';
import { createManualClock, settle } from '../../testing/clock.ts';
import { type ChannelFault, channelContract, type Post } from '../../testing/contracts/channel.ts';
import { startFakeSlack } from '../../testing/slack/fake-slack.ts';
import type { FaultKind } from '../../testing/telegram/faults.ts';
import { documentedEvents } from './documented-events.ts';
import { APP, BOB, CHANNEL, DM, TOKEN, webhookOf } from './fixture.ts';

const REFUSED_FOR_SEC = 7;
const URL_OF_APP = 'http://ingress.test/slack';
const LONG_AGO_MS = 6 * 60_000;
const FAULTS: Readonly<Record<ChannelFault, FaultKind>> = {
  refused: { kind: 'rate-limit', retryAfterSec: REFUSED_FOR_SEC },
  'lost-call': { kind: 'cut-before' },
  'lost-answer': { kind: 'cut-after' },
  'server-error': { kind: 'error', status: 503, description: 'internal_error' },
};

/** The thread that Anna writes in. */
const WAYS = { 'in a direct conversation': {}, 'in a thread': { thread: '1700000000.000100' } };

const contractOf = (way: keyof typeof WAYS): Parameters<typeof channelContract>[0] => ({
  name: `slack, ${way}`,
  async create() {
    const fake = await startFakeSlack();
    const clock = createManualClock();
    const app = fake.addApp({ token: TOKEN, now: () => clock.now() });
    const where = WAYS[way];
    const api = createSlackApi({ token: TOKEN, apiUrl: fake.apiUrl, clock });
    const channel = createSlackChannel({ api, clock });
    const seen = () => app.channel(DM).messages.filter(({ user }) => user === APP.botUserId);
    const post = (body: string, atMs = clock.now()): Post => ({
      url: URL_OF_APP,
      headers: app.signed(body, atMs),
      body,
    });
    const events = (text: string, by?: 'stranger') =>
      JSON.stringify(app.say(DM, escaped(text), { ...where, ...(by ? { from: BOB } : {}) }).events.at(-1));
    return {
      name: slack.name,
      channel,
      open: async (accept) => webhookOf(app, accept, { clock }),
      written: (text, by) => post(events(text, by)),
      signed: (body) => post(body),
      forged: (whole) => [
        { what: 'nothing shown', post: { ...whole, headers: {} } },
        {
          what: 'a guess',
          post: { ...whole, headers: { ...whole.headers, 'x-slack-signature': `v0=${'0'.repeat(64)}` } },
        },
        { what: 'another body', post: { ...whole, body: whole.body.replace('hello', 'HELLO') } },
        {
          what: 'another time',
          post: { ...whole, headers: { ...whole.headers, 'x-slack-request-timestamp': '1' } },
        },
      ],
      stale: (text) => post(events(text), clock.now() - LONG_AGO_MS),
      documented: documentedEvents(app, DM, CHANNEL).map(({ name, body, becomes }) => ({
        ...{ name, becomes, post: post(body) },
      })),
      shown: () => seen().flatMap(({ text }) => (text === '' ? [] : [text])),
      placeholders: [THINKING, WAITING],
      get calls() {
        return app.calls.length;
      },
      fail: (fault, options = {}) => app.faults.add({ ...FAULTS[fault], ...options }),
      refusedForMs: REFUSED_FOR_SEC * 1_000,
      faultsLeft() {
        const { left } = app.faults;
        app.faults.clear();
        return left;
      },
      leave: () => app.channel(DM).archive(),
      async advance(ms) {
        await clock.advance(ms);
        await settle();
      },
      buttons: () => seen().flatMap(({ buttons }) => buttons.map(({ text }) => text)),
      pressed(label, by) {
        const { ts = '' } =
          seen().findLast(({ buttons }) => buttons.some(({ text }) => text.includes(label))) ?? {};
        const press = app.press(DM, ts, label, by ? BOB : undefined);
        return post(new URLSearchParams({ payload: JSON.stringify(press) }).toString());
      },
      files: {
        sent(name, mediaType, bytes, text) {
          const files = [app.files.keep(name, mediaType, bytes)];
          const said = app.say(DM, escaped(text), { ...where, event: { subtype: 'file_share', files } });
          return post(JSON.stringify(said.events.at(-1)));
        },
        shown: () => seen().flatMap(({ files }) => files.map(({ name, bytes }) => ({ name, bytes }))),
      },
      close: () => fake.close(),
    };
  },
});

for (const way of Object.keys(WAYS) as (keyof typeof WAYS)[]) channelContract(contractOf(way));

/** As Slack writes what people type. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
