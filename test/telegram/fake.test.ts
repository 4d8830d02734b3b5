// The fake where no other test leans on it: several bots, offsets, topics, the people's side over HTTP.
import { expect, onTestFinished, test } from 'vitest';
import { createTelegramApi } from '../../src/channels/telegram/api.ts';
import { startFakeTelegram } from '../../testing/telegram/fake-telegram.ts';

async function start() {
  const telegram = await startFakeTelegram();
  onTestFinished(() => telegram.close());
  return telegram;
}

test('each bot has chats, updates and faults of its own', async () => {
  const telegram = await start();
  const one = telegram.addBot({ token: '1:first-bot', username: 'first' });
  const two = telegram.addBot({ token: '2:second-bot', username: 'second' });
  one.chat(5);
  two.chat(5);
  two.faults.add({ kind: 'error', status: 403, description: 'Forbidden: bot was blocked by the user' });
  const api = createTelegramApi({ token: one.token, apiRoot: telegram.apiRoot });
  await api.sendText({ chatId: 5, threadId: null }, 'from one');
  expect(await api.getMe()).toEqual({ id: '1', username: 'first' });
  expect([one.chat(5).botTexts, two.chat(5).botTexts]).toEqual([['from one'], []]);
  expect(two.faults.left).toBe(1);
});

test('an update stays until a higher offset is asked for', async () => {
  const telegram = await start();
  const bot = telegram.addBot({ token: '1:first-bot' });
  const api = createTelegramApi({ token: bot.token, apiRoot: telegram.apiRoot });
  const query = { timeoutSec: 0, allowedUpdates: ['message'] as const };
  const first = bot.say(9, 'a').updateId;
  bot.say(9, 'b');
  expect(await api.getUpdates(query)).toHaveLength(2);
  expect(await api.getUpdates({ ...query, limit: 1 })).toHaveLength(1);
  expect(await api.getUpdates({ ...query, offset: first })).toHaveLength(2);
  expect(await api.getUpdates({ ...query, offset: first + 1 })).toMatchObject([{ message: { text: 'b' } }]);
  expect(await api.getUpdates({ ...query, offset: first + 2 })).toEqual([]);
  await bot.redeliver(first);
  expect(await api.getUpdates(query)).toMatchObject([{ update_id: first }]);
});

test('a person may write and look over HTTP', async () => {
  const telegram = await start();
  const bot = telegram.addBot({ token: '1:first-bot' });
  const say = (body: unknown) =>
    fetch(`${telegram.apiRoot}/person/1/say`, { method: 'POST', body: JSON.stringify(body) });
  expect((await say({ chat_id: 7, text: 'hello', thread: 3 })).status).toBe(200);
  expect((await say({ text: 'hello' })).status).toBe(400);
  expect(bot.feed.pending).toMatchObject([{ message: { text: 'hello', message_thread_id: 3 } }]);
  const seen = (await (await fetch(`${telegram.apiRoot}/person/1/chats/7`)).json()) as {
    messages: unknown[];
  };
  expect(seen.messages).toMatchObject([{ text: 'hello', from: 7 }]);
  expect((await fetch(`${telegram.apiRoot}/person/2/chats/7`)).status).toBe(404);
});
