// Limits on messages: what is too much is turned away with words and a time, what was taken in is never turned away, and
// nothing that was turned away uses up room.
import { describe, expect, test } from 'vitest';
import { type AcceptDeps, acceptAndQueue } from '../../src/core/accept.ts';
import { createAdmission } from '../../src/core/admission.ts';
import {
  type Conversation,
  type SessionId,
  type SessionKey,
  sessionKeyOf,
  tenantOf,
} from '../../src/core/ids.ts';
import { limitsWithin, type MessageLimits, OverLimit } from '../../src/core/limits.ts';
import { turnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import { type MessageLimitSettings, messageLimitsSchema } from '../../src/core/tenants.ts';
import { createMemoryTurnQueue } from '../../src/queues/memory/turn-queue.ts';
import { createMemoryPlaces, createMemorySessionStore } from '../../src/stores/memory/index.ts';
import { createManualClock } from '../../testing/clock.ts';

const NO_LIMITS: MessageLimits = {
  turnsPerMinute: { chat: null, speaker: null, tenant: null },
  waiting: { chat: null, speaker: null, tenant: null },
  sessions: null,
  bytes: null,
};

const HOME: Conversation = { tenant: 'acme', channel: 'telegram', bot: '7', chat: 'one', thread: null };

function fixture(given: MessageLimitSettings, over: Partial<AcceptDeps> = {}) {
  const clock = createManualClock();
  const store = createMemorySessionStore({ clock });
  const places = createMemoryPlaces({ clock });
  const limits = messageLimitsSchema.parse(given);
  const admit = createAdmission({
    places,
    limitsOf: async () => limits,
    bytesOf: ({ state }) => (state as { bytes?: number } | null)?.bytes ?? 0,
    clock,
  });
  const deps: AcceptDeps = {
    store,
    queue: createMemoryTurnQueue({ clock }),
    retentionSec: 86_400,
    admit,
    ...over,
  };
  let messages = 0;
  const request = (
    where: Partial<Conversation> = {},
    who = 'ann',
    id = `m${++messages}`,
    kind: 'message' | 'new' = 'message',
  ) =>
    turnRequest({
      conversation: { ...HOME, ...where },
      dedupeId: id,
      kind,
      text: id,
      sender: { id: who, name: null },
      receivedAtMs: clock.now(),
    });
  const send = async (...given: Parameters<typeof request>) => {
    const made = request(...given);
    return await acceptAndQueue(deps, made).then(
      () => 'taken' as const,
      (error: unknown) => {
        if (!(error instanceof OverLimit)) throw error;
        return error;
      },
    );
  };
  /** As a worker would. */
  async function finish(key: SessionKey) {
    const { items } = await store.listTurns(key, { limit: 200 });
    for (const turn of items.filter(({ status }) => status === 'queued')) {
      const made = turnRequest({
        conversation: { ...HOME, chat: key.split('/')[3] ?? '' },
        dedupeId: turn.dedupeId,
        text: turn.text,
        receivedAtMs: turn.receivedAtMs,
      });
      const begun = await store.begin({
        request: made,
        owner: 'worker',
        leaseMs: 1_000,
        newSessionId: crypto.randomUUID() as SessionId,
        retentionSec: 86_400,
      });
      await store.commit({
        lease: begun.lease,
        turnId: turn.turnId,
        baseGeneration: begun.head.generation,
        generation: begun.head.generation + 1,
        state: { bytes: 600 },
        reply: { text: 'done', outcome: 'ok' },
        retentionSec: 86_400,
      });
      await store.release(begun.lease);
    }
  }
  return { clock, store, places, deps, request, send, finish };
}

describe('turns per minute', () => {
  test.each(['chat', 'speaker', 'tenant'] as const)(
    'of a %s: so many, then a time to wait, then again',
    async (party) => {
      const { clock, send } = fixture({ turnsPerMinute: { [party]: 3 } });
      for (let at = 0; at < 3; at++) expect(await send()).toBe('taken');
      const refused = await send();
      expect(refused).toMatchObject({ code: 'too-many-turns', data: { party, limit: 3 } });
      const { retryAfterMs, message } = refused as OverLimit;
      expect(retryAfterMs).toBeGreaterThan(0);
      expect(retryAfterMs).toBeLessThanOrEqual(60_000);
      expect(message).toContain(`${Math.ceil(retryAfterMs / 1_000)} seconds`);
      await clock.advance(retryAfterMs);
      expect(await send()).toBe('taken');
    },
  );

  test('each party has its own: others write on', async () => {
    const { send } = fixture({ turnsPerMinute: { chat: 2, speaker: 3 } });
    expect([await send(), await send()]).toEqual(['taken', 'taken']);
    expect(await send({}, 'bob')).toMatchObject({ data: { party: 'chat' } });
    expect(await send({ chat: 'two' }, 'ann')).toBe('taken');
    expect(await send({ chat: 'two' }, 'ann')).toMatchObject({ data: { party: 'speaker' } });
    expect(await send({ chat: 'two' }, 'bob')).toBe('taken');
    // The same id on another channel is another person.
    expect(await send({ channel: 'http', chat: 'three' }, 'ann')).toBe('taken');
  });

  test('whoever floods one chat uses up nothing of the others', async () => {
    const { send } = fixture({ turnsPerMinute: { chat: 2, tenant: 4 } });
    const outcomes = [];
    for (let at = 0; at < 20; at++) outcomes.push(await send());
    expect(outcomes.filter((outcome) => outcome === 'taken')).toHaveLength(2);
    expect([await send({ chat: 'two' }, 'bob'), await send({ chat: 'two' }, 'bob')]).toEqual([
      'taken',
      'taken',
    ]);
    expect(await send({ chat: 'three' }, 'cat')).toMatchObject({ data: { party: 'tenant' } });
  });
});

describe('messages that wait', () => {
  test.each(['chat', 'speaker', 'tenant'] as const)(
    'of a %s: as many as may; one that ended makes room',
    async (party) => {
      const { send, finish, clock } = fixture({ waiting: { [party]: 3 } });
      for (let at = 0; at < 3; at++) expect(await send()).toBe('taken');
      await clock.advance(3_600_000);
      expect(await send()).toMatchObject({
        code: 'too-many-waiting',
        data: { party, limit: 3 },
        retryAfterMs: 10_000,
      });
      await finish(sessionKeyOf(HOME));
      for (let at = 0; at < 3; at++) expect(await send()).toBe('taken');
      expect(await send()).toMatchObject({ code: 'too-many-waiting' });
    },
  );

  test('a place whose message was never written down is free after a minute', async () => {
    const { send, clock, deps, request } = fixture({ waiting: { chat: 1 } });
    const accept = () => Promise.reject(new Error('the store is away'));
    const broken = { ...deps, store: { ...deps.store, accept } };
    const lost = request();
    await expect(acceptAndQueue(broken, lost)).rejects.toThrow('away');
    expect(await send()).toMatchObject({ code: 'too-many-waiting' });
    // Itself it finds its place.
    await expect(acceptAndQueue(broken, lost)).rejects.toThrow('away');
    await clock.advance(61_000);
    expect(await send()).toBe('taken');
  });

  test('a full list of a tenant is looked through at random, so that one stuck chat keeps out nobody for long', async () => {
    const { send, finish } = fixture({ waiting: { tenant: 120 } });
    for (let at = 0; at < 100; at++) expect(await send()).toBe('taken');
    for (let at = 0; at < 20; at++) expect(await send({ chat: 'two' }, 'bob')).toBe('taken');
    await finish(sessionKeyOf({ ...HOME, chat: 'two' }));
    const outcomes = [];
    for (let at = 0; at < 20; at++) outcomes.push(await send({ chat: 'three' }, 'cat'));
    expect(outcomes).toContain('taken');
  });
});

describe('what is kept', () => {
  test('sessions: as many as may; those there are go on', async () => {
    const { send, finish } = fixture({ sessions: 2 });
    expect(await send()).toBe('taken');
    expect(await send({ chat: 'two' })).toBe('taken');
    expect(await send({ chat: 'three' })).toMatchObject({ code: 'too-many-sessions', data: { limit: 2 } });
    expect(await send()).toBe('taken');
    await finish(sessionKeyOf(HOME));
    expect(await send({}, 'ann', 'fresh', 'new')).toMatchObject({ code: 'too-many-sessions' });
    expect(await send()).toBe('taken');
  });

  test('bytes: whoever has used them up is told, within half a minute', async () => {
    const { send, finish, clock } = fixture({ bytes: 1_000 });
    expect([await send(), await send({ chat: 'two' })]).toEqual(['taken', 'taken']);
    await finish(sessionKeyOf(HOME));
    await clock.advance(31_000);
    expect(await send()).toBe('taken');
    await finish(sessionKeyOf({ ...HOME, chat: 'two' }));
    await clock.advance(31_000);
    expect(await send()).toMatchObject({ code: 'too-many-bytes', data: { limit: 1_000 } });
  });
});

describe('what was taken in stays', () => {
  test(`${promise('ONCE-IN')} a message that comes again is known, whatever is full, and takes no second place`, async () => {
    const { send, clock, places } = fixture({
      turnsPerMinute: { chat: 2 },
      waiting: { chat: 2 },
      sessions: 1,
      bytes: 1,
    });
    for (let at = 0; at < 5; at++) expect(await send({}, 'ann', 'same')).toBe('taken');
    expect(await send()).toBe('taken');
    expect(await send()).toBeInstanceOf(OverLimit);
    expect(await send({}, 'ann', 'same')).toBe('taken');
    await clock.advance(60_000);
    expect(await send({}, 'ann', 'same')).toBe('taken');
    const list = { tenant: tenantOf(sessionKeyOf(HOME)), scope: 'chat', id: sessionKeyOf(HOME) } as const;
    expect(await places.holders({ ...list, list: 'waiting' })).toHaveLength(2);
  });

  test(`${promise('ACKED')} of many at once, those taken are all in the ledger, and no other is`, async () => {
    const { send, store } = fixture({ turnsPerMinute: { chat: 5, tenant: 7 }, waiting: { speaker: 6 } });
    const outcomes = await Promise.all(Array.from({ length: 40 }, (_, at) => send({}, `p${at % 3}`)));
    const taken = outcomes.filter((outcome) => outcome === 'taken');
    expect(taken).toHaveLength(5);
    const { items } = await store.listTurns(sessionKeyOf(HOME), { limit: 200 });
    expect(items).toHaveLength(5);
    expect(items.every(({ status }) => status === 'queued')).toBe(true);
  });

  test('each person in a chat is told once a minute', async () => {
    const { send, clock } = fixture({ waiting: { chat: 1 } });
    await send();
    const tells = async (who: string) => ((await send({}, who)) as OverLimit).tell;
    expect([await tells('ann'), await tells('ann'), await tells('bob'), await tells('bob')]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    await clock.advance(60_000);
    expect([await tells('ann'), await tells('ann')]).toEqual([true, false]);
  });
});

test('without limits nothing is asked of any store', async () => {
  const admit = createAdmission({
    places: null as never,
    limitsOf: async () => NO_LIMITS,
    bytesOf: () => 0,
    clock: createManualClock(),
  });
  await admit(null as never, fixture({}).request());
});

test("a tenant's own limit counts, the installation's for the rest", () => {
  const own = messageLimitsSchema.parse({ waiting: { chat: 3 }, bytes: 5 });
  const all = messageLimitsSchema.parse({ waiting: { chat: 9, tenant: 50 }, sessions: 7, bytes: 9 });
  expect(limitsWithin(own, all)).toEqual({
    turnsPerMinute: { chat: null, speaker: null, tenant: null },
    waiting: { chat: 3, speaker: null, tenant: 50 },
    sessions: 7,
    bytes: 5,
  });
  expect(limitsWithin(null, all)).toBe(all);
});
