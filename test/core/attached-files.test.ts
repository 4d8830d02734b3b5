// Files of messages over the real turn: fetched once whatever dies, never of another tenant, honestly named where they cannot
// be had, and gone with their turn.
import { expect, test } from 'vitest';
import { type Attachment, fileObjectOf } from '../../src/core/attachments.ts';
import { inputsOf } from '../../src/core/command-requests.ts';
import { eraseChat, heldOfChat } from '../../src/core/erase-chat.ts';
import { Ambiguous, Gone, Invalid, Refused } from '../../src/core/errors.ts';
import { shownText } from '../../src/core/lost-files.ts';
import { parseTurnRequest, type TurnRequestInput, turnRequest } from '../../src/core/messages.ts';
import type { FetchedFile } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { sweep } from '../../src/core/sweep.ts';
import { createMemoryEventLog } from '../../src/stores/memory/event-log.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/object-store.ts';
import { createMemoryUsageLedger } from '../../src/stores/memory/usage-ledger.ts';
import { createFixture } from './fixture.ts';

const conversation = { tenant: 'default', channel: 'http', bot: 'local', chat: 'c', thread: null };
const GATHER_MS = 1_000;
const DAY_MS = 24 * 3600 * 1000;

const remote = (id: string, over: Partial<Attachment> = {}): Attachment => ({
  name: `${id}.jpg`,
  mediaType: 'image/jpeg',
  bytes: null,
  at: { remote: { id } },
  ...over,
});

function ready() {
  const fixture = createFixture();
  const objects = createMemoryObjectStore({ now: () => fixture.clock.now() });
  const fetched: string[] = [];
  const released: string[] = [];
  const world = {
    fetch: async (id: string): Promise<FetchedFile> => ({
      body: Buffer.from(`bytes of ${id}`),
      release: async () => void released.push(id),
    }),
  };
  const channel = {
    ...fixture.deps.channels.get('http')!,
    fetchFile: async (_request: unknown, at: unknown) => {
      const { id } = at as { id: string };
      fetched.push(id);
      return await world.fetch(id);
    },
  };
  const parts = { objects, channels: new Map([['http', channel]]) };
  let messages = 0;
  const send = async (text: string, over: Partial<TurnRequestInput> = {}) => {
    const dedupeId = `m${++messages}`;
    const request = turnRequest({
      conversation,
      dedupeId,
      text,
      receivedAtMs: fixture.clock.now(),
      ...over,
    });
    await fixture.deps.store.accept(request, fixture.deps.retentionSec);
    await fixture.deps.queue.send(request);
    return request;
  };
  /** Until nothing waits. */
  const settle = async () => {
    for (let step = 0; step < 50; step++) {
      let kind: string | null | undefined;
      void fixture.step(parts).then((done) => {
        kind = done;
      });
      for (let i = 0; kind === undefined && i < 100; i++) await fixture.clock.advance(100);
      if (kind === null) return;
    }
  };
  const given = async (run = fixture.runs.at(-1)) =>
    await Promise.all(
      (run?.files ?? []).map(async ({ name, read }) => {
        const pieces: Uint8Array[] = [];
        for await (const piece of read()) pieces.push(piece);
        return `${name}: ${Buffer.concat(pieces)}`;
      }),
    );
  const keys = async () => {
    const found: string[] = [];
    for await (const { key } of objects.list('')) found.push(key);
    return found;
  };
  return { fixture, objects, parts, world, fetched, released, send, settle, given, keys };
}

test(`${promise('ACKED')} what lies with the platform is fetched by the worker and given to the agent`, async () => {
  const { fixture, send, settle, given, keys, released } = ready();
  const { turnId } = await send('look', { attachments: [remote('a'), remote('b')] });
  await settle();
  expect(await given()).toEqual(['a.jpg: bytes of a', 'b.jpg: bytes of b']);
  expect(await keys()).toEqual([`default/files/${turnId}/in-0`, `default/files/${turnId}/in-1`]);
  expect(released).toEqual(['a', 'b']);
  expect(fixture.sent).toHaveLength(1);
});

test.each(['after-restore', 'mid-run', 'after-agent', 'after-pack'] as const)(
  'a worker that dies %s: the next one fetches nothing again',
  async (point) => {
    const { fixture, parts, send, settle, given, fetched } = ready();
    await send('look', { attachments: [remote('a')] });
    let struck = false;
    await fixture.step({
      ...parts,
      at: (here) => {
        if (here !== point || struck) return;
        struck = true;
        throw new Error('killed');
      },
    });
    expect(struck).toBe(true);
    await fixture.clock.advance(120_000);
    await settle();
    expect(fetched).toEqual(['a']);
    expect(await given()).toEqual(['a.jpg: bytes of a']);
    expect(fixture.sent).toHaveLength(1);
  },
);

test.each([
  ['refused', new Refused('no-answer', 'away')],
  ['ambiguous', new Ambiguous('no-answer', 'away')],
])('a platform that is away (%s) is waited for, and no attempt is counted', async (_name, error) => {
  const { fixture, world, send, settle, given } = ready();
  const works = world.fetch;
  world.fetch = async () => {
    throw error;
  };
  await send('look', { attachments: [remote('a')] });
  for (let i = 0; i < 8; i++) {
    await settle();
    await fixture.clock.advance(700_000);
  }
  expect(fixture.sent).toHaveLength(0);
  world.fetch = works;
  await settle();
  expect(await given()).toEqual(['a.jpg: bytes of a']);
  expect(fixture.sent).toHaveLength(1);
});

test.each([
  ['invalid', new Invalid('file-too-large', 'It is too large.')],
  ['gone', new Gone('no-file', 'It is too large.')],
])('a file that can never be had (%s) is told to the agent and to the person', async (_name, error) => {
  const { fixture, world, send, settle, given } = ready();
  const works = world.fetch;
  world.fetch = async (id) => {
    if (id === 'a') throw error;
    return await works(id);
  };
  await send('look', { attachments: [remote('a'), remote('b')] });
  await settle();
  expect(await given()).toEqual(['b.jpg: bytes of b']);
  expect(fixture.runs.at(-1)?.request.context?.lost).toEqual([{ name: 'a.jpg', reason: 'It is too large.' }]);
  expect(fixture.sent.at(-1)?.reply.text).toBe(
    'heard look\n\n---\n_I did not get everything that you sent:_\n- a.jpg: It is too large.',
  );
});

test('a message that is nothing but a file that cannot be had runs no agent', async () => {
  const { fixture, send, settle } = ready();
  await send('', { attachments: [remote('a', { at: { refused: 'It is too large.' } })] });
  await settle();
  expect(fixture.runs).toHaveLength(0);
  expect(fixture.sent.at(-1)?.reply.text).toContain('a.jpg: It is too large.');
});

test('where files are not kept, or not fetched, the person is told', async () => {
  const { fixture, parts, send } = ready();
  await send('look', { attachments: [remote('a')] });
  await fixture.step();
  expect(fixture.sent.at(-1)?.reply.text).toContain('This installation keeps no files.');
  await send('look', { attachments: [remote('a')] });
  await fixture.step({ objects: parts.objects });
  expect(fixture.sent.at(-1)?.reply.text).toContain('Files cannot be fetched from this channel.');
});

test(`${promise('TENANT')} a message can name no object but one that lies below its tenant's turns`, async () => {
  const { fixture, objects, parts, send, given } = ready();
  for (const object of [
    '../other/x',
    'turn_x/in-0',
    `turn_${'a'.repeat(32)}/../x`,
    `/turn_${'a'.repeat(32)}/a`,
  ]) {
    const wire = { ...turnRequest({ conversation, dedupeId: 'x', text: '', receivedAtMs: 0 }) };
    const attachments = [{ ...remote('a'), at: { object } }];
    expect(() => parseTurnRequest({ ...wire, attachments })).toThrow(/attachments/);
  }
  // The same object of another tenant is another object.
  const object = fileObjectOf(`turn_${'a'.repeat(32)}` as never, 'in-0');
  await objects.put(`other/files/${object}`, Buffer.from('not yours'));
  await send('look', { attachments: [remote('a', { at: { object } })] });
  await fixture.step(parts);
  await expect(given()).rejects.toMatchObject({ code: 'no-object' });
});

test(`${promise('ONCE-IN')} an album is one turn, with the caption wherever it stands; the next message is not part of it`, async () => {
  const { fixture, parts, send, settle, given } = ready();
  const album = { gatherMs: GATHER_MS };
  await send('', { ...album, attachments: [remote('a', { group: 'g1' })] });
  const step = fixture.step(parts);
  await fixture.clock.advance(300);
  await send('caption', { ...album, attachments: [remote('b', { group: 'g1' })] });
  await fixture.clock.advance(300);
  await send('', { ...album, attachments: [remote('c', { group: 'g1' })] });
  await send('what is this?');
  await send('', { ...album, attachments: [remote('d', { group: 'g2' })] });
  for (let i = 0; i < 20; i++) await fixture.clock.advance(100);
  await step;
  await settle();
  expect(fixture.runs.map(({ request }) => request.text)).toEqual(['caption', 'what is this?', '']);
  expect(await given(fixture.runs[0])).toEqual([
    'a.jpg: bytes of a',
    'b.jpg: bytes of b',
    'c.jpg: bytes of c',
  ]);
  expect(fixture.runs[1]?.files).toBeUndefined();
  expect(await given(fixture.runs[2])).toEqual(['d.jpg: bytes of d']);
  expect(fixture.sent).toHaveLength(3);
});

test('two albums in a row, and two single pictures in a row, stay apart', async () => {
  const { fixture, send, settle } = ready();
  const album = { gatherMs: GATHER_MS };
  for (const group of ['g1', 'g1', 'g2', 'g2'])
    await send(group, { ...album, attachments: [remote(group, { group })] });
  await send('x', { attachments: [remote('x')] });
  await send('y', { attachments: [remote('y')] });
  await settle();
  expect(fixture.runs.map(({ request }) => request.text)).toEqual(['g1\ng1', 'g2\ng2', 'x', 'y']);
});

test('a message with a file is never told to a turn in its middle; an order takes none along', () => {
  const message = (text: string) =>
    turnRequest({ conversation, dedupeId: 'x', text, receivedAtMs: 0, attachments: [remote('a')] });
  const steering = { default: 'steer', chats: {} } as const;
  const kinds = (text: string) =>
    inputsOf(message(text), steering).requests.map(({ kind, attachments }) => [
      kind,
      attachments?.length ?? 0,
    ]);
  expect(kinds('look')).toEqual([['message', 1]]);
  expect(kinds('/btw look')).toEqual([['message', 1]]);
  expect(kinds('/new look')).toEqual([
    ['new', 0],
    ['message', 1],
  ]);
  expect(kinds('/undo')).toEqual([['undo', 0]]);
});

test(`${promise('EXPIRE')} erasing a chat removes its files, and only its own`, async () => {
  const { fixture, objects, send, settle, keys } = ready();
  const { store, queue, clock } = { ...fixture.deps, clock: fixture.clock };
  const mine = await send('look', { attachments: [remote('a')] });
  await send('look', { attachments: [remote('b')], conversation: { ...conversation, chat: 'other' } });
  await settle();
  await objects.put(`default/files/${mine.turnId}/out-0`, Buffer.from('sent'));
  expect(await keys()).toHaveLength(3);
  const held = {
    store,
    objects,
    queue,
    state: fixture.deps.state,
    events: createMemoryEventLog(),
    usage: createMemoryUsageLedger({ clock }),
  };
  expect((await heldOfChat(held, mine.sessionKey)).objects).toBe(2);
  const erased = await eraseChat({ store, objects, state: fixture.deps.state }, mine.sessionKey);
  expect((await heldOfChat(held, mine.sessionKey, erased)).objects).toBe(0);
  expect(await keys()).toHaveLength(1);
});

test(`${promise('EXPIRE')} files go when their turn has expired, and uploads that no message came for`, async () => {
  const { fixture, objects, send, settle, keys } = ready();
  const { store, state, retentionSec } = fixture.deps;
  await send('look', { attachments: [remote('a')] });
  await settle();
  const orphan = `default/files/turn_${'0'.repeat(32)}/in-0`;
  await objects.put(orphan, Buffer.from('never sent'));
  const clean = () => sweep({ store, objects, state }, fixture.clock);
  await clean();
  expect(await keys()).toHaveLength(2);
  await fixture.clock.advance(1.5 * DAY_MS);
  await clean();
  expect(await keys()).toHaveLength(1);
  expect(await keys()).not.toContain(orphan);
  await fixture.clock.advance(retentionSec * 1000);
  await clean();
  expect(await keys()).toEqual([]);
});

test('a message without words is called by its files', () => {
  expect(shownText({ text: ' ', attachments: [remote('a'), remote('b')] })).toBe('a.jpg, b.jpg');
  expect(shownText({ text: 'words', attachments: [remote('a')] })).toBe('words');
});
