// Between turns: a lease without a turn, a reply sent once more, and what is left of sessions that have expired.
import { expect } from 'vitest';
import { Conflict, Gone, Refused } from '../../src/core/errors.ts';
import { newSessionId, type Tenant, type TurnId } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { conversation, type Declare, expectFailure, message, needed, withFixture } from './contract.ts';
import type { SessionStoreContract } from './session-store-fixture.ts';
import { begin, commitOf, LEASE_MS, RETENTION_SEC, wholeTurn } from './session-store-steps.ts';

export function upkeepCases({ create }: SessionStoreContract, it: Declare): void {
  it(`${promise('FENCED')} a lease without a turn shuts turns out, moves the head, and fences whoever came before`, () =>
    withFixture(create, async ({ store, clock }) => {
      const of = conversation();
      const old = await begin(store, message(of));
      const { tenant, sessionId } = old.lease;
      const input = { tenant, sessionId, owner: 'upkeep', leaseMs: LEASE_MS };
      await expectFailure(store.lease(input), Refused, 'lease-busy');
      await clock.advance(LEASE_MS + 1);
      const { lease, head } = await store.lease(input);
      expect(head).toMatchObject({ sessionId, generation: 0, fence: old.head.fence + 1 });
      expect(lease).toMatchObject({ sessionKey: old.lease.sessionKey, owner: 'upkeep', fence: head.fence });
      await expectFailure(store.commit(commitOf(old)), Conflict, 'lease-lost');
      await expectFailure(begin(store, message(of)), Refused, 'lease-busy');
      await store.advance({ lease, baseGeneration: 0, generation: 1, state: { mended: true } });
      await store.release(lease);
      const next = await begin(store, message(of));
      expect(next.head).toMatchObject({ sessionId, generation: 1, state: { mended: true } });
    }));

  it('a lease of a session that is not there is refused as such', () =>
    withFixture(create, async ({ store }) => {
      const input = { tenant: 'acme' as Tenant, sessionId: newSessionId(), owner: 'me', leaseMs: LEASE_MS };
      await expectFailure(store.lease(input), Gone, 'unknown-session');
      const { lease } = await wholeTurn(store, message(conversation()));
      const stranger = { ...input, sessionId: lease.sessionId, tenant: 'other' as Tenant };
      await expectFailure(store.lease(stranger), Gone, 'unknown-session');
    }));

  it('a reply that could not be delivered is opened again, any other turn stays as it is', () =>
    withFixture(create, async ({ store }) => {
      const of = conversation();
      const request = message(of);
      const { lease, turn } = await begin(store, request).then(async (begun) => {
        await store.commit(commitOf(begun));
        await store.settle(begun.lease, begun.turn.turnId, 'undeliverable');
        await store.release(begun.lease);
        return begun;
      });
      const { tenant } = lease;
      expect(await store.reopen(tenant, turn.turnId)).toMatchObject({ status: 'committed', generation: 1 });
      const again = await begin(store, request);
      expect(again.turn).toMatchObject({ status: 'committed', attempts: 1 });
      await store.settle(again.lease, turn.turnId, 'delivered');
      expect(await store.reopen(tenant, turn.turnId)).toMatchObject({ status: 'delivered' });
      const waiting = await store.accept(message(of), RETENTION_SEC);
      expect(await store.reopen(tenant, waiting.turnId)).toMatchObject({ status: 'queued' });
      await expectFailure(store.reopen(tenant, 'turn_nobody' as TurnId), Gone, 'unknown-turn');
    }));

  it(`${promise('EXPIRE')} expired sessions are listed, longest expired first, and removed under a lease`, () =>
    withFixture(create, async ({ store, clock }) => {
      const expired = needed(store.expired);
      const first = await wholeTurn(store, message(conversation()));
      await clock.advance(10_000);
      const second = await wholeTurn(store, message(conversation()));
      await clock.advance(RETENTION_SEC * 1_000 - 5_000);
      const live = await wholeTurn(store, message(conversation()));
      expect((await expired.list(9)).map((head) => head.sessionId)).toEqual([first.lease.sessionId]);
      await clock.advance(60_000);
      const [oldest, next] = await expired.list(9);
      expect([oldest?.sessionId, next?.sessionId]).toEqual([first.lease.sessionId, second.lease.sessionId]);
      expect(await expired.list(1)).toEqual([oldest]);
      const { tenant, sessionId } = first.lease;
      const { lease } = await store.lease({ tenant, sessionId, owner: 'sweep', leaseMs: LEASE_MS });
      await expectFailure(expired.remove(first.lease), Conflict, 'lease-lost');
      await expired.remove(lease);
      expect((await expired.list(9)).map((head) => head.sessionId)).toEqual([second.lease.sessionId]);
      await expectFailure(expired.remove(lease), Conflict, 'lease-lost');
      expect(await store.erase(first.lease.sessionKey)).toEqual([]);
      expect(await store.getHead(tenant, live.lease.sessionId)).not.toBeNull();
    }));

  it(`${promise('EXPIRE')} what a conversation said since an old session of it expired stays when that one goes`, () =>
    withFixture(create, async ({ store, clock }) => {
      const expired = needed(store.expired);
      const of = conversation();
      const old = await wholeTurn(store, message(of), { repointTo: newSessionId() });
      await clock.advance(RETENTION_SEC * 1_000 - 5_000);
      const now = await wholeTurn(store, message(of));
      await clock.advance(10_000);
      const { tenant, sessionId, sessionKey } = old.lease;
      const { lease } = await store.lease({ tenant, sessionId, owner: 'sweep', leaseMs: LEASE_MS });
      await expired.remove(lease);
      expect((await store.getMapping(sessionKey))?.session_id).toBe(now.lease.sessionId);
      expect((await store.listTurns(sessionKey)).items.map((turn) => turn.turnId)).toEqual([now.turn.turnId]);
      expect((await begin(store, message(of))).head.generation).toBe(1);
    }));
}
