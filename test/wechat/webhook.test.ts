// What WeChat brings to the callback: every kind it documents, in both modes, and everything that must be turned away. The
// fake signs and encrypts with code of its own.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createWechatWebhook } from '../../src/channels/wechat/webhook.ts';
import { systemClock } from '../../src/core/clock.ts';
import { Refused } from '../../src/core/errors.ts';
import { OverLimit } from '../../src/core/limits.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import { NotServed } from '../../src/core/standing.ts';
import { toNodeHandler } from '../../src/node-handler.ts';
import { type FakeWechat, OUT_OF_SERVICE, startFakeWechat } from '../../testing/wechat/fake-wechat.ts';

const ANNA = 'oAnna-6_follower';
const KEY = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG';

interface Fixture {
  readonly wechat: FakeWechat;
  readonly accepted: TurnRequest[];
  readonly url: string;
  readonly logged: [string, unknown][];
}

async function startFixture(
  over: { aesKey?: string | null; ours?: string | null; allowedUsers?: readonly string[] | 'anyone' } = {},
  accept?: (request: TurnRequest) => Promise<void>,
): Promise<Fixture> {
  const { aesKey = KEY, allowedUsers = [ANNA] } = over;
  let url = '';
  const wechat = await startFakeWechat({ callback: () => url, aesKey });
  const accepted: TurnRequest[] = [];
  const logged: [string, unknown][] = [];
  const { appId, token } = wechat.account;
  const handler = createWechatWebhook({
    policy: {
      tenant: 'acme',
      appId,
      allowedUsers: allowedUsers === 'anyone' ? allowedUsers : [...allowedUsers],
    },
    token,
    aesKey: over.ours === undefined ? aesKey : over.ours,
    accept: accept ?? (async (request) => void accepted.push(request)),
    clock: systemClock,
    log: (_level, event, fields) => void logged.push([event, fields]),
  });
  const server = createServer(toNodeHandler(handler));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/wechat`;
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await wechat.close();
  });
  return { wechat, accepted, url, logged };
}

describe.each([
  ['encrypted', KEY],
  ['plain', null],
])('%s', (_, aesKey) => {
  test('a text is a turn, acknowledged at the first try; a repeat names the same turn', async () => {
    const { wechat, accepted } = await startFixture({ aesKey });
    const delivered = await wechat.say(ANNA, '你好 <b>&amp; ]]&gt; ');
    expect(delivered).toMatchObject({ status: 200, tries: 1 });
    await wechat.repeat(delivered);
    const [first, second] = accepted;
    expect(first).toMatchObject({
      text: '你好 <b>&amp; ]]&gt; ',
      kind: 'message',
      conversation: {
        tenant: 'acme',
        channel: 'wechat',
        bot: wechat.account.appId,
        chat: ANNA,
        thread: null,
      },
      sender: { id: ANNA, name: null },
      replyTarget: { openId: ANNA, allowance: 5 },
    });
    expect(second?.turnId).toBe(first?.turnId);
    expect(wechat.chat(ANNA)).toEqual([]);
    await wechat.say(ANNA, 'another');
    expect(accepted[2]?.turnId).not.toBe(first?.turnId);
  });

  test('a press in the menu says what its key says, and allows less in answer', async () => {
    const { wechat, accepted } = await startFixture({ aesKey });
    const delivered = await wechat.click(ANNA, '/status');
    await wechat.repeat(delivered);
    expect(accepted[0]).toMatchObject({ text: '/status', replyTarget: { openId: ANNA, allowance: 3 } });
    expect(accepted[1]?.turnId).toBe(accepted[0]?.turnId);
  });

  test('a fixed answer rides in the response', async () => {
    const { wechat, accepted } = await startFixture({ aesKey });
    await wechat.send(ANNA, { MsgType: 'event', Event: 'subscribe' });
    await wechat.send(ANNA, { MsgType: 'video', MediaId: 'm', ThumbMediaId: 't' });
    expect(accepted).toEqual([]);
    expect(wechat.chat(ANNA)).toEqual([
      expect.stringContaining('Write to me'),
      expect.stringContaining('texts, pictures and voice'),
    ]);
  });

  test.each<[Record<string, string>, string | null]>([
    [{ MsgType: 'voice', MediaId: 'm', Format: 'amr', Recognition: 'what was heard' }, 'what was heard'],
    [{ MsgType: 'voice', MediaId: 'm', Format: 'amr' }, ''],
    [{ MsgType: 'image', PicUrl: 'http://x/1.jpg', MediaId: 'm' }, ''],
    [{ MsgType: 'image', PicUrl: 'http://x/1.jpg' }, null],
    [{ MsgType: 'video', MediaId: 'm', ThumbMediaId: 't' }, null],
    [{ MsgType: 'location', Location_X: '1', Location_Y: '2', Scale: '3', Label: 'x' }, null],
    [{ MsgType: 'link', Title: 't', Description: 'd', Url: 'http://x' }, null],
    [{ MsgType: 'text', Content: '   ' }, null],
    [{ MsgType: 'event', Event: 'VIEW', EventKey: 'http://x' }, null],
    [{ MsgType: 'event', Event: 'unsubscribe' }, null],
    [{ MsgType: 'event', Event: 'LOCATION', Latitude: '1', Longitude: '2' }, null],
    [{ MsgType: 'of another time' }, null],
  ])('%o', async (fields, text) => {
    const { wechat, accepted } = await startFixture({ aesKey });
    expect(await wechat.send(ANNA, fields)).toMatchObject({ status: 200, tries: 1 });
    expect(accepted.map((request) => request.text)).toEqual(text === null ? [] : [text]);
  });

  test('who is not listed gets nothing, and the log names them once', async () => {
    const { wechat, accepted, logged } = await startFixture({ aesKey });
    for (const text of ['hello', '/help']) {
      expect(await wechat.say('oStranger-12', text)).toMatchObject({ status: 200, tries: 1 });
    }
    await wechat.send('oStranger-12', { MsgType: 'event', Event: 'subscribe' });
    expect(accepted).toEqual([]);
    expect(wechat.chat('oStranger-12')).toEqual([]);
    const named = logged.filter(([event]) => event === 'wechat-sender-not-allowed');
    expect(named).toEqual([[expect.anything(), expect.objectContaining({ sender: 'oStranger-12' })]]);
  });
});

test('an empty list allows nobody, and "anyone" everybody', async () => {
  const nobody = await startFixture({ allowedUsers: [] });
  await nobody.wechat.say(ANNA, 'hello');
  expect(nobody.accepted).toEqual([]);
  const all = await startFixture({ allowedUsers: 'anyone' });
  await all.wechat.say('oStranger-12', 'hello');
  expect(all.accepted).toHaveLength(1);
});

test('WeChat may check the address, and nobody else learns anything there', async () => {
  const { url } = await startFixture();
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const signature = createHash('sha1')
    .update(['callbackToken0123', timestamp, 'n'].sort().join(''))
    .digest('hex');
  const query = (over: object) =>
    new URLSearchParams({ signature, timestamp, nonce: 'n', echostr: '42', ...over });
  const get = async (over: object) => {
    const response = await fetch(`${url}?${query(over)}`);
    return [response.status, await response.text()];
  };
  expect(await get({})).toEqual([200, '42']);
  expect(await get({ nonce: 'm' })).toEqual([401, '']);
  expect(await get({ timestamp: '1' })).toEqual([401, '']);
  expect((await fetch(url)).status).toBe(401);
  expect((await fetch(url, { method: 'POST', body: '<xml/>' })).status).toBe(401);
});

test('a signed address vouches for no text that is not encrypted, when a key is set', async () => {
  const { wechat, accepted } = await startFixture({ aesKey: null, ours: KEY });
  expect(await wechat.say(ANNA, 'hello')).toMatchObject({ status: 401, tries: 3 });
  expect(accepted).toEqual([]);
  expect(wechat.chat(ANNA)).toEqual([OUT_OF_SERVICE]);
});

test('an encrypted text where no key is set is refused, and the log says what to do', async () => {
  const { wechat, logged } = await startFixture({ aesKey: KEY, ours: null });
  expect(await wechat.say(ANNA, 'hello')).toMatchObject({ status: 400 });
  expect(logged[0]).toEqual(['wechat-encrypted', expect.objectContaining({ advice: expect.anything() })]);
});

test('[ACKED] what is not in the queue is not acknowledged: WeChat brings it again, and the turn is the same', async () => {
  const seen: TurnRequest[] = [];
  const { wechat } = await startFixture({}, async (request) => {
    seen.push(request);
    if (seen.length < 3) throw new Refused('queue', 'The queue is away.');
  });
  expect(await wechat.say(ANNA, 'hello')).toMatchObject({ status: 200, tries: 3 });
  expect(new Set(seen.map(({ turnId }) => turnId)).size).toBe(1);
});

test.each<[string, () => Error, string[]]>([
  ['a tenant that is switched off', () => new NotServed('disabled'), ['This bot is switched off']],
  [
    'too many messages',
    () => new OverLimit({ of: 'turnsPerMinute', party: 'chat', limit: 3 }, 1_000, true),
    ['That is too fast'],
  ],
])('%s: the person is told at once', async (_, error, said) => {
  const { wechat } = await startFixture({}, async () => {
    throw error();
  });
  expect(await wechat.say(ANNA, 'hello')).toMatchObject({ status: 200, tries: 1 });
  expect(wechat.chat(ANNA)).toEqual(said.map((text) => expect.stringContaining(text)));
});

test.each(['', 'x', '<xml>', '<xml></xml>', '<!DOCTYPE x [<!ENTITY a "b">]><xml><a>&a;</a></xml>', '<a/>'])(
  'a signed body that is no message, %j, is no turn and breaks nothing',
  async (body) => {
    const { wechat, url, accepted } = await startFixture({ aesKey: null });
    const timestamp = String(Math.floor(Date.now() / 1_000));
    const signature = createHash('sha1')
      .update([wechat.account.token, timestamp, 'n'].sort().join(''))
      .digest('hex');
    const query = new URLSearchParams({ signature, timestamp, nonce: 'n' });
    const { status } = await fetch(`${url}?${query}`, { method: 'POST', body });
    expect([200, 400]).toContain(status);
    expect(accepted).toEqual([]);
  },
);
