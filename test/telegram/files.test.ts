// Everything that people send on Telegram besides text, over the real core: what the agent is given, and what is said where a
// file cannot be had.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createTelegramChannel } from '../../src/channels/telegram/channel.ts';
import { parseUpdate } from '../../src/channels/telegram/parse-update.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/object-store.ts';
import { png } from '../../testing/pictures.ts';
import { createFixture } from '../core/fixture.ts';
import { ALLOW_ANNA, ANNA, BOT, GROUP, startFixture, TOKEN } from './fixture.ts';

const MB = 1024 * 1024;

async function ready(options: { maxFileBytes?: number } = {}) {
  const { bot, api, apiRoot } = await startFixture();
  const fixture = createFixture();
  const objects = createMemoryObjectStore();
  const channel = createTelegramChannel({ api, clock: systemClock, ...options });
  const policy = { ...ALLOW_ANNA, ...options };
  const parsed = () => parseUpdate(bot.feed.pending.at(-1), BOT, policy, fixture.clock.now());
  /** Anna sends something; the turn as the inlet would queue it. */
  const send = async (fields: object, text = '', chat = ANNA) => {
    bot.say(chat, text, { from: ANNA, fields: fields as Record<string, unknown> });
    const update = parsed();
    if (update.kind !== 'turn') return update;
    await queue(update.request);
    return update;
  };
  const queue = async (request: TurnRequest) => {
    await fixture.deps.store.accept(request, fixture.deps.retentionSec);
    await fixture.deps.queue.send(request);
  };
  const step = () => fixture.step({ channels: new Map([['telegram', channel]]), objects });
  const given = async () => {
    const run = fixture.runs.at(-1);
    const files = await Promise.all(
      (run?.files ?? []).map(async ({ name, mediaType, read }) => {
        const pieces: Uint8Array[] = [];
        for await (const piece of read()) pieces.push(piece);
        return { name, mediaType, text: Buffer.concat(pieces).toString('utf8') };
      }),
    );
    return { text: run?.request.text, files, context: run?.request.context };
  };
  return { bot, api, apiRoot, fixture, objects, send, step, given, chat: bot.chat(ANNA) };
}

const size = (kept: object, width: number) => ({ ...kept, width, height: width });

describe('files reach the agent', () => {
  test('a photo in its largest size, with its caption', async () => {
    const { bot, send, step, given } = await ready();
    const photo = [
      size(bot.files.keep(Buffer.from('small')), 90),
      size(bot.files.keep(Buffer.from('large')), 1280),
      size(bot.files.keep(Buffer.from('middle')), 320),
    ];
    await send({ photo, caption: 'what is this?' });
    expect(await step()).toBe('done');
    const { text, files } = await given();
    expect(text).toBe('what is this?');
    expect(files).toEqual([
      { name: expect.stringMatching(/^photo-\d+\.jpg$/), mediaType: 'image/jpeg', text: 'large' },
    ]);
  });

  test.each([
    [
      'document',
      { file_name: 'Bericht/2026: "x".pdf', mime_type: 'application/pdf' },
      'Bericht_2026_ _x_.pdf',
      'application/pdf',
    ],
    ['document', {}, /^document-\d+\.bin$/, 'application/octet-stream'],
    [
      'document',
      { file_name: '../../.bashrc', mime_type: 'nonsense' },
      '_.._.bashrc',
      'application/octet-stream',
    ],
    ['voice', { mime_type: 'audio/ogg' }, /^voice-\d+\.ogg$/, 'audio/ogg'],
    ['audio', { file_name: 'song.mp3', mime_type: 'audio/mpeg', title: 'Song' }, 'song.mp3', 'audio/mpeg'],
    ['video', { mime_type: 'video/mp4; codecs=avc1' }, /^video-\d+\.mp4$/, 'video/mp4'],
    ['video_note', { length: 240 }, /^video-note-\d+\.mp4$/, 'video/mp4'],
    ['sticker', { is_animated: false, is_video: false, emoji: '🎉' }, /^sticker-\d+\.webp$/, 'image/webp'],
  ])('%s %j', async (kind, fields, name, mediaType) => {
    const { bot, send, step, given } = await ready();
    await send({ [kind]: { ...bot.files.keep(Buffer.from('its bytes')), ...fields } });
    expect(await step()).toBe('done');
    const [file, ...more] = (await given()).files;
    expect(more).toEqual([]);
    expect(file).toMatchObject({ mediaType, text: 'its bytes' });
    expect(file?.name).toEqual(typeof name === 'string' ? name : expect.stringMatching(name));
  });

  test('an animation comes once, although Telegram names it twice; a moving sticker as its preview', async () => {
    const { bot, send, step, given } = await ready();
    const animation = {
      ...bot.files.keep(Buffer.from('moves')),
      file_name: 'cat.mp4',
      mime_type: 'video/mp4',
    };
    await send({ animation, document: animation });
    await step();
    expect((await given()).files.map(({ name }) => name)).toEqual(['cat.mp4']);
    const thumbnail = size(bot.files.keep(Buffer.from('preview')), 128);
    const tgs = bot.files.keep(Buffer.from('tgs'));
    await send({
      sticker: { ...tgs, is_animated: true, is_video: false, emoji: '👍', set_name: 'Cats', thumbnail },
    });
    await step();
    const { files, context } = await given();
    expect(files.map(({ text }) => text)).toEqual(['preview']);
    expect(context?.shared).toEqual([{ kind: 'sticker', value: { emoji: '👍', set: 'Cats' } }]);
  });

  test('a forwarded file is said to be forwarded', async () => {
    const { bot, send, step, given } = await ready();
    const forward_origin = {
      type: 'user',
      date: 1,
      sender_user: { id: 7, is_bot: false, first_name: 'Ben' },
    };
    await send({ document: { ...bot.files.keep(Buffer.from('x')), file_name: 'a.txt' }, forward_origin });
    await step();
    const { files, context } = await given();
    expect(files).toHaveLength(1);
    expect(context?.forwardedFrom).toBe('Ben');
  });

  test(`${promise('ONCE-IN')} an album is one turn with all its pictures and its caption`, async () => {
    const { bot, fixture, send, step, given, chat } = await ready();
    for (const [index, caption] of [undefined, 'our garden', undefined].entries()) {
      const photo = [size(bot.files.keep(Buffer.from(`picture ${index}`)), 800)];
      await send({ photo, media_group_id: '1357', ...(caption && { caption }) });
    }
    let done: unknown;
    void step().then((kind) => {
      done = kind;
    });
    await expect.poll(async () => await fixture.clock.advance(100).then(() => done)).toBe('done');
    while ((await step()) !== null);
    expect(fixture.runs).toHaveLength(1);
    const { text, files } = await given();
    expect(text).toBe('our garden');
    expect(files.map((file) => file.text)).toEqual(['picture 0', 'picture 1', 'picture 2']);
    expect(chat.botTexts).toEqual(['heard our garden']);
  });
});

describe('what is no file', () => {
  test.each([
    ['location', { latitude: 52.5, longitude: 13.4 }, { latitude: 52.5, longitude: 13.4 }],
    [
      'contact',
      { phone_number: '+4930', first_name: 'Ben', user_id: 7 },
      { phone_number: '+4930', first_name: 'Ben' },
    ],
    ['dice', { emoji: '🎲', value: 4 }, { emoji: '🎲', value: 4 }],
    [
      'poll',
      { question: 'When?', options: [{ text: 'Now', voter_count: 2, extra: 1 }], id: '1' },
      { question: 'When?', options: [{ text: 'Now', voter_count: 2 }] },
    ],
  ])('%s is told to the agent', async (kind, sent, told) => {
    const { send, step, given } = await ready();
    await send({ [kind]: sent });
    expect(await step()).toBe('done');
    expect((await given()).context?.shared).toEqual([{ kind, value: told }]);
  });

  test('a venue is told once, though Telegram sends its location beside it', async () => {
    const { send, step, given } = await ready();
    const location = { latitude: 1, longitude: 2 };
    await send({ location, venue: { location, title: 'Café', address: 'Street 1' } });
    await step();
    expect((await given()).context?.shared?.map(({ kind }) => kind)).toEqual(['venue']);
  });

  test('what nobody reads is answered at once, without an agent', async () => {
    const { send } = await ready();
    expect(await send({ game: { title: 'x' } })).toMatchObject({
      kind: 'command-reply',
      text: expect.stringContaining('I cannot read that.'),
    });
  });
});

describe('the limit', () => {
  test('a file over 20 MB is refused in plain words, and the words beside it are answered', async () => {
    const { bot, fixture, send, step, chat } = await ready();
    const document = { ...bot.files.keep({ size: 35 * MB }), file_name: 'film.mkv' };
    await send({ document, caption: 'watch this' });
    expect(await step()).toBe('done');
    expect(fixture.runs[0]?.request.context?.lost?.[0]?.reason).toContain('35 MB');
    expect(chat.botTexts[0]).toContain('heard watch this');
    expect(chat.botTexts[0]).toContain('It has 35 MB, and I can take files up to 20 MB.');
    expect(bot.calls.some(({ method }) => method === 'getFile')).toBe(false);
  });

  test('one without a known size is refused by Telegram itself, with the same words', async () => {
    const { bot, fixture, send, step, chat } = await ready();
    const { file_size: _, ...kept } = bot.files.keep({ size: 35 * MB });
    await send({ video: kept });
    expect(await step()).toBe('done');
    expect(fixture.runs).toHaveLength(0);
    expect(chat.botTexts[0]).toContain('I can take files up to 20 MB.');
  });

  test('of a photo in several sizes the largest that can be had is taken', async () => {
    const { bot, send, step, given } = await ready();
    const photo = [
      size(bot.files.keep(Buffer.from('fits')), 800),
      size(bot.files.keep({ size: 21 * MB }), 9_000),
    ];
    await send({ photo });
    await step();
    expect((await given()).files.map(({ text }) => text)).toEqual(['fits']);
  });

  test("a Bot API server of one's own gives out larger ones, by a path of this machine", async () => {
    const { bot, send, step, given } = await ready({ maxFileBytes: 100 * MB });
    const folder = await mkdtemp(join(tmpdir(), 'bot-api-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'large'), 'read from the disk');
    bot.files.nameLocally(() => join(folder, 'large'));
    await send({ document: { ...bot.files.keep({ size: 35 * MB }), file_name: 'film.mkv' } });
    expect(await step()).toBe('done');
    expect((await given()).files).toEqual([
      { name: 'film.mkv', mediaType: 'application/octet-stream', text: 'read from the disk' },
    ]);
  });
});

describe('Telegram in trouble', () => {
  const document = (kept: object) => ({ document: { ...kept, file_name: 'a.txt' } });

  test.each(['cut-before', 'cut-after'] as const)('a download that is %s is begun again', async (kind) => {
    const { bot, fixture, send, step, given, chat } = await ready();
    await send(document(bot.files.keep(Buffer.from('whole'.repeat(1_000)))));
    bot.faults.add({ kind, method: 'file' });
    expect(await step()).toBe('retry');
    await fixture.clock.advance(61_000);
    expect(await step()).toBe('done');
    expect((await given()).files[0]?.text).toBe('whole'.repeat(1_000));
    expect(chat.botTexts).toHaveLength(1);
  });

  test.each([
    ['getFile', { kind: 'rate-limit', retryAfterSec: 7 }],
    ['getFile', { kind: 'error', status: 502 }],
    ['file', { kind: 'error', status: 500 }],
  ] as const)('%s that answers %j is asked again', async (method, fault) => {
    const { bot, fixture, send, step, given } = await ready();
    await send(document(bot.files.keep(Buffer.from('text'))));
    bot.faults.add({ ...fault, method });
    expect(await step()).toBe('retry');
    await fixture.clock.advance(61_000);
    expect(await step()).toBe('done');
    expect((await given()).files[0]?.text).toBe('text');
  });

  test('a file that Telegram lost is told', async () => {
    const { bot, send, step, chat } = await ready();
    const kept = bot.files.keep(Buffer.from('x'));
    await send({ ...document(kept), caption: 'read it' });
    bot.files.lose(kept.file_id);
    expect(await step()).toBe('done');
    expect(chat.botTexts[0]).toContain('Telegram does not have this file any more. Please send it again.');
  });

  test(`${promise('NO-SECRETS')} no failure shows the token`, async () => {
    const { bot, api } = await ready();
    bot.faults.add({ kind: 'cut-before', method: 'file' });
    const error = await api.download('documents/x').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    const { message, cause, stack } = error as Error;
    const shown = JSON.stringify([message, stack, String(cause), (cause as Error).stack]);
    expect(shown).not.toContain(TOKEN.split(':')[1]);
  });
});

describe('in a group', () => {
  const photoOf = (bot: Awaited<ReturnType<typeof ready>>['bot']) => ({
    photo: [size(bot.files.keep(png(3, 2)), 800)],
  });

  test('a picture without words is not for the bot, unless it answers the bot', async () => {
    const { bot, send } = await ready();
    expect(await send(photoOf(bot), '', GROUP)).toMatchObject({ kind: 'ignore', reason: 'not-text' });
    const reply_to_message = { message_id: 1, from: { id: Number(BOT.id), is_bot: true, first_name: 'bot' } };
    expect(await send({ ...photoOf(bot), reply_to_message }, '', GROUP)).toMatchObject({ kind: 'turn' });
  });

  test('what a message answers is given to the agent, which has not seen it', async () => {
    const { bot, send, step, given } = await ready();
    const answered = { message_id: 1, from: { id: 7, is_bot: false, first_name: 'Ben' }, ...photoOf(bot) };
    await send({ reply_to_message: answered }, 'what is this?', GROUP);
    await step();
    expect((await given()).files.map(({ name }) => name)).toEqual(['photo-1.jpg']);
  });
});
