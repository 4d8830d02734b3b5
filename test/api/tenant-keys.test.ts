// Keys of tenants at the HTTP API: the key alone says whose chats these are. Whatever else a request holds (names, ids, cursors,
// bodies, headers), it neither reads, stops, nor changes anything of another tenant.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import { sessionKeyOf, type Tenant, tenantId, turnIdOf } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { SCOPES, type Scope } from '../../src/core/scopes.ts';
import { MAX_API_KEYS, type TenantName, tenantSettingsSchema } from '../../src/core/tenants.ts';
import { createMemoryTenantRegistry } from '../../src/stores/memory/index.ts';
import { createApiOwnerOf, withNewKey, withoutKey } from '../../src/tenants/api-keys.ts';
import { createTenantDirectory, DIRECTORY_MS } from '../../src/tenants/directory.ts';
import { createManualClock, type ManualClock } from '../../testing/clock.ts';
import { type ApiFixture, createApiFixture } from './fixture.ts';

const OWN_KEY = 'the-key-of-the-installation';
const NAMES = ['acme', 'acme-2', 'default'] as const;
type Name = (typeof NAMES)[number];

let clock: ManualClock;
let registry: ReturnType<typeof createMemoryTenantRegistry>;
let fixture: ApiFixture;
let keys: Record<Name, string>;

beforeEach(async () => {
  clock = createManualClock(Date.now());
  registry = createMemoryTenantRegistry({ clock });
  const directory = createTenantDirectory(registry, clock);
  fixture = createApiFixture({
    app: {
      apiKeys: [OWN_KEY],
      ownerOf: createApiOwnerOf(directory),
      standing: directory.standing,
      metrics: { contentType: 'text/plain', text: async () => 'of the installation' },
    },
  });
  keys = { acme: '', 'acme-2': '', default: OWN_KEY };
  for (const name of ['acme', 'acme-2'] as const) {
    await registry.add(name as TenantName, tenantSettingsSchema.parse({}), 'test');
    keys[name] = await addKey(name);
  }
});
afterEach(() => fixture.close());

async function addKey(name: string, scopes?: readonly Scope[]): Promise<string> {
  const record = (await registry.get(tenantId(name)))!;
  const { settings, key } = withNewKey(record.name, record.settings, clock.now(), scopes);
  await registry.set(record.tenant, { settings }, record.version, 'test');
  await clock.advance(DIRECTORY_MS + 1);
  return key;
}

async function revoke(name: string, id: string): Promise<void> {
  const record = (await registry.get(tenantId(name)))!;
  await registry.set(record.tenant, { settings: withoutKey(record.settings, id) }, record.version, 'test');
  await clock.advance(DIRECTORY_MS + 1);
}

const idIn = (key: string) => key.split('.')[2] ?? '';
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const call = (key: string, method: string, path: string, body?: unknown, headers = {}) =>
  fixture.call(method, path, body, { ...bearer(key), ...headers });
const say = async (key: string, chat: string, text: string) =>
  await (await call(key, 'POST', `/v1/chats/${chat}/messages`, { text })).json();

describe('a key of a tenant', () => {
  test('opens the chats of its tenant: one name is one chat for each of them', async () => {
    for (const name of NAMES) {
      const { reply } = await say(keys[name], 'same', `hello from ${name}`);
      expect(reply.text).toBe(`heard hello from ${name}`);
    }
    for (const name of NAMES) {
      const { chats } = await (await call(keys[name], 'GET', '/v1/chats')).json();
      expect(chats.map(({ title }) => title)).toEqual([`hello from ${name}`]);
      const { turns } = await (await call(keys[name], 'GET', '/v1/chats/same')).json();
      expect(turns.map(({ text }) => text)).toEqual([`hello from ${name}`]);
    }
    const tenants = NAMES.map((name) => tenantId(name));
    const listed = await Promise.all(tenants.map((tenant) => fixture.options.store.listMappings(tenant)));
    expect(listed.map(({ items }) => items.length)).toEqual([1, 1, 1]);
  });

  test(`${promise('TENANT')} manages its own webhooks: of others it sees, changes and replays none`, async () => {
    const added = await call(keys.acme, 'POST', '/v1/webhooks', { url: 'https://acme.example/hook' });
    const { id } = (await added.json()) as unknown as { id: string };
    await say(keys.acme, 'c', 'hello');
    await say(keys['acme-2'], 'c', 'hello');
    const own = `/v1/webhooks/${id}`;
    const log = async () =>
      (await (await call(keys.acme, 'GET', `${own}/deliveries`)).json()) as unknown as {
        deliveries: { id: string }[];
      };
    await expect.poll(async () => (await log()).deliveries.length).toBe(1);
    const [line] = (await log()).deliveries;
    for (const name of ['acme-2', 'default'] as const) {
      const key = keys[name];
      expect(await (await call(key, 'GET', '/v1/webhooks')).json()).toEqual({ webhooks: [] });
      const refused = await Promise.all([
        call(key, 'DELETE', own),
        call(key, 'POST', `${own}/secret`, {}),
        call(key, 'GET', `${own}/deliveries`),
        call(key, 'POST', `${own}/deliveries/${line?.id}/replay`, {}),
      ]);
      expect(refused.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
    }
    expect((await log()).deliveries).toHaveLength(1);
  });

  test('is not shown twice: of it the registry has an id and a digest', async () => {
    const stored = JSON.stringify(await registry.get(tenantId('acme')));
    const [, , id = '', secret = ''] = keys.acme.split('.');
    expect(stored).toContain(id);
    expect(stored).not.toContain(secret);
    const { items } = await registry.audit.list({ tenant: tenantId('acme') });
    expect(items[0]).toMatchObject({ action: 'api-key-added', detail: { key: id } });
    expect(JSON.stringify(items)).not.toContain(secret);
  });

  test('is changed without a moment in which none is valid: several are, up to ten', async () => {
    const [first, second] = [keys.acme, await addKey('acme')];
    for (const key of [first, second]) expect((await call(key, 'GET', '/v1/chats')).status).toBe(200);
    for (let more = 2; more < MAX_API_KEYS; more++) await addKey('acme');
    await expect(addKey('acme')).rejects.toMatchObject({ code: 'too-many-keys' });
    await revoke('acme', idIn(first));
    expect((await call(first, 'GET', '/v1/chats')).status).toBe(401);
    expect((await call(second, 'GET', '/v1/chats')).status).toBe(200);
    await expect(revoke('acme', idIn(first))).rejects.toMatchObject({ code: 'unknown-key' });
    const [act] = (await registry.audit.list({ tenant: tenantId('acme') })).items;
    expect(act).toMatchObject({ action: 'api-key-revoked', detail: { key: idIn(first) } });
  });

  test.each(SCOPES.map((scope) => [scope] as const))(
    'with the scope %s does that and nothing else',
    async (scope) => {
      await say(keys.acme, 'c', 'hello');
      const key = await addKey('acme', [scope]);
      const asked = {
        read: await call(key, 'GET', '/v1/chats/c'),
        write: await call(key, 'POST', '/v1/chats/c/messages', { text: 'x' }),
        erase: await call(key, 'DELETE', '/v1/chats/c'),
        manage: await call(key, 'GET', '/v1/webhooks'),
      };
      for (const [needed, { status }] of Object.entries(asked)) {
        expect([needed, status === 403]).toEqual([needed, needed !== scope]);
      }
      const refused = await Promise.all(
        Object.values(asked)
          .filter(({ status }) => status === 403)
          .map((r) => r.json()),
      );
      expect(refused.map(({ code }) => code)).toEqual(Array(SCOPES.length - 1).fill('scope-missing'));
    },
  );

  test('opens nothing of the installation', async () => {
    expect(await (await call(OWN_KEY, 'GET', '/metrics')).text()).toBe('of the installation');
    expect((await call(keys.acme, 'GET', '/metrics')).status).toBe(403);
  });

  test('of a tenant that is switched off still reads, and is told so when it writes; one that is erased is no key', async () => {
    await say(keys.acme, 'c', 'before');
    const acme = (await registry.get(tenantId('acme')))!;
    await registry.set(acme.tenant, { status: 'disabled' }, acme.version, 'test');
    await clock.advance(DIRECTORY_MS + 1);
    expect((await call(keys.acme, 'GET', '/v1/chats/c')).status).toBe(200);
    expect((await say(keys.acme, 'c', 'while off')).detail).toContain('switched off');
    await registry.set(acme.tenant, { status: 'erasing' }, acme.version + 1, 'test');
    await clock.advance(DIRECTORY_MS + 1);
    expect((await call(keys.acme, 'GET', '/v1/chats')).status).toBe(401);
  });
});

test(`${promise('TENANT')} no key that is made up is one`, async () => {
  const [, , id = '', secret = ''] = keys.acme.split('.');
  const wrong = [
    `hsk.acme-2.${id}.${secret}`,
    `hsk.default.${id}.${secret}`,
    `hsk.acme.${id}.${secret.slice(1)}`,
    `hsk.acme.${id}.${'A'.repeat(43)}`,
    `hsk.acme.${idIn(keys['acme-2'])}.${secret}`,
    `hsk.ACME.${id}.${secret}`,
    `hsk.acme%2D2.${id}.${secret}`,
    `hsk.acme.${id}`,
    `hsk..${id}.${secret}`,
    `hsk.__proto__.${id}.${secret}`,
    `${OWN_KEY}.${secret}`,
  ];
  for (const key of wrong) expect((await call(key, 'GET', '/v1/chats')).status, key).toBe(401);
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme-ascii', maxLength: 120 }), async (text) => {
      const { status } = await call(`hsk.${text.replace(/\s/g, '')}`, 'GET', '/v1/chats');
      expect(status).toBe(401);
    }),
    { numRuns: 100 },
  );
});

/** Without the members that say again what the same key wrote: it may have called a chat like another tenant's turn. */
function withoutEchoes(answer: string): string {
  const echoes = new Set(['chat', 'title', 'text', 'url']);
  try {
    return JSON.stringify(JSON.parse(answer, (key, value) => (echoes.has(key) ? undefined : value)));
  } catch {
    return answer;
  }
}

test(`${promise('TENANT')} a request with any names and ids reaches nothing of another tenant`, async () => {
  const CANARY = 'canary-of-the-other-tenant';
  const other = 'acme-2';
  const tenant = tenantId(other);
  const told = await say(keys[other], 'secret', CANARY);
  // One that waits, and could be stopped.
  fixture.agent = async (run) => {
    if (run.request.text !== 'wait') return { status: 'ok', text: 'x', demo: true };
    await new Promise<void>((resolve) => run.signal.addEventListener('abort', () => resolve()));
    return { status: 'stopped', text: '', demo: true };
  };
  const waiting = await (
    await call(
      keys[other],
      'POST',
      '/v1/chats/secret/messages',
      { text: 'wait' },
      { prefer: 'respond-async' },
    )
  ).json();
  const { cursor } = await (await call(keys[other], 'GET', '/v1/chats/secret?limit=1')).json();
  const key = sessionKeyOf({ tenant: other, channel: 'http', bot: 'local', chat: 'secret', thread: null });
  const stateOf = async (whose: Tenant) => ({
    mappings: (await fixture.options.store.listMappings(whose)).items.map(({ session_id }) => session_id),
    turns: (await fixture.options.store.listTurns(key)).items.map(({ turnId, stopRequested, text }) => ({
      turnId,
      stopRequested,
      text,
    })),
  });
  const before = await stateOf(tenant);
  expect(before.turns).toHaveLength(2);

  const hostile = fc.oneof(
    fc.constantFrom(
      'secret',
      `../${other}/secret`,
      `${other}/secret`,
      `..%2f${other}%2fsecret`,
      encodeURIComponent(key),
      key,
      `${tenant}/http/local/secret/-`,
      told.turn_id,
      waiting.turn_id,
      told.session_id,
      turnIdOf(key, 'm'),
      'acme=2D2',
      '%00',
      '~',
      '.',
      '-',
    ),
    fc.string({ unit: 'grapheme-ascii', maxLength: 40 }),
    fc.string({ unit: 'grapheme', maxLength: 20 }),
  );
  const route = fc.constantFrom<[string, (id: string) => string, boolean]>(
    ['GET', () => '/v1/chats', false],
    ['GET', (id) => `/v1/chats/${id}`, false],
    ['DELETE', (id) => `/v1/chats/${id}`, false],
    ['POST', (id) => `/v1/chats/${id}/messages`, true],
    ['POST', (id) => `/v1/chats/${id}/new`, true],
    ['POST', (id) => `/v1/chats/${id}/undo`, true],
    ['POST', (id) => `/v1/chats/${id}/redo`, true],
    ['POST', (id) => `/v1/chats/${id}/fork`, true],
    ['GET', (id) => `/v1/turns/${id}`, false],
    ['GET', (id) => `/v1/turns/${id}/events`, false],
    ['POST', (id) => `/v1/turns/${id}/stop`, true],
  );
  const whose = fc.constantFrom<Name>('acme', 'default');
  const pathOf = (id: string) => encodeURI(id.toWellFormed()).replace(/[?#]/g, encodeURIComponent);
  const queries = fc.constantFrom(
    '',
    `?tenant=${other}`,
    `?cursor=${encodeURIComponent(cursor ?? '')}`,
    `?limit=1&cursor=${encodeURIComponent(cursor ?? '')}`,
  );
  const bodies = fc.oneof(
    fc.constantFrom<unknown>(
      { text: 'hello' },
      {},
      { text: 'x', tenant: other },
      {
        text: 'x',
        conversation: { tenant: other, channel: 'http', bot: 'local', chat: 'secret', thread: null },
      },
      { text: 'x', sessionKey: key, turnId: waiting.turn_id, session_id: told.session_id },
      { __proto__: { tenant: other } },
      { to: 'secret' },
      { to: `../${other}/secret` },
      { to: key },
    ),
    hostile.map((text) => ({ text })),
  );
  const headers = fc.constantFrom<Record<string, string>>(
    {},
    { 'x-tenant': other, 'x-amz-tenant-id': tenant, 'x-forwarded-user': other },
    { 'idempotency-key': 'm' },
    { 'idempotency-key': waiting.turn_id },
    { cookie: `tenant=${other}; key=${other}` },
  );
  try {
    await fc.assert(
      fc.asyncProperty(
        route,
        hostile,
        whose,
        queries,
        bodies,
        headers,
        async (to, id, name, query, body, more) => {
          const [method, path, hasBody] = to;
          const response = await call(
            keys[name],
            method,
            path(pathOf(id)) + query,
            hasBody ? body : undefined,
            { prefer: 'respond-async', ...more },
          );
          const answer = await response.text();
          expect(answer).not.toContain(CANARY);
          for (const secret of [told.session_id, told.turn_id, waiting.turn_id]) {
            // What was asked for may be said again, as unknown.
            if (response.ok) expect(withoutEchoes(answer)).not.toContain(secret);
          }
          expect(response.status).toBeLessThan(500);
        },
      ),
      { numRuns: 400 },
    );
    expect(await stateOf(tenant)).toEqual(before);
    expect(await stateOf(DEFAULT_TENANT)).toMatchObject({ turns: before.turns });
  } finally {
    // The worker ends with its turn only.
    await call(keys[other], 'POST', `/v1/turns/${waiting.turn_id}/stop`, {});
  }
});
