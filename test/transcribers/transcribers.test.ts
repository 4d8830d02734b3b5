// Both transcribers against what they may meet: a program that hangs, fails, floods or snoops, and a server that is slow, busy,
// wrong or elsewhere.
import { readdirSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import { createCommandTranscriber } from '../../src/transcribers/command.ts';
import { createEndpointTranscriber } from '../../src/transcribers/endpoint.ts';
import { openTranscriber, transcriberSchema } from '../../src/transcribers/settings.ts';

const recording = (text: string, name = 'voice.ogg') => ({
  ...{ name, mediaType: 'audio/ogg', bytes: text.length },
  async *read() {
    yield Buffer.from(text);
  },
});
const LIMITS = { timeoutMs: 30_000, maxBytes: 1_000 };

describe('a program', () => {
  const run = (script: string, more: Partial<Parameters<typeof createCommandTranscriber>[0]> = {}) =>
    createCommandTranscriber({
      command: ['sh', '-c', script, 'sh', '{file}'],
      path: process.env.PATH ?? '',
      ...LIMITS,
      ...more,
    });

  test('is given the recording by its path, prints what is said, and leaves nothing behind', async () => {
    const made = () =>
      readdirSync(tmpdir()).filter((name) => name.startsWith('hybrid-sessions-voice-')).length;
    const before = made();
    expect(await run('cat "$1"; touch more').transcribe(recording('hello'))).toBe('hello');
    expect(made()).toBe(before);
    const last = createCommandTranscriber({ command: ['cat'], path: process.env.PATH ?? '', ...LIMITS });
    expect(await last.transcribe(recording('path comes last'))).toBe('path comes last');
  });

  test('knows no variable of the server, and the name is not its own', async () => {
    process.env.TRANSCRIBER_TEST_SECRET = 'do-not-show';
    const seen = await run('env; echo "$1"').transcribe(recording('x', 'a; touch $HOME/x.$(id).ogg'));
    delete process.env.TRANSCRIBER_TEST_SECRET;
    expect(seen).not.toContain('do-not-show');
    expect(seen).toMatch(/recording\.ogg\n$/);
  });

  test('that hangs is ended with all that it started; one that fails or floods is no answer', async () => {
    await expect(
      run('sleep 1000 & sleep 1000', { timeoutMs: 200 }).transcribe(recording('x')),
    ).rejects.toMatchObject({
      code: 'recording-too-long',
    });
    await expect(run('echo why >&2; exit 3').transcribe(recording('x'))).rejects.toMatchObject({
      code: 'transcriber-fault',
      message: 'The transcriber ended with 3.',
    });
    await expect(run('yes').transcribe(recording('x'))).rejects.toMatchObject({ code: 'transcriber-fault' });
    const none = createCommandTranscriber({ command: ['no-such-program'], path: '/nowhere', ...LIMITS });
    await expect(none.transcribe(recording('x'))).rejects.toMatchObject({ code: 'transcriber-fault' });
  });
});

describe('an address', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });
  async function at(handle: RequestListener, more = {}) {
    const server = createServer(handle);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`;
    return createEndpointTranscriber({ url, model: 'whisper-1', ...LIMITS, ...more });
  }
  const answering = (status: number, body: string): RequestListener => {
    return (request, response) => {
      request.resume();
      request.on('end', () => response.writeHead(status).end(body));
    };
  };

  test('gets the recording, model, language and key', async () => {
    let seen = '';
    const made = await at(
      (request, response) => {
        seen = `${request.method} ${request.url} ${request.headers.authorization}\n`;
        request.setEncoding('utf8').on('data', (piece) => {
          seen += piece;
        });
        request.on('end', () => response.end('{"text":" what was said "}'));
      },
      { key: async () => 'the-key', language: 'de' },
    );
    expect(await made.transcribe(recording('sounds'))).toBe(' what was said ');
    expect(seen).toMatch(/^POST \/v1\/audio\/transcriptions Bearer the-key\n/);
    for (const part of ['filename="voice.ogg"', 'audio/ogg', 'sounds', 'whisper-1', 'json', 'de'])
      expect(seen).toContain(part);
  });

  test('that is busy is asked again, and that refuses is not', async () => {
    let calls = 0;
    const made = await at((request, response) => {
      calls += 1;
      answering(calls === 1 ? 503 : 200, '{"text":"later"}')(request, response);
    });
    expect(await made.transcribe(recording('x'))).toBe('later');
    expect(calls).toBe(2);
    for (const [status, code] of [
      [400, 'bad-recording'],
      [413, 'bad-recording'],
      [401, 'transcriber-fault'],
      [200, 'transcriber-fault'],
    ] as const) {
      const refusing = await at(answering(status, 'no text'));
      await expect(refusing.transcribe(recording('x')), String(status)).rejects.toMatchObject({ code });
    }
  });

  test('that says nothing, or leads elsewhere, is given up; what is too large is not sent', async () => {
    const silent = await at(() => {}, { timeoutMs: 200 });
    await expect(silent.transcribe(recording('x'))).rejects.toMatchObject({ code: 'no-answer' });
    let elsewhere = 0;
    const other = createServer(() => {
      elsewhere += 1;
    });
    servers.push(other);
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const there = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
    const leading = await at((_request, response) => void response.writeHead(307, { location: there }).end());
    await expect(leading.transcribe(recording('x'))).rejects.toMatchObject({ code: 'no-answer' });
    expect(elsewhere).toBe(0);
    const small = await at(answering(200, '{"text":"x"}'), { maxBytes: 3 });
    await expect(small.transcribe(recording('larger'))).rejects.toMatchObject({
      code: 'recording-too-large',
    });
  });
});

test('settings name one of them, with the key as a reference only', async () => {
  expect(transcriberSchema.parse({ command: ['whisper', '{file}'] })).toMatchObject({ timeoutSec: 120 });
  const endpoint = { url: 'https://api.openai.com/v1', model: 'whisper-1', key: 'env:OPENAI_API_KEY' };
  const settings = transcriberSchema.parse(endpoint);
  expect(await openTranscriber(settings, { read: async () => 'k', path: '' })).toMatchObject({
    maxBytes: 26_214_400,
  });
  for (const wrong of [
    {},
    { command: [] },
    { ...endpoint, key: 'sk-1234567890' },
    { ...endpoint, url: 'file:///etc/passwd' },
    { ...endpoint, command: ['x'] },
    { ...endpoint, timeoutSec: 0 },
  ]) {
    expect(transcriberSchema.safeParse(wrong).success, JSON.stringify(wrong)).toBe(false);
  }
});
