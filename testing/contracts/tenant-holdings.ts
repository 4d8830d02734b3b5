// The contract of every `TenantHoldings`, and of the erasure that rests on it: what is held of one tenant is found whatever
// kind it is, it goes and nothing else does, and an erasure that was cut off anywhere can be repeated.
import { describe, expect } from 'vitest';
import { Conflict, Refused } from '../../src/core/errors.ts';
import { sessionKeyOf, type Tenant, tenantId } from '../../src/core/ids.ts';
import type {
  EventLog,
  ObjectStore,
  SessionState,
  SessionStore,
  TenantHoldings,
  TenantRegistry,
  TurnQueue,
  Vault,
} from '../../src/core/ports.ts';
import { type TenantName, tenantSettingsSchema } from '../../src/core/tenants.ts';
import { person } from '../../src/core/vault.ts';
import { createMemoryObjectStore, createMemoryVault } from '../../src/stores/memory/index.ts';
import { eraseTenant, listHoldings } from '../../src/tenants/erase.ts';
import { type Contract, cases, conversation, expectFailure, message, withFixture } from './contract.ts';
import { begin, RETENTION_SEC, wholeTurn } from './session-store-steps.ts';

export interface TenantHoldingsFixture {
  readonly store: SessionStore;
  readonly events: EventLog;
  readonly holdings: TenantHoldings;
  readonly tenants: TenantRegistry;
  readonly queue: TurnQueue;
  close(): Promise<void>;
}

export type TenantHoldingsContract = Contract<TenantHoldingsFixture>;

/** Each begins another, or looks like a pattern of one. */
const NAMES = ['a', 'ab', 'a/', 'a#', 'a=2F', 'A', '*', 'a%', 'a_', '_', '群'.repeat(80)];
const BY = { by: 'test', settleMs: 0, waitMs: 3_000 };

/** A conversation with a turn and its events, one that only waits, and one with a text that is stored apart. */
async function plant(
  { store, events, queue }: TenantHoldingsFixture,
  { objects, vault }: { readonly objects: ObjectStore; readonly vault: Vault },
  name: string,
): Promise<void> {
  const { lease, turn } = await wholeTurn(store, message(conversation({ tenant: name, chat: 'same' })));
  await events.append(lease.tenant, turn.turnId, [{ type: 'text', text: 'x' }]);
  await wholeTurn(
    store,
    message(conversation({ tenant: name, chat: 'long' }), { text: 'long '.repeat(2_000) }),
  );
  await store.accept(message(conversation({ tenant: name, chat: 'waits' })), RETENTION_SEC);
  await queue.send(message(conversation({ tenant: name, chat: 'same' })));
  const [delivery] = await queue.receive({ max: 1, waitMs: 0, visibilityMs: 1_000 });
  await delivery?.deadLetter('no good');
  await objects.put(`${lease.tenant}/${lease.sessionId}/pack`, new Uint8Array(3));
  await vault.set({ tenant: lease.tenant, person: null, name: 'github' }, 'key');
  await vault.set({ tenant: lease.tenant, person: person('telegram/1'), name: 'oauth/github' }, 'tokens');
}

const totalOf = (counts: Readonly<Record<string, number>>) =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

export function tenantHoldingsContract({ name, create, skip }: TenantHoldingsContract): void {
  describe(`tenant holdings: ${name}`, () => {
    const { it, finish } = cases(skip);

    it(
      '[TENANT] what is held of one tenant is counted and erased, whatever the others are called',
      () =>
        withFixture(create, async (fixture) => {
          const { holdings } = fixture;
          const objects = createMemoryObjectStore();
          const vault = createMemoryVault();
          for (const one of NAMES) await plant(fixture, { objects, vault }, one);
          const counts = new Map<string, Readonly<Record<string, number>>>();
          for (const one of NAMES) {
            const tenant = tenantId(one);
            const counted = await holdings.count(tenant);
            expect(counted, one).toMatchObject({ conversations: 2, sessions: 2, events: 1 });
            counts.set(one, counted);
            const keys = ['long', 'same', 'waits'].map((chat) =>
              sessionKeyOf(conversation({ tenant: one, chat })),
            );
            expect([...(await holdings.conversations(tenant))].sort(), one).toEqual([...keys].sort());
          }
          for (const [i, one] of NAMES.entries()) {
            await holdings.erase(tenantId(one));
            expect(totalOf(await holdings.count(tenantId(one))), one).toBe(0);
            expect(await holdings.conversations(tenantId(one))).toEqual([]);
            for (const other of NAMES.slice(i + 1)) {
              expect(await holdings.count(tenantId(other)), `${other} after ${one}`).toEqual(
                counts.get(other),
              );
            }
          }
        }),
      120_000,
    );

    it(
      'erasing a tenant leaves nothing of it, names what there was, and touches no other',
      () =>
        withFixture(create, async (fixture) => {
          const { tenants } = fixture;
          const objects = createMemoryObjectStore();
          const vault = createMemoryVault();
          await plant(fixture, { objects, vault }, 'acme');
          await plant(fixture, { objects, vault }, 'acme-2');
          const bots = [{ channel: 'x', bot: '1' }];
          await tenants.add('acme' as TenantName, tenantSettingsSchema.parse({ bots }), 'test');
          const other = await listHoldings({ ...fixture, vault, objects }, tenantId('acme-2'));
          const erased = await eraseTenant(
            { ...fixture, vault, objects, state: stateOf(objects) },
            tenantId('acme'),
            BY,
          );
          expect(erased).toMatchObject({
            chats: 3,
            held: { conversations: 2, sessions: 2, objects: 1, 'dead letters': 1, credentials: 2 },
          });
          expect(totalOf(erased.left)).toBe(0);
          expect(await listHoldings({ ...fixture, vault, objects }, tenantId('acme-2'))).toEqual(other);
          expect(await tenants.get(tenantId('acme'))).toBeNull();
          const { items } = await tenants.audit.list({ tenant: tenantId('acme') });
          expect(items.map(({ action }) => action)).toEqual([
            'tenant-erased',
            'tenant-removed',
            'tenant-erasing',
            'tenant-added',
          ]);
          const again = await eraseTenant(
            { ...fixture, vault, objects, state: stateOf(objects) },
            tenantId('acme'),
            BY,
          );
          expect(again).toMatchObject({ chats: 0, held: { objects: 0 } });
        }),
      60_000,
    );

    it(
      'an erasure that was cut off at any step is finished by the next',
      () =>
        withFixture(create, async (fixture) => {
          const tenant = tenantId('acme');
          for (let step = 0; ; step++) {
            const objects = createMemoryObjectStore();
            const vault = createMemoryVault();
            await plant(fixture, { objects, vault }, 'acme');
            if (!(await fixture.tenants.get(tenant))) {
              await fixture.tenants.add('acme' as TenantName, tenantSettingsSchema.parse({}), 'test');
            }
            const deps = { ...fixture, vault, objects, state: stateOf(objects) };
            const cut = cutAfter(deps, step);
            const first = await eraseTenant(cut.deps, tenant, BY).catch((error: unknown) => error);
            if (!cut.wasCut()) break;
            expect(first).toBeInstanceOf(Error);
            // Half erased, it is known and answers nobody, or was not touched yet, or is gone with all it had.
            const record = await fixture.tenants.get(tenant);
            const held = totalOf(await listHoldings(deps, tenant));
            if (held > 0 && step > 1) expect(record?.status, `step ${step}`).toBe('erasing');
            const { left } = await eraseTenant(deps, tenant, BY);
            expect(totalOf(left), `step ${step}`).toBe(0);
            expect(await fixture.tenants.get(tenant)).toBeNull();
            expect(step).toBeLessThan(60);
          }
        }),
      180_000,
    );

    it(
      'a running turn is asked to stop; one that does not keeps everything in its place for the next try',
      () =>
        withFixture(create, async (fixture) => {
          const { store } = fixture;
          const objects = createMemoryObjectStore();
          const vault = createMemoryVault();
          const deps = { ...fixture, vault, objects, state: stateOf(objects) };
          const of = conversation({ tenant: 'acme', chat: 'runs' });
          const running = await begin(store, message(of));
          const tenant: Tenant = running.lease.tenant;
          await expectFailure(eraseTenant(deps, tenant, { ...BY, waitMs: 0 }), Conflict, 'turn-running');
          expect((await fixture.holdings.count(tenant)).sessions).toBe(1);
          const erasing = eraseTenant(deps, tenant, { ...BY, waitMs: 20_000 });
          const { turnId } = running.turn;
          for (let tries = 0; tries < 200; tries++) {
            if ((await store.getTurn(tenant, turnId))?.stopRequested) break;
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
          expect((await store.getTurn(tenant, turnId))?.stopRequested).toBe(true);
          await store.release(running.lease);
          expect(totalOf((await erasing).left)).toBe(0);
        }),
      60_000,
    );

    finish();
  });
}

function stateOf(objects: ObjectStore): SessionState {
  return {
    async erase(tenant: Tenant, sessionId: string) {
      const keys: string[] = [];
      for await (const { key } of objects.list(`${tenant}/${sessionId}/`)) keys.push(key);
      await objects.delete(keys);
    },
  } as never;
}

/** Everything that writes fails from the given call on, as after a kill. */
function cutAfter<D extends Parameters<typeof eraseTenant>[0]>(deps: D, calls: number) {
  let left = calls;
  const guarded = <T extends object>(port: T, names: readonly (keyof T)[]): T => {
    const copies = names.map((name) => [
      name,
      async (...given: unknown[]) => {
        if (left-- <= 0) throw new Refused('cut-off', 'killed here');
        return await (port[name] as (...passed: unknown[]) => unknown).apply(port, given);
      },
    ]);
    return { ...port, ...Object.fromEntries(copies) };
  };
  const tenants = guarded(deps.tenants, ['set', 'remove']);
  return {
    wasCut: () => left < 0,
    deps: {
      ...deps,
      store: guarded(deps.store, ['erase']),
      state: guarded(deps.state, ['erase']),
      objects: guarded(deps.objects, ['delete']),
      holdings: guarded(deps.holdings, ['erase']),
      vault: guarded(deps.vault, ['remove']),
      tenants: { ...tenants, audit: guarded(deps.tenants.audit, ['append']) },
    },
  };
}
