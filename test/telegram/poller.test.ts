// Long polling against the fake server: what is confirmed was queued, order holds, faults are waited out.
import { expect, onTestFinished, test } from 'vitest';
import { parseAllowList } from '../../src/channels/telegram/allow-list.ts';
import { createTelegramApi } from '../../src/channels/telegram/api.ts';
import { ALLOWED_UPDATES } from '../../src/channels/telegram/parse-update.ts';
import { createTelegramPoller, type TelegramPollerOptions } from '../../src/channels/telegram/poller.ts';
import { COMMANDS } from '../../src/core/commands.ts';
import { Invalid, Refused } from '../../src/core/errors.ts';
import type { LogFields } from '../../src/core/log.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import type { Clock } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { until } from '../waiting.ts';
import { ALLOW_ANNA, ANNA, BOT, type Fixture, GROUP, startFixture, TOKEN } from './fixture.ts';

/** Waits are noted, not waited. */
function hastyClock(waits: number[]): Clock {
  return {
    now: () => 1,
    sleep: (ms) => {
      waits.push(ms);
      return new Promise((resolve) => setTimeout(resolve, 1));
    },
  };
}

interface Running {
  readonly accepted: TurnRequest[];
  readonly waits: number[];
  readonly logged: { event: string; fields: LogFields | undefined }[];
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

function poll({ api }: Pick<Fixture, 'api'>, options: Partial<TelegramPollerOptions> = {}): Running {
  const accepted: TurnRequest[] = [];
  const waits: number[] = [];
  const logged: Running['logged'] = [];
  const abort = new AbortController();
  const poller = createTelegramPoller({
    api,
    bot: BOT,
    policy: ALLOW_ANNA,
    accept: async (request) => void accepted.push(request),
    stop: async () => 0,
    move: async () => {},
    clock: hastyClock(waits),
    log: (_, event, fields) => void logged.push({ event, fields }),
    pollSec: 5,
    ...options,
  });
  const ended = poller.run(abort.signal);
  ended.catch(() => undefined);
  const stop = async () => {
    abort.abort();
    await ended.catch(() => undefined);
  };
  onTestFinished(stop);
  return { accepted, waits, logged, ended, stop };
}

test(`${promise('ORDER')} updates are handed on in order and confirmed`, async () => {
  const { bot, api } = await startFixture();
  for (const text of ['one', 'two', 'three']) bot.say(ANNA, text);
  const running = poll({ api });
  await until(() => running.accepted.length === 3);
  bot.say(ANNA, 'four');
  await until(() => running.accepted.length === 4);
  await running.stop();
  expect(running.accepted.map(({ text }) => text)).toEqual(['one', 'two', 'three', 'four']);
  expect(bot.feed.pending).toEqual([]);
  const polls = bot.calls.filter(({ method }) => method === 'getUpdates');
  expect(polls[0]?.payload.allowed_updates).toEqual(ALLOWED_UPDATES);
  const named = (menu: string) => bot.menus.get(menu)?.map((one) => (one as { command: string }).command);
  expect(named('all_private_chats/')).toEqual(COMMANDS.map(({ name }) => name));
  expect(named('all_private_chats/de')).toEqual(named('default/'));
  expect(named('all_group_chats/de')).not.toContain('forget');
  expect(bot.menus.get('default/')?.[0]).toMatchObject({
    description: expect.stringContaining('fresh session'),
  });
  expect(bot.menus.get('default/de')?.[0]).toMatchObject({
    description: expect.stringContaining('Neue Sitzung'),
  });
});

test(`${promise('ACKED')} what could not be queued is not confirmed, and comes again`, async () => {
  const { bot, api } = await startFixture();
  const texts = ['one', 'two', 'three'];
  for (const text of texts) bot.say(ANNA, text);
  const queued: string[] = [];
  let queueIsDown = true;
  let refusals = 0;
  const accept = async (request: TurnRequest) => {
    if (request.text === 'two' && queueIsDown) {
      refusals++;
      throw new Refused('store-busy', 'The queue is down.', { retryAfterMs: 4_321 });
    }
    queued.push(request.text);
  };
  const running = poll({ api }, { accept });
  await until(() => refusals >= 3);
  expect(queued).toEqual(['one']);
  expect(bot.feed.pending).toHaveLength(2);
  expect(running.waits[0]).toBe(4_321);
  queueIsDown = false;
  await until(() => queued.length === 3);
  await running.stop();
  expect(queued).toEqual(texts);
  expect(bot.feed.pending).toEqual([]);
});

test(`${promise('ACKED')} a poller that dies before the queue had it leaves the update to the next`, async () => {
  const { bot, api } = await startFixture();
  bot.say(ANNA, 'keep me');
  const dying = poll({ api }, { accept: () => Promise.reject(new Error('killed')) });
  await until(() => dying.waits.length > 0);
  await dying.stop();
  expect(bot.feed.pending).toHaveLength(1);
  const next = poll({ api });
  await until(() => next.accepted.length === 1);
  expect(next.accepted[0]?.text).toBe('keep me');
});

test(`${promise('ONCE-IN')} an update handed out twice is the same turn`, async () => {
  const { bot, api } = await startFixture();
  const running = poll({ api });
  const { updateId } = bot.say(ANNA, 'once');
  await until(() => running.accepted.length === 1);
  await until(() => bot.feed.pending.length === 0);
  await bot.redeliver(updateId);
  await until(() => running.accepted.length === 2);
  expect(new Set(running.accepted.map(({ turnId }) => turnId)).size).toBe(1);
});

test('a message that can never be queued does not hold up the others, and its writer is told', async () => {
  const { bot, api } = await startFixture();
  bot.say(GROUP, 'bad', { from: ANNA, thread: 3 });
  bot.say(ANNA, 'good');
  const queued: string[] = [];
  poll(
    { api },
    {
      async accept({ text }) {
        if (text === 'bad') throw new Invalid('bad-message', 'never');
        queued.push(text);
      },
    },
  );
  await until(() => queued.length === 1);
  expect(bot.chat(GROUP).botTexts).toEqual([expect.stringContaining('cannot take')]);
  expect(bot.chat(GROUP).messages.at(-1)?.threadId).toBe(3);
});

test('fixed answers need no turn; an album gets one', async () => {
  const { bot, api } = await startFixture();
  bot.say(ANNA, '/help');
  for (let i = 0; i < 4; i++) bot.say(ANNA, '', { fields: { photo: [], media_group_id: 'album' } });
  bot.say(ANNA, 'end');
  const running = poll({ api });
  await until(() => running.accepted.length === 1);
  expect(bot.chat(ANNA).botTexts).toHaveLength(2);
  expect(bot.chat(ANNA).botTexts[0]).toContain('/new');
  expect(bot.chat(ANNA).botTexts[1]).toContain('I cannot read that');
});

test('nobody is answered while the list is empty, and the log says so once', async () => {
  const { bot, api } = await startFixture();
  for (let i = 0; i < 5; i++) bot.say(ANNA, ['hello', '/help', '/new', '/start', 'x'][i] ?? '');
  const policy = { tenant: 'acme', allow: parseAllowList('') };
  const running = poll({ api }, { policy });
  await until(() => bot.feed.pending.length === 0);
  await running.stop();
  expect(running.accepted).toEqual([]);
  expect(bot.chat(ANNA).botTexts).toEqual([]);
  expect(running.logged.filter(({ event }) => event.startsWith('telegram-nobody'))).toHaveLength(1);
});

test('a stranger is not answered, and the log names their id once, never what they wrote', async () => {
  const { bot, api } = await startFixture();
  for (let i = 0; i < 3; i++) bot.say(6666, 'let me in');
  const running = poll({ api });
  await until(() => bot.feed.pending.length === 0);
  expect(bot.chat(6666).botTexts).toEqual([]);
  const lines = running.logged.filter(({ event }) => event === 'telegram-sender-not-allowed');
  expect(lines).toEqual([{ event: 'telegram-sender-not-allowed', fields: { bot: '4242', sender: '6666' } }]);
  expect(JSON.stringify(running.logged)).not.toContain('let me in');
});

test('errors are waited out with growing pauses, retry_after obeyed', async () => {
  const { bot, api } = await startFixture();
  bot.faults.add({ kind: 'cut-before', method: 'getUpdates', times: 3 });
  bot.faults.add({ kind: 'error', status: 502, method: 'getUpdates' });
  bot.faults.add({ kind: 'rate-limit', retryAfterSec: 60, method: 'getUpdates' });
  bot.say(ANNA, 'still here');
  const running = poll({ api });
  await until(() => running.accepted.length === 1);
  expect(running.waits).toEqual([1_000, 2_000, 4_000, 8_000, 60_000]);
});

test('another poller or a webhook is named in the log, with advice', async () => {
  const { bot, api } = await startFixture();
  await api.setWebhook({
    url: 'https://example.test/hook',
    secret: 'x'.repeat(20),
    allowedUpdates: ['message'],
  });
  const running = poll({ api });
  await until(() => running.logged.length > 0);
  expect(running.logged[0]?.fields?.advice).toContain('deleteWebhook');
  await api.deleteWebhook();
  bot.say(ANNA, 'now');
  await until(() => running.accepted.length === 1);

  const first = createTelegramApi({ token: TOKEN, apiRoot: (await startFixture()).apiRoot });
  const one = poll({ api: first });
  const other = poll({ api: first });
  await until(() =>
    [...one.logged, ...other.logged].some(({ fields }) => fields?.code === 'updates-conflict'),
  );
  const advice = [...one.logged, ...other.logged].map(({ fields }) => fields?.advice);
  expect(advice).toContainEqual(expect.stringContaining('Another program'));
});

test('a revoked token ends the poller; nothing else does', async () => {
  const { apiRoot } = await startFixture();
  const running = poll({ api: createTelegramApi({ token: '4242:revoked-token', apiRoot }) });
  await expect(running.ended).rejects.toMatchObject({ code: 'bad-token' });
});

test('stopping interrupts a long poll at once', async () => {
  const { bot, api } = await startFixture();
  const running = poll({ api }, { pollSec: 3_000 });
  await until(() => bot.feed.waitingPolls === 1);
  await running.stop();
  await expect(running.ended).resolves.toBeUndefined();
});

test('a poll that hangs, even if its connection never comes back, is begun anew', async () => {
  const { bot, api } = await startFixture();
  let polls = 0;
  const hanging: typeof api = {
    ...api,
    getUpdates: (query, signal) => (++polls === 1 ? new Promise(() => {}) : api.getUpdates(query, signal)),
  };
  const { accepted, logged, stop } = poll({ api: hanging }, { watchdogMs: 300 });
  bot.say(ANNA, 'hello');
  await until(() => accepted.length === 1);
  expect(logged).toContainEqual({
    event: 'telegram-poll-failed',
    fields: expect.objectContaining({ code: 'poll-hung' }),
  });
  await stop();
});
