// Pictures, files and films of people: what WeCom keeps encrypted for five minutes reaches the worker as it was sent.
import { createCipheriv, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { fetchWecomMedia, mediaOf } from '../../src/channels/wecom/media.ts';
import { parseMessage } from '../../src/channels/wecom/parse-message.ts';
import { Gone, Invalid, Refused } from '../../src/core/errors.ts';
import { createManualClock } from '../../testing/clock.ts';
import { expectFailure } from '../../testing/contracts/contract.ts';
import { png } from '../../testing/pictures.ts';
import { startFakeWecom } from '../../testing/wecom/fake-wecom.ts';

const ANNA = 'anna.li';
const ROOT = 'https://qyapi.weixin.qq.com';
const PICTURE = png(4, 3);

async function start() {
  const clock = createManualClock();
  const wecom = await startFakeWecom({ clock });
  onTestFinished(() => wecom.close());
  const fetched = async (url: string) =>
    Buffer.from((await fetchWecomMedia(wecom.bot.aesKey, { url })).body as Uint8Array);
  return { clock, wecom, fetched };
}

function parsed(fields: object) {
  const raw = {
    ...{ msgid: 'CAIQ/1', aibotid: 'b', chattype: 'single', from: { userid: ANNA } },
    ...{ response_url: `${ROOT}/x`, ...fields },
  };
  const policy = { tenant: 'acme', botId: 'b', allowedUsers: [ANNA], apiRoot: ROOT };
  const message = parseMessage(raw, policy, 1);
  return message.kind === 'turn' ? message.request : message;
}

test.each([
  ['image', 'picture-CAIQ_1.jpg', 'image/jpeg'],
  ['file', 'file-CAIQ_1.bin', 'application/octet-stream'],
  ['video', 'film-CAIQ_1.mp4', 'video/mp4'],
])('%s: a file that WeCom keeps', (kind, name, mediaType) => {
  const url = 'https://x.cos.test/7571?sign=1';
  expect(parsed({ msgtype: kind, [kind]: { url } })).toMatchObject({
    text: '',
    attachments: [{ name, mediaType, bytes: null, at: { remote: { url } } }],
  });
});

test('pictures beside a text come with it, in order', () => {
  const item = (n: number) => ({ msgtype: 'image', image: { url: `https://x.test/${n}` } });
  const msg_item = [item(1), { msgtype: 'text', text: { content: 'which?' } }, item(2)];
  expect(parsed({ msgtype: 'mixed', mixed: { msg_item } })).toMatchObject({
    text: 'which?',
    attachments: [
      { name: 'picture-CAIQ_1.jpg', at: { remote: { url: 'https://x.test/1' } } },
      { name: 'picture-CAIQ_1-2.jpg', at: { remote: { url: 'https://x.test/2' } } },
    ],
  });
});

test.each(['u', 'http://elsewhere.test/x', 'file:///etc/passwd', `https://x.test/${'x'.repeat(2_000)}`])(
  'an address that is none is not called: %s',
  (url) => {
    const file = mediaOf('image', url, { id: '1', number: 0, apiRoot: ROOT });
    expect(file.at).toEqual({ refused: expect.any(String) });
  },
);

test('every file comes out as it was', async () => {
  const { wecom, fetched } = await start();
  expect(await fetched(wecom.keepFile(PICTURE))).toEqual(PICTURE);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (bytes) => {
      expect(await fetched(wecom.keepFile(bytes))).toEqual(Buffer.from(bytes));
    }),
    { numRuns: 30 },
  );
});

test('after five minutes it is gone; a larger one than can be had says so', async () => {
  const { clock, wecom, fetched } = await start();
  const url = wecom.keepFile(PICTURE);
  const large = await fetched(wecom.keepFile(new Uint8Array(21 << 20))).catch((thrown: unknown) => thrown);
  expect(large).toMatchObject({ code: 'file-too-large' });
  await clock.advance(5 * 60_000);
  await expectFailure(fetched(url), Gone, 'no-file');
});

test('another key, and what is no whole file, is said to be unreadable', async () => {
  const { wecom } = await start();
  const url = wecom.keepFile(PICTURE);
  const otherKey = `${wecom.bot.aesKey.slice(1)}A`;
  await expectFailure(fetchWecomMedia(otherKey, { url }), Invalid, 'bad-file');
});

test('a padding that is none is refused, whatever it is', async () => {
  const key = Buffer.from('abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG=', 'base64');
  const original = globalThis.fetch;
  onTestFinished(() => {
    globalThis.fetch = original;
  });
  for (const pad of [0, 33, 255]) {
    const cipher = createCipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false);
    const bytes = Buffer.concat([randomBytes(31), Buffer.from([pad])]);
    const encrypted = Buffer.concat([cipher.update(bytes), cipher.final()]);
    globalThis.fetch = async () => new Response(encrypted);
    const fetching = fetchWecomMedia('abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG', {
      url: 'https://x.test',
    });
    await expectFailure(fetching, Invalid, 'bad-file');
  }
});

test('a server that is away, or fails, is asked again later, and no error names the address', async () => {
  const { wecom, fetched } = await start();
  const url = wecom.keepFile(PICTURE);
  await wecom.close();
  const error = await fetched(url).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Refused);
  expect(`${(error as Error).stack} ${JSON.stringify(error)}`).not.toContain('sign=');
});
