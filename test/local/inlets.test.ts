// Who may drive a server of this machine: whoever can read its data folder, and nobody else. Not a process without that,
// not the agent in its sandbox, not a web page; and nobody holds a connection by sending slowly.
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { turnRequest } from '../../src/core/messages.ts';
import { detectSandbox } from '../../src/host/sandbox/index.ts';
import { accessKeyFile } from '../../src/local/access-key.ts';
import { listen } from '../../src/local/listen.ts';
import { openStores } from '../../src/local/stores.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import { runHostile, send } from '../api/hostile-requests.ts';
import { THOROUGH } from '../thorough.ts';

const CONFIGURED = 'a-key-of-the-settings';

describe('a server on loopback', () => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await startLocalSystem({ env: { HYBRID_SESSIONS_API_KEY: CONFIGURED } });
  });
  afterAll(() => system?.close());

  /** A turn of another channel, as its inlet would write it; nobody runs it. */
  async function foreignTurn(): Promise<string> {
    const limits = { maxWorkspaceBytes: 1, maxWorkspaceFiles: 1 };
    const settings = { dataDir: system.dataDir, limits, keepGenerations: 1, retentionSec: 3600 };
    const stores = await openStores(settings, { create: false });
    try {
      const conversation = { tenant: 'default', channel: 'telegram', bot: '42', chat: '7', thread: null };
      const request = turnRequest({ conversation, dedupeId: '1', text: 'private', receivedAtMs: Date.now() });
      return (await stores.store.accept(request, 3600)).turnId;
    } finally {
      await stores.close();
    }
  }

  test('every route x every way to come wrongly: refused, and always in the same words', async () => {
    const { url, key } = system;
    const target = { url, key, foreignTurn: await foreignTurn(), knowsHosts: true };
    expect(await runHostile(target)).toEqual([]);
    expect(await runHostile({ ...target, key: CONFIGURED })).toEqual([]);
    // Nothing of it had an effect.
    expect(await (await system.call('/v1/chats')).json()).toEqual({ chats: [], cursor: null });
  });

  test.each(['the own key', 'a key of the settings'])('%s opens it', async (which) => {
    const key = which === 'the own key' ? system.key : CONFIGURED;
    const headers = { authorization: `Bearer ${key}` };
    expect((await fetch(`${system.url}/v1/info`, { headers })).status).toBe(200);
  });

  test('what is open without a key tells nothing', async () => {
    await system.say('hidden-chat', 'hidden-words');
    for (const path of ['/', '/healthz', '/openapi.json', '/assets/app.js', '/assets/keys.js']) {
      const answer = await send(system.url, { method: 'GET', path, headers: {} });
      expect(answer.status, path).toBe(200);
      for (const word of [system.key, CONFIGURED, 'hidden-', system.dataDir])
        expect(answer.text).not.toContain(word);
    }
    const health = await send(system.url, { method: 'GET', path: '/healthz', headers: {} });
    expect(JSON.parse(health.text)).toEqual({ status: 'ok' });
  });

  test('the page can be framed by nobody and runs only its own scripts', async () => {
    const { headers } = await send(system.url, { method: 'GET', path: '/', headers: {} });
    const policy = headers['content-security-policy'] as string;
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
    ])
      expect(policy.split('; ')).toContain(rule);
    expect(headers['referrer-policy']).toBe('no-referrer');
  });

  test('the agent in its sandbox sees neither the key nor the data folder, and gets nowhere without it', async () => {
    if ((await detectSandbox()).kind !== 'bubblewrap') return;
    const key = (await readFile(accessKeyFile(system.dataDir), 'utf8')).trim();
    expect(key).toBe(system.key);
    const look = [
      `cat ${accessKeyFile(system.dataDir)}`,
      `ls -la ${system.dataDir} ${join(system.dataDir, '..')}/*/access-key`,
      'cat /proc/*/environ /proc/*/cmdline | tr "\\0" "\\n"',
    ].join('; ');
    const seen = await system.say('a', `run: { ${look}; } 2>&1; echo looked`);
    expect(seen.reply.text).toContain('looked');
    expect(seen.reply.text).toContain('No such file or directory');
    expect(seen.reply.text).not.toContain(key);
    const { hostname, port } = new URL(system.url);
    const ask = `exec 3<>/dev/tcp/${hostname}/${port}; printf 'GET /v1/chats HTTP/1.0\\r\\n\\r\\n' >&3; head -1 <&3`;
    const asked = await system.say('a', `run: bash -c '${ask.replaceAll("'", `'\\''`)}' 2>&1; echo asked`);
    expect(asked.reply.text).toContain('asked');
    expect(asked.reply.text).not.toContain('200 OK');
  });

  // With the limits that people have, which takes half a minute; with short ones: below.
  if (THOROUGH)
    test('who sends too slowly is cut off: nothing at all, headers, a body that is read, a body that nobody reads', async () => {
      const head = `host: ${new URL(system.url).host}\r\nauthorization: Bearer ${system.key}\r\n`;
      const post = `POST /v1/chats/slow/messages HTTP/1.1\r\n${head}content-type: application/json\r\ncontent-length: 99\r\n\r\n`;
      const [silent, headers, body, unread] = await Promise.all([
        untilClosed(system.url, ''),
        untilClosed(system.url, `GET /v1/info HTTP/1.1\r\n${head}`),
        untilClosed(system.url, `${post}{"text":`),
        untilClosed(system.url, post.replace('/messages', '/nothing')),
      ]);
      for (const answer of [silent, headers]) expect(answer).toMatch(/^HTTP\/1\.1 408 /);
      expect(body).toMatch(/^HTTP\/1\.1 408 [\s\S]*"code":"body-too-slow"/);
      expect(unread).toMatch(/^HTTP\/1\.1 404 /);
      expect((await system.call('/v1/chats/slow')).status).toBe(404);
    });

  test('what is malformed on the wire is refused, does nothing, and the server goes on', async () => {
    const { host } = new URL(system.url);
    const key = `authorization: Bearer ${system.key}\r\n`;
    const typed = 'content-type: application/json\r\n';
    const post = 'POST /v1/chats/wire/messages HTTP/1.1\r\n';
    const body = '{"text":"x"}';
    const mine = `Host: ${host}\r\nConnection: close\r\n${key}`;
    const chunk = `${(64 * 1024).toString(16)}\r\n${' '.repeat(64 * 1024)}\r\n`;
    const wire: Record<string, readonly [sent: string, answered: RegExp]> = {
      'no host': [`GET /v1/info HTTP/1.1\r\nConnection: close\r\n${key}\r\n`, /^HTTP\/1\.1 400 /],
      'a foreign host before the own one': [
        `GET /v1/info HTTP/1.1\r\nHost: evil.example\r\n${mine}\r\n`,
        /^HTTP\/1\.1 40[03] /,
      ],
      'an address of another site': [
        `GET http://evil.example/v1/info HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n${key}\r\n`,
        /^HTTP\/1\.1 403 /,
      ],
      'an upgrade without the key': [
        `GET /v1/info HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
        /^HTTP\/1\.1 401 /,
      ],
      'a tunnel': [`CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\n\r\n`, /^$/],
      'length and chunks': [
        `${post}${mine}${typed}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n${body}\r\n0\r\n\r\n`,
        /^HTTP\/1\.1 400 /,
      ],
      'two lengths': [
        `${post}${mine}${typed}Content-Length: 12\r\nContent-Length: 1\r\n\r\n${body}`,
        /^HTTP\/1\.1 400 /,
      ],
      'a negative length': [`${post}${mine}${typed}Content-Length: -1\r\n\r\n`, /^HTTP\/1\.1 400 /],
      'chunks of no length': [
        `${post}${mine}${typed}Transfer-Encoding: chunked\r\n\r\nzz\r\n${body}\r\n0\r\n\r\n`,
        /^HTTP\/1\.1 400 /,
      ],
      'chunks without an end': [
        `${post}${mine}${typed}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(17)}`,
        /^HTTP\/1\.1 413 /,
      ],
      'a space in a header name': [`${post}${mine}Bad : x\r\n\r\n`, /^HTTP\/1\.1 400 /],
      'a zero byte': [`${post}${mine}x: \0\r\n\r\n`, /^HTTP\/1\.1 400 /],
      'no HTTP': ['hello\r\n\r\n', /^HTTP\/1\.1 400 /],
    };
    for (const [name, [sent, answered]] of Object.entries(wire)) {
      expect(await untilClosed(system.url, sent), name).toMatch(answered);
    }
    expect((await system.call('/v1/chats/wire')).status).toBe(404);
    expect((await system.call('/v1/info')).status).toBe(200);
  });

  test('a head that is larger than any is refused before it is read', async () => {
    const large = { authorization: `Bearer ${system.key}`, 'x-large': 'x'.repeat(17 * 1024) };
    expect((await send(system.url, { method: 'GET', path: '/v1/info', headers: large })).status).toBe(431);
    // So many that Node would leave some out by itself, without a word.
    const many = Object.fromEntries(Array.from({ length: 2_100 }, (_, n) => [n.toString(36), '']));
    const answer = await send(system.url, { method: 'GET', path: '/v1/info', headers: many });
    expect(answer.text).toContain('"head-too-large"');
    expect(answer.status).toBe(431);
  });
});

test('time limits are for what comes in: an answer that streams outlives them', async () => {
  const encoder = new TextEncoder();
  let stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  const answering = () =>
    new Response(
      new ReadableStream<Uint8Array>({
        start(controller) {
          stream = controller;
          controller.enqueue(encoder.encode('one,'));
        },
      }),
    );
  const short = { headersTimeout: 50, requestTimeout: 100, connectionsCheckingInterval: 10 };
  const server = await listen(answering, '127.0.0.1', 0, short);
  try {
    const reader = (await fetch(server.url, { method: 'POST', body: '{}' })).body!.getReader();
    const next = async () => Buffer.from((await reader.read()).value ?? []).toString();
    expect(await next()).toBe('one,');
    // It began later and was cut off: the limits have passed for the stream, too.
    expect(await untilClosed(server.url, 'GET / HTTP/1.1\r\n')).toMatch(/^HTTP\/1\.1 408 /);
    stream?.enqueue(encoder.encode('two'));
    expect(await next()).toBe('two');
  } finally {
    await server.stop();
  }
});

test('a file may take longer than other requests; what is no file may not', async () => {
  const answering = async (request: Request) => {
    const isFile = new URL(request.url).pathname.includes('/files/');
    return new Response(isFile ? await request.text() : 'nothing here');
  };
  const short = { headersTimeout: 50, requestTimeout: 100, connectionsCheckingInterval: 10 };
  const server = await listen(answering, '127.0.0.1', 0, short);
  try {
    const { hostname, port } = new URL(server.url);
    const path = '/v1/chats/c/files/up-1';
    const socket = connect(Number(port), hostname, () =>
      socket.write(`PUT ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 8\r\n\r\nhalf`),
    );
    let answer = '';
    socket.on('data', (piece) => {
      answer += piece;
    });
    const closed = new Promise((resolve) => socket.on('close', resolve));
    // Begun later, and cut off: the limit for others has passed for the file, too.
    const other = 'PUT /v1/chats/c HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\nhalf';
    await untilClosed(server.url, other);
    socket.write('done');
    await closed;
    expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*halfdone$/);
  } finally {
    await server.stop();
  }
});

/** Sends the beginning of a request and no more; resolves with the answer when the server ends the connection. */
function untilClosed(url: string, beginning: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(beginning));
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (piece) => {
      text += piece;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  });
}
