// Lists: order, paging, filters; and taking in a session from elsewhere.
import { expect } from 'vitest';
import { Conflict, Invalid } from '../../src/core/errors.ts';
import { conversationOf, newSessionId, sessionKeyOf, type Tenant } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { conversation, type Declare, expectFailure, message, withFixture } from './contract.ts';
import type { SessionStoreContract } from './session-store-fixture.ts';
import { allPages, begin, RETENTION_SEC, wholeTurn } from './session-store-steps.ts';

const ACME = 'acme' as Tenant;

export function listCases({ create }: SessionStoreContract, it: Declare): void {
  it('mappings come most recently used first, page by page, each once', () =>
    withFixture(create, async ({ store, clock }) => {
      const all = Array.from({ length: 7 }, () => conversation());
      for (const of of all) {
        await wholeTurn(store, message(of));
        await clock.advance(1_000);
      }
      await wholeTurn(store, message(all[2]!));
      const order = [2, 6, 5, 4, 3, 1, 0].map((i) => sessionKeyOf(all[i]!));
      const whole = await store.listMappings(ACME);
      expect(whole.items.map((mapping) => mapping.session_key)).toEqual(order);
      expect(whole.cursor).toBeNull();
      for (const mapping of whole.items) expect(Object.keys(mapping)).toHaveLength(7);
      for (const limit of [1, 3, 7]) {
        const pages = await allPages((cursor) =>
          store.listMappings(ACME, { limit, ...(cursor && { cursor }) }),
        );
        expect(pages.flat().map((mapping) => mapping.session_key)).toEqual(order);
        for (const page of pages) expect(page.length).toBeLessThanOrEqual(limit);
      }
    }));

  it('mappings of the same instant are paged without loss', () =>
    withFixture(create, async ({ store }) => {
      const all = Array.from({ length: 5 }, () => conversation());
      for (const of of all) await wholeTurn(store, message(of));
      const pages = await allPages((cursor) =>
        store.listMappings(ACME, { limit: 2, ...(cursor && { cursor }) }),
      );
      const keys = pages.flat().map((mapping) => mapping.session_key);
      expect([...keys].sort()).toEqual(all.map(sessionKeyOf).sort());
    }));

  it('the channel filter keeps to that channel', () =>
    withFixture(create, async ({ store, clock }) => {
      for (const channel of ['http', 'telegram', 'http', 'telegram', 'http', 'tele']) {
        await wholeTurn(store, message(conversation({ channel })));
        await clock.advance(1_000);
      }
      const counts: Record<string, number> = {
        http: 3,
        telegram: 2,
        tele: 1,
        slack: 0,
        'tele%': 0,
        tel_gram: 0,
      };
      for (const [channel, count] of Object.entries(counts)) {
        const pages = await allPages((cursor) =>
          store.listMappings(ACME, { channel, limit: 2, ...(cursor && { cursor }) }),
        );
        expect([channel, pages.flat().length]).toEqual([channel, count]);
      }
    }));

  it('the filter by bot keeps to that bot, however long its ids are', () =>
    withFixture(create, async ({ store, clock }) => {
      const bots = ['user/a', 'user/ab', 'user/a/b', 'local', 'user/a', '=', '\u{1F600}'.repeat(120)];
      for (const bot of bots) {
        await wholeTurn(store, message(conversation({ channel: 'http', bot, chat: '\u{1F600}'.repeat(60) })));
        await wholeTurn(store, message(conversation({ channel: 'tele', bot })));
        await clock.advance(1_000);
      }
      for (const bot of [...bots, 'user/', 'user', '%']) {
        const pages = await allPages((cursor) =>
          store.listMappings(ACME, { channel: 'http', bot, limit: 1, ...(cursor && { cursor }) }),
        );
        const found = pages.flat().map((mapping) => conversationOf(mapping.session_key).bot);
        expect([bot, found]).toEqual([bot, bots.includes(bot) ? [bot] : []]);
      }
    }));

  it(
    'at most 200 items come in one page, 50 unless asked',
    () =>
      withFixture(create, async ({ store }) => {
        const of = conversation();
        for (let i = 0; i < 205; i++) await store.accept(message(of), RETENTION_SEC);
        const key = sessionKeyOf(of);
        expect((await store.listTurns(key)).items).toHaveLength(50);
        const largest = await store.listTurns(key, { limit: 10_000 });
        expect(largest.items).toHaveLength(200);
        expect(largest.cursor).not.toBeNull();
        const sizes: [number, number][] = [
          [0, 1],
          [-3, 1],
          [2.9, 2],
          [Number.NaN, 50],
          [Number.POSITIVE_INFINITY, 50],
        ];
        for (const [limit, size] of sizes) {
          expect([limit, (await store.listTurns(key, { limit })).items.length]).toEqual([limit, size]);
        }
      }),
    60_000,
  );

  it(`${promise('ORDER')} turns come in arrival order, the newest page first`, () =>
    withFixture(create, async ({ store, clock }) => {
      const of = conversation();
      for (let i = 0; i < 7; i++) {
        // Clocks of ingress machines differ; arrival order is the store's own.
        await store.accept(message(of, { text: `t${i}`, receivedAtMs: 1_000_000 - i }), RETENTION_SEC);
        if (i === 3) await clock.advance(1_000);
      }
      const key = sessionKeyOf(of);
      const pages = await allPages((cursor) => store.listTurns(key, { limit: 3, ...(cursor && { cursor }) }));
      expect(pages.map((page) => page.map((turn) => turn.text))).toEqual([
        ['t4', 't5', 't6'],
        ['t1', 't2', 't3'],
        ['t0'],
      ]);
      const whole = await store.listTurns(key);
      expect(whole.items.map((turn) => turn.text)).toEqual(['t0', 't1', 't2', 't3', 't4', 't5', 't6']);
      expect(whole.cursor).toBeNull();
    }));

  it('heads come most recently used first; a key narrows them to one conversation', () =>
    withFixture(create, async ({ store, clock }) => {
      const mine = conversation();
      const fresh = newSessionId();
      const first = await wholeTurn(store, message(mine), { repointTo: fresh });
      await clock.advance(1_000);
      const other = await wholeTurn(store, message(conversation()));
      await clock.advance(1_000);
      await wholeTurn(store, message(mine));
      const ids = (await store.listHeads(ACME)).items.map((head) => head.sessionId);
      expect(ids).toEqual([fresh, other.lease.sessionId, first.lease.sessionId]);
      const paged = await allPages((cursor) =>
        store.listHeads(ACME, { limit: 1, ...(cursor && { cursor }) }),
      );
      expect(paged.flat().map((head) => head.sessionId)).toEqual(ids);
      const narrow = await allPages((cursor) =>
        store.listHeads(ACME, { sessionKey: first.lease.sessionKey, limit: 1, ...(cursor && { cursor }) }),
      );
      expect(narrow.flat().map((head) => head.sessionId)).toEqual([fresh, first.lease.sessionId]);
    }));

  it('a cursor nobody handed out is Invalid', () =>
    withFixture(create, async ({ store }) => {
      const of = conversation();
      await wholeTurn(store, message(of));
      for (const cursor of ['rubbish', '', '{}', 'W10', 'bnVsbA']) {
        const asked = [
          () => store.listMappings(ACME, { cursor }),
          () => store.listHeads(ACME, { cursor }),
          () => store.listTurns(sessionKeyOf(of), { cursor }),
        ];
        for (const ask of asked) await expectFailure(ask(), Invalid, 'bad-cursor');
      }
    }));

  it('a channel that cannot be one is Invalid', () =>
    withFixture(create, async ({ store }) => {
      const asked: [string, string][] = [
        ['', 'empty-id'],
        ['x'.repeat(257), 'id-too-long'],
        ['\ud800', 'malformed-id'],
      ];
      for (const [channel, code] of asked) {
        await expectFailure(store.listMappings(ACME, { channel }), Invalid, code);
      }
    }));

  it('adopt makes a session known and points the conversation at it', () =>
    withFixture(create, async ({ store, clock }) => {
      const of = conversation({ thread: 'topic' });
      const sessionKey = sessionKeyOf(of);
      const before = await wholeTurn(store, message(of));
      await clock.advance(1_000);
      const sessionId = newSessionId();
      const state = { packs: ['from-elsewhere'] };
      await store.adopt({ sessionKey, sessionId, generation: 12, state, retentionSec: RETENTION_SEC });
      expect(await store.getMapping(sessionKey)).toMatchObject({
        session_id: sessionId,
        chat_id: of.chat,
        thread_id: 'topic',
        ttl: Math.floor(clock.now() / 1000) + RETENTION_SEC,
      });
      expect(await store.getHead(ACME, sessionId)).toMatchObject({ generation: 12, state, sessionKey });
      expect(await store.getHead(ACME, before.lease.sessionId)).not.toBeNull();
      const begun = await begin(store, message(of));
      expect(begun.lease.sessionId).toBe(sessionId);
      expect(begun.head).toMatchObject({ generation: 12, state });
      expect(
        [...(await store.listHeads(ACME, { sessionKey })).items].map((head) => head.sessionId),
      ).toContain(sessionId);
    }));

  it('adopt works on a conversation that points nowhere, and refuses an id that is taken', () =>
    withFixture(create, async ({ store }) => {
      const sessionKey = sessionKeyOf(conversation());
      const sessionId = newSessionId();
      const input = {
        sessionKey,
        sessionId,
        generation: 1,
        state: { packs: [] },
        retentionSec: RETENTION_SEC,
      };
      await store.adopt(input);
      const mapping = await store.getMapping(sessionKey);
      expect(Object.keys(mapping ?? {})).toHaveLength(7);
      const elsewhere = sessionKeyOf(conversation());
      await expectFailure(store.adopt(input), Conflict, 'session-exists');
      await expectFailure(store.adopt({ ...input, sessionKey: elsewhere }), Conflict, 'session-exists');
      expect(await store.getMapping(elsewhere)).toBeNull();
      expect(await store.getMapping(sessionKey)).toEqual(mapping);
      const crowd = await Promise.allSettled(
        Array.from({ length: 10 }, () => store.adopt({ ...input, sessionId: 'same-id' as typeof sessionId })),
      );
      expect(crowd.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
      const noKey = { ...input, sessionKey: 'not a key' as typeof sessionKey };
      await expectFailure(store.adopt(noKey), Invalid, 'malformed-key');
    }));
}
