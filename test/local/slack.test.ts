// Slack in a whole local system, against the fake Slack: signed events in, the worker's replies out, a question with its
// buttons, the list of allowed people from the configuration file.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import { ANNA, type FakeApp } from '../../testing/slack/fake-app.ts';
import { type FakeSlack, startFakeSlack } from '../../testing/slack/fake-slack.ts';

const TOKEN = 'xoxb-1-secret-of-the-app';
const DM = 'D0ANNA';
const CHANNEL = 'C0GENERAL';

let slack: FakeSlack;
let app: FakeApp;
let cwd: string;
let system: TestSystem;

beforeAll(async () => {
  slack = await startFakeSlack();
  app = slack.addApp({ token: TOKEN });
  cwd = await mkdtemp(join(tmpdir(), 'hybrid-sessions-slack-'));
  await writeFile(
    join(cwd, 'hybrid-sessions.config.json'),
    JSON.stringify({ slack: { allowedUsers: [ANNA] } }),
  );
  const env = {
    SLACK_BOT_TOKEN: TOKEN,
    SLACK_SIGNING_SECRET: app.signingSecret,
    SLACK_API_URL: slack.apiUrl,
  };
  system = await startLocalSystem({ cwd, env });
});
afterAll(async () => {
  await system?.close();
  await slack.close();
  await rm(cwd, { recursive: true, force: true });
});

test('the address is heard, and start says where it is', async () => {
  expect(await app.subscribe(`${system.url}/slack`)).toBe(true);
  expect(system.lines).toContainEqual(['slack', 'on, 1 allowed user; webhooks below /slack']);
});

test(`${promise('ONCE-IN')} an allowed person is answered, once, also when Slack repeats the event`, async () => {
  await app.say(DM, 'let me in', { from: 'U0BOB' }).delivered;
  const said = app.say(DM, 'run: echo hello-from-$((40 + 2))');
  await said.delivered;
  await expect.poll(() => app.channel(DM).botTexts.join()).toContain('hello-from-42');
  await app.redeliver(said);
  await app.say(DM, 'what do you remember?').delivered;
  await expect.poll(() => app.channel(DM).botTexts.length).toBe(2);
  await expect.poll(() => app.channel(DM).botTexts.at(-1)).not.toBe('Thinking…');
  expect(app.channel(DM).botTexts.filter((text) => text.includes('hello-from-42'))).toHaveLength(1);
});

test('a mention is answered in its thread, which is a conversation of its own', async () => {
  const { ts, delivered } = app.say(CHANNEL, `<@${app.botUserId}> run: echo thread-$((40 + 2))`);
  await delivered;
  const answers = () => app.channel(CHANNEL).messages.filter(({ user }) => user === app.botUserId);
  await expect.poll(() => answers().at(-1)?.text).toContain('thread-42');
  expect(answers().map(({ threadTs }) => threadTs)).toEqual([ts]);
});

test('a file that a person sends is read by the agent, and one of the agent reaches the person', async () => {
  const files = [app.files.keep('notes.txt', 'text/plain', Buffer.from('forty-two'))];
  await app.say(DM, 'read inbox/notes.txt', { event: { subtype: 'file_share', files } }).delivered;
  await expect.poll(() => app.channel(DM).botTexts.at(-1)).toContain('forty-two');
  await app.say(DM, 'send inbox/notes.txt').delivered;
  const shared = () => app.channel(DM).messages.flatMap((message) => message.files);
  await expect
    .poll(() => shared().map(({ name, bytes }) => [name, String(bytes)]))
    .toEqual([['notes.txt', 'forty-two']]);
});

test('a slash command is a command of the direct conversation', async () => {
  const { status, body } = await app.sendSlash(app.slash(DM, '/agent', 'status'));
  expect([status, body]).toEqual([200, '']);
  await expect.poll(() => app.channel(DM).botTexts.at(-1)).toMatch(/Session/);
});

test('/help behind a mention is answered by the system', async () => {
  await app.say(CHANNEL, `<@${app.botUserId}> /help`).delivered;
  await expect.poll(() => app.channel(CHANNEL).botTexts.at(-1)).toContain('/undo');
});
