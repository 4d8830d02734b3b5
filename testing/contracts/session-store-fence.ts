// Takeover and fencing: whoever lost the lease can write nothing, and harms nobody by trying.
import { expect } from 'vitest';
import { Conflict, Gone, Refused } from '../../src/core/errors.ts';
import type { TurnId } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { conversation, type Declare, expectFailure, failure, message, withFixture } from './contract.ts';
import type { SessionStoreContract, SessionStoreFixture } from './session-store-fixture.ts';
import { begin, commitOf, LEASE_MS, RETENTION_SEC, snapshot, wholeTurn } from './session-store-steps.ts';

/** One worker holds the lease, falls asleep past its end, and another takes over the same turn. */
async function takeover({ store, clock }: SessionStoreFixture) {
  const request = message(conversation());
  const old = await begin(store, request);
  await clock.advance(LEASE_MS + 1);
  const fresh = await begin(store, request);
  return { request, old, fresh };
}

export function fenceCases({ create }: SessionStoreContract, it: Declare): void {
  it('a lease that ran out is taken over with a higher fence', () =>
    withFixture(create, async (fixture) => {
      const { old, fresh } = await takeover(fixture);
      expect(fresh.lease.sessionId).toBe(old.lease.sessionId);
      expect(fresh.lease.fence).toBe(old.lease.fence + 1);
      expect(fresh.turn.attempts).toBe(2);
      await fixture.store.check(fresh.lease);
    }));

  it(`${promise('FENCED')} every write of the old lease fails and changes nothing`, () =>
    withFixture(create, async (fixture) => {
      const { store } = fixture;
      const { old, fresh, request } = await takeover(fixture);
      const before = await snapshot(store, fresh);
      const { lease } = old;
      const writes: Record<string, () => Promise<unknown>> = {
        renew: () => store.renew(lease, LEASE_MS, request.turnId),
        commit: () => store.commit(commitOf(old)),
        advance: () => store.advance({ lease, baseGeneration: 0, generation: 1, state: {} }),
        setAnchor: () => store.setAnchor(lease, request.turnId, { messageId: 1 }),
        check: () => store.check(lease),
      };
      for (const write of Object.values(writes)) await expectFailure(write(), Conflict, 'lease-lost');
      expect(await snapshot(store, fresh)).toEqual(before);
      await store.commit(commitOf(fresh));
      const committed = await snapshot(store, fresh);
      await expectFailure(store.settle(lease, request.turnId, 'delivered'), Conflict, 'lease-lost');
      await expectFailure(store.commit(commitOf(old)), Conflict, 'lease-lost');
      expect(await snapshot(store, fresh)).toEqual(committed);
    }));

  it(`${promise('FENCED')} releasing a lost lease does nothing to the one who holds it`, () =>
    withFixture(create, async (fixture) => {
      const { store } = fixture;
      const { old, fresh, request } = await takeover(fixture);
      await store.release(old.lease);
      await store.check(fresh.lease);
      const error = await failure(begin(store, request));
      expect(error).toBeInstanceOf(Refused);
      expect(error.code).toBe('lease-busy');
    }));

  it(`${promise('FENCED')} a lease given back no longer holds`, () =>
    withFixture(create, async ({ store }) => {
      const begun = await begin(store, message(conversation()));
      await store.release(begun.lease);
      await expectFailure(store.check(begun.lease), Conflict, 'lease-lost');
      await expectFailure(store.commit(commitOf(begun)), Conflict, 'lease-lost');
      await expectFailure(store.renew(begun.lease, LEASE_MS, begun.turn.turnId), Conflict, 'lease-lost');
      await store.release(begun.lease);
      expect((await store.getHead(begun.lease.tenant, begun.lease.sessionId))?.generation).toBe(0);
    }));

  it(`${promise('FENCED')} of twenty takeovers at once one is granted`, () =>
    withFixture(create, async ({ store, clock }) => {
      const request = message(conversation());
      const old = await begin(store, request);
      await clock.advance(LEASE_MS + 1);
      const results = await Promise.allSettled(Array.from({ length: 20 }, () => begin(store, request)));
      const granted = results.filter((result) => result.status === 'fulfilled');
      expect(granted).toHaveLength(1);
      expect(granted[0]!.value.lease.fence).toBe(old.lease.fence + 1);
    }));

  it('forgiving takes back the attempt that begin counted, once and only from the holder', () =>
    withFixture(create, async (fixture) => {
      const { store } = fixture;
      const { old, fresh, request } = await takeover(fixture);
      const { turnId } = request;
      await store.release(old.lease, { forgive: turnId });
      expect((await store.getTurn(fresh.lease.tenant, turnId))?.attempts).toBe(2);
      await store.release(fresh.lease, { forgive: turnId });
      await store.release(fresh.lease, { forgive: turnId });
      expect((await store.getTurn(fresh.lease.tenant, turnId))?.attempts).toBe(1);
      const again = await begin(store, request);
      expect(again.turn.attempts).toBe(2);
      const committed = await store.commit(commitOf(again));
      await store.release(again.lease, { forgive: turnId });
      expect(await store.getTurn(fresh.lease.tenant, turnId)).toEqual(committed);
    }));

  it('the fence decides, not the clock: late but not taken over, the holder goes on', () =>
    withFixture(create, async ({ store, clock }) => {
      const begun = await begin(store, message(conversation()));
      await clock.advance(LEASE_MS * 2);
      await store.renew(begun.lease, LEASE_MS, begun.turn.turnId);
      const turn = await store.commit(commitOf(begun));
      expect(turn.status).toBe('committed');
    }));

  it('renew keeps others out for another term', () =>
    withFixture(create, async ({ store, clock }) => {
      const of = conversation();
      const begun = await begin(store, message(of));
      await clock.advance(LEASE_MS - 1_000);
      await store.renew(begun.lease, LEASE_MS, begun.turn.turnId);
      await clock.advance(LEASE_MS - 1_000);
      expect((await failure(begin(store, message(of)))).code).toBe('lease-busy');
      await clock.advance(1_001);
      expect((await begin(store, message(of))).lease.fence).toBe(begun.lease.fence + 1);
    }));

  it(`${promise('FENCED', 'ONCE-OUT')} whoever begins a committed turn again fences the worker that committed it, after /new too`, () =>
    withFixture(create, async ({ store, clock }) => {
      for (const repointTo of [undefined, crypto.randomUUID() as never]) {
        const request = message(conversation(), { kind: repointTo ? 'new' : 'message' });
        const old = await begin(store, request);
        await store.commit(commitOf(old, repointTo ? { repointTo } : {}));
        expect((await failure(begin(store, request))).code).toBe('lease-busy');
        await clock.advance(LEASE_MS + 1);
        const fresh = await begin(store, request);
        expect(fresh.turn.status).toBe('committed');
        await expectFailure(store.check(old.lease), Conflict, 'lease-lost');
        await expectFailure(store.settle(old.lease, request.turnId, 'delivered'), Conflict, 'lease-lost');
        await store.check(fresh.lease);
        await store.settle(fresh.lease, request.turnId, 'delivered');
      }
    }));

  it('a stop is seen at the next renew, for its own turn only', () =>
    withFixture(create, async ({ store }) => {
      const of = conversation();
      const begun = await begin(store, message(of));
      const waiting = await store.accept(message(of), RETENTION_SEC);
      const { tenant } = begun.lease;
      expect(await store.renew(begun.lease, LEASE_MS, begun.turn.turnId)).toEqual({ stopRequested: false });
      expect(await store.requestStop(tenant, waiting.turnId)).toMatchObject({
        stopRequested: true,
        status: 'queued',
      });
      expect(await store.renew(begun.lease, LEASE_MS, begun.turn.turnId)).toEqual({ stopRequested: false });
      expect(await store.requestStop(tenant, begun.turn.turnId)).toMatchObject({
        stopRequested: true,
        status: 'running',
      });
      expect(await store.renew(begun.lease, LEASE_MS, begun.turn.turnId)).toEqual({ stopRequested: true });
      await store.release(begun.lease);
      expect(
        (await begin(store, message(of, { dedupeId: waiting.dedupeId, text: waiting.text }))).turn,
      ).toMatchObject({
        turnId: waiting.turnId,
        stopRequested: true,
      });
    }));

  it('a stop of an unknown turn is Gone; of a committed one it changes nothing', () =>
    withFixture(create, async ({ store }) => {
      const begun = await begin(store, message(conversation()));
      const committed = await store.commit(commitOf(begun));
      expect(await store.requestStop(begun.lease.tenant, begun.turn.turnId)).toEqual(committed);
      expect(await store.getTurn(begun.lease.tenant, begun.turn.turnId)).toEqual(committed);
      await expectFailure(store.requestStop(begun.lease.tenant, 'turn_none' as TurnId), Gone, 'unknown-turn');
    }));

  it('the anchor is kept for the next attempt, and replaced by the next', () =>
    withFixture(create, async ({ store }) => {
      const request = message(conversation());
      const begun = await begin(store, request);
      await store.setAnchor(begun.lease, request.turnId, { messageId: 7 });
      await store.setAnchor(begun.lease, request.turnId, { messageId: 7, sent: ['a', null, 'ü'] });
      expect(await store.commit(commitOf(begun))).toMatchObject({
        anchor: { messageId: 7, sent: ['a', null, 'ü'] },
      });
      await store.setAnchor(begun.lease, request.turnId, 'final');
      await store.release(begun.lease);
      expect((await begin(store, request)).turn.anchor).toBe('final');
      await expectFailure(
        store.setAnchor(begun.lease, 'turn_none' as TurnId, {}).then(() => store.check(begun.lease)),
        Conflict,
        'lease-lost',
      );
    }));

  it(`${promise('ONCE-OUT')} settling closes a committed turn once; a second time changes nothing`, () =>
    withFixture(create, async ({ store }) => {
      const begun = await begin(store, message(conversation()));
      const { lease, turn } = begun;
      await failure(store.settle(lease, turn.turnId, 'delivered'));
      expect((await store.getTurn(lease.tenant, turn.turnId))?.status).toBe('running');
      await store.commit(commitOf(begun));
      await store.settle(lease, turn.turnId, 'delivered');
      await store.settle(lease, turn.turnId, 'delivered');
      await store.settle(lease, turn.turnId, 'undeliverable');
      expect((await store.getTurn(lease.tenant, turn.turnId))?.status).toBe('delivered');
      const second = await begin(store, message(conversation()));
      await store.commit(commitOf(second));
      await store.settle(second.lease, second.turn.turnId, 'undeliverable');
      expect((await store.getTurn(lease.tenant, second.turn.turnId))?.status).toBe('undeliverable');
    }));

  it('a lease of one session opens no other', () =>
    withFixture(create, async ({ store }) => {
      const mine = await begin(store, message(conversation()));
      const theirs = await wholeTurn(store, message(conversation()));
      const forged = { ...theirs.lease, owner: mine.lease.owner, fence: mine.lease.fence };
      await expectFailure(store.check(forged), Conflict, 'lease-lost');
      await failure(store.commit(commitOf(mine, { turnId: theirs.turn.turnId })));
      expect((await store.getTurn(theirs.lease.tenant, theirs.turn.turnId))?.status).toBe('delivered');
      expect((await store.getHead(mine.lease.tenant, mine.lease.sessionId))?.generation).toBe(0);
    }));
}
