// The client against the real API: what breaks on the way costs no message, makes no second turn and loses no event.
import { globSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { createApp } from '../../src/api/app.ts';
import { ApiProblem, type ClientEvent, type ClientOptions, createClient } from '../../src/client/index.ts';
import { type ApiFixture, type ApiFixtureOptions, asksFor, createApiFixture, says } from '../api/fixture.ts';

const fixtures: ApiFixture[] = [];
afterEach(async () => {
  await Promise.all(fixtures.splice(0).map((fixture) => fixture.close()));
});

type Fetch = NonNullable<ClientOptions['fetch']>;

function open(setup: ApiFixtureOptions = {}, around: (fetch: Fetch) => Fetch = (fetch) => fetch, more = {}) {
  const fixture = createApiFixture(setup);
  fixtures.push(fixture);
  const app = createApp(fixture.options);
  const direct: Fetch = async (input, init) => await app.fetch(new Request(input, init));
  const client = createClient({ url: 'http://localhost/', fetch: around(direct), ...more });
  return { fixture, client };
}

async function all(events: AsyncIterable<ClientEvent>): Promise<ClientEvent[]> {
  const out: ClientEvent[] = [];
  for await (const event of events) out.push(event);
  return out;
}

const text = (events: readonly ClientEvent[]) =>
  events.map((event) => (event.type === 'text' ? event.text : '')).join('');

describe('the client', () => {
  test('sends, follows, lists, looks back, stops, begins anew and erases', async () => {
    const { client, fixture } = open();
    fixture.agent = async (run) => {
      run.progress({ type: 'text', text: 'so ' });
      return says(`heard ${run.request.text}`);
    };
    const sent = client.send('c', 'hello');
    expect((await sent).reply.text).toBe('heard hello');
    const events = await all(sent);
    expect(events.at(-1)).toMatchObject({
      type: 'final',
      turn_id: await sent.accepted,
      reply: { outcome: 'ok' },
    });
    expect((await client.chats()).chats.map(({ chat, title }) => [chat, title])).toEqual([['c', 'hello']]);
    await client.send('c', 'again');
    await client.fork('c', 'other');
    const page = await client.chat('c', { limit: 1 });
    expect(page.turns).toHaveLength(1);
    const before = await client.chat('c', { limit: 10, cursor: page.cursor ?? '' });
    expect(before.turns.map((turn) => turn.text)).toEqual(['hello', 'again']);
    expect((await client.turn(await sent.accepted)).reply?.text).toBe('heard hello');
    expect((await client.startOver('c')).reply.outcome).toBe('ok');
    const erased = () =>
      client.erase('c').then(
        () => 'gone',
        (error: ApiProblem) => error.code,
      );
    await expect.poll(erased).toBe('gone');
    const gone = await client.chat('c').catch((error: unknown) => error);
    expect(gone).toBeInstanceOf(ApiProblem);
    expect(gone).toMatchObject({ status: 404, code: 'unknown-chat' });
  });

  test('answers what was asked', async () => {
    const { client, fixture } = open();
    fixture.agent = asksFor('npm publish');
    const { reply } = await client.send('c', 'publish');
    const [question] = (await client.questions('c')).questions;
    expect(reply.asked?.map(({ id }) => id)).toEqual([question?.id]);
    fixture.agent = async () => says('published');
    const answered = await client.answer('c', question?.id ?? '', { decision: 'once' });
    expect(answered.reply.text).toBe('published');
  });

  test('stops a turn, whose words so far are the reply', async () => {
    const { client, fixture } = open();
    const started = Promise.withResolvers<void>();
    fixture.agent = async (run) => {
      started.resolve();
      await new Promise<void>((resolve) => run.signal.addEventListener('abort', () => resolve()));
      return { ...says('so far'), status: 'stopped' };
    };
    const sent = client.send('c', 'wait');
    const answer = Promise.resolve(sent);
    await started.promise;
    await client.stop(await sent.accepted);
    expect((await answer).reply).toMatchObject({ outcome: 'stopped' });
  });

  test('asks for another token once when one is refused', async () => {
    const KEY = 'a-key-of-at-least-16';
    const asked: (string | null)[] = [];
    const token = (refused: string | null) => {
      asked.push(refused);
      return refused === null ? 'an-old-token' : KEY;
    };
    const { client } = open({ app: { apiKeys: [KEY] } }, undefined, { token });
    await client.send('c', 'hello');
    await client.chats();
    expect(asked).toEqual([null, 'an-old-token']);
    const { client: refused } = open({ app: { apiKeys: [KEY] } }, undefined, { token: 'wrong' });
    await expect(refused.chats()).rejects.toMatchObject({ status: 401 });
  });

  test('what is wrong is not sent again; what waits for a signal ends with it', async () => {
    let calls = 0;
    const { client, fixture } = open({ worker: false }, (fetch) => (input, init) => {
      calls += 1;
      return fetch(input, init);
    });
    await expect(async () => await client.send('c', ' ')).rejects.toMatchObject({
      status: 400,
      code: 'bad-body',
    });
    expect(calls).toBe(1);
    const ended = new AbortController();
    const sent = client.send('c', 'x', { signal: ended.signal });
    await sent.accepted;
    const answer = Promise.resolve(sent);
    ended.abort(new Error('enough'));
    await expect(answer).rejects.toThrow('enough');
    expect(fixture.runs).toEqual([]);
  });
});

test('lines that break anywhere cost no event, make no second turn and repeat nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('none', 'before', 'after', 'mid', 'busy'), { maxLength: 4 }),
      fc.integer({ min: 1, max: 200 }),
      async (faults, bytes) => {
        const left = [...faults];
        const around =
          (fetch: Fetch): Fetch =>
          async (input, init) => {
            const fault = left.shift() ?? 'none';
            if (fault === 'before') throw new TypeError('fetch failed');
            if (fault === 'busy') return new Response('{}', { status: 503, headers: { 'retry-after': '0' } });
            const response = await fetch(input, init);
            if (fault === 'after') throw new TypeError('fetch failed');
            return fault === 'mid' ? broken(response, bytes) : response;
          };
        const { client, fixture } = open({}, around);
        fixture.agent = async (run) => {
          for (const word of ['one ', 'two ', 'three']) {
            run.progress({ type: 'text', text: word });
          }
          return says('one two three');
        };
        const events = await all(client.send('c', 'count'));
        expect(fixture.runs).toEqual(['count']);
        expect(events.filter(({ type }) => type === 'final')).toHaveLength(1);
        expect(events.at(-1)).toMatchObject({ type: 'final', reply: { text: 'one two three' } });
        expect('one two three'.startsWith(text(events))).toBe(true);
      },
    ),
    { numRuns: 8 },
  );
});

/** The body breaks off after so many bytes. */
function broken(response: Response, bytes: number): Response {
  let left = bytes;
  const cut = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      controller.enqueue(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) controller.error(new TypeError('terminated'));
    },
  });
  const { status, headers } = response;
  return new Response(response.body?.pipeThrough(cut) ?? null, { status, headers });
}

test('it runs in a browser: it imports only itself and the one way to wait', () => {
  for (const file of globSync('src/client/*.ts')) {
    const source = readFileSync(file, 'utf8');
    const imports = [...source.matchAll(/from '([^']+)'/g)].map(([, name]) => name);
    expect([file, imports.filter((name) => !/^\.\/|^\.\.\/core\/backoff\.ts$/.test(name ?? ''))]).toEqual([
      file,
      [],
    ]);
    expect(source).not.toMatch(/\bprocess\.|\bBuffer\b|from 'node:/);
  }
});
