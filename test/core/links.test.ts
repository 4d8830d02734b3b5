// What a link between two chats means for everything else that a chat has: redelivery, pastes, /btw, edits, schedules, /forget,
// erasing, moving. Over the real accept and turn, and the in-memory ports.
import { expect, test } from 'vitest';
import { acceptAndQueue } from '../../src/core/accept.ts';
import { eraseChat } from '../../src/core/erase-chat.ts';
import { type Conversation, sessionKeyOf, type TurnId } from '../../src/core/ids.ts';
import { createLinking } from '../../src/core/links.ts';
import {
  parseTurnRequest,
  type TurnRequest,
  type TurnRequestInput,
  turnRequest,
} from '../../src/core/messages.ts';
import { acceptMove } from '../../src/core/move-conversation.ts';
import { promise } from '../../src/core/promises.ts';
import { createMemorySchedules } from '../../src/stores/memory/index.ts';
import { createFixture } from './fixture.ts';

const of = (chat: string): Conversation => ({
  ...{ tenant: 'default', channel: 'http', bot: 'local', chat, thread: null },
});
const [HOME, GUEST] = [of('home'), of('guest')];
const [homeKey, guestKey] = [sessionKeyOf(HOME), sessionKeyOf(GUEST)];

function world() {
  const fixture = createFixture();
  const { store, queue, retentionSec } = fixture.deps;
  const { clock } = fixture;
  const forgotten: string[] = [];
  const schedules = createMemorySchedules({ clock });
  const parts = { schedules, forget: async (key: string) => void forgotten.push(key) };
  const linking = createLinking(store, clock);
  const accepting = { store, queue, retentionSec, clock };
  let count = 0;

  const request = (
    conversation: Conversation,
    text: string,
    over: Partial<TurnRequestInput> = {},
  ): TurnRequest => {
    count += 1;
    return turnRequest({ conversation, dedupeId: `m${count}`, text, receivedAtMs: clock.now(), ...over });
  };
  const take = (one: TurnRequest) => acceptAndQueue(accepting, one);
  /** Works until nothing is left to do. */
  const settle = async () => {
    for (let idle = 0; idle < 8; ) {
      const kind = await fixture.step(parts);
      idle = kind === null ? idle + 1 : 0;
      await clock.advance(250);
    }
  };
  const says = async (conversation: Conversation, text: string, over: Partial<TurnRequestInput> = {}) => {
    const turn = await take(request(conversation, text, over));
    await settle();
    return (await store.getTurn(turn.tenant, turn.turnId))?.reply?.text ?? '';
  };
  const link = async () => {
    const code = /\/link (\S{9})/.exec(await says(HOME, '/link'))?.[1] ?? '';
    return await says(GUEST, `/link ${code}`);
  };
  const sentTo = (chat: string) =>
    fixture.sent.filter((one) => one.chat === chat).map(({ reply }) => reply.text);
  return {
    fixture,
    store,
    queue,
    clock,
    linking,
    accepting,
    schedules,
    forgotten,
    request,
    take,
    settle,
    says,
    link,
    sentTo,
  };
}

test('one session for both, answers where they were asked for, and the former session comes back', async () => {
  const { says, link, sentTo, fixture } = world();
  await says(GUEST, 'before');
  await says(HOME, 'at home');
  expect(await link()).toMatch(/^Linked/);
  expect(sentTo('home').at(-1)).toMatch(/^This conversation goes on in another chat, too: http \(guest\)/);
  await says(GUEST, 'shared');
  expect(await says(GUEST, '/status')).toMatch(/linked to/);
  expect(await says(HOME, '/status')).toMatch(/goes on in other chats, too: http \(guest\)/);
  expect(await says(GUEST, '/unlink')).toMatch(/its own conversation again/);
  await says(GUEST, 'after');
  const session = (text: string) => fixture.runs.find((run) => run.request.text === text)?.sessionId;
  expect(session('shared')).toBe(session('at home'));
  expect(session('after')).toBe(session('before'));
  expect(session('before')).not.toBe(session('at home'));
  expect(sentTo('guest').filter((text) => text.startsWith('heard'))).toEqual([
    'heard before',
    'heard shared',
    'heard after',
  ]);
});

test('an end in the first chat is told in the other one', async () => {
  const { says, link, sentTo, linking } = world();
  await link();
  await says(HOME, '/unlink');
  expect(sentTo('guest').at(-1)).toMatch(/^The link to another chat was ended there/);
  expect(await linking.homeOf(guestKey)).toBeNull();
  expect(await says(HOME, '/unlink')).toMatch(/with no other one any more/);
});

test(`${promise('ONCE-IN')} a message that comes again after the link goes where it went before, and is answered once`, async () => {
  const { request, take, settle, link, sentTo } = world();
  const waits = request(GUEST, 'early');
  expect((await take(waits)).sessionKey).toBe(guestKey);
  await link();
  expect((await take(waits)).sessionKey).toBe(guestKey);
  const later = request(GUEST, 'late');
  for (let n = 0; n < 3; n++) expect((await take(later)).sessionKey).toBe(homeKey);
  await settle();
  expect(sentTo('guest').filter((text) => text.startsWith('heard'))).toEqual(['heard early', 'heard late']);
});

test('parts of a paste, and what is told to a running turn, are those of its own chat', async () => {
  const { request, take, settle, link, fixture, clock } = world();
  await link();
  const long = 'x'.repeat(3_500);
  const gatherMs = 2_000;
  await take(request(HOME, `${long} one`, { gatherMs }));
  await take(request(GUEST, 'between', { gatherMs }));
  await take(request(HOME, 'two', { gatherMs }));
  await settle();
  await clock.advance(5_000);
  await settle();
  const heard = fixture.runs.map((run) => run.request.text);
  expect(heard).toEqual([`${long} one\ntwo`, 'between']);
  const told: string[] = [];
  let isFirst = true;
  fixture.agent = async (run) => {
    run.steering?.listen(({ text }) => void told.push(text));
    if (isFirst) await take(request(GUEST, '/btw from the guest'));
    isFirst = false;
    await clock.sleep(3_000, run.signal);
    return { status: 'ok', text: 'done', demo: false };
  };
  await take(request(HOME, 'work'));
  const working = fixture.step();
  await clock.advance(10_000);
  await working;
  fixture.agent = async () => ({ status: 'ok', text: 'done', demo: false });
  await settle();
  expect(told).toEqual([]);
  expect(fixture.runs.at(-1)?.request.text).toBe('from the guest');
});

test('/forget in a chat that joined another one is refused; erasing ends the links', async () => {
  const { says, link, forgotten, linking, store, fixture } = world();
  await link();
  expect(await says(GUEST, '/forget yes')).toMatch(/only that one can erase/);
  expect(forgotten).toEqual([]);
  const erased = { store, state: fixture.deps.state };
  await eraseChat(erased, homeKey);
  expect([await linking.homeOf(guestKey), await linking.guestsOf(homeKey)]).toEqual([null, []]);
  await link();
  await eraseChat(erased, guestKey);
  expect(await linking.guestsOf(homeKey)).toEqual([]);
  await says(HOME, '/forget yes');
  expect(forgotten).toEqual([homeKey]);
});

test('a chat that goes on under another key loses its links', async () => {
  const { link, linking, accepting, clock } = world();
  await link();
  await acceptMove(accepting, HOME, of('new'), clock.now());
  expect([await linking.homeOf(guestKey), await linking.guestsOf(homeKey)]).toEqual([null, []]);
});

test(`${promise('TENANT')} a request is of one conversation, or of two linked ones of one tenant`, () => {
  const own = turnRequest({ conversation: GUEST, dedupeId: 'x', text: 'x', receivedAtMs: 1 });
  const other = sessionKeyOf({ ...HOME, tenant: 'other' });
  expect(parseTurnRequest({ ...own, sessionKey: homeKey, linked: true }).sessionKey).toBe(homeKey);
  for (const wrong of [
    { ...own, sessionKey: homeKey },
    { ...own, sessionKey: other, linked: true },
    { ...own, sessionKey: 'default/x', linked: true },
  ]) {
    expect(() => parseTurnRequest(wrong)).toThrow(/not the key of its conversation/);
  }
});

test('an order that is carried out twice at once, as by inlet and worker, tells both that it is linked', async () => {
  for (let at = 0; at < 8; at++) {
    const { store, clock, linking } = world();
    const code = await linking.offer(homeKey, { conversation: HOME, replyTarget: null });
    const place = { conversation: GUEST, replyTarget: null };
    const redeemed = (by: typeof linking) => by.redeem(code, guestKey, place, 'turn-1' as TurnId);
    let reads = 0;
    const slow = createLinking(
      {
        ...store,
        async readLinks(tenant, names) {
          // The other one does all of it before this look.
          reads += 1;
          if (reads === at + 1) await redeemed(linking);
          return await store.readLinks(tenant, names);
        },
      },
      clock,
    );
    expect([at, (await redeemed(slow)).outcome]).toEqual([at, 'linked']);
  }
});
