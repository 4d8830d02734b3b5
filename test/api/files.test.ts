// Files over HTTP: what a person sends lies before the agent, what the agent sends reaches the person, the working directory
// can be read; and no name, key or path opens anything else.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { keepForPerson } from '../../src/agent/outgoing-files.ts';
import { createApp } from '../../src/api/app.ts';
import { dispositionOf, harmlessType } from '../../src/api/file-answers.ts';
import { createClient } from '../../src/client/index.ts';
import { MAX_FILE_BYTES } from '../../src/core/attachments.ts';
import { OverLimit } from '../../src/core/limits.ts';
import { createFilesFixture, type FilesFixture } from './files-fixture.ts';
import { says } from './fixture.ts';

const fixtures: FilesFixture[] = [];
afterEach(async () => {
  await Promise.all(fixtures.splice(0).map((fixture) => fixture.close()));
});

function open(app?: Parameters<typeof createFilesFixture>[0]) {
  const fixture = createFilesFixture(app);
  fixtures.push(fixture);
  const server = createApp(fixture.options);
  const client = createClient({
    url: 'http://localhost',
    fetch: async (input, init) => await server.fetch(new Request(input, init)),
  });
  return { fixture, client };
}

async function collected(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

const KEY = { 'idempotency-key': 'message-1' };

async function announce(fixture: FilesFixture, file: object, chat = 'c', key = KEY) {
  const answer = await fixture.call('POST', `/v1/chats/${chat}/files`, file, key);
  return { status: answer.status, body: (await answer.json()) as unknown as Announced };
}
interface Announced {
  readonly code: string;
  readonly file: string;
  readonly name: string;
  readonly media_type: string;
  readonly upload: { readonly url: string; readonly headers: Record<string, string> };
}

async function upload(fixture: FilesFixture, name: string, bytes: string, key = KEY) {
  const { body } = await announce(fixture, { name, bytes: bytes.length, media_type: 'text/plain' }, 'c', key);
  const sent = await fixture.call('PUT', body.upload.url, bytes, body.upload.headers);
  expect(sent.status).toBe(201);
  return { file: body.file, name: body.name, media_type: body.media_type };
}

describe('a file that a person sends', () => {
  test('is announced, uploaded, given with its message, listed with the turn, and had back', async () => {
    const { fixture } = open();
    let given: unknown;
    fixture.agent = async (run) => {
      given = await Promise.all(
        (run.files ?? []).map(async ({ name, mediaType, read }) => [
          name,
          mediaType,
          await collected(read()),
        ]),
      );
      return says('Read it.');
    };
    const file = await upload(fixture, '../../notes/"a".txt', 'hello');
    expect(file.name).toBe('_.._notes__a_.txt');
    const sent = await fixture.call('POST', '/v1/chats/c/messages', { files: [file] }, KEY);
    expect([sent.status, (await sent.json()).reply.text]).toEqual([200, 'Read it.']);
    expect(given).toEqual([[file.name, 'text/plain', Buffer.from('hello')]]);
    const chat = (await (await fixture.call('GET', '/v1/chats/c')).json()) as unknown as {
      turns: { files: { url: string; bytes: number }[] }[];
    };
    const [listed] = chat.turns[0]?.files ?? [];
    expect(listed?.bytes).toBe(5);
    const had = (await fixture.call('GET', listed?.url ?? '')) as unknown as Response;
    expect([had.status, await had.text()]).toEqual([200, 'hello']);
    expect(had.headers.get('content-disposition')).toMatch(/^attachment; /);
    expect(had.headers.get('content-security-policy')).toContain('sandbox');
    expect(had.headers.get('x-content-type-options')).toBe('nosniff');
    // Its title is the name of the file.
    const [only] = (await (await fixture.call('GET', '/v1/chats')).json()).chats;
    expect(only?.title).toBe(file.name);
  });

  test('comes with one turn, however often each step is repeated', async () => {
    const { fixture } = open();
    const file = await upload(fixture, 'a.txt', 'once');
    const again = await fixture.call('PUT', `/v1/chats/c/files/${file.file}`, 'other', KEY);
    expect(again.status).toBe(201);
    const message = { text: 'look', files: [file] };
    const answers = [1, 2, 3].map(() => fixture.call('POST', '/v1/chats/c/messages', message, KEY));
    const ids = await Promise.all(answers.map(async (answer) => (await (await answer).json()).turn_id));
    expect(new Set(ids).size).toBe(1);
    expect(fixture.runs).toEqual(['look']);
    const had = (await fixture.call('GET', `/v1/turns/${ids[0]}/files/${file.file}`)) as unknown as Response;
    expect(await had.text()).toBe('once');
    const other = await fixture.call('POST', '/v1/chats/c/messages', { text: 'look' }, KEY);
    expect(other.status).toBe(422);
  });

  test('is refused where it is not meant, too large, too much or not there', async () => {
    const { fixture } = open();
    const file = await upload(fixture, 'a.txt', 'mine');
    const message = (files: unknown, key: Record<string, string>, chat = 'c') =>
      fixture.call('POST', `/v1/chats/${chat}/messages`, { text: 'x', files }, key);
    const codes = async (...answers: ReturnType<typeof message>[]) =>
      await Promise.all(
        answers.map(async (answer) => [(await answer).status, (await (await answer).json()).code]),
      );
    const unknown = [400, 'unknown-file'];
    expect(
      await codes(
        message([file], { 'idempotency-key': 'another' }),
        message([file], KEY, 'other-chat'),
        message([{ ...file, file: `up-${'0'.repeat(16)}` }], KEY),
      ),
    ).toEqual([unknown, unknown, unknown]);
    expect(
      await codes(
        message([{ ...file, file: '../out-1' }], KEY),
        message(Array(21).fill(file), KEY),
        fixture.call('POST', '/v1/chats/c/files', { name: 'a', bytes: 1 }),
        fixture.call('POST', '/v1/chats/c/files', { name: 'a', bytes: MAX_FILE_BYTES + 1 }, KEY),
        fixture.call('PUT', '/v1/chats/c/files/up-1', 'x', KEY),
        fixture.call('PUT', `/v1/chats/c/files/${file.file}`, 'x'),
        fixture.call('PUT', `/v1/chats/c/files/${file.file}`, 'x', {
          ...KEY,
          'content-length': String(MAX_FILE_BYTES + 1),
        }),
      ),
    ).toEqual([
      [400, 'bad-body'],
      [400, 'bad-body'],
      [400, 'no-idempotency-key'],
      [400, 'bad-body'],
      [404, 'unknown-file'],
      [400, 'no-idempotency-key'],
      [413, 'file-too-large'],
    ]);
    for (let n = 1; n < 20; n++) await upload(fixture, `${n}.txt`, 'x');
    expect((await announce(fixture, { name: 'one-more', bytes: 1 })).body.code).toBe('too-many-files');
    expect(fixture.runs).toEqual([]);
  });

  test('is no way around the limits on messages, and needs a place to be kept', async () => {
    const admit = () =>
      Promise.reject(new OverLimit({ of: 'turnsPerMinute', party: 'chat', limit: 1 }, 10_000, true));
    const full = open({ admit });
    expect((await announce(full.fixture, { name: 'a', bytes: 1 })).status).toBe(429);
    const { transfers: _, ...without } = open().fixture.options;
    const bare = createApp(without);
    const headers = { 'content-type': 'application/json', ...KEY };
    const body = '{"name":"a","bytes":1}';
    const answer = await bare.request('/v1/chats/c/files', { method: 'POST', headers, body });
    expect([answer.status, ((await answer.json()) as Announced).code]).toEqual([409, 'no-files']);
  });

  test('goes with the chat that is erased', async () => {
    const { fixture } = open();
    const file = await upload(fixture, 'a.txt', 'mine');
    await fixture.call('POST', '/v1/chats/c/messages', { text: 'x', files: [file] }, KEY);
    expect((await fixture.keys()).some((key) => key.endsWith(file.file))).toBe(true);
    await expect.poll(async () => (await fixture.call('DELETE', '/v1/chats/c')).status).toBe(204);
    expect(await fixture.keys()).toEqual([]);
  });

  test('is sent by the client in one call, over lost answers', async () => {
    const { fixture } = open();
    const server = createApp(fixture.options);
    const lost = new Set<string>();
    const client = createClient({
      url: 'http://localhost',
      token: 'none',
      async fetch(input, init) {
        const answer = await server.fetch(new Request(input, init));
        const call = `${init.method} ${new URL(input).pathname.replace(/up-.*/, '')}`;
        if (lost.has(call)) return answer;
        lost.add(call);
        throw new TypeError('the answer is lost');
      },
    });
    fixture.agent = async (run) => {
      const [file] = run.files ?? [];
      return says(`${file?.name}: ${file && (await collected(file.read()))}`);
    };
    const data = new Blob(['by the client'], { type: 'text/plain' });
    const { reply } = await client.send('c', '', { files: [{ name: 'note.txt', data }] });
    expect(reply.text).toBe('note.txt: by the client');
    expect(fixture.runs).toHaveLength(1);
    expect([...lost]).toContain('PUT /v1/chats/c/files/');
  });
});

describe('a file that the agent sends', () => {
  test('stands in the reply and in its events, and is had by its address, by its owner alone', async () => {
    const { fixture, client } = open();
    fixture.agent = async (run) => {
      writeFileSync(join(run.directory.workspace, 'chart.html'), '<script>alert(1)</script>');
      const { name } = await keepForPerson(run.directory, { path: 'chart.html', caption: 'The chart' });
      return {
        ...says('Here it is.'),
        sent: [{ name, mediaType: 'text/html', bytes: 25, caption: 'The chart' }],
      };
    };
    const answer = await client.send('c', 'draw');
    expect(answer.reply.text).toBe('Here it is.');
    const [file] = answer.reply.files ?? [];
    expect(file).toMatchObject({ name: 'chart.html', bytes: 25, caption: 'The chart' });
    const blob = await client.download(file!);
    expect(await blob.text()).toBe('<script>alert(1)</script>');
    // A browser is not told that it could run.
    expect(blob.type).toBe('application/octet-stream');
    const events = await (await fixture.call('GET', `/v1/turns/${answer.turn_id}/events`)).text();
    expect(events).toContain(file?.url);
    const head = await fixture.call('HEAD', file?.url ?? '');
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '25']);
    for (const other of ['out-9', 'in-0', '..%2f..%2fsecret', 'up-0']) {
      expect((await fixture.call('GET', `/v1/turns/${answer.turn_id}/files/${other}`)).status, other).toBe(
        404,
      );
    }
    const stranger = createApp({
      ...fixture.options,
      apiKeys: ['k'.repeat(20)],
      ownerOf: async () => ({ name: 'default', tenant: 'default' as never, user: { id: 'eve', name: null } }),
    });
    const headers = { authorization: 'Bearer token-of-eve' };
    expect((await stranger.request(file?.url ?? '', { headers })).status).toBe(404);
  });

  test('that is gone from the store is answered so', async () => {
    const { fixture, client } = open();
    fixture.agent = async (run) => {
      writeFileSync(join(run.directory.workspace, 'a.txt'), 'a');
      const { name } = await keepForPerson(run.directory, { path: 'a.txt' });
      return { ...says('ok'), sent: [{ name, mediaType: 'text/plain', bytes: 1 }] };
    };
    const [file] = (await client.send('c', 'x')).reply.files ?? [];
    await fixture.objects.delete(await fixture.keys());
    expect((await fixture.call('GET', file?.url ?? '')).status).toBe(404);
  });
});

describe('the working directory', () => {
  async function written() {
    const opened = open();
    opened.fixture.agent = async ({ directory: { workspace } }) => {
      mkdirSync(join(workspace, 'src/deep'), { recursive: true });
      writeFileSync(join(workspace, 'src/deep/main.py'), 'print(1)\n');
      writeFileSync(join(workspace, 'large.bin'), Buffer.alloc(3_000_000, 7));
      writeFileSync(join(workspace, 'page.svg'), '<svg onload="alert(1)"/>');
      writeFileSync(join(workspace, 'ä "1".txt'), 'ok');
      symlinkSync('src', join(workspace, 'link'));
      return says('written');
    };
    await opened.client.send('c', 'write');
    return opened;
  }

  test('is listed folder by folder, page by page, and its files are read', async () => {
    const { client } = await written();
    const folder = await client.folder('c');
    expect(folder.entries.map(({ name, kind, bytes }) => [name, kind, bytes])).toEqual([
      ['src', 'folder', null],
      ['large.bin', 'file', 3_000_000],
      ['link', 'link', null],
      ['page.svg', 'file', 24],
      ['ä "1".txt', 'file', 2],
    ]);
    const first = await client.folder('c', '', { limit: 2 });
    const second = await client.folder('c', '', { limit: 50, cursor: first.cursor ?? '' });
    expect([...first.entries, ...second.entries]).toEqual(folder.entries);
    expect(second.cursor).toBeNull();
    expect((await client.folder('c', 'src/deep')).entries.map(({ name }) => name)).toEqual(['main.py']);
    expect(await (await client.readFile('c', 'src/deep/main.py')).text()).toBe('print(1)\n');
    const large = Buffer.from(await (await client.readFile('c', 'large.bin')).arrayBuffer());
    expect(large.equals(Buffer.alloc(3_000_000, 7))).toBe(true);
    expect((await client.readFile('c', 'page.svg')).type).toBe('application/octet-stream');
    expect(await (await client.readFile('c', 'ä "1".txt')).text()).toBe('ok');
  });

  test('is no way out of it', async () => {
    const { fixture } = await written();
    const ask = async (path: string) => {
      const query = new URLSearchParams({ path });
      const answers = ['file?', '?'].map((end) =>
        fixture.call('GET', `/v1/chats/c/workspace${end === '?' ? '' : '/'}${end}${query}`),
      );
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    for (const path of ['..', '../config', 'src/../../config', '/etc/passwd', './src', 'src//deep', 'a\0b']) {
      expect(await ask(path), path).toEqual([400, 400]);
    }
    for (const path of ['config', 'config/.claude.json', 'link/deep/main.py', 'none', '__proto__']) {
      expect(await ask(path), path).toEqual([404, 404]);
    }
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }), async (path) => {
        fc.pre(!path.startsWith('src') && path !== 'large.bin' && path.isWellFormed());
        expect((await ask(path)).every((status) => status === 400 || status === 404)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('has nothing to show before the first turn, or of another chat', async () => {
    const { fixture } = open();
    expect((await fixture.call('GET', '/v1/chats/none/workspace')).status).toBe(404);
    await fixture.call('POST', '/v1/chats/c/new', {});
    expect((await fixture.call('GET', '/v1/chats/c/workspace')).status).toBe(200);
    expect((await fixture.call('GET', '/v1/chats/c/workspace/file?path=a')).status).toBe(404);
  });
});

describe('what is said of a file', () => {
  test('has no type that a browser could run', () => {
    for (const type of [
      'text/html',
      'image/svg+xml',
      'application/xhtml+xml',
      'text/javascript',
      'text/xml',
    ]) {
      expect(harmlessType(type)).toBe('application/octet-stream');
    }
    for (const type of ['image/png', 'application/pdf', 'text/plain', 'audio/ogg']) {
      expect(harmlessType(type)).toBe(type);
    }
  });

  test('is one header, whatever its name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 150 }), (name) => {
        const value = dispositionOf(name);
        expect(value).toMatch(/^attachment; filename="[^"\\]*"; filename\*=UTF-8''[\w%.!#$&+^`|~-]*$/);
        new Headers({ 'content-disposition': value });
        const exact = /UTF-8''(.*)$/.exec(value)?.[1] ?? '';
        expect(decodeURIComponent(exact)).toBe(name.toWellFormed());
      }),
    );
  });
});
