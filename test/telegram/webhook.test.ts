// The webhook behind a real HTTP server, with the fake Telegram pushing to it.
import { serve } from '@hono/node-server';
import { expect, onTestFinished, test } from 'vitest';
import { telegram } from '../../src/channels/telegram/descriptor.ts';
import { createTelegramWebhook, verifyWebhook } from '../../src/channels/telegram/webhook.ts';
import { acceptAndQueue } from '../../src/core/accept.ts';
import { createAdmission } from '../../src/core/admission.ts';
import { systemClock } from '../../src/core/clock.ts';
import { GATHER_PASTE_MS } from '../../src/core/defaults.ts';
import { Refused } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/log.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import { messageLimitsSchema } from '../../src/core/tenants.ts';
import { createMemoryTurnQueue } from '../../src/queues/memory/turn-queue.ts';
import { createMemoryPlaces, createMemorySessionStore } from '../../src/stores/memory/index.ts';
import { createManualClock } from '../../testing/clock.ts';
import { until } from '../waiting.ts';
import { ALLOW_ANNA, ANNA, BOT, startFixture } from './fixture.ts';

const SECRET = 'a-webhook-secret_0123456789';

function handler(accept: (request: TurnRequest) => Promise<void>) {
  return createTelegramWebhook({
    secret: SECRET,
    bot: BOT,
    policy: ALLOW_ANNA,
    accept,
    stop: async () => 0,
    move: async () => {},
  });
}

async function listen(fetch: (request: Request) => Promise<Response>): Promise<string> {
  return await new Promise((resolve) => {
    const server = serve({ fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => {
      onTestFinished(() => void server.close());
      resolve(`http://127.0.0.1:${port}/telegram`);
    });
  });
}

function post(body: string, secret: string | null = SECRET): Request {
  const headers = new Headers(secret === null ? {} : { 'X-Telegram-Bot-Api-Secret-Token': secret });
  return new Request('http://ingress.test/telegram', { method: 'POST', body, headers });
}

const hello = JSON.stringify({
  update_id: 1,
  message: {
    message_id: 1,
    date: 1,
    text: 'hello',
    from: { id: ANNA, is_bot: false, first_name: 'A' },
    chat: { id: ANNA, type: 'private' },
  },
});

test.each([undefined, '', 'short', 'with spaces in the secret', 'ä'.repeat(20)])(
  'a secret of %j refuses to start',
  (secret) => {
    const start = () =>
      createTelegramWebhook({
        secret: secret as string,
        bot: BOT,
        policy: ALLOW_ANNA,
        accept: async () => {},
        stop: async () => 0,
        move: async () => {},
      });
    expect(start).toThrow(expect.objectContaining({ code: 'no-webhook-secret' }));
  },
);

test('only the right secret is heard', async () => {
  const accepted: TurnRequest[] = [];
  const handle = handler(async (request) => void accepted.push(request));
  for (const wrong of [null, '', 'wrong', `${SECRET}x`, SECRET.slice(1)]) {
    expect((await handle(post(hello, wrong))).status).toBe(401);
  }
  expect(accepted).toEqual([]);
  expect((await handle(post(hello))).status).toBe(200);
  expect(accepted).toHaveLength(1);
  expect(verifyWebhook({ 'x-telegram-bot-api-secret-token': SECRET }, SECRET)).toBe(true);
  expect(verifyWebhook({ 'x-telegram-bot-api-secret-token': '' }, '')).toBe(false);
  expect(verifyWebhook({}, SECRET)).toBe(false);
});

test('bad input is refused plainly', async () => {
  const handle = handler(async () => {});
  expect((await handle(new Request('http://ingress.test/telegram'))).status).toBe(405);
  expect((await handle(post('{'))).status).toBe(400);
  expect((await handle(post('"text"'))).status).toBe(400);
  expect((await handle(post(`{"update_id":1,"x":"${'x'.repeat(1_000_001)}"}`))).status).toBe(413);
  expect((await handle(post('{"update_id":1,"message":{"text":5}}'))).status).toBe(200);
});

test(`${promise('ACKED')} while the queue fails Telegram is told 503 and sends the update again`, async () => {
  const { bot, api } = await startFixture();
  const queued: TurnRequest[] = [];
  let refusals = 0;
  const url = await listen(
    handler(async (request) => {
      if (refusals < 2) {
        refusals++;
        throw new Refused('queue-down', 'The queue is down.');
      }
      queued.push(request);
    }),
  );
  await api.setWebhook({ url, secret: SECRET, allowedUpdates: ['message'] });
  bot.say(ANNA, 'first');
  bot.say(ANNA, 'second');
  await until(() => bot.feed.pending.length === 0);
  expect(refusals).toBe(2);
  expect(queued.map(({ text }) => text)).toEqual(['first', 'second']);
  expect((await api.getWebhookInfo()).last_error_message).toContain('503');
});

test(`${promise('ONCE-IN')} duplicates, even at once, name the same turn`, async () => {
  const { bot, api } = await startFixture();
  const queued: TurnRequest[] = [];
  const url = await listen(handler(async (request) => void queued.push(request)));
  await api.setWebhook({ url, secret: SECRET, allowedUpdates: ['message'] });
  const { updateId } = bot.say(ANNA, 'once');
  await until(() => queued.length === 1);
  await Promise.all([bot.redeliver(updateId), bot.redeliver(updateId), bot.redeliver(updateId)]);
  expect(queued).toHaveLength(4);
  expect(new Set(queued.map(({ turnId }) => turnId)).size).toBe(1);
});

test('/help is answered in the response itself, without a turn or a token', async () => {
  const { bot, api } = await startFixture();
  const queued: TurnRequest[] = [];
  const url = await listen(handler(async (request) => void queued.push(request)));
  await api.setWebhook({ url, secret: SECRET, allowedUpdates: ['message'] });
  bot.say(ANNA, '/help', { thread: 12 });
  await until(() => bot.chat(ANNA).botTexts.length === 1);
  expect(bot.chat(ANNA).botTexts[0]).toContain('/new');
  expect(bot.chat(ANNA).messages.at(-1)).toMatchObject({ threadId: 12, replyTo: 1 });
  expect(queued).toEqual([]);
});

test('a wrong secret on the way leaves the update with Telegram', async () => {
  const { bot, api } = await startFixture();
  const url = await listen(handler(async () => {}));
  await api.setWebhook({ url, secret: 'another-secret-entirely', allowedUpdates: ['message'] });
  bot.say(ANNA, 'x');
  await until(() => bot.feed.webhook.lastError !== null);
  expect(bot.feed.pending).toHaveLength(1);
  expect(bot.feed.webhook.lastError).toContain('401');
});

test.each([
  ['by default', undefined, GATHER_PASTE_MS],
  ['by setting', 250, 250],
  ['not at all', 0, undefined],
])('a part of a long paste waits for the next one: %s', async (_name, given, waitsMs) => {
  const accepted: TurnRequest[] = [];
  const webhook = await telegram.webhook?.open({
    settings: {
      webhookSecret: SECRET,
      allowedUsers: [ANNA],
      allowedGroups: [],
      maxFileMegabytes: 20,
      groups: { default: 'mention', chats: {} },
      gatherPasteMs: telegram.settings.gatherPasteMs.schema.parse(given),
    },
    identity: { botId: BOT.id, botUsername: BOT.username },
    tenant: 'default',
    accept: async (request) => void accepted.push(request),
    stop: async () => 0,
    move: async () => {},
    clock: systemClock,
    log: silentLog,
  });
  const update = JSON.parse(hello);
  update.message.text = 'a'.repeat(4_000);
  expect((await webhook?.(post(JSON.stringify(update))))?.status).toBe(200);
  expect(accepted.map(({ gatherMs }) => gatherMs)).toEqual([waitsMs]);
});

test('a flood gets its 200 each time, and one answer a minute that says how long to wait', async () => {
  const clock = createManualClock();
  const store = createMemorySessionStore({ clock });
  const limits = messageLimitsSchema.parse({ turnsPerMinute: { chat: 2 } });
  const deps = {
    store,
    queue: createMemoryTurnQueue({ clock }),
    retentionSec: 1_000,
    admit: createAdmission({
      places: createMemoryPlaces({ clock }),
      limitsOf: async () => limits,
      bytesOf: () => 0,
      clock,
    }),
  };
  const taken = new Set<string>();
  const handle = handler(async (request) => void taken.add((await acceptAndQueue(deps, request)).turnId));
  const update = (id: number) => {
    const whole = JSON.parse(hello);
    return post(JSON.stringify({ ...whole, update_id: id, message: { ...whole.message, message_id: id } }));
  };
  const answers: string[] = [];
  for (let id = 1; id <= 12; id++) {
    const response = await handle(update(id));
    expect(response.status).toBe(200);
    const body = await response.text();
    const due = body === '' ? {} : JSON.parse(body);
    if (due.method === 'sendMessage') answers.push(due.text);
  }
  expect(taken.size).toBe(2);
  expect(answers).toEqual([expect.stringMatching(/2 messages a minute.*did not keep.*in \d+ seconds/)]);
  // Telegram sends again what was taken in: known, and no answer of that kind.
  expect(await (await handle(update(1))).json()).toMatchObject({ method: 'sendChatAction' });
  await clock.advance(60_000);
  expect(await (await handle(update(20))).json()).toMatchObject({ method: 'sendChatAction' });
  expect(taken.size).toBe(3);
});
