// What the events of channels, threads and shared channels become; events come by real HTTP from the fake Slack.
import { serve } from '@hono/node-server';
import { expect, onTestFinished, test } from 'vitest';
import { parseAllowList } from '../../src/channels/slack/allow-list.ts';
import { OverLimit } from '../../src/core/limits.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import { ANNA } from '../../testing/slack/fake-app.ts';
import { APP, BOB, CHANNEL, DM, startFixture, webhookOf } from './fixture.ts';

const MENTION = `<@${APP.botUserId}>`;
const ANYONE_HERE = { tenant: 'acme', allow: parseAllowList([], [CHANNEL]) };

async function ready(over: Parameters<typeof webhookOf>[2] = {}, accept?: () => Promise<void>) {
  const { app } = await startFixture();
  const turns: TurnRequest[] = [];
  const fetch = webhookOf(app, accept ?? (async (request) => void turns.push(request)), over);
  const url = await new Promise<string>((resolve) => {
    const server = serve({ fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => {
      onTestFinished(() => void server.close());
      resolve(`http://127.0.0.1:${port}/slack`);
    });
  });
  expect(await app.subscribe(url)).toBe(true);
  return { app, turns, url };
}

test('the address check is answered only where it is signed', async () => {
  const { url } = await ready();
  const body = JSON.stringify({ type: 'url_verification', challenge: 'guess' });
  expect((await fetch(url, { method: 'POST', body })).status).toBe(401);
});

test(`${promise('ONCE-IN')} a mention comes as two events, and again, and is one turn in a thread of its own`, async () => {
  const { app, turns } = await ready();
  const said = app.say(CHANNEL, `${MENTION} do it`);
  await said.delivered;
  await app.redeliver(said);
  expect(turns).toHaveLength(4);
  expect(new Set(turns.map(({ turnId }) => turnId)).size).toBe(1);
  expect(turns[0]).toMatchObject({
    text: 'do it',
    conversation: { channel: 'slack', bot: 'T0HOME.U0BOT', chat: CHANNEL, thread: said.ts },
    sender: { id: ANNA },
    context: { speaker: `<@${ANNA}>` },
    replyTarget: { channel: CHANNEL, threadTs: said.ts, messageTs: said.ts },
  });
});

test('a thread is a conversation: what mentions the app in it, and what answers the app', async () => {
  const { app, turns } = await ready();
  const first = app.say(CHANNEL, `${MENTION} begin`);
  await first.delivered;
  await app.say(CHANNEL, 'aside, to somebody else', { thread: first.ts }).delivered;
  await app.say(CHANNEL, `${MENTION} go on`, { thread: first.ts }).delivered;
  const keys = new Set(turns.map(({ sessionKey }) => sessionKey));
  expect([...new Set(turns.map(({ text }) => text))]).toEqual(['begin', 'go on']);
  expect(keys.size).toBe(1);
  const other = app.say(CHANNEL, `${MENTION} elsewhere`);
  await other.delivered;
  expect(turns.at(-1)?.conversation.thread).toBe(other.ts);
});

test('in a direct conversation everything is for the app, outside of threads and in each', async () => {
  const { app, turns } = await ready();
  const first = app.say(DM, 'hello');
  await first.delivered;
  await app.say(DM, 'inside', { thread: first.ts }).delivered;
  expect(turns.map(({ text, conversation: { chat, thread } }) => [text, chat, thread])).toEqual([
    ['hello', DM, null],
    ['inside', DM, first.ts],
  ]);
  expect(turns[0]?.context?.speaker).toBeUndefined();
});

test('a command behind a mention keeps its slash', async () => {
  const { app, turns } = await ready();
  await app.say(CHANNEL, `${MENTION} /stop`).delivered;
  expect(turns[0]?.text).toBe('/stop');
});

test('in a listed channel everybody of the workspace is heard, and nobody of another one', async () => {
  const { app, turns } = await ready({ policy: ANYONE_HERE });
  await app.say(CHANNEL, `${MENTION} from Bob`, { from: BOB }).delivered;
  await app.say(CHANNEL, `${MENTION} from outside`, { from: 'U0FRIEND', team: 'T0OTHER' }).delivered;
  // Where nothing is said of whose they are, a shared channel makes them a stranger.
  await app.say(CHANNEL, `${MENTION} from nowhere`, {
    ...{ from: 'U0FRIEND', team: 'T0OTHER' },
    event: { team: undefined, user_team: undefined, source_team: undefined },
  }).delivered;
  await app.say(DM, 'from Bob, alone', { from: BOB }).delivered;
  expect([...new Set(turns.map(({ text }) => text))]).toEqual(['from Bob']);
});

test('a guest of another company who is named with their workspace is heard, under that name', async () => {
  const allow = parseAllowList(['T0OTHER:U0FRIEND']);
  const { app, turns } = await ready({ policy: { tenant: 'acme', allow } });
  await app.say(CHANNEL, `${MENTION} hello`, { from: 'U0FRIEND', team: 'T0OTHER' }).delivered;
  expect(turns[0]?.sender?.id).toBe('T0OTHER:U0FRIEND');
  const { length } = turns;
  await app.say(CHANNEL, `${MENTION} not me`, { from: 'U0FRIEND' }).delivered;
  expect(turns).toHaveLength(length);
});

test.each([
  ['uninstalled', { type: 'app_uninstalled' }, ['app_uninstalled']],
  [
    'without its token',
    { type: 'tokens_revoked', tokens: { oauth: [], bot: [APP.botUserId] } },
    ['tokens_revoked'],
  ],
  [
    'there, and somebody else is not',
    { type: 'tokens_revoked', tokens: { oauth: ['U0ANNA'], bot: ['U9'] } },
    [],
  ],
  ['there, and Slack says nothing', { type: 'tokens_revoked' }, []],
])('the operator hears that the app is %s', async (_how, event, heard) => {
  const logged: unknown[] = [];
  const { app, turns, url } = await ready({
    log: (level, name, fields) => void (name === 'slack-app-removed' && logged.push([level, fields?.by])),
  });
  const post = async (team: string) => {
    const body = JSON.stringify({ type: 'event_callback', team_id: team, event_id: 'Ev0', event });
    return (await fetch(url, { method: 'POST', body, headers: app.signed(body) })).status;
  };
  expect(await post('T0ELSE')).toBe(200);
  expect(logged).toEqual([]);
  expect(await post(APP.teamId)).toBe(200);
  expect(logged).toEqual(heard.map((by) => ['error', by]));
  expect(turns).toEqual([]);
});

test(`${promise('ACKED')} a queue that is away makes Slack send again; one message too many does not`, async () => {
  let failures = 2;
  const { app } = await ready({}, async () => {
    if (failures-- > 0) throw new Error('the queue is away');
  });
  const [results] = await app.say(DM, 'hello').delivered;
  expect(results?.map(({ status }) => status)).toEqual([503, 503, 200]);
  const limited = await ready({}, async () => {
    throw new OverLimit({ of: 'turnsPerMinute', party: 'chat', limit: 1 }, 1_000, true);
  });
  const [once] = await limited.app.say(DM, 'hello').delivered;
  expect(once?.map(({ status }) => status)).toEqual([200]);
});
