// One token for all workers, and one of them who asks for it.
import { expect, onTestFinished, test } from 'vitest';
import { createAccessTokens } from '../../src/channels/wechat/access-token.ts';
import { createWechatApi } from '../../src/channels/wechat/api.ts';
import { createWechatHttp } from '../../src/channels/wechat/http.ts';
import { createMemoryNotes } from '../../src/stores/memory/index.ts';
import { createManualClock } from '../../testing/clock.ts';
import { startFakeWechat } from '../../testing/wechat/fake-wechat.ts';

async function startFixture(over: { appSecret?: string } = {}) {
  const clock = createManualClock();
  const wechat = await startFakeWechat({ clock });
  onTestFinished(() => wechat.close());
  const notes = createMemoryNotes({ clock });
  const { appId, appSecret } = wechat.account;
  const http = createWechatHttp({ apiRoot: wechat.apiRoot });
  const options = { appId, appSecret, http, call: http.call, notes, clock, ...over };
  return {
    clock,
    wechat,
    notes,
    worker: () => createAccessTokens(options),
    api: () => createWechatApi(options),
    asked: () => wechat.calls.filter(({ method }) => method === 'stable_token').length,
    /** All at once, with a clock that goes on while they wait. */
    async all<T>(promises: readonly Promise<T>[]): Promise<readonly T[]> {
      let isDone = false;
      const done = Promise.all(promises).finally(() => {
        isDone = true;
      });
      done.catch(() => {});
      while (!isDone) {
        await new Promise((resolve) => setImmediate(resolve));
        if (clock.sleepers > 0) await clock.advance(200);
      }
      return await done;
    },
  };
}

test('twenty workers at once: one token, asked for once', async () => {
  const { worker, all, asked } = await startFixture();
  const workers = Array.from({ length: 20 }, worker);
  const tokens = await all([...workers, ...workers].map((one) => one.get()));
  expect(new Set(tokens).size).toBe(1);
  expect(asked()).toBe(1);
});

test('it is kept for two hours, and replaced before it ends, again by one', async () => {
  const { worker, all, asked, clock } = await startFixture();
  const workers = Array.from({ length: 5 }, worker);
  const [first] = await all(workers.map((one) => one.get()));
  await clock.advance(110 * 60_000);
  expect(await all(workers.map((one) => one.get()))).toEqual(Array(5).fill(first));
  expect(asked()).toBe(1);
  await clock.advance(6 * 60_000);
  const renewed = await all(workers.map((one) => one.get()));
  expect(new Set(renewed).size).toBe(1);
  expect(renewed[0]).not.toBe(first);
  expect(asked()).toBe(2);
});

test('a token that is refused everywhere is replaced by force once, whoever meets it first', async () => {
  const { api, all, asked, wechat } = await startFixture();
  const workers = Array.from({ length: 8 }, api);
  await wechat.say('oAnna', 'hi');
  await all(workers.slice(0, 2).map((one) => one.sendText('oAnna', 'a')));
  wechat.forgetTokens();
  await all(workers.slice(0, 3).map((one) => one.sendText('oAnna', 'b')));
  expect(wechat.chat('oAnna').filter((text) => text === 'b')).toHaveLength(3);
  // Once at the start; then once to look, and once by force.
  expect(asked()).toBe(3);
});

test('one that ended in the middle (42001) is replaced, and the message goes out once', async () => {
  const { api, all, wechat, clock } = await startFixture();
  const one = api();
  await wechat.say('oAnna', 'hi');
  await all([one.sendText('oAnna', 'a')]);
  await clock.advance(3 * 3_600_000);
  await all([one.sendText('oAnna', 'b')]);
  expect(wechat.chat('oAnna').slice(-2)).toEqual(['a', 'b']);
});

test('a worker that died while it asked holds the others up for a moment only', async () => {
  const { worker, all, notes, asked } = await startFixture();
  const name = 'wechat/wx0123456789abcdef/access-token';
  const claim = { owner: 'somebody', untilMs: Date.UTC(2026, 10, 22, 12, 0, 15) };
  await notes.write(name, { sealed: null, claim }, { over: 0, keepSec: 60 });
  await all([worker().get(), worker().get()]);
  expect(asked()).toBe(1);
});

test('the shared note holds no token that can be read', async () => {
  const { worker, all, notes } = await startFixture();
  const [token = ''] = await all([worker().get()]);
  const note = await notes.read('wechat/wx0123456789abcdef/access-token');
  expect(note?.value).toMatchObject({ sealed: expect.any(String), claim: null });
  expect(JSON.stringify(note)).not.toContain(token.slice(4));
});

test('a wrong secret is an operator’s to mend: the reply waits, and the error says what to do', async () => {
  const { worker, all } = await startFixture({ appSecret: '0123456789abcdef0123456789abcdef' });
  const one = worker();
  for (let times = 0; times < 2; times++) {
    await expect(all([one.get()])).rejects.toMatchObject({
      name: 'Refused',
      code: 'not-set-up',
      advice: expect.stringContaining('WECHAT_APP_SECRET'),
    });
  }
});
