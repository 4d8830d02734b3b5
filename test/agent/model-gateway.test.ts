// The gateway between the agent and the model: real servers on loopback on both sides.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createModelGateway, type ModelGateway, type ModelUpstream } from '../../src/agent/model-gateway.ts';
import { createScriptedModel } from '../../testing/model/scripted-model.ts';
import { say } from './turn-fixture.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function gateway(upstream: ModelUpstream): Promise<ModelGateway> {
  const made = await createModelGateway({ upstream });
  open.push(made);
  return made;
}

async function serve(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server: Server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const body = JSON.stringify({ model: 'm', max_tokens: 1, messages: [{ role: 'user', content: 'hi' }] });
const post = (url: string, headers: Record<string, string>, path = '/v1/messages') =>
  fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });

test.each([
  ['a key', { apiKey: 'real' }, { 'x-api-key': 'real', authorization: undefined }],
  ['a bearer token', { authToken: 'real' }, { 'x-api-key': undefined, authorization: 'Bearer real' }],
])('puts %s in place of the turn’s token, however that was shown', async (_name, credential, expected) => {
  const model = await createScriptedModel(() => say('hello'));
  open.push(model);
  const { url, token } = await gateway({ baseUrl: model.url, ...credential });
  const shown: Record<string, string>[] = [{ 'x-api-key': token }, { authorization: `Bearer ${token}` }];
  for (const headers of shown) {
    const response = await post(url, { ...headers, 'anthropic-version': '2023-06-01' });
    expect(await response.json()).toMatchObject({ content: [{ type: 'text', text: 'hello' }] });
    const seen = model.requests.at(-1)?.headers;
    expect({ 'x-api-key': seen?.['x-api-key'], authorization: seen?.authorization }).toEqual(expected);
    expect(seen?.['anthropic-version']).toBe('2023-06-01');
    expect(JSON.stringify(seen)).not.toContain(token);
  }
});

test('keeps a path prefix and the query', async () => {
  let asked = '';
  const upstream = await serve((request, response) => {
    asked = request.url ?? '';
    response.end('{}');
  });
  const { url, token } = await gateway({ baseUrl: `${upstream}/some/prefix/`, apiKey: 'real' });
  await post(url, { 'x-api-key': token }, '/v1/messages?beta=true');
  expect(asked).toBe('/some/prefix/v1/messages?beta=true');
});

test.each([
  ['no token', {}, '/v1/messages', 401],
  ['a wrong token', { 'x-api-key': 'turn-wrong' }, '/v1/messages', 401],
  ['the real key', { 'x-api-key': 'real' }, '/v1/messages', 401],
  ['another path', null, '/v1/files', 404],
  ['a path that climbs', null, '/v1/messages/../files', 404],
  ['a path that climbs in disguise', null, '/v1/messages/%2e%2e/files', 404],
])('%s does not get through', async (_name, headers, path, status) => {
  let reached = false;
  const upstream = await serve((_request, response) => {
    reached = true;
    response.end('{}');
  });
  const { url, token } = await gateway({ baseUrl: upstream, apiKey: 'real' });
  const response = await post(url, headers ?? { 'x-api-key': token }, path);
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({ type: 'error' });
  expect(reached).toBe(false);
});

test('passes each piece on as it comes', async () => {
  let next: () => void = () => {};
  const upstream = await serve((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('first');
    next = () => response.end('second');
  });
  const { url, token } = await gateway({ baseUrl: upstream, apiKey: 'real' });
  const reader = (await post(url, { 'x-api-key': token })).body?.getReader();
  const text = async () => new TextDecoder().decode((await reader?.read())?.value);
  // The second piece is sent only once the first has arrived: a gateway that waits would hang here.
  expect(await text()).toBe('first');
  next();
  expect(await text()).toBe('second');
});

test('errors of the model come through as they are; no model at all is a 502', async () => {
  const model = await createScriptedModel(() => ({ fault: 'status', status: 429, retryAfterSec: 2 }));
  open.push(model);
  const first = await gateway({ baseUrl: model.url, apiKey: 'real' });
  const refused = await post(first.url, { 'x-api-key': first.token });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '2']);
  expect(first.failure()).toEqual({ status: 429, retryAfterMs: 2_000, model: 'm' });
  await model.close();
  const gone = await post(first.url, { 'x-api-key': first.token });
  expect(gone.status).toBe(502);
  expect(JSON.stringify(await gone.json())).not.toContain(String(model.port));
});

test.each([
  ['a time that only the queue can wait', { once: false }, 529, 900],
  ['a model that was away before', { once: true }, 503, undefined],
])(
  '%s: the CLI is told not to try again by itself, and the failure is kept',
  async (_, { once }, status, sec) => {
    const fault = { fault: 'status', status, ...(sec === undefined ? {} : { retryAfterSec: sec }) } as const;
    const model = await createScriptedModel(() => fault);
    open.push(model);
    const upstream = { baseUrl: model.url, apiKey: 'real' };
    const made = await createModelGateway({ upstream, once });
    open.push(made);
    const answer = await post(made.url, { 'x-api-key': made.token });
    expect([answer.status, answer.headers.get('x-should-retry')]).toEqual([503, 'false']);
    expect(made.failure()).toEqual({
      status,
      model: 'm',
      ...(sec === undefined ? {} : { retryAfterMs: sec * 1_000 }),
    });
    model.respondWith(() => say('back'));
    expect((await post(made.url, { 'x-api-key': made.token })).status).toBe(200);
    expect(made.failure()).toBeNull();
  },
);

test('when the agent hangs up, so does the gateway', async () => {
  const ended = Promise.withResolvers<void>();
  const upstream = await serve((_request, response) => {
    response.writeHead(200);
    response.write('first');
    response.on('close', () => ended.resolve());
  });
  const { url, token } = await gateway({ baseUrl: upstream, apiKey: 'real' });
  const response = await post(url, { 'x-api-key': token });
  await response.body?.cancel();
  await ended.promise;
});

test('after close the token is worth nothing, and two turns have two', async () => {
  const a = await gateway({ baseUrl: 'http://127.0.0.1:9', apiKey: 'real' });
  const b = await gateway({ baseUrl: 'http://127.0.0.1:9', apiKey: 'real' });
  expect(a.token).not.toBe(b.token);
  expect((await post(b.url, { 'x-api-key': a.token })).status).toBe(401);
  await a.close();
  await expect(post(a.url, { 'x-api-key': a.token })).rejects.toThrow();
});
