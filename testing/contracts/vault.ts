// The contract of every `Vault`: entries never mix, whoever they belong to and whatever bytes names hold; what may happen once
// happens once; lists and errors hold no value.
import { randomUUID } from 'node:crypto';
import { describe, expect } from 'vitest';
import { Invalid } from '../../src/core/errors.ts';
import { type Person, type Tenant, tenantId } from '../../src/core/ids.ts';
import type { Vault, VaultEntry } from '../../src/core/ports/vault.ts';
import { MAX_CREDENTIAL_BYTES, person } from '../../src/core/vault.ts';
import { type ContractSkip, cases, failure, withFixture } from './contract.ts';

export interface VaultFixture {
  readonly vault: Vault;
  /** Another vault over the same entries, as a second process would open it; absent where there can be none. */
  reopen?(): Vault;
  close(): Promise<void>;
}

export interface VaultContract {
  readonly name: string;
  create(): Promise<VaultFixture>;
  readonly skip?: readonly ContractSkip[];
}

/** What belongs to the installation lies under `#`, which begins no tenant. */
const INSTALLATION = '#' as Tenant;

const HOSTILE_TENANTS = [
  'acme',
  'Acme',
  'acme/x',
  'acme=2Fx',
  'acme.2Fx',
  '-',
  '.',
  '..',
  '*',
  'ä',
  '名',
  '#',
  '# ',
  'acme\n',
  'x'.repeat(60),
];
const HOSTILE_IDS = [
  '1',
  '01',
  '-',
  '/',
  '../1',
  '.2F',
  '=2F',
  '%2F',
  ' ',
  '1 ',
  '1\n2',
  'ann@example.com',
  'ä',
  '名',
  'U1:2',
  ':',
  '__proto__',
];

export function vaultContract({ name, create, skip }: VaultContract): void {
  const { it, finish } = cases(skip);
  const withVault = (use: (fixture: VaultFixture) => Promise<void>) => withFixture(create, use);
  const entry = (over: Partial<VaultEntry> = {}): VaultEntry => ({
    tenant: tenantId('acme'),
    person: null,
    name: 'github',
    ...over,
  });

  describe(`vault: ${name}`, () => {
    it('what was stored is read back exactly, the last one of several', () =>
      withVault(async ({ vault }) => {
        expect(await vault.get(entry())).toBeNull();
        for (const value of ['one', ' two ', 'ü名 {"a":"\\u0000"}', 'x'.repeat(MAX_CREDENTIAL_BYTES)]) {
          await vault.set(entry(), value);
          expect(await vault.get(entry())).toBe(value);
        }
      }));

    it('what was removed is gone, and removing it again is no error', () =>
      withVault(async ({ vault }) => {
        await vault.set(entry(), 'one');
        expect(await vault.remove(entry())).toBe(true);
        expect(await vault.get(entry())).toBeNull();
        expect(await vault.remove(entry())).toBe(false);
        expect(await vault.list(tenantId('acme'))).toEqual([]);
        await vault.set(entry(), 'two');
        expect(await vault.get(entry())).toBe('two');
      }));

    it('[TENANT] entries of tenants, people and names never mix, whatever is in them', () =>
      withVault(async ({ vault }) => {
        const people: (Person | null)[] = [
          null,
          ...HOSTILE_IDS.map((id) => person(`telegram/${id}`)),
          person('slack/1'),
          person('telegram-chat/1'),
        ];
        const all = [
          ...HOSTILE_TENANTS.map((one) => entry({ tenant: tenantId(one) })),
          entry({ tenant: INSTALLATION }),
          ...people.map((one) => entry({ person: one, tenant: tenantId('people') })),
          ...['github', 'GitHub', 'git.hub', 'git-hub', 'oauth/github', 'github/oauth'].map((one) =>
            entry({ name: one, tenant: tenantId('names') }),
          ),
        ];
        const values = all.map(() => randomUUID());
        for (const [at, one] of all.entries()) await vault.set(one, values[at] ?? '');
        const read = [];
        for (const one of all) read.push(await vault.get(one));
        expect(read).toEqual(values);
        const listed = await vault.list(tenantId('people'));
        expect(new Set(listed.map((one) => one.person))).toEqual(new Set(people));
        expect(listed).toHaveLength(people.length);
        for (const tenant of HOSTILE_TENANTS) {
          expect((await vault.list(tenantId(tenant))).map((one) => one.tenant)).toEqual([tenantId(tenant)]);
        }
      }));

    it('a list says whose entries there are and when they changed, in order, and never a value', () =>
      withVault(async ({ vault }) => {
        const value = `canary-${randomUUID()}`;
        const ann = person('telegram/1');
        for (let at = 0; at < 12; at++) await vault.set(entry({ name: `many${at}` }), value);
        await vault.set(entry({ person: ann, name: 'oauth/github' }), value);
        const listed = await vault.list(tenantId('acme'));
        const names = Array.from({ length: 12 }, (_, at) => `many${at}`).sort();
        expect(listed.map((one) => [one.person, one.name])).toEqual([
          ...names.map((one) => [null, one]),
          [ann, 'oauth/github'],
        ]);
        for (const one of listed) expect(one.changedAtMs).toBeGreaterThan(0);
        expect(JSON.stringify(listed)).not.toContain(value);
      }));

    it('of many that add at once one is told that it did, and its value stays', () =>
      withVault(async ({ vault, reopen }) => {
        const other = reopen?.() ?? vault;
        const tries = Array.from({ length: 8 }, (_, at) => `value ${at}`);
        const added = await Promise.all(
          tries.map((value, at) => (at % 2 ? vault : other).add(entry(), value)),
        );
        expect(added.filter(Boolean)).toHaveLength(1);
        expect(await vault.get(entry())).toBe(tries[added.indexOf(true)]);
        expect(await vault.add(entry(), 'late')).toBe(false);
      }));

    it('of many that remove at once one is told that it did', () =>
      withVault(async ({ vault, reopen }) => {
        const other = reopen?.() ?? vault;
        await vault.set(entry(), 'once');
        const removed = await Promise.all(
          Array.from({ length: 8 }, (_, at) => (at % 2 ? vault : other).remove(entry())),
        );
        expect(removed.filter(Boolean)).toHaveLength(1);
      }));

    it('entries of one tenant that come and go at once disturb nobody', () =>
      withVault(async ({ vault, reopen }) => {
        const other = reopen?.() ?? vault;
        const work = async (one: Vault, at: number): Promise<void> => {
          for (let round = 0; round < 5; round++) {
            await one.set(entry({ name: `busy${at}` }), `${round}`);
            expect(await one.get(entry({ name: `busy${at}` }))).toBe(`${round}`);
            expect(await one.remove(entry({ name: `busy${at}` }))).toBe(true);
          }
        };
        await Promise.all([0, 1, 2, 3].map((at) => work(at % 2 ? vault : other, at)));
        expect(await vault.list(tenantId('acme'))).toEqual([]);
      }));

    it('what one vault wrote another over the same entries reads', () =>
      withVault(async ({ vault, reopen }) => {
        await vault.set(entry(), 'kept');
        const other = reopen?.();
        expect(await other?.get(entry())).toBe('kept');
        expect(await other?.list(tenantId('acme'))).toEqual(await vault.list(tenantId('acme')));
      }));

    it('names and values that cannot be kept are refused, without being repeated', () =>
      withVault(async ({ vault }) => {
        for (const bad of ['', '/', 'a/b/c', '../x', 'a b', 'ä', 'x'.repeat(65), '.hidden', 'a/']) {
          for (const use of [
            () => vault.set(entry({ name: bad }), 'v'),
            () => vault.get(entry({ name: bad })),
            () => vault.add(entry({ name: bad }), 'v'),
            () => vault.remove(entry({ name: bad })),
          ]) {
            expect(await failure(use())).toMatchObject({ code: 'bad-credential-name' });
          }
        }
        const canary = 'canary'.repeat(2_000);
        for (const bad of ['', canary, '\ud800']) {
          for (const use of [() => vault.set(entry(), bad), () => vault.add(entry(), bad)]) {
            const error = await failure(use());
            expect(error).toBeInstanceOf(Invalid);
            expect(error.code).toBe('bad-credential');
            expect(`${error.message}${error.advice}${JSON.stringify(error.data)}`).not.toContain('canary');
          }
        }
        expect(await failure(vault.get(entry({ person: 'nobody' as Person })))).toMatchObject({
          code: 'bad-person',
        });
        expect(await vault.list(tenantId('acme'))).toEqual([]);
      }));
    finish();
  });
}
