// The commit: generation, mapping, ledger line and outbox together or not at all; and moving a head between.
import { expect } from 'vitest';
import { Conflict, Invalid } from '../../src/core/errors.ts';
import { newSessionId, type TurnId } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import type { Reply } from '../../src/core/records.ts';
import type { Timeline } from '../../src/core/timeline.ts';
import { conversation, type Declare, expectFailure, failure, message, withFixture } from './contract.ts';
import type { SessionStoreContract } from './session-store-fixture.ts';
import { begin, commitOf, RETENTION_SEC, replyOf, snapshot, wholeTurn } from './session-store-steps.ts';

const FULL_REPLY: Reply = {
  text: 'Grüße 👋\n```ts\nconst a = "b";\n```\u0000',
  outcome: 'failed',
  code: 'workspace-too-large',
  demo: true,
  usage: { inputTokens: 1, outputTokens: 2, cacheReadTokens: 3, cacheWriteTokens: 4, costUsd: 0.000125 },
};

const STATE = {
  packs: ['a', 'b'],
  nested: { empty: {}, list: [], none: null, big: 9007199254740991, half: 0.5 },
};

const TIMELINE: Timeline = {
  attempt: 2,
  spans: [
    { kind: 'queue', fromMs: 0, toMs: 12 },
    { kind: 'tool', name: 'Bäsh "quoted"', fromMs: 12, toMs: 40 },
  ],
  more: 3,
  firstTextMs: null,
  totalMs: 41,
  host: { start: 'spare', waitedMs: 1, restoredBytes: 9007199254740991, savedBytes: 0 },
};

export function commitCases({ create }: SessionStoreContract, it: Declare): void {
  it(`${promise('ATOMIC')} a commit shows in head, mapping and turn together`, () =>
    withFixture(create, async ({ store, clock }) => {
      const begun = await begin(store, message(conversation()));
      await clock.advance(5_000);
      const turn = await store.commit(commitOf(begun, { state: STATE, reply: FULL_REPLY }));
      const expiresAtSec = Math.floor(clock.now() / 1000) + RETENTION_SEC;
      const after = await snapshot(store, begun);
      expect(after.turn).toEqual(turn);
      expect(turn).toEqual({
        ...begun.turn,
        status: 'committed',
        generation: 1,
        reply: FULL_REPLY,
        updatedAtMs: clock.now(),
        expiresAtSec,
      });
      expect(after.head).toEqual({
        ...begun.head,
        generation: 1,
        state: STATE,
        updatedAtMs: clock.now(),
        expiresAtSec,
      });
      expect(after.mapping).toEqual({
        ...begun.mapping,
        updated_at: new Date(clock.now()).toISOString(),
        ttl: expiresAtSec,
      });
    }));

  it(`${promise('ATOMIC')} a reader never sees half a commit`, () =>
    withFixture(create, async ({ store }) => {
      const begun = await begin(store, message(conversation()));
      let done = false;
      const watching = (async () => {
        while (!done) {
          // Turn first, head second: a turn seen committed must have its generation in the head already.
          const turn = await store.getTurn(begun.lease.tenant, begun.turn.turnId);
          const head = await store.getHead(begun.lease.tenant, begun.lease.sessionId);
          if (turn?.status === 'committed') expect(head?.generation).toBe(1);
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      await store.commit(commitOf(begun));
      done = true;
      await watching;
    }));

  it(`${promise('ATOMIC')} a commit that fails changes nothing`, () =>
    withFixture(create, async ({ store, clock }) => {
      const begun = await begin(store, message(conversation()));
      const taken = await wholeTurn(store, message(conversation()));
      const before = await snapshot(store, begun);
      await clock.advance(1_000);
      const stale = commitOf(begun, { baseGeneration: 3, generation: 4 });
      await expectFailure(store.commit(stale), Conflict, 'lease-lost');
      await failure(store.commit(commitOf(begun, { turnId: 'turn_unknown' as TurnId })));
      const repointed = commitOf(begun, { repointTo: taken.lease.sessionId });
      await expectFailure(store.commit(repointed), Conflict, 'session-exists');
      for (const generation of [-1, 2, 0.5]) {
        expect(await failure(store.commit(commitOf(begun, { generation })))).toBeInstanceOf(Invalid);
      }
      expect(await snapshot(store, begun)).toEqual(before);
      expect((await store.getHead(taken.lease.tenant, taken.lease.sessionId))?.generation).toBe(1);
    }));

  it(`${promise('ATOMIC')} a commit on a generation that is not the head's is refused`, () =>
    withFixture(create, async ({ store }) => {
      const of = conversation();
      await wholeTurn(store, message(of));
      const begun = await begin(store, message(of));
      const before = await snapshot(store, begun);
      await expectFailure(
        store.commit(commitOf(begun, { baseGeneration: 0, generation: 1 })),
        Conflict,
        'lease-lost',
      );
      expect(await snapshot(store, begun)).toEqual(before);
    }));

  it(`${promise('ONCE-OUT')} repeating a commit that went through returns the same record`, () =>
    withFixture(create, async ({ store, clock }) => {
      const begun = await begin(store, message(conversation()));
      const input = commitOf(begun);
      const first = await store.commit(input);
      const after = await snapshot(store, begun);
      await clock.advance(1_000);
      expect(await store.commit(input)).toEqual(first);
      expect(await store.commit({ ...input, reply: replyOf('another answer') })).toEqual(first);
      expect(await snapshot(store, begun)).toEqual(after);
      await store.settle(begun.lease, begun.turn.turnId, 'delivered');
      expect(await store.commit(input)).toMatchObject({ status: 'delivered', reply: first.reply });
    }));

  it(`${promise('ONCE-OUT')} the same commit sent ten times at once is one commit`, () =>
    withFixture(create, async ({ store }) => {
      const begun = await begin(store, message(conversation()));
      const turns = await Promise.all(Array.from({ length: 10 }, () => store.commit(commitOf(begun))));
      expect(new Set(turns.map((turn) => JSON.stringify(turn))).size).toBe(1);
      expect((await snapshot(store, begun)).head?.generation).toBe(1);
    }));

  it(`${promise('ONCE-OUT')} a turn committed by an earlier lease is not committed again`, () =>
    withFixture(create, async ({ store }) => {
      const request = message(conversation());
      const begun = await begin(store, request);
      await store.commit(commitOf(begun));
      await store.release(begun.lease);
      const again = await begin(store, request);
      const before = await snapshot(store, again);
      await expectFailure(
        store.commit(commitOf(again, { reply: replyOf('second') })),
        Conflict,
        'lease-lost',
      );
      expect(await snapshot(store, again)).toEqual(before);
    }));

  it('a failed turn commits its reply and keeps the generation and its state', () =>
    withFixture(create, async ({ store }) => {
      const of = conversation();
      await wholeTurn(store, message(of), { state: STATE });
      const begun = await begin(store, message(of));
      const reply: Reply = { text: 'Sorry.', outcome: 'failed', code: 'agent-error' };
      const turn = await store.commit(commitOf(begun, { generation: 1, state: null, reply }));
      expect(turn).toMatchObject({ status: 'committed', generation: 1, reply });
      expect((await snapshot(store, begun)).head).toMatchObject({ generation: 1, state: STATE });
      await store.release(begun.lease);
      expect((await begin(store, message(of))).head).toMatchObject({ generation: 1, state: STATE });
    }));

  it('a session whose first turn failed stays at generation 0', () =>
    withFixture(create, async ({ store }) => {
      const of = conversation();
      const begun = await begin(store, message(of));
      await store.commit(commitOf(begun, { generation: 0, state: null }));
      await store.release(begun.lease);
      const next = await begin(store, message(of));
      expect(next.lease.sessionId).toBe(begun.lease.sessionId);
      expect(next.head).toMatchObject({ generation: 0, state: null });
    }));

  it('repointTo moves the conversation to a fresh session; the old head stays readable', () =>
    withFixture(create, async ({ store }) => {
      const of = conversation();
      await wholeTurn(store, message(of), { state: STATE });
      const fresh = newSessionId();
      const begun = await begin(store, message(of, { kind: 'new' }));
      const input = commitOf(begun, { generation: 1, state: null, repointTo: fresh });
      const first = await store.commit(input);
      expect(await store.commit(input)).toEqual(first);
      const { tenant, sessionKey } = begun.lease;
      expect(await store.getMapping(sessionKey)).toMatchObject({ session_id: fresh, chat_id: of.chat });
      expect(await store.getHead(tenant, fresh)).toMatchObject({ generation: 0, state: null, sessionKey });
      expect(await store.getHead(tenant, begun.lease.sessionId)).toMatchObject({
        generation: 1,
        state: STATE,
      });
      await store.settle(begun.lease, begun.turn.turnId, 'delivered');
      await store.release(begun.lease);
      const next = await begin(store, message(of, { sessionHint: begun.lease.sessionId }));
      expect(next.lease.sessionId).toBe(fresh);
      expect(next.head.generation).toBe(0);
    }));

  it('a commit is refused once the conversation points at another session', () =>
    withFixture(create, async ({ store }) => {
      const begun = await begin(store, message(conversation()));
      const { sessionKey } = begun.lease;
      const moved = newSessionId();
      await store.adopt({ sessionKey, sessionId: moved, generation: 3, state: STATE, retentionSec: 60 });
      await expectFailure(store.commit(commitOf(begun)), Conflict, 'lease-lost');
      expect((await store.getMapping(sessionKey))?.session_id).toBe(moved);
      expect((await store.getTurn(begun.lease.tenant, begun.turn.turnId))?.status).toBe('running');
    }));

  it('advance moves the head in the middle of a turn, and the turn commits on top', () =>
    withFixture(create, async ({ store }) => {
      const begun = await begin(store, message(conversation()));
      const { lease } = begun;
      await store.advance({ lease, baseGeneration: 0, generation: 1, state: { packs: ['mid'] } });
      expect((await snapshot(store, begun)).head).toMatchObject({ generation: 1, state: { packs: ['mid'] } });
      expect((await snapshot(store, begun)).turn).toMatchObject({ status: 'running', reply: null });
      await expectFailure(store.commit(commitOf(begun)), Conflict, 'lease-lost');
      await store.commit(commitOf(begun, { baseGeneration: 1, generation: 2, state: STATE }));
      expect((await snapshot(store, begun)).head).toMatchObject({ generation: 2, state: STATE });
      // A compaction keeps the number and changes what it is made of.
      await store.advance({ lease, baseGeneration: 2, generation: 2, state: { packs: ['one'] } });
      expect((await snapshot(store, begun)).head).toMatchObject({ generation: 2, state: { packs: ['one'] } });
    }));

  it(`${promise('ATOMIC')} a mid-turn checkpoint shows in head and turn together, and is kept by a takeover`, () =>
    withFixture(create, async ({ store }) => {
      const request = message(conversation());
      const begun = await begin(store, request);
      const { lease } = begun;
      const { turnId } = request;
      const first = { lease, baseGeneration: 0, generation: 1, state: { packs: ['mid'] }, turnId };
      await store.advance(first);
      expect(await snapshot(store, begun)).toMatchObject({
        head: { generation: 1, state: { packs: ['mid'] } },
        turn: { status: 'running', generation: 1, reply: null },
      });
      await expectFailure(store.advance(first), Conflict, 'lease-lost');
      await store.release(lease);
      const again = await begin(store, request);
      expect(again).toMatchObject({ head: { generation: 1 }, turn: { status: 'running', generation: 1 } });
      const before = await snapshot(store, again);
      const unknown = {
        lease: again.lease,
        baseGeneration: 1,
        generation: 2,
        state: {},
        turnId: 'turn_x' as TurnId,
      };
      await failure(store.advance(unknown));
      expect(await snapshot(store, again)).toEqual(before);
      const turn = await store.commit(commitOf(again));
      expect(turn).toMatchObject({ status: 'committed', generation: 2 });
      // Once committed, the turn's generation is fixed.
      const late = { lease: again.lease, baseGeneration: 2, generation: 3, state: {}, turnId };
      await failure(store.advance(late));
      expect(await snapshot(store, again)).toMatchObject({ head: { generation: 2 }, turn });
    }));

  it('advance on a stale generation is refused', () =>
    withFixture(create, async ({ store }) => {
      const begun = await begin(store, message(conversation()));
      const { lease } = begun;
      await store.commit(commitOf(begun));
      await expectFailure(
        store.advance({ lease, baseGeneration: 0, generation: 1, state: {} }),
        Conflict,
        'lease-lost',
      );
      const jump = { lease, baseGeneration: 1, generation: 3, state: {} };
      expect(await failure(store.advance(jump))).toBeInstanceOf(Invalid);
      expect((await snapshot(store, begun)).head).toMatchObject({ state: { packs: ['pack-1'] } });
    }));

  it('a line has the timeline that it was first closed with, also after a replay', () =>
    withFixture(create, async ({ store }) => {
      const begun = await begin(store, message(conversation()));
      const { lease, turn } = begun;
      expect(turn.timeline).toBeNull();
      expect((await store.commit(commitOf(begun))).timeline).toBeNull();
      await store.settle(lease, turn.turnId, 'undeliverable', TIMELINE);
      const closed = await store.getTurn(lease.tenant, turn.turnId);
      expect(closed).toMatchObject({ status: 'undeliverable', timeline: TIMELINE });
      expect((await store.listTurns(lease.sessionKey)).items).toEqual([closed]);
      const again = { ...TIMELINE, totalMs: 7 };
      await store.settle(lease, turn.turnId, 'undeliverable', again);
      await store.reopen(lease.tenant, turn.turnId);
      await store.settle(lease, turn.turnId, 'delivered', again);
      const line = await store.getTurn(lease.tenant, turn.turnId);
      expect(line).toMatchObject({ status: 'delivered', timeline: TIMELINE });
    }));

  it('a line that is closed without a timeline has none', () =>
    withFixture(create, async ({ store }) => {
      const begun = await begin(store, message(conversation()));
      await store.commit(commitOf(begun));
      await store.settle(begun.lease, begun.turn.turnId, 'delivered');
      expect((await snapshot(store, begun)).turn).toMatchObject({ status: 'delivered', timeline: null });
    }));

  it('a long text and a large state come back as they were', () =>
    withFixture(create, async ({ store }) => {
      const text = 'ä\n"\\'.repeat(25_000);
      const state = { packs: Array.from({ length: 200 }, (_, i) => `${'k'.repeat(80)}-${i}`) };
      const begun = await begin(store, message(conversation(), { text }));
      const turn = await store.commit(commitOf(begun, { state, reply: replyOf(text) }));
      expect(turn.text).toBe(text);
      expect(turn.reply?.text).toBe(text);
      expect((await snapshot(store, begun)).head?.state).toEqual(state);
    }));
}
