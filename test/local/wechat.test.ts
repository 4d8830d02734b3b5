// WeChat in a whole local system, against the fake one: encrypted callbacks in, customer-service messages out, the list of
// allowed people from the configuration file.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import { type FakeWechat, startFakeWechat } from '../../testing/wechat/fake-wechat.ts';
import { WAIT_MS } from '../waiting.ts';

const ANNA = 'oAnna-6_follower';
const STRANGER = 'oStranger-12';

let wechat: FakeWechat;
let cwd: string;
let system: TestSystem;

beforeAll(async () => {
  wechat = await startFakeWechat({ callback: () => `${system.url}/wechat`, answerMs: WAIT_MS });
  const { appId, appSecret, token, aesKey } = wechat.account;
  cwd = await mkdtemp(join(tmpdir(), 'hybrid-sessions-wechat-'));
  const settings = { wechat: { allowedUsers: [ANNA] } };
  await writeFile(join(cwd, 'hybrid-sessions.config.json'), JSON.stringify(settings));
  system = await startLocalSystem({
    cwd,
    workers: 2,
    env: {
      WECHAT_APP_ID: appId,
      WECHAT_APP_SECRET: appSecret,
      WECHAT_TOKEN: token,
      WECHAT_AES_KEY: aesKey ?? '',
      WECHAT_API_ROOT: wechat.apiRoot,
    },
  });
});
afterAll(async () => {
  await system?.close();
  await wechat.close();
  await rm(cwd, { recursive: true, force: true });
});

const lastText = () => wechat.chat(ANNA).at(-1) ?? '';

test(`${promise('ONCE-IN')} an allowed person is answered, once, also when WeChat repeats the message`, async () => {
  expect(system.lines).toContainEqual(['wechat', 'on, 1 allowed user; webhooks below /wechat']);
  await wechat.say(STRANGER, 'let me in');
  const delivered = await wechat.say(ANNA, 'run: echo hello-from-$((40 + 2))');
  expect(delivered).toMatchObject({ status: 200, tries: 1 });
  await wechat.repeat(delivered);
  await expect.poll(lastText).toContain('hello-from-42');
  await wechat.repeat(delivered);
  await wechat.say(ANNA, 'what did I say?');
  await expect.poll(() => wechat.chat(ANNA).length).toBe(2);
  expect(lastText()).toContain('hello-from-');
  expect(wechat.chat(STRANGER)).toEqual([]);
});

test('a command, typed or from the menu, is carried out', async () => {
  await wechat.click(ANNA, '/help');
  await expect.poll(lastText).toContain('/undo');
});

test('both workers sent with one token', () => {
  expect(wechat.calls.filter(({ method }) => method === 'stable_token')).toHaveLength(1);
  expect(wechat.calls.filter(({ errcode }) => errcode === 40001 || errcode === 42001)).toEqual([]);
});
