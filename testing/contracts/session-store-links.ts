// Cases: notes on linked conversations change together or not at all, each over the version that was read; and what a code
// opens, whoever else tries at the same moment.
import { expect } from 'vitest';
import { type Conversation, type SessionKey, sessionKeyOf, tenantId } from '../../src/core/ids.ts';
import { createLinking, GUESSES, type Linking, type Place } from '../../src/core/links.ts';
import { inHome, type TurnRequest } from '../../src/core/messages.ts';
import { conversation, type Declare, message, withFixture } from './contract.ts';
import type { SessionStoreContract, SessionStoreFixture } from './session-store-fixture.ts';
import { begin, commitOf, RETENTION_SEC } from './session-store-steps.ts';

const MINUTE_MS = 60_000;

interface Chat {
  readonly key: SessionKey;
  readonly at: Place;
  /** Another message of it. */
  said(): TurnRequest;
}

function chatOf(over: Partial<Conversation> = {}): Chat {
  const where = conversation(over);
  return {
    key: sessionKeyOf(where),
    at: { conversation: where, replyTarget: { chat: where.chat } },
    said: () => message(where),
  };
}

export function linkCases({ create }: SessionStoreContract, it: Declare): void {
  const linked = (run: (linking: Linking, fixture: SessionStoreFixture) => Promise<void>) => () =>
    withFixture(create, (fixture) => run(createLinking(fixture.store, fixture.clock), fixture));
  const redeem = (linking: Linking, code: string, chat: Chat, by = chat.said()) =>
    linking.redeem(code, chat.key, chat.at, by.turnId);

  it('notes change together or not at all, over what was read', () =>
    withFixture(create, async ({ store }) => {
      const [a, b] = [tenantId('acme'), tenantId('acme2')];
      expect(await store.readLinks(a, ['x', 'y'])).toEqual([null, null]);
      const change = (name: string, over: string | null, value: unknown) =>
        ({ name, over, value }) as Parameters<typeof store.writeLinks>[1][number];
      expect(await store.writeLinks(a, [change('x', null, { n: 'ä' }), change('y', null, [1, null])])).toBe(
        true,
      );
      const [x, y] = await store.readLinks(a, ['x', 'y']);
      expect([x?.value, y?.value]).toEqual([{ n: 'ä' }, [1, null]]);
      expect(await store.readLinks(b, ['x'])).toEqual([null]);
      const stale = [change('y', y?.version ?? null, 2), change('x', 'another', 2)];
      expect(await store.writeLinks(a, stale)).toBe(false);
      expect(await store.writeLinks(a, [change('x', null, 3)])).toBe(false);
      expect((await store.readLinks(a, ['y', 'x'])).map((one) => one?.value)).toEqual([
        [1, null],
        { n: 'ä' },
      ]);
      expect(await store.writeLinks(a, [change('x', x?.version ?? null, null)])).toBe(true);
      expect(await store.readLinks(a, ['x'])).toEqual([null]);
      expect(await store.writeLinks(a, [change('x', null, { n: 'ä' })])).toBe(true);
      // Made anew, it is another one than whoever read the first still has in mind.
      expect(await store.writeLinks(a, [change('x', x?.version ?? null, 4)])).toBe(false);
    }));

  it('of changes over the same version exactly one goes through', () =>
    withFixture(create, async ({ store, reopen }) => {
      const other = (await reopen?.()) ?? store;
      const tenant = tenantId('acme');
      for (let round = 0; round < 3; round++) {
        const [note] = await store.readLinks(tenant, ['x']);
        const over = note?.version ?? null;
        const won = await Promise.all(
          [store, other, store].map((one, at) => one.writeLinks(tenant, [{ name: 'x', over, value: at }])),
        );
        expect(won.filter(Boolean)).toHaveLength(1);
        expect((await store.readLinks(tenant, ['x']))[0]?.value).toBe(won.indexOf(true));
      }
    }));

  it('what has ended is none', () =>
    withFixture(create, async ({ store, clock }) => {
      const tenant = tenantId('acme');
      const expiresAtSec = Math.floor(clock.now() / 1_000) + 60;
      await store.writeLinks(tenant, [{ name: 'x', over: null, value: 1, expiresAtSec }]);
      const [note] = await store.readLinks(tenant, ['x']);
      await clock.advance(61_000);
      expect(await store.readLinks(tenant, ['x'])).toEqual([null]);
      expect(await store.writeLinks(tenant, [{ name: 'x', over: note?.version ?? '', value: 2 }])).toBe(
        false,
      );
      expect(await store.writeLinks(tenant, [{ name: 'x', over: null, value: 2 }])).toBe(true);
    }));

  it(
    'a code links once, and the same message gets the same answer',
    linked(async (linking) => {
      const [home, guest, third] = [chatOf(), chatOf({ channel: 'telegram' }), chatOf()];
      const code = await linking.offer(home.key, home.at);
      expect(code).toMatch(/^[A-Z0-9]{4}-[A-Z0-9]{4}$/);
      const said = guest.said();
      const written = ` ${code.toLowerCase().replace('-', ' ')} `;
      const done = { outcome: 'linked', home: home.key, place: home.at };
      expect(await linking.redeem(written, guest.key, guest.at, said.turnId)).toEqual(done);
      expect(await linking.redeem(code, guest.key, guest.at, said.turnId)).toEqual(done);
      expect(await redeem(linking, code, third)).toEqual({ outcome: 'wrong-code' });
      expect(await linking.homeOf(guest.key)).toBe(home.key);
      expect(await linking.homeOf(third.key)).toBeNull();
      expect(await linking.guestsOf(home.key)).toEqual([{ key: guest.key, place: guest.at }]);
    }),
  );

  it(
    'a code ends after its time, with the next one, and is none in another tenant',
    linked(async (linking, { clock }) => {
      const [home, guest] = [chatOf(), chatOf()];
      const first = await linking.offer(home.key, home.at);
      const second = await linking.offer(home.key, home.at);
      const other = chatOf({ tenant: 'acme2' });
      expect(await redeem(linking, first, guest)).toEqual({ outcome: 'wrong-code' });
      expect(await redeem(linking, second, other)).toEqual({ outcome: 'wrong-code' });
      expect(await linking.homeByCode(other.key, second)).toBeNull();
      expect(await redeem(linking, second, home)).toEqual({ outcome: 'same-chat' });
      await clock.advance(10 * MINUTE_MS + 1);
      expect(await redeem(linking, second, guest)).toEqual({ outcome: 'wrong-code' });
      expect(await linking.homeOf(guest.key)).toBeNull();
    }),
  );

  it(
    '[TENANT] after some wrong codes none is looked at, for an hour; the same wrong one again is none more',
    linked(async (linking, { clock }) => {
      const [home, guest] = [chatOf(), chatOf()];
      const code = await linking.offer(home.key, home.at);
      const again = guest.said();
      for (let n = 0; n < 3; n++) await redeem(linking, 'AAAA-AAAA', guest, again);
      for (let n = 1; n < GUESSES.chat; n++) await redeem(linking, 'BBBB-BBBB', guest);
      expect(await redeem(linking, code, guest)).toEqual({ outcome: 'too-many-guesses' });
      expect(await redeem(linking, code, chatOf())).toMatchObject({ outcome: 'linked' });
      await clock.advance(60 * MINUTE_MS + 1);
      const later = await linking.offer(home.key, home.at);
      expect(await redeem(linking, later, guest)).toMatchObject({ outcome: 'linked' });
    }),
  );

  it(
    'a session has one home: no chains, however the chats ask',
    linked(async (linking) => {
      const [a, b, c] = [chatOf(), chatOf(), chatOf()];
      const ofB = await linking.offer(b.key, b.at);
      expect(await redeem(linking, await linking.offer(a.key, a.at), b)).toMatchObject({ outcome: 'linked' });
      expect(await redeem(linking, ofB, c)).toEqual({ outcome: 'is-guest' });
      expect(await redeem(linking, await linking.offer(c.key, c.at), b)).toEqual({ outcome: 'is-guest' });
      expect(await redeem(linking, await linking.offer(c.key, c.at), a)).toEqual({ outcome: 'has-guests' });
      expect(await redeem(linking, await linking.offer(a.key, a.at), c)).toMatchObject({ outcome: 'linked' });
      expect((await linking.guestsOf(a.key)).map(({ key }) => key)).toEqual([b.key, c.key]);
    }),
  );

  it(
    'either side ends it, and what was ended can be linked anew',
    linked(async (linking) => {
      const [home, guest, third] = [chatOf(), chatOf(), chatOf()];
      const link = async (chat: Chat) => redeem(linking, await linking.offer(home.key, home.at), chat);
      await link(guest);
      await link(third);
      expect(await linking.unlink(guest.key, third.key)).toEqual([]);
      expect(await linking.unlink(guest.key, home.key)).toEqual([{ key: home.key, place: home.at }]);
      expect(await linking.unlink(guest.key, home.key)).toEqual([]);
      expect(await linking.homeOf(guest.key)).toBeNull();
      expect(await link(guest)).toMatchObject({ outcome: 'linked' });
      expect((await linking.unlink(home.key, home.key)).map(({ key }) => key).sort()).toEqual(
        [guest.key, third.key].sort(),
      );
      expect([await linking.homeOf(guest.key), await linking.homeOf(third.key)]).toEqual([null, null]);
      await link(guest);
      await linking.forget(home.key);
      expect([await linking.homeOf(guest.key), await linking.guestsOf(home.key)]).toEqual([null, []]);
      await link(guest);
      await linking.forget(guest.key);
      expect(await linking.guestsOf(home.key)).toEqual([]);
    }),
  );

  it(
    'of several that use a code at once exactly one is linked, and two that ask each other at most one',
    linked(async (linking, { store, clock, reopen }) => {
      const other = createLinking((await reopen?.()) ?? store, clock);
      const home = chatOf();
      const code = await linking.offer(home.key, home.at);
      const guests = [chatOf(), chatOf(), chatOf()];
      const outcomes = await Promise.all(
        guests.map((guest, at) => redeem(at === 1 ? other : linking, code, guest)),
      );
      expect(outcomes.filter(({ outcome }) => outcome === 'linked')).toHaveLength(1);
      const [a, b] = [chatOf(), chatOf()];
      const [ofA, ofB] = [await linking.offer(a.key, a.at), await other.offer(b.key, b.at)];
      await Promise.all([redeem(linking, ofA, b), redeem(other, ofB, a)]);
      const homes = [await linking.homeOf(a.key), await linking.homeOf(b.key)];
      expect(homes.filter((one) => one !== null)).toHaveLength(1);
    }),
  );

  it('a turn of a linked chat runs in the session of its home, and its line says where it was said', () =>
    withFixture(create, async ({ store }) => {
      const [home, guest] = [chatOf(), chatOf({ channel: 'telegram', thread: '7' })];
      const first = await begin(store, home.said());
      await store.commit(commitOf(first));
      await store.release(first.lease);
      const request = inHome(guest.said(), home.key);
      expect(await store.accept(request, RETENTION_SEC)).toMatchObject({
        writtenIn: guest.key,
        sessionKey: home.key,
      });
      const begun = await begin(store, request);
      expect(begun.lease.sessionId).toBe(first.lease.sessionId);
      expect(begun.mapping).toMatchObject({ session_key: home.key, chat_id: home.at.conversation.chat });
      await store.commit(commitOf(begun));
      const { items } = await store.listTurns(home.key);
      expect(items.map(({ writtenIn }) => writtenIn)).toEqual([undefined, guest.key]);
      expect((await store.getTurn(begun.lease.tenant, request.turnId))?.writtenIn).toBe(guest.key);
      expect(await store.getMapping(guest.key)).toBeNull();
    }));
}
