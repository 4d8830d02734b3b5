// The ways to a model that want more than a key: signatures are judged by an independent check of the whole request.
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { signatureFault } from '../../testing/aws/verify-signature.ts';
import { createBedrockServer } from '../../testing/model/bedrock-server.ts';
import { createScriptedModel } from '../../testing/model/scripted-model.ts';
import { createFixture, say } from '../agent/turn-fixture.ts';
import { closing, openGateway, openTurn, post, serve } from './fixture.ts';

const key = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const temporary = { ...key, sessionToken: 'a+session/token==' };
const REGION = 'eu-west-1';
const HAIKU = 'eu.anthropic.claude-haiku-4-5-20251001-v1:0';
const ARN = `arn:aws:bedrock:${REGION}:123456789012:application-inference-profile/abc123`;
const usage = { inputTokens: 11, outputTokens: 5, cacheReadTokens: 7, cacheWriteTokens: 3 };
const bedrockBody = JSON.stringify({
  anthropic_version: 'bedrock-2023-05-31',
  max_tokens: 10,
  messages: [{ role: 'user', content: 'grüß dich' }],
});

test('the check itself holds the example that AWS publishes, and notices a change of anything', () => {
  const request = {
    method: 'GET',
    target: '/?Action=ListUsers&Version=2010-05-08',
    headers: {
      host: 'iam.amazonaws.com',
      'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
      'x-amz-date': '20150830T123600Z',
      authorization:
        'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
    },
    body: Buffer.alloc(0),
  };
  const where = { region: 'us-east-1', service: 'iam', nowMs: Date.UTC(2015, 7, 30, 12, 36) };
  expect(signatureFault(request, key, where)).toBeNull();
  const changed = [
    { ...request, method: 'POST' },
    { ...request, target: '/?Action=ListUsers&Version=2010-05-09' },
    { ...request, body: Buffer.from('x') },
    { ...request, headers: { ...request.headers, host: 'evil.example' } },
  ];
  for (const other of changed) expect(signatureFault(other, key, where)).not.toBeNull();
  expect(signatureFault(request, key, { ...where, nowMs: where.nowMs + 600_000 })).toBe('too old');
});

describe('Bedrock', () => {
  async function bedrock(right: Parameters<typeof createBedrockServer>[0]['right']) {
    const model = closing(await createScriptedModel(() => ({ ...say('from Bedrock'), usage })));
    const server = await createBedrockServer({ modelUrl: model.url, region: REGION, right });
    return closing({ ...server, model });
  }

  test.each([
    ['a lasting key', key],
    ['a temporary key', temporary],
  ])('signs with %s, whatever the model’s name holds, and counts', async (_name, credentials) => {
    const server = await bedrock({ key: credentials });
    const upstream = {
      kind: 'bedrock',
      region: REGION,
      baseUrl: server.url,
      credentials: async () => credentials,
    } as const;
    const turn = await openTurn({ upstream }, { models: ['haiku', ARN] });
    for (const [id, action] of [
      [HAIKU, 'invoke'],
      [HAIKU, 'invoke-with-response-stream'],
      [ARN, 'invoke-with-response-stream'],
    ] as const) {
      const path = `/model/${encodeURIComponent(id)}/${action}`;
      const answer = await post(turn, { path, body: bedrockBody });
      expect([answer.status, server.faults]).toEqual([200, []]);
      expect((await answer.arrayBuffer()).byteLength).toBeGreaterThan(100);
      expect(server.requests.at(-1)).toMatchObject({ model: id, action });
    }
    await expect
      .poll(() => turn.usage())
      .toMatchObject({
        calls: 3,
        inputTokens: 33,
        outputTokens: 15,
        cacheReadTokens: 21,
        cacheWriteTokens: 9,
      });
    expect(turn.usage().costNanoUsd).toBeGreaterThan(0);
  });

  test('sends the bearer token of a Bedrock key; and nothing where the other side signs', async () => {
    const server = await bedrock({ bearerToken: 'bedrock-key' });
    const upstream = { kind: 'bedrock', region: REGION, baseUrl: server.url } as const;
    const path = `/model/${encodeURIComponent(HAIKU)}/invoke`;
    const withToken = await openTurn(
      { upstream: { ...upstream, bearerToken: 'bedrock-key' } },
      { models: ['haiku'] },
    );
    expect((await post(withToken, { path, body: bedrockBody })).status).toBe(200);
    const without = await openTurn({ upstream }, { models: ['haiku'] });
    expect((await post(without, { path, body: bedrockBody })).status).toBe(403);
  });

  test.each([
    ['another model', `/model/${encodeURIComponent('eu.anthropic.claude-opus-5')}/invoke`, 404],
    ['a model in the body', `/model/${encodeURIComponent(HAIKU)}/invoke`, 400],
    ['another action', `/model/${encodeURIComponent(HAIKU)}/converse`, 404],
    ['a path that climbs', `/model/${encodeURIComponent('../../guardrails')}/invoke`, 404],
    ['a path of the Messages API', '/v1/messages', 404],
    ['a broken escape', '/model/%zz/invoke', 404],
  ])('%s does not get through', async (name, path, status) => {
    const server = await bedrock({ key });
    const upstream = {
      kind: 'bedrock',
      region: REGION,
      baseUrl: server.url,
      credentials: async () => key,
    } as const;
    const turn = await openTurn({ upstream }, { models: ['haiku'] });
    const body = name === 'a model in the body' ? JSON.stringify({ model: 'x', messages: [] }) : bedrockBody;
    expect((await post(turn, { path, body })).status).toBe(status);
    expect([server.requests, server.faults]).toEqual([[], []]);
  });

  test('no credentials to be had is told as a model that cannot be reached', async () => {
    const credentials = async (): Promise<never> => {
      throw new Error('The role cannot be assumed: secret-detail.');
    };
    const upstream = { kind: 'bedrock', region: REGION, baseUrl: 'http://127.0.0.1:9', credentials } as const;
    const turn = await openTurn({ upstream }, { models: ['haiku'] });
    const answer = await post(turn, {
      path: `/model/${encodeURIComponent(HAIKU)}/invoke`,
      body: bedrockBody,
    });
    expect(answer.status).toBe(502);
    expect(await answer.text()).not.toContain('secret-detail');
  });

  test('asks whether a model answers', async () => {
    const server = await bedrock({ key });
    const gateway = await openGateway({
      upstream: { kind: 'bedrock', region: REGION, baseUrl: server.url, credentials: async () => key },
    });
    expect(await gateway.answers(ARN)).toBe(true);
    expect(server.requests[0]?.body).toMatchObject({ max_tokens: 1 });
  });

  test('the CLI speaks Bedrock to the gateway, holds no AWS credential, and its turn is counted', async () => {
    const server = await bedrock({ key: temporary });
    const fixture = closing(
      await createFixture({
        model: {
          demo: false,
          model: HAIKU,
          bedrock: {
            CLAUDE_CODE_USE_BEDROCK: '1',
            AWS_REGION: REGION,
            ANTHROPIC_BEDROCK_BASE_URL: server.url,
            AWS_ACCESS_KEY_ID: temporary.accessKeyId,
            AWS_SECRET_ACCESS_KEY: temporary.secretAccessKey,
            AWS_SESSION_TOKEN: temporary.sessionToken,
          },
        },
      }),
    );
    const outcome = await fixture.turn('hello');
    expect(server.faults).toEqual([]);
    const inputTokens = 11 * server.requests.length;
    expect(outcome).toMatchObject({ status: 'ok', text: 'from Bedrock', usage: { inputTokens } });
    expect(server.requests.map(({ action }) => action)).toContain('invoke-with-response-stream');
    server.model.respondWith(({ messages }) =>
      messages.some(({ toolResults }) => toolResults.length > 0)
        ? say(messages.flatMap(({ toolResults }) => toolResults.map((result) => result.text)).join('\n'))
        : {
            blocks: [
              {
                type: 'tool_use',
                name: 'Bash',
                input: { command: 'tr "\\0" "\\n" < /proc/$PPID/environ; env', description: 'looks' },
              },
            ],
          },
    );
    const looked = await fixture.turn('what do you hold?');
    expect(looked.text).toContain('AWS_REGION');
    expect(JSON.stringify(looked)).not.toMatch(/AKIDEXAMPLE|wJalrXUtnFEMI|a\+session/);
  });
});

describe('Claude Platform on AWS', () => {
  test('signs the request with its workspace, which is not the agent’s to choose', async () => {
    let seen: Parameters<typeof signatureFault>[0] | null = null;
    const url = await serve(async (request, response) => {
      const { method = '', url: target = '', headers } = request;
      seen = { method, target, headers, body: Buffer.from(await text(request)) };
      response.end('{}');
    });
    const upstream = {
      kind: 'claude-platform',
      region: 'us-west-2',
      workspaceId: 'wrkspc_1',
      baseUrl: url,
      credentials: async () => temporary,
    } as const;
    const turn = await openTurn({ upstream });
    const headers = { 'anthropic-workspace-id': 'wrkspc_other', 'anthropic-version': '2023-06-01' };
    await post(turn, { path: '/v1/messages?beta=true', headers });
    const where = { region: 'us-west-2', service: 'aws-external-anthropic', nowMs: Date.now() };
    expect(signatureFault(seen!, temporary, where)).toBeNull();
    expect(seen!.headers['anthropic-workspace-id']).toBe('wrkspc_1');
    expect(seen!.headers.authorization).toContain('anthropic-workspace-id');
  });

  test('or shows the workspace’s key', async () => {
    let headers: Record<string, unknown> = {};
    const url = await serve((request, response) => {
      headers = request.headers;
      response.end('{}');
    });
    const upstream = {
      kind: 'claude-platform',
      region: 'us-west-2',
      workspaceId: 'wrkspc_1',
      baseUrl: url,
      apiKey: 'k',
    } as const;
    await post(await openTurn({ upstream }));
    expect(headers).toMatchObject({ 'x-api-key': 'k', 'anthropic-workspace-id': 'wrkspc_1' });
    expect(headers.authorization).toBeUndefined();
  });
});
