// `/stop`: what it stops, what it leaves, and what it answers. Against the real ledger in memory.
import { expect, test } from 'vitest';
import { parseAllowList } from '../../src/channels/telegram/allow-list.ts';
import { createInlet } from '../../src/channels/telegram/inlet.ts';
import { tenantOf } from '../../src/core/ids.ts';
import { silentLog } from '../../src/core/log.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import { stopTurns } from '../../src/core/stop.ts';
import { createMemorySessionStore } from '../../src/stores/memory/index.ts';
import { ANNA, BOT, GROUP } from './fixture.ts';

const STRANGER = 2002;
const RETENTION_SEC = 3600;

function startFixture() {
  const store = createMemorySessionStore();
  const turns: TurnRequest[] = [];
  const inlet = createInlet({
    bot: BOT,
    policy: { tenant: 'acme', allow: parseAllowList(String(ANNA)) },
    async accept(request) {
      await store.accept(request, RETENTION_SEC);
      turns.push(request);
    },
    stop: (key, applies) => stopTurns(store, key, applies),
    move: async () => {},
    log: silentLog,
  });
  let updates = 0;
  const write = async (text: string, { chat = ANNA, from = ANNA, update = ++updates } = {}) => {
    const message = {
      message_id: update,
      chat: { id: chat, type: chat > 0 ? 'private' : 'supergroup' },
      from: { id: from, is_bot: false, first_name: 'A' },
      text,
    };
    const due = await inlet.take({ update_id: update, message }, 1);
    return due?.kind === 'command-reply' ? due.text : null;
  };
  const stopped = async () =>
    await Promise.all(
      turns.map(async ({ sessionKey, turnId }) => {
        return (await store.getTurn(tenantOf(sessionKey), turnId))?.stopRequested;
      }),
    );
  const begin = (request: TurnRequest) =>
    store.begin({
      request,
      owner: 'worker',
      leaseMs: 600_000,
      newSessionId: 'f0e1d2c3-0000-4000-8000-000000000000' as never,
      retentionSec: RETENTION_SEC,
    });
  return { store, turns, write, stopped, begin };
}

test('stops what runs and what waits behind it in this chat, and says so', async () => {
  const { turns, write, stopped, begin } = startFixture();
  expect(await write('/stop')).toBe('Nothing is running.');
  await write('first');
  await begin(turns[0]!);
  expect(await write('/stop')).toBe('Stopping.');
  await write('second');
  await write('/new');
  await write('other chat', { chat: GROUP });
  expect(await write('/stop@hybrid_test_bot')).toBe('Stopping, and 1 more that waited.');
  expect(await stopped()).toEqual([true, true, false, false]);
});

test('a turn that is answered is nothing to stop', async () => {
  const { store, turns, write, begin } = startFixture();
  await write('first');
  const { lease, turn } = await begin(turns[0]!);
  await store.commit({
    lease,
    turnId: turn.turnId,
    baseGeneration: 0,
    generation: 0,
    state: null,
    reply: { text: 'done', outcome: 'ok' },
    retentionSec: RETENTION_SEC,
  });
  expect(await write('/stop')).toBe('Nothing is running.');
});

test('repeated by Telegram, a stop leaves alone what was written after it', async () => {
  const { write, stopped } = startFixture();
  await write('first', { update: 10 });
  expect(await write('/stop', { update: 11 })).toBe('Stopping.');
  await write('second', { update: 12 });
  expect(await write('/stop', { update: 11 })).toBe('Stopping.');
  expect(await stopped()).toEqual([true, false]);
});

test('a stranger stops nothing, and another bot is not us', async () => {
  const { write, stopped } = startFixture();
  await write('in a group', { chat: GROUP });
  expect(await write('/stop', { chat: GROUP, from: STRANGER })).toBeNull();
  expect(await write('/stop@other_bot', { chat: GROUP })).toBeNull();
  expect(await stopped()).toEqual([false]);
  expect(await write('/stop', { chat: GROUP })).toBe('Stopping.');
});
