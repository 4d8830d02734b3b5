// A message through the API: its answer, its repeats, and what is refused before it becomes a turn.
import { afterEach, describe, expect, test } from 'vitest';
import { Refused } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import { type ApiFixture, type ApiFixtureOptions, createApiFixture, eventsOf, says } from './fixture.ts';

const fixtures: ApiFixture[] = [];
const open = (options?: ApiFixtureOptions) => {
  const fixture = createApiFixture(options);
  fixtures.push(fixture);
  return fixture;
};
afterEach(async () => {
  await Promise.all(fixtures.splice(0).map((fixture) => fixture.close()));
});

const SEND = '/v1/chats/c/messages';

describe('sending', () => {
  test('waits for the turn and answers with the reply', async () => {
    const fixture = open();
    const response = await fixture.call('POST', SEND, { text: 'hello' });
    expect(response.status).toBe(200);
    const answer = await response.json();
    expect(answer).toMatchObject({
      generation: 1,
      reply: { text: 'heard hello', outcome: 'ok', demo: true },
    });
    expect(response.headers.get('location')).toBe(`/v1/turns/${answer.turn_id}`);
    expect((await (await fixture.call('GET', `/v1/turns/${answer.turn_id}`)).json()).chat).toBe('c');
  });

  test(`${promise('ONCE-IN')} one key is one turn, however often and concurrently it is sent`, async () => {
    const fixture = open();
    const headers = { 'idempotency-key': 'k-1' };
    const sent = Array.from({ length: 5 }, () => fixture.call('POST', SEND, { text: 'once' }, headers));
    const answers = await Promise.all((await Promise.all(sent)).map((response) => response.json()));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(fixture.runs).toEqual(['once']);
    const later = await (await fixture.call('POST', SEND, { text: 'once' }, headers)).json();
    expect(later).toEqual(answers[0]);
  });

  test('without a key the same text twice is two turns', async () => {
    const fixture = open();
    await fixture.call('POST', SEND, { text: 'again' });
    await fixture.call('POST', SEND, { text: 'again' });
    expect(fixture.runs).toEqual(['again', 'again']);
  });

  test('a key used for another text is refused, and so is one used for /new', async () => {
    const fixture = open();
    const headers = { 'idempotency-key': 'k' };
    await fixture.call('POST', SEND, { text: 'one' }, headers);
    for (const response of [
      await fixture.call('POST', SEND, { text: 'two' }, headers),
      await fixture.call('POST', '/v1/chats/c/new', {}, headers),
    ]) {
      expect(response.status).toBe(422);
      expect((await response.json()).code).toBe('idempotency-mismatch');
    }
    expect(fixture.runs).toEqual(['one']);
  });

  test('respond-async answers before the turn ran', async () => {
    const fixture = open({ worker: false });
    const response = await fixture.call('POST', SEND, { text: 'later' }, { prefer: 'respond-async' });
    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject({ status: 'queued' });
    expect((await fixture.call('POST', SEND, { text: 'x' }, { prefer: 'wait=0' })).status).toBe(202);
  });

  test('streams the events of the turn', async () => {
    const fixture = open();
    fixture.agent = async (run) => {
      run.progress({ type: 'tool', id: 't', name: 'Bash', summary: 'ls', state: 'started' });
      run.progress({ type: 'text', text: 'he' });
      run.progress({ type: 'text', text: 'llo' });
      return says('hello');
    };
    const events = await eventsOf(
      await fixture.call('POST', SEND, { text: 'x' }, { accept: 'text/event-stream' }),
    );
    const shown = events.filter(({ event }) => event !== 'status');
    expect(shown.map(({ event, data }) => [event, (data as { text?: string }).text])).toEqual([
      ['tool', undefined],
      ['text', 'hello'],
      ['final', undefined],
    ]);
    expect(shown.at(-1)?.data).toMatchObject({ generation: 1, reply: { text: 'hello' } });
  });

  test('/new points the chat at a fresh session', async () => {
    const fixture = open();
    const before = await (await fixture.call('POST', SEND, { text: 'a' })).json();
    expect((await fixture.call('POST', '/v1/chats/c/new', {})).status).toBe(200);
    const after = await (await fixture.call('POST', SEND, { text: 'b' })).json();
    expect(after.session_id).not.toBe(before.session_id);
    expect(after.generation).toBe(1);
  });
});

describe(`${promise('ACKED')} a message that was not queued is not acknowledged`, () => {
  test('503, and its repeat is queued and answered once', async () => {
    let failures = 1;
    const fixture = open({
      queue: (queue) => ({
        ...queue,
        async send(request) {
          if (failures-- > 0)
            throw new Refused('queue-down', 'The queue is not there.', { retryAfterMs: 1500 });
          await queue.send(request);
        },
      }),
    });
    const headers = { 'idempotency-key': 'k' };
    const refused = await fixture.call('POST', SEND, { text: 'keep me' }, headers);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('2');
    expect(fixture.runs).toEqual([]);
    const answer = await fixture.call('POST', SEND, { text: 'keep me' }, headers);
    expect((await answer.json()).reply.text).toBe('heard keep me');
    expect(fixture.runs).toEqual(['keep me']);
  });
});

describe('bad input', () => {
  test.each([
    ['malformed JSON', '{"text":', {}, 400, 'malformed-json'],
    ['no JSON at all', 'text=x', {}, 400, 'malformed-json'],
    ['an unknown field', { text: 'x', extra: 1 }, {}, 400, 'bad-body'],
    ['a wrong type', { text: 5 }, {}, 400, 'bad-body'],
    ['no text', {}, {}, 400, 'bad-body'],
    ['an array', [1], {}, 400, 'bad-body'],
    ['blank text', { text: ' \n' }, {}, 400, 'bad-body'],
    ['half a character', '{"text":"\\ud800"}', {}, 400, 'bad-body'],
    ['another media type', { text: 'x' }, { 'content-type': 'text/plain' }, 415, 'not-json'],
    ['a key with a space', { text: 'x' }, { 'idempotency-key': 'a b' }, 400, 'bad-idempotency-key'],
    [
      'a key that is too long',
      { text: 'x' },
      { 'idempotency-key': 'k'.repeat(256) },
      400,
      'bad-idempotency-key',
    ],
    ['a body over the limit', { text: 'x'.repeat(1024 * 1024) }, {}, 413, 'body-too-large'],
  ])('%s', async (_name, body, headers, status, code) => {
    const fixture = open({ worker: false });
    const response = await fixture.call('POST', SEND, body, headers);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toMatchObject({
      status,
      code,
      type: `urn:hybrid-sessions:problem:${code}`,
    });
    expect((await fixture.call('GET', '/v1/chats/c')).status).toBe(404);
  });

  test('over-long text names the limit', async () => {
    const response = await open({ worker: false }).call('POST', SEND, { text: 'x'.repeat(100_001) });
    expect(response.status).toBe(400);
    expect((await response.json()).detail).toBe('text: must be at most 100000 characters');
  });

  test('text at the limit is taken', async () => {
    const response = await open({ worker: false }).call(
      'POST',
      SEND,
      { text: 'é'.repeat(100_000) },
      { prefer: 'respond-async' },
    );
    expect(response.status).toBe(202);
  });

  test.each(['a%20b', 'a%2Fb', '%', 'x'.repeat(129), '%00', 'caf%C3%A9'])('chat name %s', async (chat) => {
    const response = await open({ worker: false }).call('POST', `/v1/chats/${chat}/messages`, { text: 'x' });
    expect(response.status).toBe(400);
    expect((await response.json()).code).toBe('bad-chat');
  });

  test('a body that streams past the limit is cut off', async () => {
    let pieces = 0;
    const body = new ReadableStream({
      pull(controller) {
        if (pieces++ > 100) throw new Error('read on after the limit');
        controller.enqueue(new Uint8Array(64 * 1024).fill(32));
      },
    });
    const { createApp } = await import('../../src/api/app.ts');
    const app = createApp(open({ worker: false }).options);
    const headers = { 'content-type': 'application/json' };
    const response = await app.request(
      new Request(`http://localhost${SEND}`, {
        method: 'POST',
        body,
        headers,
        duplex: 'half',
      } as RequestInit),
    );
    expect(response.status).toBe(413);
  });

  test('an unexpected error shows nothing of itself', async () => {
    const lines: unknown[] = [];
    const fixture = open({
      queue: (queue) => ({
        ...queue,
        async send() {
          throw new Error('ENOENT /secret/path');
        },
      }),
      app: { log: (...line) => lines.push(line) },
    });
    const response = await fixture.call('POST', SEND, { text: 'x' });
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).not.toContain('secret');
    expect(JSON.stringify(lines)).toContain(JSON.parse(text).error_id);
  });
});
