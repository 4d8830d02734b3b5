// Pictures and voice both ways: what WeChat keeps reaches the worker, what the agent sends reaches the person, within the same
// count of messages as text, and what cannot be had or sent is said.
import { describe, expect, onTestFinished, test } from 'vitest';
import { createWechatApi } from '../../src/channels/wechat/api.ts';
import { createWechatHttp } from '../../src/channels/wechat/http.ts';
import { fetchWechatMedia, mediaKindOf } from '../../src/channels/wechat/media.ts';
import { MORE_FOLLOWS } from '../../src/channels/wechat/message-text.ts';
import { parseMessage } from '../../src/channels/wechat/parse-message.ts';
import type { FileObject, StoredFile } from '../../src/core/attachments.ts';
import { Gone, Refused } from '../../src/core/errors.ts';
import type { Reply } from '../../src/core/records.ts';
import { createMemoryNotes } from '../../src/stores/memory/index.ts';
import { createManualClock } from '../../testing/clock.ts';
import { expectFailure } from '../../testing/contracts/contract.ts';
import { jpeg, png } from '../../testing/pictures.ts';
import { startFakeWechat } from '../../testing/wechat/fake-wechat.ts';
import { ANNA, startConversation } from './conversation.ts';

const DAY_MS = 24 * 3_600_000;
const PICTURE = png(3, 2);

let count = 0;
function fileOf(name: string, mediaType: string, over: Partial<StoredFile> = {}): StoredFile {
  count += 1;
  const object = `turn_${'0'.repeat(32)}/out-1-0-${count}` as FileObject;
  return { name, mediaType, bytes: PICTURE.length, object, ...over };
}

const withFiles = (text: string, files: readonly StoredFile[]): Reply => ({ text, outcome: 'ok', files });

describe('from a person', () => {
  async function start() {
    const clock = createManualClock();
    const wechat = await startFakeWechat({ clock });
    onTestFinished(() => wechat.close());
    const { appId, appSecret } = wechat.account;
    const http = createWechatHttp({ apiRoot: wechat.apiRoot, timeoutMs: 2_000 });
    const api = createWechatApi({ appId, appSecret, http, notes: createMemoryNotes({ clock }), clock });
    return { clock, wechat, api };
  }
  const bodyOf = async (api: Parameters<typeof fetchWechatMedia>[0], mediaId: string) =>
    (await fetchWechatMedia(api, { mediaId })).body;

  test.each([
    ['a picture', { MsgType: 'image', PicUrl: 'u' }, 'picture-24.jpg', 'image/jpeg', undefined],
    ['a voice', { MsgType: 'voice', Format: 'amr' }, 'voice-24.amr', 'audio/amr', true],
    ['a clearer voice', { MsgType: 'voice', Format: 'speex' }, 'voice-24.spx', 'audio/speex', true],
  ])('%s is a file that WeChat keeps', (_, fields, name, mediaType, voice) => {
    const raw = {
      ToUserName: 'gh',
      FromUserName: ANNA,
      CreateTime: '1',
      MsgId: '24',
      MediaId: 'm1',
      ...fields,
    };
    const parsed = parseMessage(raw, { tenant: 'acme', appId: 'wx1', allowedUsers: [ANNA] }, 1);
    const file = { name, mediaType, bytes: null, at: { remote: { mediaId: 'm1' } } };
    expect(parsed).toMatchObject({
      kind: 'turn',
      request: { text: '', attachments: [voice ? { ...file, voice } : file] },
    });
  });

  test('a voice that WeChat has put into words is text', () => {
    const raw = { ToUserName: 'gh', FromUserName: ANNA, CreateTime: '1', MsgId: '24', MediaId: 'm1' };
    const said = { ...raw, MsgType: 'voice', Recognition: 'hello' };
    const parsed = parseMessage(said, { tenant: 'acme', appId: 'wx1', allowedUsers: [ANNA] }, 1);
    expect(parsed.kind === 'turn' && parsed.request.attachments).toBe(undefined);
  });

  test('is fetched whole, also when the token has ended meanwhile', async () => {
    const { wechat, api } = await start();
    const kept = { kind: 'image', name: 'x.jpg', mediaType: 'image/jpeg', bytes: jpeg(7, 5) } as const;
    const id = wechat.keepMedia(kept);
    expect(Buffer.from((await bodyOf(api, id)) as Uint8Array)).toEqual(kept.bytes);
    wechat.forgetTokens();
    expect(Buffer.from((await bodyOf(api, id)) as Uint8Array)).toEqual(kept.bytes);
    expect(wechat.calls.map(({ errcode }) => errcode)).toContain(40001);
  });

  test('is gone after three days, and too large beyond the limit', async () => {
    const { wechat, api, clock } = await start();
    const large = {
      kind: 'image',
      name: 'x.jpg',
      mediaType: 'image/jpeg',
      bytes: new Uint8Array(21 << 20),
    } as const;
    const error = await bodyOf(api, wechat.keepMedia(large)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'file-too-large', message: expect.stringContaining('20 MB') });
    const id = wechat.keepMedia({ ...large, bytes: PICTURE });
    await clock.advance(3 * DAY_MS);
    await expectFailure(bodyOf(api, id), Gone, 'no-file');
    await expectFailure(bodyOf(api, 'nonsense'), Gone, 'no-file');
  });

  test.each(['cut-before', 'cut-after', 'busy', 'too-fast'] as const)(
    '%s: it may be had later',
    async (fault) => {
      const { wechat, api } = await start();
      const id = wechat.keepMedia({ kind: 'image', name: 'x.jpg', mediaType: 'image/jpeg', bytes: PICTURE });
      await api.getMedia(id, 100_000);
      wechat.fail(fault);
      expect(await bodyOf(api, id).catch((thrown: unknown) => thrown)).toBeInstanceOf(Refused);
      expect(await bodyOf(api, id)).toBeInstanceOf(Uint8Array);
    },
  );
});

describe('from the agent', () => {
  test('text first, then each picture and voice; others are named', async () => {
    const anna = await startConversation();
    const files = [
      fileOf('tea.png', 'image/png', { caption: 'A cup of tea' }),
      fileOf('hello.mp3', 'audio/mpeg'),
      fileOf('report.pdf', 'application/pdf'),
    ];
    for (const file of files) anna.files.set(file.object, PICTURE);
    expect(await anna.answer(await anna.write('draw'), withFiles('Here it is.', files))).toBe('delivered');
    const [text, ...rest] = anna.seen();
    expect(text).toMatch(
      /^Here it is\.\n\n📎 tea\.png: A cup of tea\n📎 report\.pdf \(.*\)\nWeChat takes only/,
    );
    expect(rest).toEqual(['[image]', '[voice]']);
    expect(anna.wechat.media(ANNA).map(({ name }) => name)).toEqual(['tea.png', 'hello.mp3']);
    expect(Buffer.from(anna.wechat.media(ANNA)[0]?.bytes ?? [])).toEqual(PICTURE);
  });

  test('a picture without words is a picture', async () => {
    const anna = await startConversation();
    const file = fileOf('tea.png', 'image/png');
    anna.files.set(file.object, PICTURE);
    await anna.answer(await anna.write('draw'), withFiles(' ', [file]));
    expect(anna.seen()).toEqual(['[image]']);
  });

  test('more than may be sent: the last message says so, and the next one of the person brings the rest', async () => {
    const anna = await startConversation();
    const files = Array.from({ length: 7 }, (_, at) => fileOf(`${at}.png`, 'image/png'));
    for (const file of files) anna.files.set(file.object, PICTURE);
    const first = await anna.write('draw');
    expect(await anna.answer(first, withFiles('Seven.', files))).toBe('owed');
    expect(anna.seen()).toEqual(['Seven.', '[image]', '[image]', '[image]', MORE_FOLLOWS.trimStart()]);
    expect(await anna.answer(await anna.write('go on'), 'That was all.')).toBe('delivered');
    expect(anna.seen().slice(5)).toEqual(['That was all.', '[image]', '[image]', '[image]', '[image]']);
    expect(anna.wechat.media(ANNA).map(({ name }) => name)).toEqual(files.map(({ name }) => name));
    expect(await anna.statusOf(first)).toBe('delivered');
  });

  test('what WeChat refuses, and what is not kept any more, is said in its place', async () => {
    const anna = await startConversation();
    // Its name says another kind than its type.
    const odd = fileOf('odd.webp', 'image/png');
    const lost = fileOf('lost.png', 'image/png');
    anna.files.set(odd.object, PICTURE);
    expect(await anna.answer(await anna.write('draw'), withFiles('Two.', [odd, lost]))).toBe('delivered');
    expect(anna.seen()).toEqual([
      'Two.',
      expect.stringMatching(/odd\.webp: WeChat refuses/),
      expect.stringMatching(/lost\.png: this file is not kept/),
    ]);
  });

  test.each(['cut-before', 'cut-after', 'busy', 'too-fast'] as const)(
    '%s at any call: the picture stands once, or a line says that it is not known',
    async (fault) => {
      for (let after = 0, struck = true; struck; after++) {
        const anna = await startConversation();
        const file = fileOf('tea.png', 'image/png');
        anna.files.set(file.object, PICTURE);
        await anna.answer(await anna.write('hello'), 'Hello.');
        anna.wechat.fail(fault, { after });
        expect(await anna.answer(await anna.write('draw'), withFiles('Here.', [file]))).toBe('delivered');
        struck = anna.wechat.strikesLeft() === 0;
        const shown = anna
          .seen()
          .slice(1)
          .filter((text) => text !== 'Here.' && !text.includes('重发'));
        const isUnknown = shown.some((text) => text.includes('did not confirm'));
        expect(shown.filter((text) => text === '[image]').length, `${fault} after ${after}`).toBe(
          isUnknown && fault === 'cut-before' ? 0 : 1,
        );
        expect(shown.length).toBe(isUnknown && fault === 'cut-after' ? 2 : 1);
      }
    },
  );

  test('only what WeChat takes is sent as it is', () => {
    const kindOf = (mediaType: string, bytes: number) => mediaKindOf({ mediaType, bytes });
    expect(
      ['image/png', 'image/jpeg', 'image/gif', 'audio/amr', 'audio/mpeg'].map((type) => kindOf(type, 1)),
    ).toEqual(['image', 'image', 'image', 'voice', 'voice']);
    expect(['image/webp', 'video/mp4', 'application/pdf'].map((type) => kindOf(type, 1))).toEqual([
      null,
      null,
      null,
    ]);
    expect([kindOf('image/png', (10 << 20) + 1), kindOf('audio/amr', (2 << 20) + 1)]).toEqual([null, null]);
  });
});
