// A WeCom AI bot in a whole local system, against the fake one.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import { type FakeWecom, startFakeWecom } from '../../testing/wecom/fake-wecom.ts';

const ANNA = 'anna.li';

let wecom: FakeWecom;
let cwd: string;
let system: TestSystem;

beforeAll(async () => {
  wecom = await startFakeWecom({ callback: () => `${system.url}/wecom` });
  const { botId, token, aesKey } = wecom.bot;
  cwd = await mkdtemp(join(tmpdir(), 'hybrid-sessions-wecom-'));
  await writeFile(
    join(cwd, 'hybrid-sessions.config.json'),
    JSON.stringify({ wecom: { allowedUsers: [ANNA] } }),
  );
  system = await startLocalSystem({
    cwd,
    env: {
      WECOM_BOT_ID: botId,
      WECOM_TOKEN: token,
      WECOM_AES_KEY: aesKey,
      WECOM_API_ROOT: wecom.apiRoot,
    },
  });
});
afterAll(async () => {
  await system?.close();
  await wecom.close();
  await rm(cwd, { recursive: true, force: true });
});

test('the address is checked with an encrypted word', async () => {
  const { query, body } = wecom.callOf('a word');
  query.set('echostr', JSON.parse(body).encrypt);
  const response = await fetch(`${system.url}/wecom?${query}`);
  expect([response.status, await response.text()]).toEqual([200, 'a word']);
  query.set('msg_signature', '0'.repeat(40));
  expect((await fetch(`${system.url}/wecom?${query}`)).status).toBe(401);
});

test(`${promise('ONCE-IN')} an allowed person is answered, once, also when WeCom repeats the message`, async () => {
  expect(system.lines).toContainEqual(['wecom', 'on, 1 allowed user; webhooks below /wecom']);
  expect(await wecom.say('stranger', 'let me in')).toMatchObject({ status: 200 });
  const { payload, status } = await wecom.say(ANNA, 'run: echo hello-from-$((40 + 2))');
  expect(status).toBe(200);
  expect(await wecom.bring(payload)).toBe(200);
  await expect.poll(() => wecom.chat(ANNA).at(-1)).toContain('hello-from-42');
  await wecom.say(ANNA, 'what did I say?');
  await expect.poll(() => wecom.chat(ANNA).length).toBe(2);
  expect(wecom.chat(ANNA)[1]).toContain('hello-from-');
  expect(wecom.chat('stranger')).toEqual([]);
});

test('what is fixed rides in the response', async () => {
  await wecom.bring(wecom.payload(ANNA, { msgtype: 'event', event: { eventtype: 'enter_chat' } }));
  await wecom.bring(wecom.payload(ANNA, { msgtype: 'link', link: { url: 'u' } }));
  const [greeting, textOnly] = wecom.chat(ANNA).slice(-2);
  expect([greeting, textOnly]).toEqual([
    expect.stringContaining('Write to me'),
    expect.stringContaining('texts, pictures and files'),
  ]);
});
