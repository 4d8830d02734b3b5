// Accepting a message and leasing its session: one record however often it comes, one lease whoever asks.
import { expect } from 'vitest';
import { Invalid, Refused } from '../../src/core/errors.ts';
import { newSessionId } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import {
  conversation,
  type Declare,
  expectFailure,
  failure,
  message,
  needed,
  withFixture,
} from './contract.ts';
import type { SessionStoreContract } from './session-store-fixture.ts';
import { begin, commitOf, LEASE_MS, RETENTION_SEC, wholeTurn } from './session-store-steps.ts';

const SEVEN_FIELDS = [
  'chat_id',
  'created_at',
  'session_id',
  'session_key',
  'thread_id',
  'ttl',
  'updated_at',
].sort();

export function leaseCases({ create }: SessionStoreContract, it: Declare): void {
  it('accept writes a queued line', () =>
    withFixture(create, async ({ store, clock }) => {
      const request = message(conversation(), { text: 'hello' });
      const turn = await store.accept(request, RETENTION_SEC);
      expect(turn).toEqual({
        turnId: request.turnId,
        sessionKey: request.sessionKey,
        tenant: 'acme',
        kind: 'message',
        dedupeId: request.dedupeId,
        text: 'hello',
        status: 'queued',
        attempts: 0,
        stopRequested: false,
        sessionId: null,
        generation: null,
        reply: null,
        anchor: null,
        timeline: null,
        sequence: expect.any(Number),
        receivedAtMs: request.receivedAtMs,
        updatedAtMs: clock.now(),
        expiresAtSec: Math.floor(clock.now() / 1000) + RETENTION_SEC,
      });
      expect(await store.getTurn(turn.tenant, turn.turnId)).toEqual(turn);
      expect(await store.getMapping(request.sessionKey)).toBeNull();
    }));

  it(`${promise('ONCE-IN')} accepting the same message again returns the line that is there`, () =>
    withFixture(create, async ({ store, clock }) => {
      const request = message(conversation());
      const first = await store.accept(request, RETENTION_SEC);
      await clock.advance(5_000);
      const later = { ...request, receivedAtMs: request.receivedAtMs + 9_999 };
      expect(await store.accept(later, RETENTION_SEC)).toEqual(first);
    }));

  it(`${promise('ONCE-IN')} a known turn with another text or kind is refused and stays`, () =>
    withFixture(create, async ({ store }) => {
      const request = message(conversation(), { text: 'one' });
      const first = await store.accept(request, RETENTION_SEC);
      for (const other of [{ text: 'two' }, { kind: 'new' as const }]) {
        const changed = { ...request, ...other };
        await expectFailure(store.accept(changed, RETENTION_SEC), Invalid, 'idempotency-mismatch');
        await expectFailure(begin(store, changed), Invalid, 'idempotency-mismatch');
      }
      expect(await store.getTurn(first.tenant, first.turnId)).toEqual(first);
      expect(await store.getMapping(request.sessionKey)).toBeNull();
    }));

  it(`${promise('ONCE-IN')} twenty accepts at once make one line`, () =>
    withFixture(create, async ({ store }) => {
      const request = message(conversation());
      const turns = await Promise.all(Array.from({ length: 20 }, () => store.accept(request, RETENTION_SEC)));
      expect(new Set(turns.map((turn) => JSON.stringify(turn))).size).toBe(1);
      expect((await store.listTurns(request.sessionKey)).items).toHaveLength(1);
    }));

  it(`${promise('ORDER')} the sequence grows with every message accepted, also at once`, () =>
    withFixture(create, async ({ store }) => {
      const of = conversation();
      const first = await store.accept(message(of), RETENTION_SEC);
      const second = await store.accept(message(of), RETENTION_SEC);
      expect(second.sequence).toBeGreaterThan(first.sequence);
      const crowd = await Promise.all(
        Array.from({ length: 10 }, () => store.accept(message(of), RETENTION_SEC)),
      );
      const sequences = crowd.map((turn) => turn.sequence);
      expect(new Set(sequences).size).toBe(10);
      expect(Math.min(...sequences)).toBeGreaterThan(second.sequence);
    }));

  it('begin on a new conversation makes a mapping of exactly seven fields, a head and a running turn', () =>
    withFixture(create, async ({ store, clock }) => {
      const request = message(conversation({ chat: 'c 1', thread: 't/1' }));
      const sessionId = newSessionId();
      const begun = await begin(store, request, { newSessionId: sessionId, owner: 'me' });
      const nowSec = Math.floor(clock.now() / 1000);
      expect(Object.keys(begun.mapping).sort()).toEqual(SEVEN_FIELDS);
      expect(begun.mapping).toEqual({
        session_key: request.sessionKey,
        session_id: sessionId,
        chat_id: 'c 1',
        thread_id: 't/1',
        created_at: new Date(clock.now()).toISOString(),
        updated_at: new Date(clock.now()).toISOString(),
        ttl: nowSec + RETENTION_SEC,
      });
      expect(begun.head).toEqual({
        tenant: 'acme',
        sessionId,
        sessionKey: request.sessionKey,
        generation: 0,
        fence: begun.lease.fence,
        state: null,
        consent: null,
        createdAtMs: clock.now(),
        updatedAtMs: clock.now(),
        expiresAtSec: nowSec + RETENTION_SEC,
      });
      expect(begun.lease).toEqual({
        tenant: 'acme',
        sessionId,
        sessionKey: request.sessionKey,
        owner: 'me',
        fence: expect.any(Number),
      });
      expect(begun.turn).toMatchObject({ status: 'running', attempts: 1, sessionId, reply: null });
      const stored = await store.getMapping(request.sessionKey);
      expect(Object.keys(stored ?? {}).sort()).toEqual(SEVEN_FIELDS);
      expect(stored).toEqual(begun.mapping);
      expect(await store.getHead(begun.lease.tenant, sessionId)).toEqual(begun.head);
      expect(await store.getTurn(begun.lease.tenant, request.turnId)).toEqual(begun.turn);
    }));

  it('a conversation without thread keeps thread_id null', () =>
    withFixture(create, async ({ store }) => {
      const request = message(conversation({ thread: null }));
      await begin(store, request);
      const mapping = await store.getMapping(request.sessionKey);
      expect(mapping).toHaveProperty('thread_id', null);
      expect(Object.keys(mapping ?? {}).sort()).toEqual(SEVEN_FIELDS);
    }));

  it('begin goes on with the session that is there, whether the hint is right, wrong or absent', () =>
    withFixture(create, async ({ store }) => {
      const of = conversation();
      const first = await wholeTurn(store, message(of));
      const stranger = await wholeTurn(store, message(conversation()));
      const hints = [first.lease.sessionId, newSessionId(), stranger.lease.sessionId, 'not a uuid', null];
      let fence = first.lease.fence;
      for (const sessionHint of hints) {
        const begun = await begin(store, message(of, { sessionHint }));
        expect(begun.lease.sessionId).toBe(first.lease.sessionId);
        expect(begun.head).toMatchObject({ generation: 1, state: { packs: ['pack-1'] } });
        expect(begun.lease.fence).toBe(fence + 1);
        fence = begun.lease.fence;
        await store.release(begun.lease);
      }
      const other = await begin(
        store,
        message(conversation({ chat: 'fresh' }), { sessionHint: first.lease.sessionId }),
      );
      expect(other.lease.sessionId).not.toBe(first.lease.sessionId);
      // A wrong hint left the stranger's session as it was: neither leased nor fenced.
      const again = await begin(store, message({ ...conversation(), chat: conversationChat(stranger) }));
      expect(again.lease.fence).toBe(stranger.lease.fence + 1);
    }));

  it('a begin with the hint of an older session leaves the running turn as it is', () =>
    withFixture(create, async ({ store }) => {
      const of = conversation();
      const older = await wholeTurn(store, message(of, { kind: 'new' }), { repointTo: newSessionId() });
      const request = message(of, { sessionHint: older.lease.sessionId });
      const begun = await begin(store, request);
      await expectFailure(begin(store, request), Refused, 'lease-busy');
      const { lease, turn } = begun;
      expect(await store.getTurn(lease.tenant, turn.turnId)).toEqual(turn);
      await store.advance({ lease, baseGeneration: 0, generation: 1, state: {}, turnId: turn.turnId });
      const committed = await store.commit(commitOf(begun, { baseGeneration: 1, generation: 2 }));
      expect(committed).toMatchObject({ status: 'committed', sessionId: lease.sessionId });
    }));

  it('a turn that a session of an expired conversation ran goes on in the new one, hint or not', () =>
    withFixture(create, async ({ store, clock }) => {
      const of = conversation();
      const request = message(of);
      await store.accept(request, RETENTION_SEC);
      await begin(store, request, { retentionSec: 60 });
      await clock.advance(65_000);
      const fresh = await wholeTurn(store, message(of));
      const again = await begin(store, { ...request, sessionHint: fresh.lease.sessionId });
      expect(again.lease.sessionId).toBe(fresh.lease.sessionId);
      expect(again.turn).toMatchObject({ status: 'running', sessionId: fresh.lease.sessionId, attempts: 2 });
      expect((await store.commit(commitOf(again))).generation).toBe(2);
    }));

  it(`${promise('ONCE-IN')} a message with half a surrogate pair is the same when it comes again`, () =>
    withFixture(create, async ({ store }) => {
      const request = message(conversation(), { text: 'cut \ud83d' });
      const first = await store.accept(request, RETENTION_SEC);
      const again = { ...request, text: request.text.toWellFormed() };
      expect((await store.accept(again, RETENTION_SEC)).turnId).toBe(first.turnId);
      expect((await begin(store, again)).turn.attempts).toBe(1);
    }));

  it(`${promise('ORDER')} while someone else's lease lives, begin is refused and says for how long`, () =>
    withFixture(create, async ({ store, clock }) => {
      const of = conversation();
      const held = await begin(store, message(of));
      await clock.advance(10_000);
      const waiting = message(of);
      const error = await failure(begin(store, waiting));
      expect(error).toBeInstanceOf(Refused);
      expect(error.code).toBe('lease-busy');
      const { retryAfterMs } = error as Refused;
      expect(retryAfterMs).toBeGreaterThan(0);
      expect(retryAfterMs).toBeLessThanOrEqual(LEASE_MS - 10_000);
      // The refused turn was not begun; the holder keeps its lease.
      const refused = await store.getTurn(held.lease.tenant, waiting.turnId);
      expect(refused?.attempts ?? 0).toBe(0);
      await store.check(held.lease);
      await store.release(held.lease);
      expect((await begin(store, waiting)).lease.fence).toBe(held.lease.fence + 1);
    }));

  it(`${promise('ORDER')} twenty begins at once on a new conversation: one lease, one session`, () =>
    withFixture(create, async ({ store }) => {
      const request = message(conversation());
      const results = await Promise.allSettled(Array.from({ length: 20 }, () => begin(store, request)));
      const granted = results.filter((result) => result.status === 'fulfilled');
      const refused = results.filter((result) => result.status === 'rejected');
      expect(granted).toHaveLength(1);
      for (const { reason } of refused) {
        expect(reason).toBeInstanceOf(Refused);
        expect(reason.code).toBe('lease-busy');
      }
      const begun = granted[0]!.value;
      expect((await store.listHeads(begun.lease.tenant)).items).toHaveLength(1);
      expect((await store.getMapping(request.sessionKey))?.session_id).toBe(begun.lease.sessionId);
      expect((await store.getTurn(begun.lease.tenant, request.turnId))?.attempts).toBe(1);
    }));

  it(`${promise('ORDER')} twenty begins at once on an existing conversation: one lease`, () =>
    withFixture(create, async ({ store }) => {
      const of = conversation();
      const first = await wholeTurn(store, message(of));
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, () => begin(store, message(of, { sessionHint: first.lease.sessionId }))),
      );
      const granted = results.filter((result) => result.status === 'fulfilled');
      expect(granted).toHaveLength(1);
      expect(granted[0]!.value.lease.fence).toBe(first.lease.fence + 1);
    }));

  it(`${promise('ORDER')} begins at once on different conversations are all granted`, () =>
    withFixture(create, async ({ store }) => {
      const begun = await Promise.all(
        Array.from({ length: 20 }, () => begin(store, message(conversation()))),
      );
      expect(new Set(begun.map(({ lease }) => lease.sessionId)).size).toBe(20);
    }));

  it('a new conversation never takes over a session id that is taken', () =>
    withFixture(create, async ({ store }) => {
      const first = await wholeTurn(store, message(conversation()));
      const intruder = message(conversation());
      await failure(begin(store, intruder, { newSessionId: first.lease.sessionId }));
      expect(await store.getMapping(intruder.sessionKey)).toBeNull();
      expect((await store.getHead(first.lease.tenant, first.lease.sessionId))?.generation).toBe(1);
    }));

  it(`${promise('ONCE-OUT')} a committed turn begun again stays committed, attempts not raised`, () =>
    withFixture(create, async ({ store }) => {
      const request = message(conversation());
      const begun = await begin(store, request);
      const committed = await store.commit(commitOf(begun));
      await store.release(begun.lease);
      const again = await begin(store, request);
      expect(again.turn).toEqual(committed);
      expect(again.head.generation).toBe(1);
      await store.settle(again.lease, request.turnId, 'delivered');
      await store.release(again.lease);
      expect((await begin(store, request)).turn).toMatchObject({ status: 'delivered', attempts: 1 });
    }));

  it('attempts count the begins of a turn', () =>
    withFixture(create, async ({ store }) => {
      const request = message(conversation());
      await store.accept(request, RETENTION_SEC);
      for (const attempts of [1, 2, 3]) {
        const begun = await begin(store, request);
        expect(begun.turn.attempts).toBe(attempts);
        await store.release(begun.lease);
      }
    }));

  it('what one store wrote another over the same data reads', () =>
    withFixture(create, async ({ store, reopen }) => {
      const begun = await begin(store, message(conversation()));
      await store.commit(commitOf(begun));
      const second = await needed(reopen)();
      expect(await second.getMapping(begun.lease.sessionKey)).toEqual(
        await store.getMapping(begun.lease.sessionKey),
      );
      expect(await second.getHead(begun.lease.tenant, begun.lease.sessionId)).toMatchObject({
        generation: 1,
      });
      await second.check(begun.lease);
      await second.settle(begun.lease, begun.turn.turnId, 'delivered');
      expect((await store.getTurn(begun.lease.tenant, begun.turn.turnId))?.status).toBe('delivered');
    }));
}

function conversationChat(begun: { mapping: { chat_id: string } }): string {
  return begun.mapping.chat_id;
}
