// Retention: past its time an item is absent whether or not it was deleted; erase leaves nothing behind. And the
// other side of absence: a store that cannot answer says so, it never says "there is none".
import { expect } from 'vitest';
import { Conflict, Refused } from '../../src/core/errors.ts';
import { newSessionId, type SessionKey, sessionKeyOf, type Tenant, type TurnId } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { conversation, type Declare, expectFailure, failure, message, withFixture } from './contract.ts';
import type { SessionStoreContract } from './session-store-fixture.ts';
import { begin, commitOf, LEASE_MS, RETENTION_SEC, wholeTurn } from './session-store-steps.ts';

const RETENTION_MS = RETENTION_SEC * 1_000;

export function expiryCases({ create, createBroken }: SessionStoreContract, it: Declare): void {
  it(`${promise('EXPIRE')} every commit pushes the end of retention out`, () =>
    withFixture(create, async ({ store, clock }) => {
      const of = conversation();
      const first = await wholeTurn(store, message(of));
      for (let i = 0; i < 3; i++) {
        await clock.advance(RETENTION_MS - 5_000);
        const begun = await wholeTurn(store, message(of));
        expect(begun.lease.sessionId).toBe(first.lease.sessionId);
      }
      expect((await store.getMapping(first.lease.sessionKey))?.created_at).toBe(first.mapping.created_at);
    }));

  it(`${promise('EXPIRE')} past its ttl everything is absent, deleted or not`, () =>
    withFixture(create, async ({ store, clock }) => {
      const { lease, turn } = await wholeTurn(store, message(conversation()));
      await clock.advance(RETENTION_MS - 5_000);
      expect(await store.getMapping(lease.sessionKey)).not.toBeNull();
      expect((await store.listMappings(lease.tenant)).items).toHaveLength(1);
      await clock.advance(10_000);
      expect(await store.getMapping(lease.sessionKey)).toBeNull();
      expect(await store.getHead(lease.tenant, lease.sessionId)).toBeNull();
      expect(await store.getTurn(lease.tenant, turn.turnId)).toBeNull();
      expect((await store.listMappings(lease.tenant)).items).toEqual([]);
      expect((await store.listHeads(lease.tenant)).items).toEqual([]);
      expect((await store.listTurns(lease.sessionKey)).items).toEqual([]);
    }));

  it(`${promise('EXPIRE')} begin on an expired mapping makes a new session`, () =>
    withFixture(create, async ({ store, clock }) => {
      const of = conversation();
      const first = await wholeTurn(store, message(of));
      await clock.advance(RETENTION_MS + 5_000);
      const second = await begin(store, message(of, { sessionHint: first.lease.sessionId }));
      expect(second.lease.sessionId).not.toBe(first.lease.sessionId);
      expect(second.head).toMatchObject({ generation: 0, state: null });
      expect(second.mapping.created_at).toBe(new Date(clock.now()).toISOString());
    }));

  it(`${promise('EXPIRE')} a turn begun again on a new session forgets the checkpoint of the expired one`, () =>
    withFixture(create, async ({ store, clock }) => {
      const request = message(conversation());
      const { turnId } = request;
      // The line is kept for longer than the session.
      await store.accept(request, RETENTION_SEC);
      const first = await begin(store, request, { retentionSec: 60 });
      await store.advance({ lease: first.lease, baseGeneration: 0, generation: 1, state: {}, turnId });
      await clock.advance(65_000);
      const again = await begin(store, request);
      expect(again.lease.sessionId).not.toBe(first.lease.sessionId);
      expect(again.turn).toMatchObject({ status: 'running', generation: null });
    }));

  it(`${promise('EXPIRE')} beginning a committed turn again does not bring an expired conversation back`, () =>
    withFixture(create, async ({ store, clock }) => {
      const request = message(conversation());
      const first = await wholeTurn(store, request);
      const { sessionKey } = first.lease;
      const state = { packs: [] };
      const sessionId = newSessionId();
      await store.adopt({ sessionKey, sessionId, generation: 1, state, retentionSec: 60 });
      await clock.advance(65_000);
      const again = await begin(store, request);
      expect(again).toMatchObject({
        lease: { sessionId: first.lease.sessionId },
        turn: { status: 'delivered' },
      });
      expect(Object.keys(again.mapping)).toHaveLength(7);
      expect(await store.getMapping(sessionKey)).toBeNull();
    }));

  it('a conversation whose retention ends while its turn runs goes on as the same one', () =>
    withFixture(create, async ({ store, clock }) => {
      const request = message(conversation());
      await store.accept(request, RETENTION_SEC);
      const begun = await begin(store, request, { retentionSec: 60 });
      await clock.advance(65_000);
      await store.commit(commitOf(begun));
      expect(await store.getMapping(begun.lease.sessionKey)).toMatchObject({
        session_id: begun.lease.sessionId,
        created_at: begun.mapping.created_at,
      });
    }));

  it(`${promise('EXPIRE')} erase removes a conversation whole, and names its sessions`, () =>
    withFixture(create, async ({ store }) => {
      const of = conversation();
      const first = await wholeTurn(store, message(of), { repointTo: newSessionId() });
      const second = await wholeTurn(store, message(of));
      const waiting = await store.accept(message(of), RETENTION_SEC);
      const other = await wholeTurn(store, message(conversation()));
      const { tenant, sessionKey } = first.lease;
      const erased = await store.erase(sessionKey);
      expect([...erased].sort()).toEqual([first.lease.sessionId, second.lease.sessionId].sort());
      expect(await store.getMapping(sessionKey)).toBeNull();
      for (const id of erased) expect(await store.getHead(tenant, id)).toBeNull();
      for (const { turnId } of [first.turn, second.turn, waiting]) {
        expect(await store.getTurn(tenant, turnId)).toBeNull();
      }
      expect((await store.listTurns(sessionKey)).items).toEqual([]);
      expect((await store.listHeads(tenant, { sessionKey })).items).toEqual([]);
      expect((await store.listMappings(tenant)).items).toEqual([
        await store.getMapping(other.lease.sessionKey),
      ]);
      expect((await store.listTurns(other.lease.sessionKey)).items).toHaveLength(1);
      expect(await store.erase(sessionKey)).toEqual([]);
      const again = await begin(store, message(of));
      expect(again.head.generation).toBe(0);
      expect(erased).not.toContain(again.lease.sessionId);
    }));

  it(`${promise('EXPIRE', 'ONCE-IN')} erase keeps the line of the turn that orders it, and what is written next comes after it`, () =>
    withFixture(create, async ({ store }) => {
      const of = conversation();
      const first = await wholeTurn(store, message(of));
      const order = message(of);
      await wholeTurn(store, order);
      const { tenant, sessionKey } = first.lease;
      expect(await store.erase(sessionKey, order.turnId)).toEqual([first.lease.sessionId]);
      expect(await store.getTurn(tenant, first.turn.turnId)).toBeNull();
      expect(await store.getHead(tenant, first.lease.sessionId)).toBeNull();
      expect(await store.accept(order, RETENTION_SEC)).toMatchObject({ status: 'delivered' });
      const next = await store.accept(message(of), RETENTION_SEC);
      const { items } = await store.listTurns(sessionKey);
      expect(items.map(({ turnId }) => turnId)).toEqual([order.turnId, next.turnId]);
    }));

  it(`${promise('EXPIRE')} erase names sessions that have expired, so that their objects go too`, () =>
    withFixture(create, async ({ store, clock }) => {
      const { lease } = await wholeTurn(store, message(conversation()));
      await clock.advance(RETENTION_MS + 5_000);
      expect(await store.erase(lease.sessionKey)).toEqual([lease.sessionId]);
      expect(await store.erase(lease.sessionKey)).toEqual([]);
    }));

  it('erase is refused while a turn runs, and fences whoever held an old lease', () =>
    withFixture(create, async ({ store, clock }) => {
      const begun = await begin(store, message(conversation()));
      const { sessionKey } = begun.lease;
      await expectFailure(store.erase(sessionKey), Refused, 'lease-busy');
      expect(await store.getMapping(sessionKey)).toEqual(begun.mapping);
      await store.check(begun.lease);
      await clock.advance(LEASE_MS + 1);
      expect(await store.erase(sessionKey)).toEqual([begun.lease.sessionId]);
      await expectFailure(store.commit(commitOf(begun)), Conflict, 'lease-lost');
      await expectFailure(store.check(begun.lease), Conflict, 'lease-lost');
      expect(await store.getMapping(sessionKey)).toBeNull();
      expect(await store.getTurn(begun.lease.tenant, begun.turn.turnId)).toBeNull();
    }));

  it('erase of a conversation nobody knows removes nothing', () =>
    withFixture(create, async ({ store }) => {
      expect(await store.erase(sessionKeyOf(conversation()))).toEqual([]);
    }));

  it(`${promise('NO-AMNESIA')} a store that cannot reach its data fails; it never says "absent"`, () =>
    withFixture(createBroken, async ({ store }) => {
      const request = message(conversation());
      const key: SessionKey = request.sessionKey;
      const tenant = 'acme' as Tenant;
      const sessionId = newSessionId();
      const lease = { tenant, sessionId, sessionKey: key, owner: 'me', fence: 1 };
      const { turnId } = request;
      const asked: Record<string, () => Promise<unknown>> = {
        accept: () => store.accept(request, RETENTION_SEC),
        begin: () => begin(store, request),
        renew: () => store.renew(lease, LEASE_MS, turnId),
        check: () => store.check(lease),
        requestStop: () => store.requestStop(tenant, turnId),
        getTurn: () => store.getTurn(tenant, turnId),
        getMapping: () => store.getMapping(key),
        getHead: () => store.getHead(tenant, sessionId),
        listMappings: () => store.listMappings(tenant),
        listHeads: () => store.listHeads(tenant),
        listTurns: () => store.listTurns(key),
        erase: () => store.erase(key),
      };
      for (const [name, ask] of Object.entries(asked)) {
        const { code } = await failure(ask());
        // None of these may look like an answer about the data.
        expect([name, code]).not.toEqual([name, 'lease-lost']);
        expect([name, code]).not.toEqual([name, 'unknown-turn']);
        expect([name, code]).not.toEqual([name, 'lease-busy']);
      }
    }));

  it('a conversation can be begun again right after the store was told an unknown turn', () =>
    withFixture(create, async ({ store }) => {
      expect(await store.getTurn('acme' as Tenant, 'turn_nobody' as TurnId)).toBeNull();
      expect(await store.getHead('acme' as Tenant, newSessionId())).toBeNull();
      const request = message(conversation());
      expect(await store.getMapping(request.sessionKey)).toBeNull();
      expect((await begin(store, request)).head.generation).toBe(0);
    }));
}
