// Telegram in a whole local system, against the fake Bot API: long polling in, the worker's replies out, the list of
// allowed people from the configuration file.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import { type FakeTelegram, startFakeTelegram } from '../../testing/telegram/fake-telegram.ts';
import { COUNT_ON } from '../waiting.ts';

const TOKEN = '4242:secret-of-the-bot';
const ANN = 1001;
const STRANGER = 2002;

let telegram: FakeTelegram;
let bot: ReturnType<FakeTelegram['addBot']>;
let cwd: string;
let system: TestSystem;

beforeAll(async () => {
  telegram = await startFakeTelegram();
  bot = telegram.addBot({ token: TOKEN });
  cwd = await mkdtemp(join(tmpdir(), 'hybrid-sessions-telegram-'));
  const settings = { telegram: { allowedUsers: [ANN] } };
  await writeFile(join(cwd, 'hybrid-sessions.config.json'), JSON.stringify(settings));
  system = await startLocalSystem({
    cwd,
    env: { TELEGRAM_BOT_TOKEN: TOKEN, TELEGRAM_API_ROOT: telegram.apiRoot },
  });
});
afterAll(async () => {
  await system?.close();
  await telegram.close();
  await rm(cwd, { recursive: true, force: true });
});

const shown = (chat: number) => bot.chat(chat).draft?.text ?? '';
const lastText = (chat: number) => bot.chat(chat).botTexts.at(-1) ?? '';

test(`${promise('ONCE-IN')} an allowed person is answered, once, also when Telegram repeats the update`, async () => {
  bot.say(STRANGER, 'let me in');
  const { updateId } = bot.say(ANN, 'run: echo hello-from-$((40 + 2))');
  await expect.poll(() => lastText(ANN)).toContain('hello-from-42');
  await bot.redeliver(updateId);
  bot.say(ANN, 'what do you remember?');
  await expect.poll(() => lastText(ANN)).not.toContain('hello-from-42');
  expect(bot.chat(ANN).botTexts.filter((text) => text.includes('hello-from-42'))).toHaveLength(1);
});

test('a stranger gets no answer and no turn', async () => {
  expect(bot.chat(STRANGER).botTexts).toEqual([]);
  expect(system.lines).toContainEqual(['telegram', 'on, 1 allowed user']);
});

test('/stop reaches the running turn past the queue, keeps what was done, and is honest when nothing runs', async () => {
  const said = () => bot.chat(ANN).botTexts;
  bot.say(ANN, COUNT_ON);
  await expect.poll(() => shown(ANN)).toMatch(/\b3\b/);
  bot.say(ANN, '/stop');
  await expect.poll(() => said().includes('Stopping.')).toBe(true);
  await expect.poll(() => said().some((text) => /\b3\b[\s\S]*\(stopped\)/.test(text))).toBe(true);
  bot.say(ANN, '/stop');
  await expect.poll(() => said().includes('Nothing is running.')).toBe(true);
});

test('the stop button of a draft stops its turn, and keeps what was said', async () => {
  const before = bot.chat(ANN).botTexts.length;
  bot.say(ANN, COUNT_ON);
  await expect.poll(() => shown(ANN)).toMatch(/\b3\b/);
  bot.pressStop(ANN);
  await expect.poll(() => bot.chat(ANN).botTexts.slice(before).join()).toMatch(/\b3\b[\s\S]*\(stopped\)/);
  expect(bot.chat(ANN).botTexts).toHaveLength(before + 1);
});
