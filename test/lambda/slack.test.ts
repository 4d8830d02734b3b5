// Slack in a whole installation on Lambda, from the very files that are deployed: signed events to ingress, which has no
// token, and answers of the worker.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { slack } from '../../src/channels/slack/descriptor.ts';
import { promise } from '../../src/core/promises.ts';
import type { Installation } from '../../testing/lambda/installation.ts';
import { ANNA } from '../../testing/slack/fake-app.ts';
import { startFakeSlack } from '../../testing/slack/fake-slack.ts';
import { startBuiltInstallation } from './built-installation.ts';

const TOKEN = 'xoxb-1-secret-of-the-app';
const DM = 'D0ANNA';

const folder = mkdtempSync(join(tmpdir(), 'hybrid-slack-'));
const fake = await startFakeSlack();
const app = fake.addApp({ token: TOKEN });
let output = '';

const started = await startBuiltInstallation({
  folder,
  channels: [
    {
      channel: slack,
      section: {
        tokenParameter: '/own/slack-token',
        signingSecretParameter: '/own/slack-signing',
        apiUrl: fake.apiUrl,
        allowedUsers: [ANNA],
        allowedChannels: [],
      },
      secrets: { '/own/slack-token': TOKEN, '/own/slack-signing': app.signingSecret },
    },
  ],
  onOutput: (text) => {
    output += text;
  },
});
const unavailable = 'unavailable' in started ? started.unavailable : null;
const installation = started as Installation;

beforeAll(() => {
  if (unavailable) console.warn(`Skipped: ${unavailable}`);
});
afterAll(async () => {
  if (!unavailable) await installation.close();
  await fake.close();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(unavailable)('an installation with Slack', () => {
  test('Slack finds its address', async () => {
    expect(await app.subscribe(`${installation.ingressUrl}/slack`)).toBe(true);
  });

  test(`${promise('ONCE-IN')} a message is a turn of the worker, once, and the next one knows of it`, async () => {
    const said = app.say(DM, 'run: echo slack-$((40 + 2))');
    const [results] = await said.delivered;
    expect(results?.map(({ status }) => status)).toEqual([200]);
    await app.redeliver(said);
    await expect.poll(() => app.channel(DM).botTexts.join()).toContain('slack-42');
    await app.say(DM, 'what did I say?').delivered;
    await expect.poll(() => app.channel(DM).botTexts.length).toBe(2);
    await expect.poll(() => app.channel(DM).botTexts[1]).toContain('slack-');
  });

  test('files go both ways', async () => {
    const files = [app.files.keep('notes.txt', 'text/plain', Buffer.from('forty-two'))];
    await app.say(DM, 'read inbox/notes.txt', { event: { subtype: 'file_share', files } }).delivered;
    await expect.poll(() => app.channel(DM).botTexts.at(-1)).toContain('forty-two');
    await app.say(DM, 'send inbox/notes.txt').delivered;
    const shared = () => app.channel(DM).messages.flatMap((message) => message.files);
    await expect.poll(() => shared().map(({ bytes }) => String(bytes))).toEqual(['forty-two']);
  });

  test('who is not Slack, or not on the list, gets nothing; and no secret was logged', async () => {
    const url = `${installation.ingressUrl}/slack`;
    expect((await fetch(url, { method: 'POST', body: '{}' })).status).toBe(401);
    await app.say('D0BOB', 'let me in', { from: 'U0BOB' }).delivered;
    expect(app.channel('D0BOB').botTexts).toEqual([]);
    expect(output).toContain('turn-ended');
    for (const secret of [TOKEN, app.signingSecret]) expect(output).not.toContain(secret);
  });
});
