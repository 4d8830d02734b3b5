// People with signed tokens: each sees their own chats, is the speaker of what they send, and no token that is not theirs,
// not valid or not for this service opens anything.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { browserAccessSchema } from '../../src/core/browser-access.ts';
import { conversationOf, tenantId } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { type TenantName, tenantSettingsSchema } from '../../src/core/tenants.ts';
import { createMemoryTenantRegistry } from '../../src/stores/memory/index.ts';
import { createTenantDirectory } from '../../src/tenants/directory.ts';
import { createCallers } from '../../src/tenants/user-tokens.ts';
import { createManualClock } from '../../testing/clock.ts';
import { type ApiFixture, asksFor, createApiFixture, says } from './fixture.ts';

const OWN_KEY = 'the-key-of-the-installation';
const SECRETS: Record<string, string> = {
  'env:OLD': 'an-older-secret-of-32-characters!',
  'env:NEW': 'a-secret-of-at-least-32-characters',
  'env:SHORT': 'short',
  'env:ACME': 'what-acme-signs-its-own-tokens-with',
};
const ISSUER = 'https://product.example';
const AUDIENCE = 'assistant';
const nowSec = () => Math.floor(Date.now() / 1_000);

let fixture: ApiFixture;
afterEach(() => fixture.close());

async function open(users: unknown, origins: readonly string[] = []): Promise<void> {
  const clock = createManualClock(Date.now());
  const registry = createMemoryTenantRegistry({ clock });
  const directory = createTenantDirectory(registry, clock);
  const own = { issuer: 'https://acme.example', audience: AUDIENCE, secrets: ['env:ACME'] };
  await registry.add('acme' as TenantName, tenantSettingsSchema.parse({ users: own }), 'test');
  await registry.add('globex' as TenantName, tenantSettingsSchema.parse({}), 'test');
  const browsers = browserAccessSchema.parse({ users, origins });
  fixture = createApiFixture({
    app: {
      apiKeys: [OWN_KEY],
      knownHosts: null,
      origins: browsers.origins,
      standing: directory.standing,
      ownerOf: createCallers({
        users: browsers.users,
        directory,
        secrets: {
          async read(reference) {
            const secret = SECRETS[reference];
            if (secret === undefined) throw new Error('no such secret');
            return secret;
          },
        },
      }),
    },
  });
}

const byUs = { issuer: ISSUER, audience: AUDIENCE, secrets: ['env:OLD', 'env:NEW'], tenants: true };

interface Signed {
  readonly claims?: JWTPayload;
  readonly secret?: string;
  readonly alg?: string;
}

async function token(
  sub: string | null,
  { claims = {}, secret = SECRETS['env:NEW'], alg = 'HS256' }: Signed = {},
) {
  const all = { iss: ISSUER, aud: AUDIENCE, exp: nowSec() + 60, ...(sub !== null && { sub }), ...claims };
  return await new SignJWT(all).setProtectedHeader({ alg }).sign(new TextEncoder().encode(secret));
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const call = (key: string, method: string, path: string, body?: unknown, headers = {}) =>
  fixture.call(method, path, body, { ...bearer(key), ...headers });
const say = async (key: string, chat: string, text: string) =>
  await (await call(key, 'POST', `/v1/chats/${chat}/messages`, { text })).json();
const statusOf = async (key: string) => (await call(key, 'GET', '/v1/chats')).status;

describe('a token', () => {
  beforeEach(() => open(byUs));

  test(`${promise('TENANT')} opens the person's own chats: one name is one chat for each of them`, async () => {
    const people = {
      key: OWN_KEY,
      ann: await token('ann'),
      bob: await token('bob'),
      '../ann': await token('../ann'),
      'ann of globex': await token('ann', { claims: { tenant: 'globex' } }),
    };
    const turns: Record<string, string> = {};
    for (const [who, key] of Object.entries(people)) {
      const { turn_id, reply } = await say(key, 'same', `I am ${who}`);
      expect(reply.text).toBe(`heard I am ${who}`);
      turns[who] = turn_id;
    }
    for (const [who, key] of Object.entries(people)) {
      const { chats } = await (await call(key, 'GET', '/v1/chats')).json();
      expect(chats.map(({ title }) => title)).toEqual([`I am ${who}`]);
      const shown = await (await call(key, 'GET', '/v1/chats/same')).json();
      expect(shown.turns.map(({ text }) => text)).toEqual([`I am ${who}`]);
      for (const [other, id] of Object.entries(turns)) {
        expect((await call(key, 'GET', `/v1/turns/${id}`)).status).toBe(other === who ? 200 : 404);
        if (other === who) continue;
        expect((await call(key, 'GET', `/v1/turns/${id}/events`)).status).toBe(404);
        expect((await call(key, 'POST', `/v1/turns/${id}/stop`, {})).status).toBe(404);
      }
    }
    expect((await call(people.ann, 'DELETE', '/v1/chats/same')).status).toBe(204);
    expect((await call(people.bob, 'GET', '/v1/chats/same')).status).toBe(200);
  });

  test('says who speaks: to the agent, and to whom a question goes', async () => {
    const seen: unknown[] = [];
    const asking = asksFor('npm publish');
    fixture.agent = async (run) => {
      seen.push(run.request.sender);
      return await asking(run);
    };
    const ann = await token('ann', { claims: { name: 'Ann \u202e A.\n' } });
    await say(ann, 'c', 'publish');
    expect(seen).toEqual([{ id: 'ann', name: 'Ann A.' }]);
    const { questions } = (await (await call(ann, 'GET', '/v1/chats/c/questions')).json()) as unknown as {
      questions: { id: string }[];
    };
    fixture.agent = async () => says('done');
    const path = `/v1/chats/c/questions/${questions[0]?.id}`;
    const bob = await call(await token('bob'), 'POST', path, { decision: 'once' });
    expect((await bob.json()).reply).toMatchObject({ code: 'no-longer-open' });
    const answered = await (await call(ann, 'POST', path, { decision: 'once' })).json();
    expect(answered.reply).toMatchObject({
      outcome: 'ok',
      text: 'done',
      answered: [{ answer: { by: 'Ann A.' } }],
    });
  });

  test('opens nothing of the installation, and does what its scope says', async () => {
    expect((await call(await token('ann'), 'GET', '/metrics')).status).toBe(403);
    // A webhook is told of all people's chats: no person makes one, whatever their token says.
    const manager = await token('ann', { claims: { scope: 'read write erase manage' } });
    for (const key of [await token('ann'), manager]) {
      const added = await call(key, 'POST', '/v1/webhooks', { url: 'https://ann.example/hook' });
      expect([added.status, (await added.json()).code]).toEqual([403, 'not-for-people']);
      expect((await call(key, 'GET', '/v1/webhooks')).status).toBe(403);
    }
    const reader = await token('ann', { claims: { scope: 'openid read' } });
    expect(await statusOf(reader)).toBe(200);
    expect((await call(reader, 'POST', '/v1/chats/c/messages', { text: 'x' })).status).toBe(403);
    expect(await statusOf(await token('ann', { claims: { scope: 'openid' } }))).toBe(403);
    expect(await statusOf(await token('ann', { claims: { scope: 7 } as unknown as JWTPayload }))).toBe(403);
  });

  test('is signed by either secret while it is changed', async () => {
    expect(await statusOf(await token('ann', { secret: SECRETS['env:OLD']! }))).toBe(200);
    expect(await statusOf(await token('ann', { secret: SECRETS['env:NEW']! }))).toBe(200);
  });

  const wrong: Record<string, () => Promise<string>> = {
    'of another issuer': () => token('ann', { claims: { iss: 'https://evil.example' } }),
    'for another service': () => token('ann', { claims: { aud: 'shop' } }),
    'without an audience': () => token('ann', { claims: { aud: undefined } as JWTPayload }),
    expired: () => token('ann', { claims: { exp: nowSec() - 60 } }),
    'without an end': () => token('ann', { claims: { exp: undefined } as unknown as JWTPayload }),
    'not valid yet': () => token('ann', { claims: { nbf: nowSec() + 300 } }),
    'of nobody': () => token(null),
    'of a blank person': () => token('  '),
    'of a person with too long a name': () => token('a'.repeat(129)),
    'signed by somebody else': () => token('ann', { secret: 'somebody-elses-secret-somebody-elses' }),
    'with another algorithm': () => token('ann', { alg: 'HS384' }),
    'of a tenant that is not there': () => token('ann', { claims: { tenant: 'nobody' } }),
    'of no tenant name': () => token('ann', { claims: { tenant: '../acme' } }),
    'of a tenant that has its own issuer': () => token('ann', { claims: { tenant: 'acme' } }),
    'of a tenant, signed by another one': () =>
      token('ann', {
        claims: { tenant: 'globex', iss: 'https://acme.example' },
        secret: SECRETS['env:ACME']!,
      }),
    unsigned: async () => {
      const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'ann', exp: nowSec() + 60 };
      return `${part({ alg: 'none' })}.${part(claims)}.`;
    },
    'changed after it was signed': async () => {
      const [head, , signature] = (await token('ann')).split('.');
      const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'bob', exp: nowSec() + 60 };
      return [head, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
    },
  };
  test.each(Object.entries(wrong))('%s opens nothing', async (_, make) => {
    expect(await statusOf(await make())).toBe(401);
  });

  test('that is made up is none, whatever it is', async () => {
    const whole = await token('ann');
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.constantFrom('A', 'B', '.', '-', ''), async (at, put) => {
        const changed = whole.slice(0, at) + put + whole.slice(at + 1);
        if (changed === whole) return;
        // The last character of a signature holds bits that say nothing.
        if (at === whole.length - 1 && put !== '' && put !== '.') return;
        expect([changed, await statusOf(changed)]).toEqual([changed, 401]);
      }),
      { numRuns: 150 },
    );
  });

  test('of a tenant with its own issuer opens that tenant and no other', async () => {
    const signed = { claims: { tenant: 'acme', iss: 'https://acme.example' }, secret: SECRETS['env:ACME']! };
    await say(await token('ann', signed), 'c', 'hello');
    const { items } = await fixture.options.store.listMappings(tenantId('acme'));
    expect(items.map(({ session_key }) => conversationOf(session_key))).toMatchObject([
      { tenant: 'acme', channel: 'http', bot: 'user/ann', chat: 'c' },
    ]);
  });
});

test('an issuer of the installation speaks for no tenant unless that is said', async () => {
  await open({ ...byUs, tenants: false });
  expect(await statusOf(await token('ann'))).toBe(200);
  expect(await statusOf(await token('ann', { claims: { tenant: 'globex' } }))).toBe(401);
});

test('without an issuer no token is one', async () => {
  await open(undefined);
  expect(await statusOf(await token('ann'))).toBe(401);
});

test('a secret that is not there is no wrong token: the client is told to come again', async () => {
  await open({ ...byUs, secrets: ['env:MISSING'] });
  const answer = await call(await token('ann'), 'GET', '/v1/chats');
  expect([answer.status, (await answer.json()).code]).toEqual([503, 'issuer-away']);
  await fixture.close();
  await open({ ...byUs, secrets: ['env:SHORT'] });
  expect(await statusOf(await token('ann', { secret: SECRETS['env:SHORT']! }))).toBe(401);
});

describe('public keys of an issuer', () => {
  let server: Server;
  let keys: Awaited<ReturnType<typeof generateKeyPair>>;
  let away = false;
  beforeAll(async () => {
    keys = await generateKeyPair('ES256');
    const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'ES256' };
    server = createServer((_, response) => {
      response.writeHead(away ? 500 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ keys: [jwk] }));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
  });
  afterAll(() => server.close());
  const jwks = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  const signed = (kid: string, key = keys.privateKey) =>
    new SignJWT({ iss: ISSUER, aud: AUDIENCE, sub: 'ann', exp: nowSec() + 60 })
      .setProtectedHeader({ alg: 'ES256', kid })
      .sign(key);

  test('are read from its address; a public key is no shared secret', async () => {
    await open({ issuer: ISSUER, audience: AUDIENCE, jwks: jwks() });
    expect(await statusOf(await signed('one'))).toBe(200);
    expect(await statusOf(await signed('two'))).toBe(401);
    expect(await statusOf(await signed('one', (await generateKeyPair('ES256')).privateKey))).toBe(401);
    const confused = JSON.stringify(await exportJWK(keys.publicKey));
    expect(await statusOf(await token('ann', { secret: confused }))).toBe(401);
  });

  test('cannot be had: 503, not 401', async () => {
    away = true;
    await open({ issuer: ISSUER, audience: AUDIENCE, jwks: jwks() });
    const answer = await call(await signed('one'), 'GET', '/v1/chats');
    expect([answer.status, (await answer.json()).code]).toEqual([503, 'issuer-away']);
    away = false;
  });
});

describe('pages of other origins', () => {
  beforeEach(() => open(byUs, ['https://app.example.com', 'https://*.shop.example']));
  const allowed = ['https://app.example.com', 'https://a.shop.example', 'https://a.b.shop.example'];
  const foreign = [
    'https://evil.example',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://shop.example',
    'https://.shop.example',
    'https://evil.example#.shop.example',
    'https://evil.example/.shop.example',
    'https://notshop.example',
    'https://app.example.com.evil.example',
    'null',
  ];

  test('that are listed may ask, read the answer and change their own chats', async () => {
    for (const origin of allowed) {
      const asked = { origin, 'access-control-request-method': 'POST' };
      const preflight = await fixture.call('OPTIONS', '/v1/chats/c/messages', undefined, asked);
      expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, origin]);
      expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization');
      expect(preflight.headers.get('access-control-allow-credentials')).toBeNull();
      const headers = { origin, 'sec-fetch-site': 'cross-site' };
      const sent = await call(await token('ann'), 'POST', '/v1/chats/c/messages', { text: origin }, headers);
      expect([sent.status, sent.headers.get('access-control-allow-origin')]).toEqual([200, origin]);
      expect(sent.headers.get('vary')).toContain('origin');
      const refused = await fixture.call('GET', '/v1/chats', undefined, { origin });
      expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, origin]);
    }
  });

  test.each(foreign)('that are not listed get nothing: %s', async (origin) => {
    const preflight = await fixture.call('OPTIONS', '/v1/chats/c/messages', undefined, { origin });
    const sent = await call(await token('ann'), 'POST', '/v1/chats/c/messages', { text: 'x' }, { origin });
    expect([sent.status, (await sent.json()).code]).toEqual([403, 'foreign-origin']);
    for (const answer of [preflight, sent]) {
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
      expect(answer.headers.get('vary')).toContain('origin');
    }
  });

  test('settings: an origin has no path, no capital and no star but the first label', () => {
    for (const origin of [...foreign.slice(0, 3), 'https://*.example.com', 'http://localhost:5173']) {
      expect([origin, browserAccessSchema.safeParse({ origins: [origin] }).success]).toEqual([origin, true]);
    }
    for (const origin of [
      '*',
      'https://*',
      'https://a.*.b',
      'https://A.example',
      'https://a.example/',
      'null',
      'a.example',
    ]) {
      expect([origin, browserAccessSchema.safeParse({ origins: [origin] }).success]).toEqual([origin, false]);
    }
    const both = { ...byUs, jwks: 'https://a.example/keys' };
    for (const users of [
      both,
      { issuer: 'a', audience: 'b' },
      { issuer: 'a', audience: 'b', jwks: 'http://a.example/k' },
    ]) {
      expect(browserAccessSchema.safeParse({ users }).success).toBe(false);
    }
  });
});
