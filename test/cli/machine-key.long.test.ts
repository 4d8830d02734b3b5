// The key on the command line: a server of this machine takes the data folder's, which commands read by themselves and a
// person gets with the page's address; no other server is ever shown it.
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readAddress, shownAddress } from '../../src/cli/page-address.ts';
import { openAccessKey } from '../../src/local/access-key.ts';
import { openDataFolder } from '../../src/local/data-folder.ts';
import { addressOf } from '../waiting.ts';
import { emptyFolder, run, start } from './fixture.ts';

const KEY = 'k'.repeat(43);

test('only a terminal is shown the key: what goes elsewhere ends in logs', () => {
  const server = { url: 'http://127.0.0.1:1', host: '127.0.0.1', key: KEY, interactive: true };
  expect(shownAddress(server).url).toBe(`http://127.0.0.1:1/#key=${KEY}`);
  for (const other of [
    { ...server, interactive: false },
    { ...server, url: 'http://0.0.0.0:1', host: '0.0.0.0' },
  ]) {
    expect(JSON.stringify(shownAddress(other))).not.toContain(KEY);
  }
});

test.each([
  ['http://127.0.0.1:8787', 'http://127.0.0.1:8787/', null],
  [`http://127.0.0.1:8787/#key=${KEY}`, 'http://127.0.0.1:8787/', KEY],
  ['https://agent.example/#/c/web-1', 'https://agent.example/', null],
])('an address is read: %s', (text, url, key) => {
  expect(readAddress(text)).toEqual({ url, key });
});

test('start, piped, prints no key; the address command does; chat --url needs none, and is refused elsewhere', async () => {
  const cwd = await emptyFolder();
  const server = start(['start', '--port', '0', '--workers', '1'], { cwd });
  let said = '';
  for (const stream of [server.stdout, server.stderr]) {
    stream.on('data', (piece) => {
      said += piece;
    });
  }
  try {
    const url = await addressOf(server);
    const { port } = new URL(url);
    const shown = await run(['address', '--port', port], { cwd });
    expect(shown.code, shown.err).toBe(0);
    const { key } = readAddress(shown.out.trim());
    expect(key).toMatch(/^[\w-]{43}$/);
    expect(said).toContain('hybrid-sessions address');
    expect(said).not.toContain(key);
    const say = (args: string[], where = cwd, env: Record<string, string> = {}) =>
      run(['chat', '--once', 'hello', '--json', ...args], { cwd: where, env });
    const other = await emptyFolder();
    const own = await say(['--url', url]);
    expect([own.code, own.err]).toEqual([0, '']);
    expect((await say(['--url', shown.out.trim()], other)).code).toBe(0);
    expect((await say(['--url', url, '--data', join(cwd, '.hybrid-sessions')], other)).code).toBe(0);
    expect((await say(['--url', url, '--key', key ?? ''], other)).code).toBe(0);
    for (const refused of [await say(['--url', url], other), await say(['--url', url, '--key', KEY])]) {
      expect([refused.code, refused.out]).toEqual([3, '']);
      expect(refused.err).toMatch(/^error: [^\n]*--key or HYBRID_SESSIONS_API_KEY[^\n]*--data\.\n$/);
    }
    const doctor = JSON.parse(
      (await run(['doctor', '--json', '--data', '.hybrid-sessions'], { cwd, env: { PORT: port } })).out,
    );
    const found = (name: string) =>
      doctor.findings.find((finding: { name: string }) => finding.name === name);
    expect(found('port')).toMatchObject({
      status: 'ok',
      found: expect.stringContaining('server answers at'),
    });
    expect(found('access')).toMatchObject({ status: 'ok', found: expect.stringContaining('access-key') });
  } finally {
    const ended = new Promise((done) => server.once('close', done));
    server.kill('SIGTERM');
    await ended;
  }
});

test('another machine is never shown the key', async () => {
  const cwd = await emptyFolder();
  const { path } = await openDataFolder(join(cwd, '.hybrid-sessions'));
  const key = await openAccessKey(path);
  const seen: string[] = [];
  const stranger = createServer((request, response) => {
    seen.push(JSON.stringify(request.rawHeaders));
    response
      .writeHead(401, { 'content-type': 'application/problem+json' })
      .end('{"detail":"A key is needed."}');
  });
  await new Promise<void>((resolve) => stranger.listen(0, resolve));
  const { port } = stranger.address() as AddressInfo;
  const outside = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
  try {
    const ask = (host: string) => run(['chat', '--once', 'x', '--url', `http://${host}:${port}`], { cwd });
    await ask('127.0.0.1');
    expect(seen.splice(0).join()).toContain(key);
    if (outside === undefined) return;
    expect((await ask(outside)).code).toBe(3);
    expect(seen).toHaveLength(1);
    expect(seen.join()).not.toContain(key);
  } finally {
    await new Promise((resolve) => stranger.close(resolve));
  }
});

test.each([
  ['start', ['start', '--port', '0']],
  ['chat', ['chat', '--once', 'x']],
  ['address', ['address']],
])('%s says what is wrong with a damaged key file, in one line', async (_name, args) => {
  const cwd = await emptyFolder();
  const { path } = await openDataFolder(join(cwd, '.hybrid-sessions'));
  await writeFile(join(path, 'access-key'), 'oops', { mode: 0o600 });
  const { code, out, err } = await run(args, { cwd });
  expect([code, out]).toEqual([3, '']);
  expect(err).toMatch(/^error: The key file [^\n]*access-key holds no key\. Delete it: [^\n]*\n$/);
  const doctor = await run(['doctor', '--json'], { cwd, env: { PORT: '0' } });
  expect(JSON.parse(doctor.out).findings).toContainEqual(
    expect.objectContaining({ name: 'access', status: 'fail', mend: expect.stringContaining('Delete it') }),
  );
});

test('address says so where nothing was started, and where the port is not known', async () => {
  const cwd = await emptyFolder();
  const none = await run(['address'], { cwd });
  expect([none.code, none.err]).toEqual([4, expect.stringContaining('hybrid-sessions start')]);
  const { path } = await openDataFolder(join(cwd, '.hybrid-sessions'));
  await openAccessKey(path);
  const unknown = await run(['address'], { cwd, env: { PORT: '0' } });
  expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining('--port')]);
});

test.each([
  [
    'a server of ours that waits',
    {
      status: 'degraded',
      reason: 'Turns wait for the model. Their messages are kept.',
      waiting: [{ for: 'model', since: '2026-01-01T00:00:00.000Z', next_try_at: '2026-01-01T00:10:00.000Z' }],
    },
    ['Turns wait for the model', '2026-01-01T00:00:00.000Z'],
    ['by itself at 2026-01-01T00:10:00.000Z'],
  ],
  ['a stranger', { hello: 'there' }, ['in use, and not by a hybrid-sessions server'], ['PORT']],
])('doctor says what it finds at a port in use: %s', async (_name, health, found, mend) => {
  const cwd = await emptyFolder();
  const server = createServer((_request, response) => response.end(JSON.stringify(health)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    const { out } = await run(['doctor', '--json'], { cwd, env: { PORT: String(port) } });
    const finding = JSON.parse(out).findings.find(({ name }: { name: string }) => name === 'port');
    expect(finding.status).toBe('warn');
    for (const word of found) expect(finding.found).toContain(word);
    for (const word of mend) expect(finding.mend).toContain(word);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});
