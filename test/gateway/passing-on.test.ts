// The gateway between the agent and the model: real servers on loopback on both sides.
import { rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { createScriptedModel } from '../../testing/model/scripted-model.ts';
import { say } from '../agent/turn-fixture.ts';
import { closing, grantOf, messageBody, openGateway, openTurn, post, serve } from './fixture.ts';

test.each([
  ['a key', { apiKey: 'real' }, { 'x-api-key': 'real', authorization: undefined }],
  ['a bearer token', { authToken: 'real' }, { 'x-api-key': undefined, authorization: 'Bearer real' }],
  ['nothing', {}, { 'x-api-key': undefined, authorization: undefined }],
])('puts %s in place of the turn’s token, however that was shown', async (_name, credential, expected) => {
  const model = closing(await createScriptedModel(() => say('hello')));
  const { url, token } = await openTurn({ upstream: { baseUrl: model.url, ...credential } });
  const shown: Record<string, string>[] = [{ 'x-api-key': token }, { authorization: `Bearer ${token}` }];
  for (const headers of shown) {
    const response = await fetch(`${url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01', ...headers },
      body: messageBody(),
    });
    expect(await response.json()).toMatchObject({ content: [{ type: 'text', text: 'hello' }] });
    const seen = model.requests.at(-1)?.headers;
    expect({ 'x-api-key': seen?.['x-api-key'], authorization: seen?.authorization }).toEqual(expected);
    expect(seen?.['anthropic-version']).toBe('2023-06-01');
    expect(JSON.stringify(seen)).not.toContain(token);
  }
});

test('keeps a path prefix, and of the query what the API knows', async () => {
  let asked = '';
  const upstream = await serve((request, response) => {
    asked = request.url ?? '';
    response.end('{}');
  });
  const turn = await openTurn({ upstream: { baseUrl: `${upstream}/some/prefix/`, apiKey: 'real' } });
  await post(turn, { path: '/v1/messages?beta=true&other=1' });
  expect(asked).toBe('/some/prefix/v1/messages?beta=true');
});

test('passes each piece on as it comes', async () => {
  let next: () => void = () => {};
  const upstream = await serve((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('first');
    next = () => response.end('second');
  });
  const turn = await openTurn({ upstream: { baseUrl: upstream, apiKey: 'real' } });
  const reader = (await post(turn)).body?.getReader();
  const text = async () => new TextDecoder().decode((await reader?.read())?.value);
  // The second piece is sent only once the first has arrived: a gateway that waits would hang here.
  expect(await text()).toBe('first');
  next();
  expect(await text()).toBe('second');
});

test('an answer that comes compressed all the same is opened on its way, and counted', async () => {
  const upstream = await serve((request, response) => {
    expect(request.headers['accept-encoding']).toBe('identity');
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    response.end(gzipSync(JSON.stringify({ type: 'message', usage: { input_tokens: 3, output_tokens: 4 } })));
  });
  const turn = await openTurn({ upstream: { baseUrl: upstream } });
  expect(await (await post(turn)).json()).toMatchObject({ type: 'message' });
  await expect.poll(() => turn.usage()).toMatchObject({ calls: 1, inputTokens: 3, outputTokens: 4 });
});

test('errors of the model come through as they are; no model at all is a 502', async () => {
  const model = closing(
    await createScriptedModel(() => ({ fault: 'status', status: 429, retryAfterSec: 2 })),
  );
  const turn = await openTurn({ upstream: { baseUrl: model.url, apiKey: 'real' } });
  const refused = await post(turn);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '2']);
  expect(turn.failure()).toEqual({ status: 429, retryAfterMs: 2_000, model: 'm' });
  await model.close();
  const gone = await post(turn);
  expect(gone.status).toBe(502);
  expect(JSON.stringify(await gone.json())).not.toContain(String(model.port));
  expect(turn.failure()).toEqual({ status: null, model: 'm' });
});

test.each([
  ['a time that only the queue can wait', { once: false }, 529, 900],
  ['a model that was away before', { once: true }, 503, undefined],
])(
  '%s: the CLI is told not to try again by itself, and the failure is kept',
  async (_, { once }, status, sec) => {
    const fault = { fault: 'status', status, ...(sec === undefined ? {} : { retryAfterSec: sec }) } as const;
    const model = closing(await createScriptedModel(() => fault));
    const turn = await openTurn({ upstream: { baseUrl: model.url, apiKey: 'real' } }, { once });
    const answer = await post(turn);
    expect([answer.status, answer.headers.get('x-should-retry')]).toEqual([503, 'false']);
    const named = sec === undefined ? {} : { retryAfterMs: sec * 1_000 };
    expect(turn.failure()).toEqual({ status, model: 'm', ...named });
    model.respondWith(() => say('back'));
    expect((await post(turn)).status).toBe(200);
    expect(turn.failure()).toBeNull();
  },
);

test('when the agent hangs up, so does the gateway; what came is counted', async () => {
  const ended = Promise.withResolvers<void>();
  const upstream = await serve((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const start = {
      type: 'message_start',
      message: { model: 'm', usage: { input_tokens: 9, output_tokens: 1 } },
    };
    const delta = { type: 'content_block_delta', delta: { type: 'text_delta', text: 'x'.repeat(300) } };
    for (const event of [start, delta]) response.write(`data: ${JSON.stringify(event)}\n\n`);
    response.on('close', () => ended.resolve());
  });
  const turn = await openTurn({ upstream: { baseUrl: upstream, apiKey: 'real' } });
  const response = await post(turn);
  const reader = response.body?.getReader();
  await reader?.read();
  await reader?.cancel();
  await ended.promise;
  await expect.poll(() => turn.usage().calls).toBe(1);
  expect(turn.usage()).toMatchObject({ inputTokens: 9 });
  expect(turn.usage().outputTokens).toBeGreaterThanOrEqual(100);
});

test('the end of a turn ends its calls and its token, and no other turn’s', async () => {
  const model = closing(await createScriptedModel(() => ({ fault: 'hang' })));
  const gateway = await openGateway({ upstream: { baseUrl: model.url, apiKey: 'real' } });
  const [a, b] = [gateway.openTurn(grantOf()), gateway.openTurn(grantOf())];
  expect(a.token).not.toBe(b.token);
  const hanging = post(a);
  await expect.poll(() => model.requests.length).toBe(1);
  await a.close();
  await expect(hanging).rejects.toThrow();
  expect((await post(a)).status).toBe(401);
  model.respondWith(() => say('still here'));
  expect((await post(b)).status).toBe(200);
  await gateway.close();
  await expect(post(b)).rejects.toThrow();
});

test('answers on a unix socket, too', async () => {
  const path = join(tmpdir(), `hs-gateway-${process.pid}.sock`);
  closing({ close: () => rm(path, { force: true }) });
  const model = closing(await createScriptedModel(() => say('over the socket')));
  const turn = await openTurn({ upstream: { baseUrl: model.url }, listen: { unixSocket: path } });
  expect(turn.url).toBe(`unix:${path}`);
  const text = await new Promise<string>((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'x-api-key': turn.token };
    const request = httpRequest(
      { socketPath: path, path: '/v1/messages', method: 'POST', headers },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (piece) => {
          body += piece;
        });
        response.on('end', () => resolve(body));
      },
    );
    request.on('error', reject);
    request.end(messageBody());
  });
  expect(text).toContain('over the socket');
});

test('asks whether a model answers, on nobody’s account', async () => {
  const model = closing(await createScriptedModel(() => say('yes')));
  const gateway = await openGateway({ upstream: { baseUrl: model.url, apiKey: 'real' } });
  expect(await gateway.answers('m')).toBe(true);
  model.respondWith(() => ({ fault: 'status', status: 529 }));
  expect(await gateway.answers('m')).toBe(false);
});
