// The contract of every `TenantRegistry`: one owner per bot, changes that name the version they were made from, and an
// audit log that has a line for each of them and outlives what it tells of.
import { describe, expect } from 'vitest';
import { Conflict, Corrupt, Gone, Invalid } from '../../src/core/errors.ts';
import { type Tenant, tenantId } from '../../src/core/ids.ts';
import type { TenantRegistry } from '../../src/core/ports/tenants.ts';
import {
  type BotId,
  type TenantName,
  type TenantSettings,
  tenantSettingsSchema,
} from '../../src/core/tenants.ts';
import { type TenantErrorCode, tenantErrors } from '../../src/stores/rules/tenants.ts';
import type { ManualClock } from '../clock.ts';
import { type Contract, cases, expectFailure, failure, needed, withFixture } from './contract.ts';

export interface TenantRegistryFixture {
  readonly registry: TenantRegistry;
  readonly clock: ManualClock;
  /** Another registry over the same data, as a second process would open it. */
  reopen?(): Promise<TenantRegistry>;
  /** Makes the stored settings of a tenant unreadable. */
  damage?(tenant: Tenant): Promise<void>;
  close(): Promise<void>;
}

export type TenantRegistryContract = Contract<TenantRegistryFixture>;

const ME = 'me@example.com';
const ACME = 'acme' as TenantName;
const BETA = 'beta-2' as TenantName;

function settings(over: object = {}): TenantSettings {
  return tenantSettingsSchema.parse(over);
}

function withBots(...bots: string[]): TenantSettings {
  const secrets = { token: ['env:BOT_TOKEN'] };
  return settings({ bots: bots.map((bot) => ({ channel: 'telegram', bot, secrets })) });
}

const ERROR_WAYS: Record<
  TenantErrorCode,
  {
    readonly family: new (...args: never[]) => Error;
    ways(registry: TenantRegistry): (() => Promise<unknown>)[];
  }
> = {
  'tenant-exists': { family: Conflict, ways: (registry) => [() => registry.add(ACME, settings(), ME)] },
  'bot-taken': {
    family: Conflict,
    ways: (registry) => [
      () => registry.add('third' as TenantName, withBots('1'), ME),
      () => registry.set(tenantId(BETA), { settings: withBots('3', '1') }, 1, ME),
    ],
  },
  'tenant-changed': {
    family: Conflict,
    ways: (registry) => [
      () => registry.set(tenantId(ACME), { status: 'disabled' }, 2, ME),
      () => registry.set(tenantId(ACME), { settings: settings() }, 0, ME),
      () => registry.remove(tenantId(ACME), 7, ME),
    ],
  },
  'unknown-tenant': {
    family: Gone,
    ways: (registry) => [() => registry.set(tenantId('nobody'), { status: 'disabled' }, 1, ME)],
  },
  'tenant-too-large': {
    family: Invalid,
    ways: (registry) => {
      const users = Array.from({ length: 10_000 }, (_, i) => `${i}`.padStart(60, '0'));
      const large = settings({ access: { telegram: { users } } });
      return [
        () => registry.add('large' as TenantName, large, ME),
        () => registry.set(tenantId(ACME), { settings: large }, 1, ME),
      ];
    },
  },
};

export function tenantRegistryContract({ name, create, skip }: TenantRegistryContract): void {
  describe(`tenant registry: ${name}`, () => {
    const { it, finish } = cases(skip);
    const use = (work: (fixture: TenantRegistryFixture) => Promise<void>) => () => withFixture(create, work);

    it(
      'what was added comes back as it was, by name and by bot',
      use(async ({ registry, clock }) => {
        const given = settings({
          title: 'Acme 👋',
          bots: [
            { channel: 'telegram', bot: '1', secrets: { token: ['env:A', 'file:/run/secrets/a b'] } },
            { channel: 'http', bot: 'x#y/z' },
          ],
          access: { telegram: { users: ['7'], groups: 'anyone' } },
          network: { allow: ['*.example.com', 'api.example.com:8443'] },
          limits: { turnsPerMinute: { chat: 5 }, budgetUsd: { turn: 0.25, tenant: { month: 100 } } },
          retentionDays: 3,
          kmsKey: 'arn:aws:kms:eu-central-1:123456789012:key/1234abcd',
        });
        const added = await registry.add(ACME, given, ME);
        expect(added).toEqual({
          tenant: 'acme',
          name: 'acme',
          status: 'active',
          version: 1,
          settings: given,
          createdAtMs: clock.now(),
          updatedAtMs: clock.now(),
        });
        expect(await registry.get(added.tenant)).toEqual(added);
        expect(await registry.findBot('telegram', '1' as BotId)).toEqual(added);
        expect(await registry.findBot('http', 'x#y/z' as BotId)).toEqual(added);
        expect(await registry.findBot('http', '1' as BotId)).toBeNull();
        expect(await registry.findBot('telegram', '2' as BotId)).toBeNull();
        expect(await registry.get(tenantId(BETA))).toBeNull();
      }),
    );

    it(
      '[TENANT] channel and bot stay apart, whatever is in a bot id',
      use(async ({ registry }) => {
        const bots = ['a', 'a#b', '#a', 'a/b', 'a=23b', '*', '?', "'", 'A'];
        const all = bots.flatMap((bot) => [
          { channel: 'x', bot },
          { channel: 'x-x', bot },
        ]);
        for (const [i, bot] of all.entries()) {
          await registry.add(`t${i}` as TenantName, settings({ bots: [bot] }), ME);
        }
        for (const [i, { channel, bot }] of all.entries()) {
          expect((await registry.findBot(channel, bot as BotId))?.name).toBe(`t${i}`);
        }
      }),
    );

    it(
      'a change replaces what it names, keeps the rest, and moves bots',
      use(async ({ registry, clock }) => {
        const { tenant } = await registry.add(ACME, withBots('1', '2'), ME);
        await clock.advance(1_000);
        const disabled = await registry.set(tenant, { status: 'disabled' }, 1, ME);
        expect(disabled).toMatchObject({ status: 'disabled', version: 2, settings: withBots('1', '2') });
        expect(disabled.updatedAtMs - disabled.createdAtMs).toBe(1_000);
        const moved = await registry.set(tenant, { settings: withBots('2', '3') }, 2, ME);
        expect(moved).toMatchObject({ status: 'disabled', version: 3 });
        expect(await registry.get(tenant)).toEqual(moved);
        expect(await registry.findBot('telegram', '1' as BotId)).toBeNull();
        expect((await registry.findBot('telegram', '3' as BotId))?.name).toBe(ACME);
        // What it gave up is free.
        await registry.add(BETA, withBots('1'), ME);
        expect((await registry.findBot('telegram', '1' as BotId))?.name).toBe(BETA);
      }),
    );

    it(
      'of two changes made from one version, one is refused and neither is lost in part',
      use(async ({ registry }) => {
        const { tenant } = await registry.add(ACME, settings(), ME);
        const made = await Promise.allSettled(
          Array.from({ length: 6 }, (_, i) =>
            registry.set(tenant, { settings: withBots(`${i}`, `${i}x`) }, 1, `admin-${i}`),
          ),
        );
        const won = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
        expect(won).toHaveLength(1);
        expect(await registry.get(tenant)).toEqual(won[0]);
        const known = won[0]?.settings.bots.map(({ bot }) => bot);
        for (let i = 0; i < 6; i++) {
          const owner = await registry.findBot('telegram', `${i}x` as BotId);
          expect(owner !== null, `${i}`).toBe(known?.includes(`${i}` as BotId));
        }
        const { items } = await registry.audit.list({ tenant });
        expect(items.map(({ action }) => action)).toEqual(['tenant-changed', 'tenant-added']);
      }),
    );

    it(
      'of two tenants that claim one bot at once, one gets it',
      use(async ({ registry }) => {
        const claims = await Promise.allSettled(
          ['a', 'b', 'c', 'd'].map((tenant) => registry.add(tenant as TenantName, withBots('1', tenant), ME)),
        );
        const won = claims.flatMap((one) => (one.status === 'fulfilled' ? [one.value.name] : []));
        expect(won).toHaveLength(1);
        expect((await registry.findBot('telegram', '1' as BotId))?.name).toBe(won[0]);
        expect((await registry.list()).items.map((record) => record.name)).toEqual(won);
      }),
    );

    it(
      'removing frees name and bots, and may be repeated',
      use(async ({ registry }) => {
        const { tenant } = await registry.add(ACME, withBots('1'), ME);
        await registry.remove(tenant, 1, ME);
        await registry.remove(tenant, 1, ME);
        expect(await registry.get(tenant)).toBeNull();
        expect(await registry.findBot('telegram', '1' as BotId)).toBeNull();
        await registry.add(ACME, withBots('1'), ME);
        const { items } = await registry.audit.list({ tenant });
        expect(items.map(({ action }) => action)).toEqual(['tenant-added', 'tenant-removed', 'tenant-added']);
      }),
    );

    it(
      'lists page through all tenants, each once, in order',
      use(async ({ registry }) => {
        const names = Array.from({ length: 25 }, (_, i) => `t${String(i).padStart(2, '0')}`);
        for (const one of [...names].reverse()) await registry.add(one as TenantName, settings(), ME);
        const seen: string[] = [];
        let cursor: string | null | undefined;
        for (let pages = 0; cursor !== null && pages < 10; pages++) {
          const page = await registry.list({ limit: 7, ...(cursor && { cursor }) });
          expect(page.items.length).toBeLessThanOrEqual(7);
          seen.push(...page.items.map((record) => record.name));
          cursor = page.cursor;
        }
        expect(cursor).toBeNull();
        expect(seen).toEqual(names);
        await expectFailure(registry.list({ cursor: 'nonsense' }), Invalid, 'bad-cursor');
      }),
    );

    it(
      'the audit log tells who did what, newest first, and outlives the tenant',
      use(async ({ registry, clock }) => {
        const { tenant } = await registry.add(ACME, withBots('1'), 'ann');
        await clock.advance(1_000);
        await registry.add(BETA, settings(), 'bob');
        await clock.advance(1_000);
        await registry.set(tenant, { settings: settings({ model: 'm', retentionDays: 2 }) }, 1, 'cleo');
        await clock.advance(1_000);
        await registry.set(tenant, { status: 'disabled' }, 2, 'ann');
        await clock.advance(1_000);
        const detail = { chats: 3, complete: true, note: 'x' };
        const noted = await registry.audit.append({ by: 'dan', action: 'tenant-exported', tenant, detail });
        await clock.advance(1_000);
        await registry.remove(tenant, 3, 'eve');
        await clock.advance(1_000);
        await registry.audit.append({ by: 'dan', action: 'settings-read', tenant: null, detail: {} });
        const { items } = await registry.audit.list();
        expect(items.map(({ by, action, tenant: whose }) => [by, action, whose])).toEqual([
          ['dan', 'settings-read', null],
          ['eve', 'tenant-removed', 'acme'],
          ['dan', 'tenant-exported', 'acme'],
          ['ann', 'tenant-disabled', 'acme'],
          ['cleo', 'tenant-changed', 'acme'],
          ['bob', 'tenant-added', tenantId(BETA)],
          ['ann', 'tenant-added', 'acme'],
        ]);
        expect(items[2]).toEqual(noted);
        expect(items[4]?.detail).toEqual({ version: 2, fields: 'bots, model, retentionDays' });
        expect(JSON.stringify(items)).not.toContain('BOT_TOKEN');
        const mine: string[] = [];
        let cursor: string | null | undefined;
        for (let pages = 0; cursor !== null && pages < 10; pages++) {
          const page = await registry.audit.list({ tenant, limit: 2, ...(cursor && { cursor }) });
          mine.push(...page.items.map(({ action }) => action));
          cursor = page.cursor;
        }
        expect(mine).toEqual([
          'tenant-removed',
          'tenant-exported',
          'tenant-disabled',
          'tenant-changed',
          'tenant-added',
        ]);
      }),
    );

    it(
      'a refused change leaves no line and no bot behind',
      use(async ({ registry }) => {
        await registry.add(ACME, withBots('1'), ME);
        await registry.add(BETA, withBots('2'), ME);
        const before = await registry.audit.list();
        await failure(registry.set(tenantId(BETA), { settings: withBots('9', '1') }, 1, ME));
        await failure(registry.add('third' as TenantName, withBots('8', '1'), ME));
        expect(await registry.findBot('telegram', '9' as BotId)).toBeNull();
        expect(await registry.findBot('telegram', '8' as BotId)).toBeNull();
        expect((await registry.findBot('telegram', '2' as BotId))?.name).toBe(BETA);
        expect(await registry.audit.list()).toEqual(before);
      }),
    );

    for (const code of Object.keys(ERROR_WAYS) as TenantErrorCode[]) {
      it(
        `error ${code}: family, code and advice, whichever way it comes`,
        use(async ({ registry }) => {
          await registry.add(ACME, withBots('1'), ME);
          await registry.add(BETA, withBots('2'), ME);
          const { family, ways } = ERROR_WAYS[code];
          for (const way of ways(registry)) {
            const error = await failure(way());
            expect(error).toBeInstanceOf(family);
            expect(error.code).toBe(code);
            expect(error.advice).toBe(tenantErrors[code].advice);
          }
        }),
      );
    }

    it(
      'a record that cannot be read is Corrupt, never absent',
      use(async ({ registry, damage }) => {
        const { tenant } = await registry.add(ACME, withBots('1'), ME);
        await needed(damage)(tenant);
        await expectFailure(registry.get(tenant), Corrupt, 'record-unreadable');
        await expectFailure(registry.findBot('telegram', '1' as BotId), Corrupt, 'record-unreadable');
        await expectFailure(registry.set(tenant, { status: 'active' }, 1, ME), Corrupt, 'record-unreadable');
      }),
    );

    it(
      'what one registry wrote another over the same data reads',
      use(async ({ registry, reopen }) => {
        const added = await registry.add(ACME, withBots('1'), ME);
        const other = await needed(reopen)();
        expect(await other.findBot('telegram', '1' as BotId)).toEqual(added);
        await other.set(added.tenant, { status: 'disabled' }, 1, ME);
        expect((await registry.get(added.tenant))?.status).toBe('disabled');
        await other.close();
      }),
    );

    it(
      'a closed registry refuses',
      use(async ({ registry }) => {
        await registry.close();
        expect((await failure(registry.get(tenantId(ACME)))).code).toBe('store-closed');
        const appended = registry.audit.append({ by: ME, action: 'x', tenant: null, detail: {} });
        expect((await failure(appended)).code).toBe('store-closed');
      }),
    );

    finish();
  });
}
