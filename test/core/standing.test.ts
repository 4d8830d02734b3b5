// Tenants that are switched off or gone: what their messages become at the inlet and in the worker, and that what is
// answered in their place is kept or not kept as it must be.
import { expect, test } from 'vitest';
import { acceptAndQueue } from '../../src/core/accept.ts';
import { Refused } from '../../src/core/errors.ts';
import { type Tenant, tenantOf } from '../../src/core/ids.ts';
import { NotServed, type Standing } from '../../src/core/standing.ts';
import type { TenantRecord } from '../../src/core/tenants.ts';
import { createFixture } from './fixture.ts';

const DEFAULT = 'default' as Tenant;

test('a message to a tenant that is switched off is refused at the inlet, with words for the person, and leaves nothing', async () => {
  const fixture = createFixture();
  const { deps } = fixture;
  const request = await fixture.say('before');
  await fixture.step();
  for (const standing of ['disabled', 'gone'] as const) {
    const other = { ...request, turnId: `turn_${standing}` as never, dedupeId: standing };
    const refused = await acceptAndQueue({ ...deps, standing: async () => standing }, other).catch(
      (e: unknown) => e,
    );
    expect(refused).toBeInstanceOf(NotServed);
    expect((refused as NotServed).code).toBe(`tenant-${standing}`);
    expect((refused as NotServed).message).toMatch(/^This bot is .*\.$/);
  }
  expect((await deps.store.listTurns(request.sessionKey)).items).toHaveLength(1);
  expect(await fixture.step()).toBeNull();
});

test('what waited when it was switched off is answered with the same words, and the conversation goes on afterwards', async () => {
  const fixture = createFixture();
  await fixture.say('first');
  await fixture.step();
  const waited = await fixture.say('second');
  let standing: Standing = 'disabled';
  expect(await fixture.step({ standing: async () => standing })).toBe('done');
  expect(fixture.runs).toHaveLength(1);
  expect(fixture.sent.at(-1)?.reply).toMatchObject({ outcome: 'failed', code: 'tenant-disabled' });
  const turn = await fixture.deps.store.getTurn(DEFAULT, waited.turnId);
  expect(turn).toMatchObject({ status: 'delivered', generation: 1, reply: { code: 'tenant-disabled' } });
  standing = 'active';
  await fixture.say('third');
  expect(await fixture.step({ standing: async () => standing })).toBe('done');
  expect(fixture.sent.at(-1)?.reply.text).toBe('heard third');
  expect(fixture.runs.at(-1)).toMatchObject({ resume: true });
});

test('a reply that was committed before is still delivered', async () => {
  const fixture = createFixture();
  fixture.beforeSend = () => {
    throw new Refused('away', 'not now', { retryAfterMs: 60_000 });
  };
  await fixture.say('first');
  expect(await fixture.step()).toBe('retry');
  fixture.beforeSend = () => {};
  await fixture.clock.advance(120_000);
  expect(await fixture.step({ standing: async () => 'disabled' })).toBe('done');
  expect(fixture.sent.map(({ reply }) => reply.text)).toEqual(['heard first']);
});

test('of a tenant that is gone nothing is stored: the person is told once, and the message ends', async () => {
  const fixture = createFixture();
  const request = await fixture.say('hello');
  await fixture.deps.store.erase(request.sessionKey);
  expect(await fixture.step({ standing: async () => 'gone' })).toBe('done');
  expect(fixture.sent.map(({ reply }) => reply.code)).toEqual(['tenant-gone']);
  expect(fixture.runs).toHaveLength(0);
  const { store } = fixture.deps;
  expect(await store.getMapping(request.sessionKey)).toBeNull();
  expect((await store.listTurns(request.sessionKey)).items).toEqual([]);
  expect((await store.listHeads(tenantOf(request.sessionKey))).items).toEqual([]);
  expect(await fixture.step()).toBeNull();
});

test('a registry that is away is waited out: nothing is answered, no attempt is counted', async () => {
  const fixture = createFixture();
  const request = await fixture.say('hello');
  const away = async (): Promise<never> => {
    throw new Refused('store-unavailable', 'away');
  };
  expect(await fixture.step({ standing: away, recordOf: away })).toBe('retry');
  expect(fixture.sent).toEqual([]);
  expect(await fixture.deps.store.getTurn(DEFAULT, request.turnId)).toMatchObject({
    status: 'queued',
    attempts: 0,
  });
  await fixture.clock.advance(600_000);
  expect(await fixture.step({ standing: async () => 'active' })).toBe('done');
  expect(fixture.sent.at(-1)?.reply.text).toBe('heard hello');
});

test("a tenant's own retention holds for its sessions", async () => {
  const fixture = createFixture();
  await fixture.say('hello');
  const recordOf = async () => ({ settings: { retentionDays: 2 } }) as TenantRecord;
  await fixture.step({ recordOf });
  const { items } = await fixture.deps.store.listMappings(DEFAULT);
  expect(items[0]?.ttl).toBe(Math.floor(fixture.clock.now() / 1_000) + 2 * 86_400);
});

test("a channel that serves no such bot keeps the message waiting, and a worker's stores are those of the tenant", async () => {
  const fixture = createFixture();
  await fixture.say('hello');
  const channel = fixture.deps.channels.get('http');
  const channels = new Map([['http', { ...channel!, serves: async () => false }]]);
  expect(await fixture.step({ channels })).toBe('retry');
  await fixture.clock.advance(600_000);
  const asked: string[] = [];
  const storesFor = (tenant: Tenant) => {
    asked.push(tenant);
    return fixture.deps;
  };
  expect(await fixture.step({ storesFor })).toBe('done');
  expect(asked).toEqual(['default']);
});
