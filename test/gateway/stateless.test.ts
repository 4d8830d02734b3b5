// The gateway without a memory: signed tokens, a handler from Request to Response.
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Invalid } from '../../src/core/errors.ts';
import { countersOf } from '../../src/core/usage-counters.ts';
import { createStatelessGateway } from '../../src/gateway/stateless-gateway.ts';
import { readTurnToken, signTurnToken } from '../../src/gateway/turn-token.ts';
import { createMemoryUsageLedger } from '../../src/stores/memory/usage-ledger.ts';
import { createScriptedModel } from '../../testing/model/scripted-model.ts';
import { say } from '../agent/turn-fixture.ts';
import { closing, grantOf, messageBody, serve } from './fixture.ts';

const secret = randomBytes(32);
const NOW = Date.UTC(2026, 10, 26);

describe('a signed token', () => {
  const narrowing = { allow: ['mcp__github'], deny: ['mcp__github__delete'] };
  const grant = grantOf({ speaker: 'ann', narrowing, budgets: { turn: { usd: 1 } }, once: true });
  const token = signTurnToken(secret, { grant, expiresAtMs: NOW + 1_000 });

  test('says what was granted, until it expires, also under a secret on its way out', () => {
    expect(readTurnToken([secret], token, NOW)).toEqual({ grant, expiresAtMs: NOW + 1_000 });
    expect(readTurnToken([randomBytes(32), secret], token, NOW)?.grant).toEqual(grant);
    expect(readTurnToken([secret], token, NOW + 1_000)).toBeNull();
    expect(readTurnToken([randomBytes(32)], token, NOW)).toBeNull();
    expect(token).toMatch(/^[\w.-]+$/);
  });

  test('with any character changed, added or taken away is none', () => {
    for (let at = 0; at < token.length; at++) {
      const other = token[at] === 'A' ? 'B' : 'A';
      const changed = token.slice(0, at) + other + token.slice(at + 1);
      // The last character of base64 may hold bits that mean nothing.
      const isSame = readTurnToken([secret], changed, NOW);
      if (at < token.length - 1) expect(isSame, String(at)).toBeNull();
      expect(readTurnToken([secret], token.slice(0, at), NOW)).toBeNull();
    }
    for (const more of [
      `${token}.x`,
      `x${token}`,
      `${token}AAAA`,
      `${token}!`,
      ` ${token}`,
      '',
      '..',
      'turn1..',
      'turn1.e30.',
    ]) {
      expect(readTurnToken([secret], more, NOW), more).toBeNull();
    }
  });

  test('another grant cannot take its signature', () => {
    const [form, , tag] = token.split('.');
    const richer = { grant: { ...grant, models: null }, expiresAtMs: NOW * 2 };
    const payload = Buffer.from(JSON.stringify(richer)).toString('base64url');
    expect(readTurnToken([secret], [form, payload, tag].join('.'), NOW)).toBeNull();
  });

  test('a secret that can be guessed is refused', () => {
    expect(() => signTurnToken(randomBytes(16), { grant, expiresAtMs: NOW })).toThrow(Invalid);
    expect(() => readTurnToken([new Uint8Array()], token, NOW)).toThrow(Invalid);
  });
});

describe('the handler', () => {
  const usage = { inputTokens: 1_000, outputTokens: 0 };

  async function setUp(over: Partial<Parameters<typeof createStatelessGateway>[0]> = {}) {
    const model = closing(await createScriptedModel(() => ({ ...say('hi'), usage })));
    const ledger = createMemoryUsageLedger();
    const options = {
      secrets: [secret],
      upstream: { baseUrl: model.url, apiKey: 'real' },
      prices: { m: { input: 100, output: 0, cacheRead: 0, cacheWrite: 0 } },
      usage: ledger,
      ...over,
    };
    return { model, ledger, open: () => createStatelessGateway(options) };
  }

  const request = (token: string, over: RequestInit = {}, path = '/v1/messages') =>
    new Request(`https://gateway.example${path}`, {
      method: 'POST',
      headers: { 'x-api-key': token, 'content-type': 'application/json' },
      body: messageBody(),
      ...over,
    });
  const tokenOf = (grant = grantOf()) => signTurnToken(secret, { grant, expiresAtMs: Date.now() + 60_000 });

  test('serves the turn, with the real key, and counts into the ledger', async () => {
    const { model, ledger, open } = await setUp();
    const grant = grantOf();
    const gateway = open();
    const answer = await gateway.handle(request(tokenOf(grant)));
    expect(await answer.json()).toMatchObject({ content: [{ text: 'hi' }] });
    await gateway.written();
    expect(model.requests[0]?.headers['x-api-key']).toBe('real');
    for (const { calls } of await ledger.read(countersOf(grant, Date.now()))) expect(calls).toBe(1);
  });

  test('streams: the first piece arrives before the last is there', async () => {
    let next: () => void = () => {};
    const baseUrl = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {}\n\n');
      next = () => response.end('data: {"last":1}\n\n');
    });
    const { open } = await setUp({ upstream: { baseUrl } });
    const reader = (await open().handle(request(tokenOf()))).body?.getReader();
    const text = async () => new TextDecoder().decode((await reader?.read())?.value);
    expect(await text()).toBe('data: {}\n\n');
    next();
    expect(await text()).toContain('last');
  });

  test('a turn’s budget holds from one environment to the next', async () => {
    const { model, open } = await setUp();
    const token = tokenOf(grantOf({ budgets: { turn: { usd: 0.15 } } }));
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) {
      const gateway = open();
      const answer = await gateway.handle(request(token));
      await answer.text();
      await gateway.written();
      statuses.push(answer.status);
    }
    expect(statuses).toEqual([200, 200, 402]);
    expect(model.requests).toHaveLength(2);
  });

  test.each<[string, (token: string) => Request, number]>([
    ['without a token', () => request(''), 401],
    [
      'with a token that expired',
      () => request(signTurnToken(secret, { grant: grantOf(), expiresAtMs: 1 })),
      401,
    ],
    ['for another path', (token) => request(token, {}, '/v1/files'), 404],
    ['for another model', (token) => request(token, { body: messageBody({ model: 'x' }) }), 404],
    ['of too many bytes', (token) => request(token, { body: messageBody({ system: 'x'.repeat(999) }) }), 413],
  ])('a request %s does not get through', async (_name, make, status) => {
    const { model, open } = await setUp({ maxBodyBytes: 500 });
    expect((await open().handle(make(tokenOf()))).status).toBe(status);
    expect(model.requests).toEqual([]);
  });

  test('nor one of a turn that is over', async () => {
    const { model, open } = await setUp({ isOver: async () => true });
    expect((await open().handle(request(tokenOf()))).status).toBe(401);
    expect(model.requests).toEqual([]);
  });
});
