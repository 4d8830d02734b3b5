// What the sweep removes: objects of sessions that have expired or were erased half-way; nothing that lives or has
// only just begun.
import { expect, test } from 'vitest';
import { newSessionId, type Tenant, tenantId } from '../../src/core/ids.ts';
import { turnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import { sweep } from '../../src/core/sweep.ts';
import { createMemoryTurnQueue } from '../../src/queues/memory/turn-queue.ts';
import { createSessionState } from '../../src/state/session-state.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/object-store.ts';
import { createMemorySessionStore } from '../../src/stores/memory/session-store.ts';
import { createManualClock } from '../../testing/clock.ts';

const TENANT = tenantId('default');
const DAY_MS = 24 * 3600 * 1000;
const RETENTION_SEC = (3 * DAY_MS) / 1000;

async function fixture() {
  const clock = createManualClock();
  const store = createMemorySessionStore({ clock });
  const objects = createMemoryObjectStore({ now: () => clock.now() });
  const state = createSessionState({ objects, limits: { maxWorkspaceBytes: 1, maxWorkspaceFiles: 1 } });
  const deps = { store, objects, state };
  const begin = async (chat: string) => {
    const request = turnRequest({
      conversation: { tenant: 'default', channel: 'http', bot: 'local', chat, thread: null },
      dedupeId: `first of ${chat}`,
      text: 'x',
      receivedAtMs: clock.now(),
    });
    const begun = await store.begin({
      request,
      owner: 'test',
      leaseMs: 1_000,
      newSessionId: newSessionId(),
      retentionSec: RETENTION_SEC,
    });
    await objects.put(`${TENANT}/${begun.lease.sessionId}/pack`, new Uint8Array([1]));
    return begun;
  };
  const left = async () => {
    const keys: string[] = [];
    for await (const { key } of objects.list('')) keys.push(key.split('/')[1] ?? '');
    return keys.sort();
  };
  return { clock, store, objects, deps, begin, left };
}

test(`${promise('EXPIRE')} objects of expired and of erased sessions go, others stay`, async () => {
  const { clock, objects, deps, begin, left } = await fixture();
  const old = (await begin('old')).lease.sessionId;
  const orphan = newSessionId();
  await objects.put(`${TENANT}/${orphan}/pack`, new Uint8Array([1]));
  expect(await sweep(deps, clock)).toBe(0);
  expect(await left()).toEqual([old, orphan].sort());

  await clock.advance(1.5 * DAY_MS);
  const young = (await begin('young')).lease.sessionId;
  expect(await sweep(deps, clock)).toBe(1);
  expect(await left()).toEqual([old, young].sort());

  await clock.advance(2 * DAY_MS);
  expect(await sweep(deps, clock)).toBe(1);
  expect(await left()).toEqual([young]);
});

test(`${promise('EXPIRE')} of a session nothing stays: rows and objects go together, whatever runs on others`, async () => {
  const { clock, store, deps, begin, left } = await fixture();
  const { lease } = await begin('old');
  await clock.advance(RETENTION_SEC * 1_000 + 1);
  expect(await sweep(deps, clock)).toBe(1);
  expect(await left()).toEqual([]);
  expect(await store.expired?.list(9)).toEqual([]);
  expect(await store.erase(lease.sessionKey)).toEqual([]);
});

test(`${promise('EXPIRE')} a turn that runs past the end of retention keeps its session`, async () => {
  const { clock, store, deps, begin, left } = await fixture();
  await clock.advance(1);
  const begun = await begin('slow');
  const { lease, turn } = begun;
  await clock.advance(RETENTION_SEC * 1_000 - 500);
  await store.renew(lease, 5_000, turn.turnId);
  await clock.advance(1_000);
  expect(await store.getHead(lease.tenant, lease.sessionId)).toBeNull();
  expect(await sweep(deps, clock)).toBe(0);
  expect(await left()).toEqual([lease.sessionId]);
  await store.commit({
    lease,
    turnId: turn.turnId,
    baseGeneration: 0,
    generation: 1,
    state: {},
    reply: { text: 'done', outcome: 'ok' },
    retentionSec: RETENTION_SEC,
  });
  await store.release(lease);
  expect(await sweep(deps, clock)).toBe(0);
  expect((await begin('slow')).head).toMatchObject({ sessionId: lease.sessionId, generation: 1 });
});

test(`${promise('EXPIRE')} a sweep that dies after the objects leaves the head to name them; the next one ends it`, async () => {
  const { clock, store, deps, begin, left } = await fixture();
  await begin('old');
  await clock.advance(RETENTION_SEC * 1_000 + 1);
  const remove = async () => {
    throw new Error('killed here');
  };
  const dying = { ...store, expired: { list: store.expired!.list, remove } };
  await expect(sweep({ ...deps, store: dying }, clock)).rejects.toThrow('killed here');
  expect(await left()).toEqual([]);
  expect(await sweep(deps, clock)).toBe(1);
  expect(await store.expired?.list(9)).toEqual([]);
});

test(`${promise('EXPIRE')} what was set aside goes when its tenant's time is over, and not before`, async () => {
  const { clock, deps } = await fixture();
  const queue = createMemoryTurnQueue({ clock });
  const setAside = async (tenant: string) => {
    const conversation = { tenant, channel: 'http', bot: 'local', chat: 'c', thread: null };
    await queue.send(turnRequest({ conversation, dedupeId: 'm', text: 'x', receivedAtMs: clock.now() }));
    const [message] = await queue.receive({ max: 1, waitMs: 0, visibilityMs: 60_000 });
    await message?.deadLetter('test');
  };
  for (const tenant of ['brief', 'long', 'default']) await setAside(tenant);
  const days: Readonly<Record<string, number>> = { brief: 1, long: 9 };
  const round = async () => {
    const retentionOf = async (tenant: Tenant) => (days[tenant] === undefined ? null : days[tenant] * 86_400);
    const { deadLetters } = queue;
    await sweep({ ...deps, setAside: { deadLetters, retentionSec: RETENTION_SEC, retentionOf } }, clock);
    return (await deadLetters.list()).items.map(({ request }) => request.conversation.tenant);
  };
  expect(await round()).toEqual(['brief', 'long', 'default']);
  await clock.advance(DAY_MS);
  expect(await round()).toEqual(['long', 'default']);
  await clock.advance(2 * DAY_MS);
  expect(await round()).toEqual(['long']);
  await clock.advance(6 * DAY_MS);
  expect(await round()).toEqual([]);
});
