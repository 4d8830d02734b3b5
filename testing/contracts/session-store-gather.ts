// A running turn takes waiting messages with it: all of them in one step, or none.
import { expect } from 'vitest';
import { Conflict } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import { gatheredBy } from '../../src/core/records.ts';
import { conversation, type Declare, expectFailure, message, withFixture } from './contract.ts';
import type { SessionStoreContract, SessionStoreFixture } from './session-store-fixture.ts';
import { begin, commitOf, LEASE_MS, RETENTION_SEC } from './session-store-steps.ts';

export function gatherCases(contract: SessionStoreContract, it: Declare): void {
  /** Three messages of one conversation, the first one begun. */
  const withThree = (
    use: (fixture: SessionStoreFixture, three: Awaited<ReturnType<typeof threeOf>>) => Promise<void>,
  ) => withFixture(contract.create, async (fixture) => use(fixture, await threeOf(fixture)));

  async function threeOf({ store }: SessionStoreFixture) {
    const of = conversation();
    const [first, second, third] = [message(of), message(of), message(of)] as const;
    for (const request of [first, second, third]) await store.accept(request, RETENTION_SEC);
    const begun = await begin(store, first);
    const followers = [second.turnId, third.turnId];
    return { first, second, third, begun, input: { lease: begun.lease, turnId: first.turnId, followers } };
  }

  it(`${promise('ONCE-IN')} gathered messages are closed, and never run`, () =>
    withThree(async ({ store }, { second, third, begun, input }) => {
      await store.gather(input);
      for (const { turnId, text } of [second, third]) {
        expect(await store.getTurn(begun.lease.tenant, turnId)).toMatchObject({
          status: 'delivered',
          reply: gatheredBy(input.turnId),
          text,
        });
      }
      await store.commit(commitOf(begun));
      await store.release(begun.lease);
      expect((await begin(store, second)).turn).toMatchObject({ status: 'delivered', attempts: 0 });
    }));

  it(`${promise('ATOMIC')} one that does not wait any more leaves all as they are`, () =>
    withThree(async ({ store }, { second, third, begun, input }) => {
      await store.gather({ ...input, followers: [third.turnId] });
      await expectFailure(store.gather(input), Conflict, 'not-queued');
      expect((await store.getTurn(begun.lease.tenant, second.turnId))?.status).toBe('queued');
    }));

  it(`${promise('FENCED')} a worker that lost its lease gathers nothing`, () =>
    withThree(async ({ store, clock }, { first, second, begun, input }) => {
      await clock.advance(LEASE_MS + 1);
      await begin(store, first);
      await expectFailure(store.gather(input), Conflict, 'lease-lost');
      expect((await store.getTurn(begun.lease.tenant, second.turnId))?.status).toBe('queued');
    }));
}
