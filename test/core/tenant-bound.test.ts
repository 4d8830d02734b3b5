// A handle of one tenant refuses every call that names another one, and passes the rest on unchanged.
import { describe, expect, test } from 'vitest';
import { Invalid } from '../../src/core/errors.ts';
import { newSessionId, sessionKeyOf, type Tenant, tenantOf } from '../../src/core/ids.ts';
import { parseTurnRequest } from '../../src/core/messages.ts';
import type { ExecutionDirectory, SessionState, SessionStore } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { forTenant } from '../../src/core/tenant-bound.ts';
import {
  createMemoryEventLog,
  createMemoryObjectStore,
  createMemorySessionStore,
} from '../../src/stores/memory/index.ts';
import { conversation, expectFailure, message } from '../../testing/contracts/contract.ts';
import {
  begin,
  commitOf,
  LEASE_MS,
  RETENTION_SEC,
  wholeTurn,
} from '../../testing/contracts/session-store-steps.ts';

const MINE = 'mine' as Tenant;

async function twoTenants() {
  const store = createMemorySessionStore();
  const objects = createMemoryObjectStore();
  const events = createMemoryEventLog();
  const mine = await wholeTurn(store, message(conversation({ tenant: 'mine' })));
  const theirs = await wholeTurn(store, message(conversation({ tenant: 'theirs' })));
  await objects.put('theirs/a', new Uint8Array(1));
  await objects.put('mine-too/a', new Uint8Array(1));
  return { store, objects, events, mine, theirs, bound: forTenant({ store, objects, events }, MINE) };
}

/** Every call of the port with another tenant's ids. */
async function strangersCalls(store: SessionStore) {
  const of = conversation({ tenant: 'theirs' });
  const key = sessionKeyOf(of);
  const begun = await begin(store, message(of));
  const { lease, turn } = begun;
  const [tenant, { sessionId }, { turnId }] = [lease.tenant, lease, turn];
  const request = message(of);
  const leaseMs = LEASE_MS;
  const own = conversation({ tenant: 'mine' });
  const ours = await begin(store, message(own));
  const calls: {
    [Call in Exclude<keyof SessionStore, 'expired' | 'close'>]: ((to: SessionStore) => Promise<unknown>)[];
  } = {
    accept: [
      (to) => to.accept(request, RETENTION_SEC),
      // The key says one tenant, the conversation another.
      (to) => to.accept({ ...request, sessionKey: sessionKeyOf(own) }, RETENTION_SEC),
      (to) => to.accept({ ...message(own), conversation: of }, RETENTION_SEC),
    ],
    begin: [
      (to) => to.begin({ request, owner: 'x', leaseMs, newSessionId: newSessionId(), retentionSec: 60 }),
    ],
    renew: [
      (to) => to.renew(lease, leaseMs, turnId),
      (to) => to.renew({ ...lease, tenant: MINE }, leaseMs, turnId),
    ],
    commit: [(to) => to.commit(commitOf(begun)), (to) => to.commit(commitOf(ours, { moveTo: key }))],
    advance: [(to) => to.advance({ lease, baseGeneration: 0, generation: 1, state: null })],
    gather: [(to) => to.gather({ lease, turnId, followers: [] })],
    setAnchor: [(to) => to.setAnchor(lease, turnId, null)],
    check: [(to) => to.check(lease)],
    settle: [(to) => to.settle(lease, turnId, 'delivered')],
    release: [(to) => to.release(lease)],
    lease: [(to) => to.lease({ tenant, sessionId, owner: 'x', leaseMs })],
    requestStop: [(to) => to.requestStop(tenant, turnId)],
    reopen: [(to) => to.reopen(tenant, turnId)],
    getTurn: [(to) => to.getTurn(tenant, turnId)],
    getMapping: [(to) => to.getMapping(key)],
    getHead: [(to) => to.getHead(tenant, sessionId)],
    listMappings: [(to) => to.listMappings(tenant)],
    listHeads: [(to) => to.listHeads(tenant), (to) => to.listHeads(MINE, { sessionKey: key })],
    listTurns: [(to) => to.listTurns(key)],
    adopt: [
      (to) =>
        to.adopt({ sessionKey: key, sessionId: newSessionId(), generation: 1, state: {}, retentionSec: 60 }),
    ],
    erase: [(to) => to.erase(key)],
    readLinks: [(to) => to.readLinks(tenant, ['x'])],
    writeLinks: [(to) => to.writeLinks(tenant, [{ name: 'x', over: null, value: 1 }])],
  };
  return calls;
}

describe(`${promise('TENANT')} a handle of one tenant`, () => {
  test('refuses every call of the store that names another, and nothing has happened', async () => {
    const { store, bound } = await twoTenants();
    const calls = await strangersCalls(store);
    const before = JSON.stringify(await store.listHeads('theirs' as Tenant));
    for (const [name, ways] of Object.entries(calls)) {
      for (const way of ways) {
        const refused = await way(bound.store).then(
          () => null,
          (error: unknown) => error,
        );
        expect(refused, name).toBeInstanceOf(Invalid);
        expect((refused as Invalid).code, name).toBe('other-tenant');
      }
    }
    expect(JSON.stringify(await store.listHeads('theirs' as Tenant))).toBe(before);
  });

  test('passes its own calls on', async () => {
    const { mine, bound } = await twoTenants();
    const { lease, turn } = mine;
    expect((await bound.store.getTurn(MINE, turn.turnId))?.turnId).toBe(turn.turnId);
    expect((await bound.store.getHead(MINE, lease.sessionId))?.sessionId).toBe(lease.sessionId);
    const next = await begin(bound.store, message(conversation({ tenant: 'mine' })));
    expect((await bound.store.commit(commitOf(next))).status).toBe('committed');
    await bound.events.append(MINE, turn.turnId, [{ type: 'text', text: 'x' }]);
    expect(await bound.events.read(MINE, turn.turnId, 0, { waitMs: 0 })).toHaveLength(1);
    expect(await bound.objects.put('mine/s/p', new Uint8Array(2))).toBe('created');
  });

  test('opens no object and no event of another', async () => {
    const { bound, theirs } = await twoTenants();
    const { objects, events } = bound;
    for (const key of ['theirs/a', 'mine-too/a', 'mine', 'min', '', '/mine/a']) {
      await expectFailure(objects.get(key), Invalid, 'other-tenant');
      await expectFailure(objects.put(key, new Uint8Array(1)), Invalid, 'other-tenant');
      await expectFailure(objects.delete(['mine/a', key]), Invalid, 'other-tenant');
      await expectFailure(listed(objects.list(key)), Invalid, 'other-tenant');
      await expectFailure(listed(objects.stream(key)), Invalid, 'other-tenant');
    }
    const { tenant } = theirs.lease;
    await expectFailure(events.append(tenant, theirs.turn.turnId, []), Invalid, 'other-tenant');
    await expectFailure(events.read(tenant, theirs.turn.turnId, 0, { waitMs: 0 }), Invalid, 'other-tenant');
  });

  test('restores, saves and removes no state of another', async () => {
    const { store, theirs } = await twoTenants();
    const called: string[] = [];
    const note = (name: string) => async () => void called.push(name);
    const state = Object.fromEntries(
      ['restore', 'checkpoint', 'compact', 'collect', 'erase'].map((name) => [name, note(name)]),
    ) as unknown as SessionState;
    const bound = forTenant({ store, state }, MINE);
    const head = await store.getHead(theirs.lease.tenant, theirs.lease.sessionId);
    if (!head) throw new Error('no head');
    const directory = {} as ExecutionDirectory;
    await expectFailure(bound.state.restore(head, directory), Invalid, 'other-tenant');
    await expectFailure(
      bound.state.checkpoint({ head, generation: 1, fence: 1, baseline: null, directory }),
      Invalid,
      'other-tenant',
    );
    await expectFailure(bound.state.compact(head, 1), Invalid, 'other-tenant');
    await expectFailure(bound.state.collect(['mine/s/p', 'theirs/s/p']), Invalid, 'other-tenant');
    await expectFailure(bound.state.erase(head.tenant, head.sessionId), Invalid, 'other-tenant');
    expect(called).toEqual([]);
    await bound.state.collect(['mine/s/p']);
    expect(called).toEqual(['collect']);
  });
});

test('a queue message whose key is not that of its conversation is refused', () => {
  const request = message(conversation({ tenant: 'mine' }));
  const other = message(conversation({ tenant: 'theirs' }));
  expect(parseTurnRequest({ ...request })).toEqual(request);
  for (const torn of [
    { ...request, sessionKey: other.sessionKey },
    { ...request, conversation: other.conversation },
    { ...request, conversation: { ...request.conversation, thread: 'x' } },
  ]) {
    expect(() => parseTurnRequest(torn)).toThrow(/sessionKey/);
  }
  expect(tenantOf(request.sessionKey)).toBe('mine');
});

async function listed(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const item of items) all.push(item);
  return all;
}
