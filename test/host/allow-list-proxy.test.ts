// The proxy to allowed hosts by itself, with a made-up resolver: the names it takes, the addresses it goes to, its bounds.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type AllowListProxy,
  type AllowListProxyOptions,
  openAllowListProxy,
} from '../../src/host/sandbox/allow-list-proxy.ts';

let folder: string;
let socketPath: string;
let proxy: AllowListProxy | undefined;
let internet: Server;
let port: number;
const refused: string[] = [];
const served: IncomingMessage[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hybrid-proxy-'));
  socketPath = join(folder, 'proxy.sock');
  internet = createHttpServer((incoming, response) => {
    served.push(incoming);
    incoming.pipe(response);
    if (incoming.method === 'GET') response.end(`you asked for ${incoming.url}`);
  });
  await once(internet.listen(0, '127.0.0.1'), 'listening');
  port = (internet.address() as AddressInfo).port;
  refused.length = 0;
  served.length = 0;
});
afterEach(async () => {
  await proxy?.close();
  internet.close();
  await rm(folder, { recursive: true });
});

/** Every name leads to this machine, which is taken for the internet. */
async function open(options: Partial<AllowListProxyOptions> & { readonly allow: readonly string[] }) {
  proxy = await openAllowListProxy({
    socketPath,
    maxBytes: 1e9,
    onRefused: ({ host, port: to, reason }) => refused.push(`${host}:${to} ${reason}`),
    resolve: async () => ['127.0.0.1'],
    isPublic: (address) => address === '127.0.0.1',
    ...options,
  });
}

async function viaConnect(target: string, send = 'GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n') {
  const socket = connect(socketPath);
  socket.write(`CONNECT ${target} HTTP/1.1\r\nhost: ${target}\r\n\r\n`);
  const [first] = (await once(socket, 'data')) as [Buffer];
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(first.toString())?.[1]);
  if (status !== 200) {
    socket.destroy();
    return { status, said: first.toString() };
  }
  socket.write(send);
  return { status, said: await text(socket) };
}

async function viaUrl(url: string, options: { readonly method?: string; readonly body?: string } = {}) {
  const asked = request({
    socketPath,
    path: url,
    method: options.method ?? 'GET',
    headers: { host: 'lied.example' },
  });
  asked.end(options.body);
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return { status: answer.statusCode, said: await text(answer) };
}

test('an allowed name, by CONNECT and by a whole URL', async () => {
  await open({ allow: [`a.example:${port}`] });
  expect(await viaConnect(`a.example:${port}`)).toMatchObject({
    status: 200,
    said: expect.stringContaining('you asked for /x'),
  });
  expect(await viaUrl(`http://a.example:${port}/y?z=1`)).toEqual({
    status: 200,
    said: 'you asked for /y?z=1',
  });
  // The host is the one that was checked, not the one that the header said.
  expect(served[1]!.headers).toMatchObject({ host: `a.example:${port}` });
  expect(await viaUrl(`http://A.EXAMPLE.:${port}/`, { method: 'POST', body: 'an upload' })).toEqual({
    status: 200,
    said: 'an upload',
  });
  expect(refused).toEqual([]);
});

describe('what is not allowed is refused with a sentence, and told', () => {
  test.each([
    'b.example:443',
    'sub.a.example:443',
    'a.example:22',
    'a.example.evil.example:443',
    '127.0.0.1:443',
    '127.1:443',
    '0x7f000001:443',
    '2130706433:443',
    '0177.0.0.1:443',
    '[::1]:443',
    '[::ffff:127.0.0.1]:443',
    'localhost:443',
    'a.example%00.b.example:443',
    ':443',
    'a.example:0',
    'a.example:99999',
    'a.example',
  ])('CONNECT %s', async (target) => {
    await open({ allow: ['a.example', '*.c.example', '*'].slice(0, 2) });
    const answer = await viaConnect(target);
    expect(answer.status).toBe(403);
    expect(answer.said).toMatch(/allowed|may reach/);
    expect(refused).toHaveLength(1);
  });

  test.each([
    'http://b.example/',
    'http://a.example@b.example/',
    'http://127.0.0.1/',
    'http://0x7f.1/',
    'http://2130706433/',
    'http://[::1]/',
    'http://a.example:8080/',
  ])('GET %s', async (url) => {
    await open({ allow: ['a.example'] });
    expect((await viaUrl(url)).status).toBe(403);
    expect(served).toEqual([]);
  });

  test.each([
    'http://b.example#a.example/',
    'http://a.example\\@b.example/',
    'http://a.example\\.b.example/',
  ])('no URL: %s', async (url) => {
    await open({ allow: ['a.example', 'b.example'] });
    await expect(viaUrl(url).then(({ status }) => expect(status).toBe(400))).rejects.toThrow(/hang up/);
    expect(served).toEqual([]);
  });

  test.each(['/etc/passwd', 'https://a.example/', 'ftp://a.example/', '*'])(
    'no proxy request: %s',
    async (url) => {
      await open({ allow: ['a.example'] });
      expect((await viaUrl(url)).status).toBe(400);
    },
  );
});

describe('where a name leads', () => {
  test.each([
    ['this machine', ['127.0.0.1']],
    ['the cloud’s metadata', ['169.254.169.254']],
    ['a neighbour', ['10.0.0.7', '192.168.0.9']],
    ['this machine, by six', ['::1']],
    ['this machine, four in six', ['::ffff:127.0.0.1']],
    ['a translated address', ['64:ff9b::7f00:1']],
    ['something that is no address', ['evil.example', '127.1']],
  ])('%s: refused, even for every name', async (_name, addresses) => {
    proxy = await openAllowListProxy({
      socketPath,
      maxBytes: 1e9,
      allow: ['*', `a.example:${port}`],
      resolve: async () => addresses,
    });
    expect(await viaConnect(`a.example:${port}`)).toMatchObject({
      status: 403,
      said: expect.stringContaining('not on the internet'),
    });
  });

  test('unless that address is listed itself, with that port', async () => {
    const options = { socketPath, maxBytes: 1e9, resolve: async () => ['127.0.0.1'] };
    proxy = await openAllowListProxy({ ...options, allow: [`a.example:${port}`, `127.0.0.1:${port}`] });
    expect((await viaConnect(`a.example:${port}`)).status).toBe(200);
    expect((await viaConnect(`127.0.0.1:${port}`)).status).toBe(200);
    await proxy.close();
    proxy = await openAllowListProxy({ ...options, allow: [`a.example:${port}`, '127.0.0.1:1'] });
    expect((await viaConnect(`a.example:${port}`)).status).toBe(403);
    await proxy.close();
    proxy = await openAllowListProxy({ ...options, allow: ['*', `*:${port}`] });
    expect((await viaConnect(`localhost:${port}`)).status).toBe(403);
    expect((await viaConnect(`host.internal:${port}`)).status).toBe(403);
  });

  test('this machine has a name of its own, which must be listed', async () => {
    const resolve = () => Promise.reject(new Error('It is asked nobody.'));
    proxy = await openAllowListProxy({
      socketPath,
      maxBytes: 1e9,
      resolve,
      allow: [`host.internal:${port}`, `a.example:${port}`],
    });
    expect((await viaConnect(`host.internal:${port}`)).status).toBe(200);
    expect((await viaConnect('host.internal:80')).status).toBe(403);
    expect((await viaConnect(`a.example:${port}`)).status).toBe(502);
  });

  test('a name that changes its meaning: asked once, and gone to where the answer led', async () => {
    const answers = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];
    let asked = 0;
    const rebound = createServer((socket) => socket.end('rebound'));
    await once(rebound.listen(port, '127.0.0.2'), 'listening');
    await open({ allow: [`a.example:${port}`], resolve: async () => [answers[asked++]!] });
    expect((await viaConnect(`a.example:${port}`)).said).toContain('you asked for /x');
    expect(asked).toBe(1);
    // The second answer is not on the internet here.
    expect((await viaConnect(`a.example:${port}`)).status).toBe(403);
    rebound.close();
  });

  test('the next address is taken where one does not answer; a name without any is told', async () => {
    const isPublic = () => true;
    await open({ allow: [`a.example:${port}`], isPublic, resolve: async () => ['127.0.0.9', '127.0.0.1'] });
    expect((await viaConnect(`a.example:${port}`)).status).toBe(200);
    await proxy!.close();
    await open({ allow: [`a.example:${port}`], resolve: () => Promise.reject(new Error('ENOTFOUND')) });
    expect(await viaConnect(`a.example:${port}`)).toMatchObject({
      status: 502,
      said: expect.stringContaining('cannot be resolved'),
    });
  });
});

test('after so many bytes nothing more goes through', async () => {
  let full = 0;
  await open({ allow: [`a.example:${port}`], maxBytes: 50_000, onFull: () => full++ });
  const endless = createServer((socket) => {
    const chunk = Buffer.alloc(10_000);
    const write = () => socket.writable && socket.write(chunk, write);
    socket.on('error', () => {});
    write();
  });
  internet.close();
  await once(internet, 'close');
  await once(endless.listen(port, '127.0.0.1'), 'listening');
  const socket = connect(socketPath);
  socket.write(`CONNECT a.example:${port} HTTP/1.1\r\n\r\n`);
  const got = await buffer(socket).catch(() => Buffer.alloc(0));
  expect(got.length).toBeLessThan(2_000_000);
  expect(full).toBe(1);
  expect((await viaConnect(`a.example:${port}`)).said).toContain('used up');
  endless.close();
});

test('a whole file goes through in both directions, and its end is seen', async () => {
  const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  internet.close();
  await once(internet, 'close');
  await once(echo.listen(port, '127.0.0.1'), 'listening');
  await open({ allow: [`a.example:${port}`] });
  const socket = connect({ path: socketPath, allowHalfOpen: true });
  socket.write(`CONNECT a.example:${port} HTTP/1.1\r\n\r\n`);
  await once(socket, 'data');
  const sent = Buffer.alloc(5_000_000, 'abcdefg');
  const got = buffer(socket);
  socket.end(sent);
  expect((await got).equals(sent)).toBe(true);
  echo.close();
});
