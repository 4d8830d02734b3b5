// Hostile ids: whatever bytes a chat, bot, thread or tenant id holds, two conversations never meet in the store.
import { expect } from 'vitest';
import { Gone } from '../../src/core/errors.ts';
import { type Conversation, sessionKeyOf, type Tenant, tenantId } from '../../src/core/ids.ts';
import { conversation, type Declare, expectFailure, message, withFixture } from './contract.ts';
import type { SessionStoreContract } from './session-store-fixture.ts';
import { allPages, begin, commitOf, wholeTurn } from './session-store-steps.ts';

const HOSTILE: readonly string[] = [
  'a',
  'A',
  'a/b',
  'a/',
  '/a',
  'a-',
  '-',
  '..',
  '.',
  '../../etc',
  'a%',
  '%',
  '_',
  'a_',
  '*',
  '?',
  '#',
  "a' OR '1'='1",
  'a"; DROP TABLE heads; --',
  'a\u0000b',
  'a\nb',
  ' a ',
  'a=2Fb',
  '=2F',
  'ü',
  'u\u0308',
  '群聊',
  '👩‍👩‍👧',
  '\u202Ea',
  '\uFEFF',
  '__proto__',
  'constructor',
  'null',
  '0',
  '-1001234567890',
  'x'.repeat(256),
  'é'.repeat(256),
  `${'x'.repeat(255)}y`,
];

export function isolationCases({ create }: SessionStoreContract, it: Declare): void {
  it(
    'hostile chat and thread ids never mix conversations',
    () =>
      withFixture(create, async ({ store }) => {
        const all: Conversation[] = HOSTILE.flatMap((id) => [
          conversation({ chat: id }),
          conversation({ chat: 'fixed', thread: id }),
        ]);
        const begun = [];
        for (const of of all) {
          begun.push(
            await wholeTurn(store, message(of, { dedupeId: 'same', text: 'same' }), {
              state: { of: of.chat },
            }),
          );
        }
        expect(new Set(begun.map(({ lease }) => lease.sessionId)).size).toBe(all.length);
        for (const [i, of] of all.entries()) {
          const { lease, turn } = begun[i]!;
          expect(await store.getMapping(sessionKeyOf(of))).toMatchObject({
            session_id: lease.sessionId,
            chat_id: of.chat,
            thread_id: of.thread,
          });
          expect((await store.listTurns(sessionKeyOf(of))).items.map(({ turnId }) => turnId)).toEqual([
            turn.turnId,
          ]);
          const heads = await store.listHeads(lease.tenant, { sessionKey: lease.sessionKey });
          expect(heads.items.map((head) => head.sessionId)).toEqual([lease.sessionId]);
        }
        await store.erase(sessionKeyOf(all[0]!));
        expect((await store.listTurns(sessionKeyOf(all[2]!))).items).toHaveLength(1);
        expect(await store.getMapping(sessionKeyOf(all[2]!))).not.toBeNull();
      }),
    60_000,
  );

  it(
    'hostile tenant names never mix tenants',
    () =>
      withFixture(create, async ({ store }) => {
        for (const tenant of HOSTILE) {
          await wholeTurn(store, message(conversation({ tenant, chat: 'same' }), { text: tenant }));
        }
        for (const name of HOSTILE) {
          const tenant = tenantId(name);
          const { items } = await store.listMappings(tenant, { channel: 'http' });
          expect(items.map((mapping) => mapping.session_key)).toEqual([
            sessionKeyOf(conversation({ tenant: name, chat: 'same' })),
          ]);
          expect((await store.listMappings(tenant)).items).toHaveLength(1);
          expect((await store.listHeads(tenant)).items.map((head) => head.tenant)).toEqual([tenant]);
        }
      }),
    60_000,
  );

  it("one tenant's ids and cursors open nothing of another", () =>
    withFixture(create, async ({ store, clock }) => {
      const mine = await begin(store, message(conversation({ tenant: 'one' })));
      await store.commit(commitOf(mine));
      for (let i = 0; i < 3; i++) {
        await wholeTurn(store, message(conversation({ tenant: 'one' })));
        await wholeTurn(store, message(conversation({ tenant: 'two' })));
        await clock.advance(1_000);
      }
      const [one, two] = ['one' as Tenant, 'two' as Tenant];
      expect(await store.getHead(two, mine.lease.sessionId)).toBeNull();
      expect(await store.getTurn(two, mine.turn.turnId)).toBeNull();
      await expectFailure(store.requestStop(two, mine.turn.turnId), Gone, 'unknown-turn');
      expect((await store.listHeads(two, { sessionKey: mine.lease.sessionKey })).items).toEqual([]);
      const firstOfOne = await store.listMappings(one, { limit: 1 });
      const cursor = firstOfOne.cursor ?? '';
      const crossed = await store.listMappings(two, { cursor }).catch(() => ({ items: [] }));
      for (const mapping of crossed.items) expect(mapping.session_key.startsWith('two/')).toBe(true);
      const pages = await allPages((next) =>
        store.listMappings(two, { limit: 1, ...(next && { cursor: next }) }),
      );
      expect(pages.flat()).toHaveLength(3);
    }));
}
