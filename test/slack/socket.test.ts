// Socket Mode over a real connection: what is taken is acknowledged, what is not comes again, and a connection that ends is
// made anew.
import { expect, onTestFinished, test } from 'vitest';
import { listenToSlack } from '../../src/channels/slack/socket.ts';
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import type { Clock } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { ANNA } from '../../testing/slack/fake-app.ts';
import { DM, startFixture, TOKEN } from './fixture.ts';
import { APP_TOKEN, startSocketServer } from './socket-server.ts';

/** Retries wait a moment, not seconds. */
const hasty: Clock = {
  now: systemClock.now,
  sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 5), signal),
};

async function ready(over: { appToken?: string; accept?: (request: TurnRequest) => Promise<void> } = {}) {
  const server = await startSocketServer();
  const { app } = await startFixture();
  const turns: TurnRequest[] = [];
  const end = new AbortController();
  const { appToken = APP_TOKEN, accept = async (request) => void turns.push(request) } = over;
  const running = listenToSlack(
    {
      settings: { token: TOKEN, appToken, apiUrl: server.apiUrl, allowedUsers: [ANNA], allowedChannels: [] },
      ...{ tenant: 'acme', accept, clock: hasty, log: silentLog },
    },
    end.signal,
  );
  running.catch(() => undefined);
  onTestFinished(async () => {
    end.abort();
    await running.catch(() => undefined);
  });
  return { server, app, turns, running, stop: () => end.abort() };
}

test('events and presses come down the connection, and are acknowledged when they are turns', async () => {
  const { server, app, turns } = await ready();
  await expect.poll(() => server.connections).toBe(1);
  server.send('e1', 'events_api', app.say(DM, 'hello').events[0]);
  await expect.poll(() => server.acknowledged).toEqual(['e1']);
  expect(turns).toMatchObject([{ kind: 'message', text: 'hello', sender: { id: ANNA } }]);
  server.send('e2', 'events_api', app.say(DM, 'let me in', { from: 'U0BOB' }).events[0]);
  await expect.poll(() => server.acknowledged).toEqual(['e1', 'e2']);
  expect(turns).toHaveLength(1);
});

test('a slash command comes down the connection, and is answered with its acknowledgement', async () => {
  const { server, app, turns } = await ready();
  await expect.poll(() => server.connections).toBe(1);
  const slash = (text: string) => Object.fromEntries(new URLSearchParams(app.slash(DM, '/agent', text)));
  server.send('e1', 'slash_commands', slash('new'));
  server.send('e2', 'slash_commands', slash('help'));
  await expect.poll(() => [...server.acknowledged].sort()).toEqual(['e1', 'e2']);
  expect(turns).toMatchObject([{ text: '/new' }]);
  expect(server.answers.get('e1')).toEqual({});
  expect(server.answers.get('e2')).toMatchObject({
    response_type: 'ephemeral',
    text: expect.stringContaining('undo'),
  });
});

test(`${promise('ACKED')} what the queue does not take is not acknowledged, and is taken when it comes again`, async () => {
  let tries = 0;
  const { server, app } = await ready({
    accept: async () => {
      if (++tries === 1) throw new Error('the queue is away');
    },
  });
  await expect.poll(() => server.connections).toBe(1);
  const [event] = app.say(DM, 'hello').events;
  server.send('e1', 'events_api', event);
  await expect.poll(() => tries).toBe(1);
  server.send('e2', 'events_api', event);
  await expect.poll(() => server.acknowledged).toEqual(['e2']);
});

test.each(['notice', 'cut'] as const)('a connection that ends by %s is made anew', async (how) => {
  const { server, app, turns } = await ready();
  await expect.poll(() => server.connections).toBe(1);
  server.refuse('internal_error', 3);
  server.end(how);
  await expect.poll(() => server.connections).toBe(2);
  server.send('e1', 'events_api', app.say(DM, 'still there?').events[0]);
  await expect.poll(() => turns.map(({ text }) => text)).toEqual(['still there?']);
});

test('an app-level token that is no good ends it, with what to do', async () => {
  const { running } = await ready({ appToken: 'xapp-wrong' });
  await expect(running).rejects.toMatchObject({
    code: 'bad-token',
    advice: expect.stringMatching(/App-Level/),
  });
});

test('it ends when it is told to', async () => {
  const { server, running, stop } = await ready();
  await expect.poll(() => server.connections).toBe(1);
  stop();
  await running;
});
