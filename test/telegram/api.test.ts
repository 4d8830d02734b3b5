// Every failure of the Bot API as one of our error families, over real HTTP; and the token stays out of all of them.
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { createTelegramApi, type TelegramApi } from '../../src/channels/telegram/api.ts';
import { Ambiguous, Gone, Invalid, Refused } from '../../src/core/errors.ts';
import { ANNA, GROUP, startFixture, TOKEN } from './fixture.ts';

const to = { chatId: ANNA, threadId: null };
const send = (api: TelegramApi) => api.sendText(to, 'hello');

async function failure(call: Promise<unknown>): Promise<Error & { code?: string; retryAfterMs?: number }> {
  return await call.then(
    () => expect.unreachable('the call should have failed'),
    (error) => error,
  );
}

describe('errors by family', () => {
  test('429 is a refusal with its waiting time, for sends and edits', async () => {
    const { bot, api } = await startFixture();
    bot.chat(ANNA);
    const id = await send(api);
    bot.faults.add({ kind: 'rate-limit', retryAfterSec: 7, times: 2 });
    for (const call of [send(api), api.edit(ANNA, id, { plain: 'x' })]) {
      const error = await failure(call);
      expect(error).toBeInstanceOf(Refused);
      expect(error).toMatchObject({ code: 'rate-limited', retryAfterMs: 7_000 });
    }
  });

  test.each(['cut-before', 'cut-after'] as const)(
    '%s: a send is ambiguous, an edit may be repeated',
    async (kind) => {
      const { bot, api } = await startFixture();
      bot.chat(ANNA);
      const id = await send(api);
      bot.faults.add({ kind, method: 'sendMessage' });
      bot.faults.add({ kind, method: 'editMessageText' });
      expect(await failure(send(api))).toBeInstanceOf(Ambiguous);
      expect(await failure(api.edit(ANNA, id, { plain: 'edited' }))).toBeInstanceOf(Refused);
      expect(bot.chat(ANNA).messages).toHaveLength(kind === 'cut-after' ? 2 : 1);
      expect(bot.chat(ANNA).botTexts[0]).toBe(kind === 'cut-after' ? 'edited' : 'hello');
    },
  );

  test('5xx: a send is ambiguous, an edit may be repeated', async () => {
    const { bot, api } = await startFixture();
    bot.chat(ANNA);
    const id = await send(api);
    bot.faults.add({ kind: 'error', status: 502, description: 'Bad Gateway', times: 2 });
    expect(await failure(send(api))).toBeInstanceOf(Ambiguous);
    expect(await failure(api.edit(ANNA, id, { plain: 'x' }))).toBeInstanceOf(Refused);
  });

  test('no answer in time is the same as none', async () => {
    const { bot, api } = await startFixture({ timeoutMs: 30 });
    bot.chat(ANNA);
    bot.faults.add({ kind: 'silent', method: 'sendMessage' });
    expect(await failure(send(api))).toBeInstanceOf(Ambiguous);
  });

  test('a chat that cannot be reached is gone', async () => {
    const { bot, api } = await startFixture();
    expect(await failure(send(api)), 'unknown chat').toMatchObject({ name: 'Gone', code: 'chat-gone' });
    bot.chat(ANNA).block();
    expect(await failure(send(api)), 'blocked').toBeInstanceOf(Gone);
    bot.chat(ANNA).unblock();
    bot.faults.add({ kind: 'error', status: 403, description: 'Forbidden: user is deactivated' });
    expect(await failure(send(api)), 'deactivated').toBeInstanceOf(Gone);
    bot.chat(GROUP).closeTopic(7);
    bot.chat(GROUP).deleteTopic(8);
    for (const threadId of [7, 8]) {
      const error = await failure(api.sendText({ chatId: GROUP, threadId }, 'x'));
      expect(error, `topic ${threadId}`).toMatchObject({ name: 'Gone', code: 'topic-gone' });
    }
  });

  test('an edit to what it says already succeeds; an edit of nothing says that the message is gone', async () => {
    const { bot, api } = await startFixture();
    bot.chat(ANNA);
    const id = await send(api);
    await api.edit(ANNA, id, { plain: 'hello' });
    expect(bot.calls.at(-1)?.outcome).toBe('400');
    bot.chat(ANNA).delete(id);
    expect(await failure(api.edit(ANNA, id, { plain: 'x' }))).toMatchObject({ code: 'message-gone' });
    await api.deleteMessage(ANNA, id);
  });

  test('other refusals are of the content', async () => {
    const { bot, api } = await startFixture();
    bot.chat(ANNA);
    for (const text of ['   ', 'x'.repeat(4_097)]) {
      expect(await failure(api.sendText(to, text))).toMatchObject({
        name: 'Invalid',
        code: 'refused-content',
      });
    }
  });
});

describe('the token', () => {
  test('a wrong one is refused with advice', async () => {
    const { apiRoot } = await startFixture();
    const api = createTelegramApi({ token: '4242:some-other-secret', apiRoot });
    expect(await failure(api.getMe())).toMatchObject({ name: 'Invalid', code: 'bad-token' });
    expect(() => createTelegramApi({ token: 'no token', apiRoot })).toThrow(Invalid);
    expect(() => createTelegramApi({ token: TOKEN, apiRoot: 'ftp://somewhere' })).toThrow(Invalid);
  });

  test('stands in no error, whatever failed', async () => {
    const { bot, api, apiRoot } = await startFixture();
    const impatient = createTelegramApi({ token: TOKEN, apiRoot, timeoutMs: 30 });
    bot.chat(ANNA);
    bot.faults.add({ kind: 'error', status: 400, description: `Bad Request: /bot${TOKEN}/sendMessage` });
    bot.faults.add({ kind: 'cut-before' });
    bot.faults.add({ kind: 'silent' });
    const errors = [await failure(send(api)), await failure(send(api)), await failure(send(impatient))];
    const nowhere = createTelegramApi({ token: TOKEN, apiRoot: 'http://127.0.0.1:1' });
    // `fetch` refuses such an address with a message that quotes all of it.
    const quoted = createTelegramApi({ token: TOKEN, apiRoot: 'http://user:password@127.0.0.1:1' });
    errors.push(await failure(send(nowhere)), await failure(send(quoted)));
    for (const error of errors) {
      const everything = `${inspect(error, { depth: 9, showHidden: true })} ${error.stack} ${JSON.stringify(error)}`;
      expect(everything).not.toContain('SECRET');
    }
  });
});
