// A conversation goes back to an earlier session of it, and another conversation begins as its fork: in one step with the
// turn, or not at all.
import { expect } from 'vitest';
import { Conflict, Gone, Invalid, Refused } from '../../src/core/errors.ts';
import { newSessionId, sessionKeyOf } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { conversation, type Declare, expectFailure, failure, message, withFixture } from './contract.ts';
import type { SessionStoreContract } from './session-store-fixture.ts';
import { begin, commitOf, LEASE_MS, RETENTION_SEC, snapshot, wholeTurn } from './session-store-steps.ts';

const STATE = { packs: ['shared'] };

export function timelineCases({ create }: SessionStoreContract, it: Declare): void {
  const withStore = (use: Parameters<typeof withFixture<Awaited<ReturnType<typeof create>>>>[1]) =>
    withFixture(create, use);

  it('returnTo leads back to the earlier session as it was, and its retention begins anew', () =>
    withStore(async ({ store, clock }) => {
      const of = conversation();
      const first = await wholeTurn(store, message(of));
      const { tenant, sessionId, sessionKey } = first.lease;
      const fresh = newSessionId();
      await wholeTurn(store, message(of, { kind: 'new' }), { generation: 1, repointTo: fresh });
      await wholeTurn(store, message(of));
      await clock.advance(60_000);
      const undo = await begin(store, message(of, { kind: 'undo' }));
      expect(undo.lease.sessionId).toBe(fresh);
      const input = commitOf(undo, { generation: 1, state: null, returnTo: sessionId });
      const committed = await store.commit(input);
      expect(await store.commit(input)).toEqual(committed);
      expect(await store.getMapping(sessionKey)).toMatchObject({ session_id: sessionId, chat_id: of.chat });
      const expiresAtSec = Math.floor(clock.now() / 1000) + RETENTION_SEC;
      expect(await store.getHead(tenant, sessionId)).toMatchObject({ generation: 1, expiresAtSec });
      expect(await store.getHead(tenant, fresh)).toMatchObject({ generation: 1, expiresAtSec });
      await store.settle(undo.lease, undo.turn.turnId, 'delivered');
      await store.release(undo.lease);
      expect((await begin(store, message(of))).head).toMatchObject({ sessionId, generation: 1 });
    }));

  it(`${promise('NO-AMNESIA', 'TENANT')} nobody returns to a session that is gone, is somebody else's, or is leased`, () =>
    withStore(async ({ store, clock }) => {
      const of = conversation();
      const first = await wholeTurn(store, message(of), { retentionSec: 60 });
      await wholeTurn(store, message(of, { kind: 'new' }), { repointTo: newSessionId(), retentionSec: 60 });
      const stranger = await wholeTurn(store, message(conversation()));
      const undo = await begin(store, message(of, { kind: 'undo' }));
      const before = await snapshot(store, undo);
      const to = (returnTo: typeof stranger.lease.sessionId) => store.commit(commitOf(undo, { returnTo }));
      await expectFailure(to(newSessionId()), Gone, 'unknown-session');
      await expectFailure(to(stranger.lease.sessionId), Gone, 'unknown-session');
      await expectFailure(to(undo.lease.sessionId), Gone, 'unknown-session');
      expect(await failure(to('a/b' as never))).toBeInstanceOf(Invalid);
      const { tenant, sessionId } = first.lease;
      const held = await store.lease({ tenant, sessionId, owner: 'sweep', leaseMs: 1_000 });
      await expectFailure(to(sessionId), Refused, 'lease-busy');
      await store.release(held.lease);
      expect(await snapshot(store, undo)).toEqual(before);
      await clock.advance(61_000);
      await expectFailure(to(sessionId), Gone, 'unknown-session');
      expect((await store.getTurn(tenant, undo.turn.turnId))?.status).toBe('running');
    }));

  it(`${promise('ATOMIC')} a fork shows with its conversation and the turn together`, () =>
    withStore(async ({ store, clock }) => {
      const of = conversation();
      const there = conversation();
      const sessionKey = sessionKeyOf(there);
      await wholeTurn(store, message(of));
      const begun = await begin(store, message(of, { kind: 'fork' }));
      const sessionId = newSessionId();
      const input = commitOf(begun, {
        state: { packs: ['own'] },
        fork: { sessionKey, sessionId, state: STATE },
      });
      const committed = await store.commit(input);
      expect(await store.commit(input)).toEqual(committed);
      const { tenant } = begun.lease;
      const expiresAtSec = Math.floor(clock.now() / 1000) + RETENTION_SEC;
      expect(await store.getHead(tenant, sessionId)).toMatchObject({
        sessionKey,
        generation: 2,
        state: STATE,
        expiresAtSec,
      });
      expect(await store.getHead(tenant, begun.lease.sessionId)).toMatchObject({
        generation: 2,
        state: { packs: ['own'] },
      });
      expect(await store.getMapping(sessionKey)).toMatchObject({
        session_id: sessionId,
        chat_id: there.chat,
      });
      expect((await store.getMapping(begun.lease.sessionKey))?.session_id).toBe(begun.lease.sessionId);
      const next = await begin(store, message(there));
      expect(next).toMatchObject({ head: { sessionId, generation: 2, state: STATE }, lease: { sessionKey } });
      expect((await store.listHeads(tenant, { sessionKey })).items.map((head) => head.sessionId)).toEqual([
        sessionId,
      ]);
      // Each is erased by itself.
      await store.release(next.lease);
      await store.release(begun.lease);
      expect(await store.erase(begun.lease.sessionKey)).toEqual([begun.lease.sessionId]);
      expect(await store.getHead(tenant, sessionId)).toMatchObject({ state: STATE });
      expect(await store.erase(sessionKey)).toEqual([sessionId]);
    }));

  it(`${promise('FENCED')} a fork takes nothing over, and a worker that lost its lease makes none`, () =>
    withStore(async ({ store, clock }) => {
      const of = conversation();
      await wholeTurn(store, message(of));
      const taken = await wholeTurn(store, message(conversation()));
      const request = message(of, { kind: 'fork' });
      const begun = await begin(store, request);
      const sessionKey = sessionKeyOf(conversation());
      const fork = { sessionKey, sessionId: newSessionId(), state: STATE };
      const make = (over: Partial<typeof fork>) =>
        store.commit(commitOf(begun, { fork: { ...fork, ...over } }));
      const before = await snapshot(store, begun);
      await expectFailure(make({ sessionKey: taken.lease.sessionKey }), Conflict, 'conversation-taken');
      await expectFailure(make({ sessionKey: begun.lease.sessionKey }), Conflict, 'conversation-taken');
      const foreign = sessionKeyOf({ ...conversation(), tenant: 'another' });
      await expectFailure(make({ sessionKey: foreign }), Conflict, 'conversation-taken');
      await expectFailure(make({ sessionId: taken.lease.sessionId }), Conflict, 'session-exists');
      await expectFailure(make({ sessionId: begun.lease.sessionId }), Conflict, 'session-exists');
      expect(await snapshot(store, begun)).toEqual(before);
      await clock.advance(LEASE_MS + 1);
      await begin(store, request);
      await expectFailure(make({}), Conflict, 'lease-lost');
      expect(await store.getMapping(sessionKey)).toBeNull();
      expect(await store.getHead(begun.lease.tenant, fork.sessionId)).toBeNull();
    }));

  it('a conversation that has expired may be begun as a fork', () =>
    withStore(async ({ store, clock }) => {
      const there = conversation();
      await wholeTurn(store, message(there), { retentionSec: 5 });
      const of = conversation();
      await wholeTurn(store, message(of));
      await clock.advance(6_000);
      const begun = await begin(store, message(of, { kind: 'fork' }));
      const fork = { sessionKey: sessionKeyOf(there), sessionId: newSessionId(), state: STATE };
      await store.commit(commitOf(begun, { fork }));
      expect((await store.getMapping(fork.sessionKey))?.session_id).toBe(fork.sessionId);
    }));

  it('a head that has expired is shown to who asks for it', () =>
    withStore(async ({ store, clock }) => {
      const { lease } = await wholeTurn(store, message(conversation()), { retentionSec: 5 });
      await clock.advance(6_000);
      expect(await store.getHead(lease.tenant, lease.sessionId)).toBeNull();
      const head = await store.getHead(lease.tenant, lease.sessionId, { expired: true });
      expect(head).toMatchObject({ sessionId: lease.sessionId, generation: 1 });
      expect(await store.getHead(lease.tenant, newSessionId(), { expired: true })).toBeNull();
    }));
}
