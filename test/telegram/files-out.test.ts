// Files of a reply on Telegram: each in the chat once, whatever answer is lost and whichever worker dies.
import { describe, expect, test } from 'vitest';
import { createTelegramChannel } from '../../src/channels/telegram/channel.ts';
import { batchesOf } from '../../src/channels/telegram/deliver-files.ts';
import { fileKey, fileObjectOf, type StoredFile } from '../../src/core/attachments.ts';
import type { Clock } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/object-store.ts';
import { png } from '../../testing/pictures.ts';
import { ANNA, ask, ledger, startFixture } from './fixture.ts';

const clock: Clock = { now: () => Date.now(), sleep: async () => {} };
const TURN = `turn_${'a'.repeat(32)}` as never;

async function ready(given: readonly (Partial<StoredFile> & { readonly body?: Buffer })[]) {
  const { bot, api } = await startFixture();
  const objects = createMemoryObjectStore();
  const channel = createTelegramChannel({ api, clock });
  const files: StoredFile[] = [];
  for (const [index, { body = Buffer.from(`file ${index}`), ...over }] of given.entries()) {
    const object = fileObjectOf(TURN, `out-1-${index}`);
    await objects.put(fileKey('acme' as never, object), body);
    files.push({ name: `${index}.txt`, mediaType: 'text/plain', bytes: body.length, object, ...over });
  }
  const line = ledger(ask(bot, 'send me files'));
  const attempt = () =>
    ({
      ...Object.defineProperties({}, Object.getOwnPropertyDescriptors(line.attempt())),
      readFile: (file: StoredFile) => objects.stream(fileKey('acme' as never, file.object)),
    }) as ReturnType<typeof line.attempt>;
  const deliver = () => channel.deliver(attempt(), { text: 'Here they are.', outcome: 'ok', files });
  const seen = () =>
    bot
      .chat(ANNA)
      .messages.slice(1)
      .map(({ text, file }) => (file ? `${file.kind} ${file.name} ${text}`.trim() : text));
  return { bot, objects, files, deliver, seen, chat: bot.chat(ANNA), line };
}

const picture = (name: string) => ({ name, mediaType: 'image/png', body: png(3, 2) });

describe('shown', () => {
  test('one file below the text, with its caption and bytes', async () => {
    const { deliver, seen, chat } = await ready([{ name: 'Bericht.pdf', caption: 'for Monday' }]);
    await deliver();
    expect(seen()).toEqual(['Here they are.', 'document Bericht.pdf for Monday']);
    expect(Buffer.from(chat.messages.at(-1)?.file?.bytes ?? []).toString()).toBe('file 0');
  });

  test('a picture as a picture; one that Telegram cannot show as a document', async () => {
    const { deliver, seen } = await ready([picture('a.png')]);
    await deliver();
    expect(seen()).toEqual(['Here they are.', 'photo a.png']);
    const odd = await ready([{ ...picture('b.png'), body: Buffer.from('no picture') }]);
    await odd.deliver();
    expect(odd.seen()).toEqual(['Here they are.', 'document b.png']);
  });

  test('several of a kind as an album, kinds apart and in order', async () => {
    const { deliver, seen, chat } = await ready([
      picture('a.png'),
      picture('b.png'),
      {},
      {},
      picture('c.png'),
    ]);
    await deliver();
    expect(seen()).toEqual([
      'Here they are.',
      'photo a.png',
      'photo b.png',
      'document 2.txt',
      'document 3.txt',
      'photo c.png',
    ]);
    const albums = chat.messages.slice(2).map(({ file }) => file?.album);
    expect(albums[0]).toBe(albums[1]);
    expect(albums[2]).toBe(albums[3]);
    expect(new Set(albums).size).toBe(3);
  });

  test('no batch is more than Telegram takes, and none is empty', () => {
    const large = Array.from({ length: 20 }, (_, index) => ({
      ...{ name: `${index}`, mediaType: 'text/plain', bytes: (index % 3) * 20_000_000 },
      object: fileObjectOf(TURN, `out-1-${index}`),
    }));
    const batches = batchesOf(large);
    expect(batches.flat()).toEqual(large);
    for (const batch of batches) {
      expect(batch.length).toBeGreaterThan(0);
      expect(batch.length).toBeLessThanOrEqual(10);
      const bytes = batch.reduce((sum, file) => sum + file.bytes, 0);
      expect(bytes <= 50 * 1024 * 1024 || batch.length === 1).toBe(true);
    }
  });

  test('one that is not kept any more is told', async () => {
    const { deliver, seen, objects, files } = await ready([{}]);
    await objects.delete([fileKey('acme' as never, files[0]!.object)]);
    await deliver();
    expect(seen()[1]).toContain('This file is not kept any more. Ask me for it again.');
  });
});

describe(`${promise('ONCE-OUT')} in trouble`, () => {
  test.each(['cut-before', 'cut-after'] as const)(
    'a single file whose upload is %s stands once',
    async (kind) => {
      const { bot, deliver, seen } = await ready([{}]);
      bot.faults.add({ kind, method: 'editMessageMedia' });
      await expect(deliver()).rejects.toMatchObject({ code: 'no-answer' });
      await deliver();
      await deliver();
      expect(seen()).toEqual(['Here they are.', 'document 0.txt']);
    },
  );

  test('an album that Telegram put off is sent once', async () => {
    const { bot, deliver, seen } = await ready([{}, {}]);
    bot.faults.add({ kind: 'rate-limit', retryAfterSec: 0.001, method: 'sendMediaGroup' });
    await expect(deliver()).rejects.toMatchObject({ code: 'rate-limited' });
    await expect
      .poll(() =>
        deliver().then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    expect(seen()).toEqual(['Here they are.', 'document 0.txt', 'document 1.txt']);
  });

  test.each([
    ['arrived', 'cut-after', 2],
    ['did not arrive', 'cut-before', 0],
  ] as const)(
    'an album without an answer that %s is never sent twice, and the person is told',
    async (_what, kind, arrived) => {
      const { bot, deliver, seen } = await ready([{}, {}]);
      bot.faults.add({ kind, method: 'sendMediaGroup' });
      await deliver();
      await deliver();
      const documents = seen().filter((text) => text.startsWith('document'));
      expect(documents).toHaveLength(arrived);
      const said = seen().filter((text) => text.includes('Telegram did not say whether they arrived'));
      expect(said).toHaveLength(1);
      expect(said[0]).toContain('0.txt');
      expect(bot.calls.filter(({ method }) => method === 'sendMediaGroup')).toHaveLength(1);
    },
  );

  test('a worker that dies in the middle of an album leaves it to nobody to send it again', async () => {
    const { bot, deliver, seen, line } = await ready([{}, {}]);
    await deliver();
    const note = line.anchor as { files: object };
    line.anchor = { ...note, files: { landed: 0, begun: 0 } } as never;
    await deliver();
    expect(seen().filter((text) => text.startsWith('document'))).toHaveLength(2);
    expect(bot.calls.filter(({ method }) => method === 'sendMediaGroup')).toHaveLength(1);
  });
});
