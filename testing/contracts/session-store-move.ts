// A conversation goes on under another key: session and mapping move in one step, or nothing does.
import { expect } from 'vitest';
import { Conflict } from '../../src/core/errors.ts';
import { conversationOf, type SessionKey } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { conversation, type Declare, expectFailure, message, withFixture } from './contract.ts';
import type { SessionStoreContract } from './session-store-fixture.ts';
import { begin, commitOf, LEASE_MS, wholeTurn } from './session-store-steps.ts';

export function moveCases(contract: SessionStoreContract, it: Declare): void {
  const withStore = (use: Parameters<typeof withFixture<Awaited<ReturnType<typeof contract.create>>>>[1]) =>
    withFixture(contract.create, use);

  function pair() {
    const old = conversation();
    const fresh = conversation();
    const move = message(old, { text: 'moves' });
    return { old, fresh, move, to: message(fresh).sessionKey as SessionKey };
  }

  it('a moved conversation goes on with its session under the new key', () =>
    withStore(async ({ store }) => {
      const { old, fresh, move, to } = pair();
      const before = await wholeTurn(store, message(old, { text: 'one' }));
      await wholeTurn(store, move, { moveTo: to });
      expect(await store.getMapping(before.lease.sessionKey)).toBeNull();
      expect(await store.getMapping(to)).toMatchObject({
        session_key: to,
        session_id: before.lease.sessionId,
        chat_id: conversationOf(to).chat,
      });
      const after = await wholeTurn(store, message(fresh, { text: 'two' }));
      expect(after.lease).toMatchObject({ sessionId: before.lease.sessionId, sessionKey: to });
      expect(after.head.generation).toBe(2);
      expect((await store.listHeads(after.lease.tenant, { sessionKey: to })).items).toHaveLength(1);
    }));

  it(`${promise('ONCE-IN')} a message from before the move, delivered again, is the same turn`, () =>
    withStore(async ({ store }) => {
      const { old, move, to } = pair();
      const first = message(old, { text: 'one' });
      const before = await wholeTurn(store, first);
      await wholeTurn(store, move, { moveTo: to });
      const again = await begin(store, first);
      expect(again.turn).toMatchObject({ turnId: first.turnId, status: 'delivered' });
      expect(again.lease.sessionId).toBe(before.lease.sessionId);
    }));

  it(`${promise('ATOMIC')} a move is repeated with its commit, and settles after a crash`, () =>
    withStore(async ({ store, clock }) => {
      const { move, to } = pair();
      const begun = await begin(store, move);
      const commit = commitOf(begun, { moveTo: to });
      const committed = await store.commit(commit);
      expect(await store.commit(commit)).toEqual(committed);
      await clock.advance(LEASE_MS + 1);
      const again = await begin(store, move);
      expect(again.turn.status).toBe('committed');
      await store.settle(again.lease, move.turnId, 'delivered');
      expect((await store.getTurn(again.lease.tenant, move.turnId))?.status).toBe('delivered');
    }));

  it('a key that points at another session is not taken over', () =>
    withStore(async ({ store }) => {
      const { old, fresh, move, to } = pair();
      const there = await wholeTurn(store, message(fresh, { text: 'here first' }));
      const before = await wholeTurn(store, message(old, { text: 'one' }));
      const begun = await begin(store, move);
      await expectFailure(store.commit(commitOf(begun, { moveTo: to })), Conflict, 'conversation-taken');
      expect((await store.getMapping(to))?.session_id).toBe(there.lease.sessionId);
      expect((await store.getMapping(before.lease.sessionKey))?.session_id).toBe(before.lease.sessionId);
      expect((await store.getHead(begun.lease.tenant, begun.lease.sessionId))?.generation).toBe(1);
      await store.commit(commitOf(begun));
    }));

  it(`${promise('FENCED')} a worker that lost its lease moves nothing`, () =>
    withStore(async ({ store, clock }) => {
      const { move, to } = pair();
      const begun = await begin(store, move);
      await clock.advance(LEASE_MS + 1);
      await begin(store, move);
      await expectFailure(store.commit(commitOf(begun, { moveTo: to })), Conflict, 'lease-lost');
      expect(await store.getMapping(to)).toBeNull();
    }));

  it(`${promise('EXPIRE')} erasing a moved conversation erases what it left under the old key`, () =>
    withStore(async ({ store }) => {
      const { old, fresh, move, to } = pair();
      const first = message(old, { text: 'one' });
      const before = await wholeTurn(store, first);
      await wholeTurn(store, move, { moveTo: to });
      await wholeTurn(store, message(fresh, { text: 'two' }));
      expect(await store.erase(to)).toEqual([before.lease.sessionId]);
      expect(await store.getTurn(before.lease.tenant, first.turnId)).toBeNull();
      expect(await store.getTurn(before.lease.tenant, move.turnId)).toBeNull();
      expect((await store.listTurns(before.lease.sessionKey)).items).toEqual([]);
      expect(await store.getHead(before.lease.tenant, before.lease.sessionId)).toBeNull();
    }));
}
