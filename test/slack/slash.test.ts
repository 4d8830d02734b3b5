// Slash commands over real HTTP from the fake Slack: the same commands as everywhere in the direct conversation, an answer for
// the person alone elsewhere, and nothing for who is not allowed.
import { serve } from '@hono/node-server';
import { expect, onTestFinished, test } from 'vitest';
import { parseAllowList } from '../../src/channels/slack/allow-list.ts';
import { appManifest } from '../../src/channels/slack/manifest.ts';
import { COMMANDS } from '../../src/core/commands.ts';
import { OverLimit } from '../../src/core/limits.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import { NotServed } from '../../src/core/standing.ts';
import { ANNA } from '../../testing/slack/fake-app.ts';
import { APP, BOB, CHANNEL, DM, startFixture, webhookOf } from './fixture.ts';

async function ready(over: Parameters<typeof webhookOf>[2] = {}, accept?: () => Promise<void>) {
  const { app } = await startFixture();
  const turns: TurnRequest[] = [];
  const handler = webhookOf(app, accept ?? (async (request) => void turns.push(request)), over);
  const url = await new Promise<string>((resolve) => {
    const server = serve({ fetch: handler, port: 0, hostname: '127.0.0.1' }, ({ port }) => {
      onTestFinished(() => void server.close());
      resolve(`http://127.0.0.1:${port}/slack`);
    });
  });
  await app.subscribe(url);
  const write = async (text: string, channel = DM, options: Parameters<typeof app.slash>[3] = {}) => {
    const { status, body } = await app.sendSlash(app.slash(channel, '/agent', text, options));
    return {
      status,
      said: body === '' ? null : (JSON.parse(body) as { response_type: string; text: string }),
    };
  };
  return { app, turns, url, write };
}

test.each([
  ['new', '/new'],
  ['new Say hello', '/new Say hello'],
  ['/undo 2', '/undo 2'],
  ['undo 2', '/undo 2'],
  ['STATUS', '/STATUS'],
  ['btw hurry', '/btw hurry'],
  ['what is new?', 'what is new?'],
  ['undo everything, please', 'undo everything, please'],
  ['/nonsense', '/nonsense'],
  ['ask <@U0BOB|bob> &amp; wait', 'ask @bob (<@U0BOB>) & wait'],
])('/agent %s', async (text, becomes) => {
  const { app, turns, write } = await ready();
  expect(await write(text)).toEqual({ status: 200, said: null });
  await app.say(DM, 'hello').delivered;
  const [command, message] = turns;
  expect(command).toMatchObject({ kind: 'message', text: becomes, sender: { id: ANNA } });
  // It belongs to the direct conversation, like what is written there.
  expect(command?.sessionKey).toBe(message?.sessionKey);
});

test('the same words written twice are two turns, and the same call again is the same one', async () => {
  const { app, turns } = await ready();
  const form = app.slash(DM, '/agent', 'new');
  for (const one of [form, form, app.slash(DM, '/agent', 'new')]) await app.sendSlash(one);
  const [a, b, c] = turns.map(({ turnId }) => turnId);
  expect([a === b, a === c]).toEqual([true, false]);
});

test.each(['', 'help', '/help'])(
  '/agent %s: the list of commands, for the person alone, without the queue',
  async (text) => {
    const { turns, write } = await ready();
    const { said } = await write(text, CHANNEL);
    expect(said?.response_type).toBe('ephemeral');
    for (const { name } of COMMANDS) expect(said?.text).toContain(`\`/agent ${name}`);
    expect(turns).toEqual([]);
  },
);

test('in a channel it says how to write it in a thread, and calls nobody', async () => {
  const { turns, write } = await ready();
  const { said } = await write('undo', CHANNEL);
  expect(said).toMatchObject({
    response_type: 'ephemeral',
    text: expect.stringContaining(`<@${APP.botUserId}> /undo`),
  });
  const loud = await write('tell &lt;!channel&gt; it', CHANNEL);
  expect(loud.said?.text).not.toContain('<!channel>');
  expect(turns).toEqual([]);
});

test.each([
  ['somebody who is not listed', { from: BOB }],
  ['somebody of another company', { from: ANNA, team: 'T0OTHER' }],
])('%s gets nothing, whatever they write', async (_who, options) => {
  const { turns, write } = await ready();
  for (const text of ['help', 'new', 'hello']) {
    for (const place of [DM, CHANNEL])
      expect(await write(text, place, options)).toEqual({ status: 200, said: null });
  }
  expect(turns).toEqual([]);
});

test('somebody of another company who is named with it is heard under that name', async () => {
  const policy = { tenant: 'acme', allow: parseAllowList(['T0OTHER:U0FRIEND']) };
  const { turns, write } = await ready({ policy });
  await write('new', DM, { from: 'U0FRIEND', team: 'T0OTHER' });
  expect(turns).toMatchObject([{ text: '/new', sender: { id: 'T0OTHER:U0FRIEND' } }]);
});

test('what is not signed, or stale, is refused', async () => {
  const { app, url, turns } = await ready();
  const body = app.slash(DM, '/agent', 'new');
  const post = async (headers: Record<string, string>) =>
    (await fetch(url, { method: 'POST', body, headers })).status;
  expect(await post({})).toBe(401);
  expect(await post(app.signed(`${body}&text=other`))).toBe(401);
  expect(await post(app.signed(body, Date.now() - 400_000))).toBe(401);
  expect(turns).toEqual([]);
});

test('one command too many, and a bot that is switched off, are told at once', async () => {
  const limited = await ready({}, async () => {
    throw new OverLimit({ of: 'turnsPerMinute', party: 'chat', limit: 1 }, 1_000, true);
  });
  expect((await limited.write('new')).said?.text).toMatch(/one message a minute/);
  const off = await ready({}, async () => {
    throw new NotServed('disabled');
  });
  expect((await off.write('new')).said?.text).toMatch(/switched off/);
});

test('a queue that is away is no acknowledgement', async () => {
  const { write, app } = await ready({}, async () => {
    throw new Error('the queue is away');
  });
  const { status } = await app.sendSlash(app.slash(DM, '/agent', 'new'));
  expect(status).toBe(503);
  expect((await write('help')).status).toBe(200);
});

test('the manifest has the command, with the address where Slack calls and without one for Socket Mode', () => {
  const command = (address: string | null) =>
    (appManifest(address) as { features: { slash_commands: object[] } }).features.slash_commands[0];
  expect(command('https://agent.example.com/')).toMatchObject({
    ...{ command: '/agent', should_escape: true, url: 'https://agent.example.com/slack' },
  });
  expect(command(null)).not.toHaveProperty('url');
});
