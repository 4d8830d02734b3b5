// What an agent's shell may try with the turn's token, or without. Nothing of it reaches the model's server.
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { GatewayTurn, ModelGateway } from '../../src/gateway/model-gateway.ts';
import { readRequestBody } from '../../src/gateway/request-body.ts';
import { grantOf, messageBody, openGateway, post, serve } from './fixture.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}

let seen: Seen[];
let gateway: ModelGateway;
let turn: GatewayTurn;

beforeEach(async () => {
  seen = [];
  const upstream = await serve(async (request, response) => {
    const { method = '', url = '', headers } = request;
    seen.push({ method, url, headers, body: await text(request) });
    response.writeHead(200, { 'content-type': 'application/json', 'set-cookie': 'a=b' });
    response.end('{}');
  });
  gateway = await openGateway({ upstream: { baseUrl: upstream, apiKey: 'real' }, maxBodyBytes: 10_000 });
  turn = gateway.openTurn(grantOf({ models: ['claude-sonnet-5', 'haiku'] }));
});

/** Sends bytes as they are: a client library would mend half of these. */
function raw(lines: readonly string[], body = ''): Promise<string> {
  const port = Number(new URL(turn.url).port);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`));
    socket.setEncoding('utf8');
    socket.on('data', (piece) => {
      answer += piece;
      // Whatever hides behind the first request would be answered at once, too.
      setTimeout(() => socket.destroy(), 30);
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

const good = messageBody({ model: 'claude-sonnet-5' });
const key = () => `x-api-key: ${turn.token}`;
const plain = (): string[] => ['host: gateway', key(), 'connection: close', `content-length: ${good.length}`];

test('what these cases change is all that is wrong with them', async () => {
  expect(await raw(['POST /v1/messages HTTP/1.1', ...plain()], good)).toMatch(/^HTTP\/1.1 200 /);
  expect(seen).toMatchObject([{ method: 'POST', url: '/v1/messages' }]);
});

describe('paths and methods', () => {
  const other = [
    'GET /v1/messages',
    'DELETE /v1/messages',
    'POST /v1/models',
    'POST /v1/files',
    'POST /v1/messages/batches',
    'GET /v1/organizations/me',
    'GET /v1/models/../files',
    'GET /v1/models/%2e%2e/files',
    'GET /v1/models/..%2ffiles',
    'POST /v1/messages/../files',
    'POST /v1/messages%2f..%2ffiles',
    'POST /v1/messages;x=/../files',
    'POST /v1/messages\\..\\files',
    'POST //v1/messages',
    'POST //evil.example/v1/messages',
    'POST http://evil.example/v1/messages',
    'POST /V1/MESSAGES',
    'POST /v1/messages/count_tokens/x',
    'POST /model/claude-sonnet-5/invoke',
    'OPTIONS *',
    'TRACE /v1/messages',
  ];
  test.each(other)('%s', async (line) => {
    expect(await raw([`${line} HTTP/1.1`, ...plain()], good)).toMatch(/^HTTP\/1.1 40[0-9] /);
    expect(seen).toEqual([]);
  });

  test('a tunnel', async () => {
    expect(await raw(['CONNECT evil.example:443 HTTP/1.1', 'host: evil.example', key()])).not.toMatch(
      / 200 /,
    );
    expect(seen).toEqual([]);
  });
});

describe('tokens', () => {
  const tokens: readonly [string, () => readonly string[]][] = [
    ['none', () => []],
    ['an empty one', () => ['x-api-key: ']],
    ['the real key', () => ['x-api-key: real']],
    ['one of another form', () => ['x-api-key: turn-wrong']],
    ['one with its last letter cut', () => [`x-api-key: ${turn.token.slice(0, -1)}`]],
    ['one with a letter more', () => [`x-api-key: ${turn.token}x`]],
    ['only its name', () => [`x-api-key: ${turn.token.split('.')[0]}`]],
    ['two at once', () => [key(), key()]],
    [
      'a wrong one before the right one',
      () => ['x-api-key: turn-wrong', `authorization: Bearer ${turn.token}`],
    ],
    ['the right one in a cookie', () => [`cookie: x-api-key=${turn.token}`]],
    ['the right one for another scheme', () => [`authorization: Basic ${turn.token}`]],
  ];
  test.each(tokens)('%s', async (_name, headers) => {
    const rest = ['host: gateway', 'connection: close', `content-length: ${good.length}`];
    const answer = await raw(['POST /v1/messages HTTP/1.1', ...headers(), ...rest], good);
    expect(answer).toMatch(/^HTTP\/1.1 401 /);
    expect(answer).not.toContain('real');
    expect(seen).toEqual([]);
  });

  test('one of a turn that has ended, while others go on', async () => {
    const other = gateway.openTurn(grantOf({ models: ['claude-sonnet-5'] }));
    await turn.close();
    expect((await post(turn, { body: good })).status).toBe(401);
    expect((await post(other, { body: good })).status).toBe(200);
  });
});

describe('bodies', () => {
  const bodies: readonly [string, string, number][] = [
    ['another model', messageBody({ model: 'claude-most-expensive' }), 404],
    ['a model of an allowed name with more behind it', messageBody({ model: 'claude-sonnet-5-pro' }), 404],
    ['a model whose name holds an allowed one', messageBody({ model: 'x-claude-sonnet-5' }), 404],
    ['no model', messageBody({ model: undefined }), 400],
    ['a list of models', messageBody({ model: ['claude-sonnet-5'] }), 400],
    ['a second model in capitals', messageBody({ model: 'claude-sonnet-5', Model: 'claude-opus-5' }), 400],
    [
      'a second model in wide letters',
      messageBody({ model: 'claude-sonnet-5', ｍodel: 'claude-opus-5' }),
      400,
    ],
    ['a field named twice', '{"model":"claude-opus-5","messages":[],"model":"claude-sonnet-5"}', 400],
    ['an escape in the second name', '{"model":"claude-sonnet-5","mod\\u0065l":"claude-opus-5"}', 400],
    ['no JSON', 'model=claude-sonnet-5', 400],
    ['a JSON list', '[]', 400],
    ['nothing', '', 400],
    ['more than the limit', messageBody({ model: 'claude-sonnet-5', system: 'x'.repeat(10_000) }), 413],
  ];
  test.each(bodies)('%s', async (_name, body, status) => {
    expect((await post(turn, { body })).status).toBe(status);
    expect(seen).toEqual([]);
  });

  test('a body of unsaid length over the limit is not read to its end', async () => {
    const chunk = `3e8\r\n${'x'.repeat(1_000)}\r\n`;
    const head = ['POST /v1/messages HTTP/1.1', 'host: gateway', key(), 'transfer-encoding: chunked'];
    const answer = await raw(head, chunk.repeat(40));
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(seen).toEqual([]);
  });

  test('bytes that are no text', async () => {
    const odd = Buffer.concat([
      Buffer.from(good.slice(0, -1)),
      Buffer.from(',"x":"'),
      Buffer.from([0xc1, 0xad, 0x22, 0x7d]),
    ]);
    const answer = await fetch(`${turn.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': turn.token },
      body: odd,
    });
    expect(answer.status).toBe(400);
    expect(seen).toEqual([]);
  });

  test('whatever else is in it, a body goes on byte for byte, and is refused with any of its fields once more', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.nat(),
        fc.boolean(),
        (fields, pick, pretty) => {
          const all = { ...fields, model: 'claude-sonnet-5', max_tokens: 5 };
          const body = JSON.stringify(all, null, pretty ? 2 : 0);
          const route = { kind: 'message', path: '/' } as const;
          const names = Object.keys(all);
          const isOdd = names.some(
            (name) => /^(MODEL|STREAM|SPEED)$/i.test(name) && name !== name.toLowerCase(),
          );
          fc.pre(!isOdd);
          expect(readRequestBody(route, Buffer.from(body))).toMatchObject({
            model: 'claude-sonnet-5',
            maxTokens: 5,
          });
          const again = JSON.stringify(names[pick % names.length]);
          const twice = `${body.slice(0, -1)},${again}:{"x":[1,{"model":"\\"y"}]}}`;
          expect(readRequestBody(route, Buffer.from(twice))).toHaveProperty('wrong');
        },
      ),
    );
  });

  test('a count of tokens for another model', async () => {
    const body = messageBody({ model: 'claude-opus-5' });
    expect((await post(turn, { path: '/v1/messages/count_tokens', body })).status).toBe(404);
    expect(seen).toEqual([]);
  });
});

describe('headers', () => {
  const dropped = {
    'anthropic-workspace-id': 'wrkspc_other',
    'anthropic-organization-id': 'org',
    'x-amz-security-token': 'token',
    'x-amzn-bedrock-guardrailidentifier': 'none',
    'x-forwarded-host': 'evil.example',
    'x-goog-api-key': 'k',
    cookie: 'session=1',
    forwarded: 'for=1',
    'proxy-authorization': 'Basic x',
    'x-http-method-override': 'DELETE',
  };
  test('only what the API needs goes on', async () => {
    const kept = { 'anthropic-beta': 'b', 'anthropic-version': '2023-06-01', 'x-stainless-lang': 'js' };
    const answer = await post(turn, { body: good, headers: { ...dropped, ...kept } });
    expect(answer.headers.get('set-cookie')).toBeNull();
    const { headers } = seen[0]!;
    for (const name of Object.keys(dropped)) expect(headers, name).not.toHaveProperty(name);
    expect(headers).toMatchObject({ ...kept, 'x-api-key': 'real' });
    expect(headers.host).not.toBe('gateway');
  });

  test.each([
    ['two lengths', ['content-length: 5', `content-length: ${good.length}`]],
    ['a length and chunks', [`content-length: ${good.length}`, 'transfer-encoding: chunked']],
    ['chunks in disguise', ['transfer-encoding: xchunked']],
    ['a header on two lines', ['x-a: b', ' x-api-key: y']],
    ['a header without an end', ['x-a : b']],
  ])('a second request hidden behind %s', async (_name, lines) => {
    const inner = `POST /v1/messages HTTP/1.1\r\nhost: gateway\r\ncontent-length: 0\r\n\r\n`;
    const head = ['POST /v1/messages HTTP/1.1', 'host: gateway', key(), ...lines];
    expect(await raw(head, good + inner)).toMatch(/^HTTP\/1.1 400 /);
    expect(seen).toEqual([]);
  });
});

test('a turn holds no more of the gateway than its share', async () => {
  let reached = 0;
  const waiting = await serve(() => {
    reached += 1;
  });
  const busy = await openGateway({ upstream: { baseUrl: waiting, apiKey: 'real' } });
  const [greedy, modest] = [busy.openTurn(grantOf()), busy.openTurn(grantOf())];
  const statuses: number[] = [];
  const asking = (turn: GatewayTurn) =>
    post(turn).then(
      ({ status }) => void statuses.push(status),
      () => {},
    );
  const many = Array.from({ length: 40 }, () => asking(greedy));
  await expect.poll(() => statuses).toEqual(Array.from({ length: 8 }, () => 429));
  const other = asking(modest);
  await expect.poll(() => reached).toBe(33);
  await Promise.all([greedy.close(), modest.close()]);
  await Promise.all([...many, other]);
  expect(statuses).toHaveLength(8);
});
