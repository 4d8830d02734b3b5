// What the sweep removes: objects of sessions that have expired or were erased half-way; nothing that lives or has
// only just begun.
import { expect, test } from 'vitest';
import { newSessionId, tenantId } from '../../src/core/ids.ts';
import { turnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import { sweep } from '../../src/server/sweep.ts';
import { createSessionState } from '../../src/state/session-state.ts';
import { createMemoryObjectStore } from '../../src/stores/memory-objects.ts';
import { createMemorySessionStore } from '../../src/stores/memory-session.ts';
import { createManualClock } from '../../testing/clock.ts';

const TENANT = tenantId('default');
const DAY_MS = 24 * 3600 * 1000;
const RETENTION_SEC = (3 * DAY_MS) / 1000;

test(`${promise('EXPIRE')} objects of expired and of erased sessions go, others stay`, async () => {
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
    const newId = newSessionId();
    const { lease } = await store.begin({
      request,
      owner: 'test',
      leaseMs: 1_000,
      newSessionId: newId,
      retentionSec: RETENTION_SEC,
    });
    await objects.put(`${TENANT}/${lease.sessionId}/pack`, new Uint8Array([1]));
    return lease.sessionId;
  };
  const left = async () => {
    const keys: string[] = [];
    for await (const { key } of objects.list('')) keys.push(key.split('/')[1] ?? '');
    return keys.sort();
  };

  const old = await begin('old');
  const orphan = newSessionId();
  await objects.put(`${TENANT}/${orphan}/pack`, new Uint8Array([1]));
  expect(await sweep(deps, clock)).toBe(0);
  expect(await left()).toEqual([old, orphan].sort());

  await clock.advance(1.5 * DAY_MS);
  const young = await begin('young');
  expect(await sweep(deps, clock)).toBe(1);
  expect(await left()).toEqual([old, young].sort());

  await clock.advance(2 * DAY_MS);
  expect(await sweep(deps, clock)).toBe(1);
  expect(await left()).toEqual([young]);
});
