// What people were asked and have allowed lies in the session's head, and changes with a commit or not at all.
import { expect } from 'vitest';
import { Conflict } from '../../src/core/errors.ts';
import { newSessionId } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { conversation, type Declare, expectFailure, message, withFixture } from './contract.ts';
import type { SessionStoreContract } from './session-store-fixture.ts';
import { begin, commitOf, LEASE_MS, wholeTurn } from './session-store-steps.ts';

const CONSENT = { version: 1, open: { text: 'Grüße 👋\u0000', list: [null, 0.5, true] }, granted: [] };

export function consentCases({ create }: SessionStoreContract, it: Declare): void {
  it(`${promise('ASK')} a commit keeps what it asks, until another one says something else`, () =>
    withFixture(create, async ({ store, reopen }) => {
      const chat = conversation();
      const first = await wholeTurn(store, message(chat), { consent: CONSENT });
      const { tenant, sessionId } = first.lease;
      expect(first.head.consent ?? null).toBeNull();
      expect((await store.getHead(tenant, sessionId))?.consent).toEqual(CONSENT);
      const second = await begin(store, message(chat));
      expect(second.head.consent).toEqual(CONSENT);
      const { head, lease } = second;
      const { generation } = head;
      await store.advance({ lease, baseGeneration: generation, generation: generation + 1, state: {} });
      expect((await store.getHead(tenant, sessionId))?.consent).toEqual(CONSENT);
      await store.commit(commitOf(second, { baseGeneration: generation + 1, generation: generation + 1 }));
      expect((await ((await reopen?.()) ?? store).getHead(tenant, sessionId))?.consent).toEqual(CONSENT);
      await store.release(lease);
      await wholeTurn(store, message(chat), { consent: null });
      expect((await store.getHead(tenant, sessionId))?.consent ?? null).toBeNull();
    }));

  it(`${promise('FENCED', 'ASK')} whoever was overtaken changes nothing of it`, () =>
    withFixture(create, async ({ store, clock }) => {
      const request = message(conversation());
      const slow = await begin(store, request);
      await clock.advance(LEASE_MS + 1);
      const quick = await begin(store, request);
      await store.commit(commitOf(quick, { consent: CONSENT }));
      const late = commitOf(slow, { consent: { version: 1, open: null, granted: ['all'] } });
      await expectFailure(store.commit(late), Conflict, 'lease-lost');
      const { tenant, sessionId } = quick.lease;
      expect((await store.getHead(tenant, sessionId))?.consent).toEqual(CONSENT);
    }));

  it('a fresh session begins with what it is given, and the one before keeps its own', () =>
    withFixture(create, async ({ store }) => {
      const chat = conversation();
      const first = await wholeTurn(store, message(chat), { consent: CONSENT });
      const granted = { version: 1, open: null, granted: ['one'] };
      const repointTo = newSessionId();
      await wholeTurn(store, message(chat), { repointTo, consent: granted });
      const { tenant, sessionId } = first.lease;
      expect((await store.getHead(tenant, sessionId))?.consent).toEqual(CONSENT);
      expect((await store.getHead(tenant, repointTo))?.consent).toEqual(granted);
    }));

  it('an earlier session that the conversation goes back to gets what it is given, or keeps its own', () =>
    withFixture(create, async ({ store }) => {
      const chat = conversation();
      const first = await wholeTurn(store, message(chat), { consent: CONSENT });
      const { tenant, sessionId } = first.lease;
      const [second, third] = [newSessionId(), newSessionId()];
      await wholeTurn(store, message(chat), { repointTo: second });
      await wholeTurn(store, message(chat), { returnTo: sessionId });
      expect((await store.getHead(tenant, sessionId))?.consent).toEqual(CONSENT);
      await wholeTurn(store, message(chat), { repointTo: third });
      const granted = { version: 1, open: null, granted: ['one'] };
      await wholeTurn(store, message(chat), { returnTo: sessionId, consent: granted });
      expect((await store.getHead(tenant, sessionId))?.consent).toEqual(granted);
      expect((await store.getHead(tenant, third))?.consent ?? null).toBeNull();
    }));

  it('a moved conversation takes it along, and an erased one leaves nothing of it', () =>
    withFixture(create, async ({ store }) => {
      const chat = conversation();
      const there = conversation();
      await wholeTurn(store, message(chat), { consent: CONSENT });
      const to = message(there).sessionKey;
      const moved = await wholeTurn(store, message(chat), { moveTo: to });
      const after = await begin(store, message(there));
      expect(after.head.consent).toEqual(CONSENT);
      await store.release(after.lease);
      await store.erase(to);
      expect(await store.getHead(moved.lease.tenant, moved.lease.sessionId)).toBeNull();
    }));
}
