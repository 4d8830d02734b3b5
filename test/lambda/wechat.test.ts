// WeChat and WeCom in a whole installation on Lambda, with the very files that are deployed: encrypted callbacks at ingress,
// answers from the worker, one access token in the table.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { wechat as channel } from '../../src/channels/wechat/descriptor.ts';
import { wecom as wecomChannel } from '../../src/channels/wecom/descriptor.ts';
import type { Installation } from '../../testing/lambda/installation.ts';
import { startFakeWechat } from '../../testing/wechat/fake-wechat.ts';
import { startFakeWecom } from '../../testing/wecom/fake-wecom.ts';
import { startBuiltInstallation } from './built-installation.ts';

const ANNA = 'oAnna-6_follower';

const folder = mkdtempSync(join(tmpdir(), 'hybrid-wechat-'));
const wechat = await startFakeWechat({ callback: () => `${installation.ingressUrl}/wechat` });
const wecom = await startFakeWecom({ callback: () => `${installation.ingressUrl}/wecom` });
const { appId, appSecret, token, aesKey } = wechat.account;
let output = '';

const started = await startBuiltInstallation({
  folder,
  channels: [
    {
      channel,
      section: {
        appSecretParameter: '/wechat/secret',
        tokenParameter: '/wechat/token',
        aesKeyParameter: '/wechat/aes-key',
        appId,
        apiRoot: wechat.apiRoot,
        allowedUsers: [ANNA],
      },
      secrets: { '/wechat/secret': appSecret, '/wechat/token': token, '/wechat/aes-key': aesKey ?? '' },
    },
    {
      channel: wecomChannel,
      section: {
        tokenParameter: '/wecom/token',
        aesKeyParameter: '/wecom/aes-key',
        botId: wecom.bot.botId,
        apiRoot: wecom.apiRoot,
        allowedUsers: ['anna.li'],
      },
      secrets: { '/wecom/token': wecom.bot.token, '/wecom/aes-key': wecom.bot.aesKey },
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
  await wechat.close();
  await wecom.close();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(unavailable)('an installation with a WeChat account', () => {
  test('a message is answered once, however often it comes; the next one knows of it', async () => {
    const delivered = await wechat.say(ANNA, 'run: echo told-$((40 + 2))');
    expect(delivered.status).toBe(200);
    await wechat.repeat(delivered);
    await expect.poll(() => wechat.chat(ANNA).at(-1)).toContain('told-42');
    await wechat.say(ANNA, 'what did I say?');
    await expect.poll(() => wechat.chat(ANNA).length).toBe(2);
    expect(wechat.chat(ANNA)[1]).toContain('told-');
  });

  test('a WeCom message, too, is answered once', async () => {
    const { payload, status } = await wecom.say('anna.li', 'run: echo told-$((40 + 3))');
    expect([status, await wecom.bring(payload)]).toEqual([200, 200]);
    await expect.poll(() => wecom.chat('anna.li')).toEqual([expect.stringContaining('told-43')]);
  });

  test('strangers get nothing, and a caller without a signature less', async () => {
    expect(await wechat.say('oStranger-12', 'hello')).toMatchObject({ status: 200 });
    expect(wechat.chat('oStranger-12')).toEqual([]);
    const { status } = await fetch(`${installation.ingressUrl}/wechat`, { method: 'POST', body: '<xml/>' });
    expect(status).toBe(401);
  });

  test('one token, and no secret in a log', () => {
    expect(wechat.calls.filter(({ method }) => method === 'stable_token')).toHaveLength(1);
    expect(output).toContain('turn-ended');
    for (const hidden of [appSecret, token, aesKey ?? '?', 'tok_']) expect(output).not.toContain(hidden);
  });
});
