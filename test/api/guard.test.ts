// Who may call the API: keys, hosts, origins, methods.
import { expect, test } from 'vitest';
import { createApiFixture } from './fixture.ts';

const open = (app: Parameters<typeof createApiFixture>[0] = {}) =>
  createApiFixture({ worker: false, ...app });
const KEY = 'a-key-of-at-least-16';

test('with keys every /v1 route wants one of them, compared whole', async () => {
  const fixture = open({ app: { apiKeys: ['another-key-of-theirs', KEY], knownHosts: null } });
  for (const authorization of ['', 'Bearer', `Bearer ${KEY}x`, `Bearer ${KEY.slice(1)}`, `Basic ${KEY}`]) {
    const headers: Record<string, string> = authorization ? { authorization } : {};
    const response = await fixture.call('GET', '/v1/info', undefined, headers);
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="hybrid-sessions"',
    ]);
  }
  expect((await fixture.call('GET', '/v1/info', undefined, { authorization: `Bearer ${KEY}` })).status).toBe(
    200,
  );
  expect((await fixture.call('POST', '/v1/chats/c/messages', { text: 'x' })).status).toBe(401);
  expect((await fixture.call('GET', '/healthz')).status).toBe(200);
});

test('the metrics want the key, too; health does not, and stays 200 while something is away', async () => {
  const metrics = { contentType: 'text/plain; version=0.0.4', text: async () => 'turns 1\n' };
  const waiting = () => [{ waitingFor: 'model', sinceMs: 0, nextTryAtMs: 60_000 } as const];
  const fixture = open({ app: { apiKeys: [KEY], knownHosts: null, metrics, waiting } });
  expect((await fixture.call('GET', '/metrics')).status).toBe(401);
  const answer = await fixture.call('GET', '/metrics', undefined, { authorization: `Bearer ${KEY}` });
  expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([
    200,
    metrics.contentType,
    'turns 1\n',
  ]);
  const health = await fixture.call('GET', '/healthz');
  expect([health.status, await health.json()]).toEqual([
    200,
    {
      status: 'degraded',
      reason: 'Turns wait for the model. Their messages are kept.',
      waiting: [{ for: 'model', since: '1970-01-01T00:00:00.000Z', next_try_at: '1970-01-01T00:01:00.000Z' }],
    },
  ]);
  expect((await open().call('GET', '/metrics')).status).toBe(404);
});

test.each([
  ['POST', '/v1/chats/c/messages', { origin: 'https://elsewhere.example' }],
  ['POST', '/v1/chats/c/new', { origin: 'null' }],
  ['POST', '/v1/chats/c/new', { origin: 'http://localhost:1' }],
  ['DELETE', '/v1/chats/c', { 'sec-fetch-site': 'cross-site' }],
] as const)('a foreign page cannot %s %s', async (method, path, headers) => {
  const response = await open().call(method, path, method === 'POST' ? {} : undefined, headers);
  expect([response.status, (await response.json()).code]).toEqual([403, 'foreign-origin']);
});

test('the own page may', async () => {
  const headers = { origin: 'http://localhost:8787', host: 'localhost:8787', prefer: 'respond-async' };
  expect((await open().call('POST', '/v1/chats/c/messages', { text: 'x' }, headers)).status).toBe(202);
});

test.each(['evil.example', 'evil.example:8787', 'localhost.evil.example', '127.0.0.1.evil.example'])(
  'a name that points at this machine is no way in: %s',
  async (host) => {
    for (const path of ['/v1/info', '/healthz', '/']) {
      expect((await open().call('GET', path, undefined, { host })).status).toBe(403);
    }
  },
);

test.each(['localhost', 'LOCALHOST:8787', '127.0.0.1:1', '[::1]:8787'])(
  'loopback names are: %s',
  async (host) => {
    expect((await open().call('GET', '/v1/info', undefined, { host })).status).toBe(200);
  },
);

test.each([
  ['PUT', '/v1/chats/c', 'GET, HEAD, DELETE'],
  ['GET', '/v1/chats/c/messages', 'POST'],
  ['POST', '/v1/info', 'GET, HEAD'],
  ['OPTIONS', '/v1/chats', 'GET, HEAD'],
] as const)('%s %s is 405 with Allow', async (method, path, allow) => {
  const response = await open().call(method, path);
  expect([response.status, response.headers.get('allow')]).toEqual([405, allow]);
});

test('an unknown address is a 404 problem, and no answer is cached or sniffed', async () => {
  const response = await open().call('GET', '/v1/nothing');
  expect(response.status).toBe(404);
  expect((await response.json()).code).toBe('no-route');
  const info = await open().call('GET', '/v1/info');
  expect([info.headers.get('cache-control'), info.headers.get('x-content-type-options')]).toEqual([
    'no-store',
    'nosniff',
  ]);
});
