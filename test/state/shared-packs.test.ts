// A fork shares its packs with the session it was made from, and copies nothing. Whatever either of them does afterwards
// (turns, compactions, undo, erase, forks of the fork), the other loses nothing; and with the last of them all is gone.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newSessionId, type SessionId, type SessionKey, type TurnId } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import type { SessionHead } from '../../src/core/records.ts';
import { packKey, parseRecord } from '../../src/state/record.ts';
import { findOrphans, verifyState } from '../../src/state/verify.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/index.ts';
import { randomBytesOf, seeded, snapshot, type TestSession, testSession } from './fixture.ts';

/** Sessions over one object store, and the heads that the state layer asks for. */
function family() {
  const objects = createMemoryObjectStore();
  const members = new Map<SessionId, TestSession>();
  const heads = {
    getHead: async (_tenant: string, id: SessionId): Promise<SessionHead | null> =>
      members.get(id)?.head ?? null,
  };
  const add = (): TestSession => {
    const session = testSession({ objects, heads });
    members.set(session.head.sessionId, session);
    return session;
  };
  const keys = async () => {
    const found: string[] = [];
    for await (const { key } of objects.list('')) found.push(key);
    return found;
  };
  async function fork(from: TestSession): Promise<TestSession> {
    const sessionId = newSessionId();
    const both = await from.state.branch(from.head, sessionId);
    if (!both) throw new Error('Nothing to fork.');
    from.head = { ...from.head, generation: both.generation, state: both.state };
    const session = testSession({ objects, heads });
    const { generation, branch: state } = both;
    const sessionKey = `acme/http/bot/${sessionId}/-` as SessionKey;
    session.head = { ...session.head, sessionId, sessionKey, generation, state };
    members.set(sessionId, session);
    return session;
  }
  async function erase({ head }: TestSession): Promise<void> {
    members.delete(head.sessionId);
    await [...members.values(), add()][0]?.state.erase(head.tenant, head.sessionId, head.state);
  }
  return { objects, members, heads, add, keys, fork, erase };
}

const turn = (number: number) => ({ id: `turn_${number}` as TurnId, text: `${number}` });

async function said(session: TestSession, name: string, bytes = 100_000): Promise<object> {
  const { directory, baseline } = await session.restore();
  writeFileSync(join(directory.workspace, name), randomBytesOf(seeded(name.length), bytes));
  await session.commit(directory, baseline, turn(session.head.generation + 1));
  return snapshot(directory);
}

const files = async (session: TestSession) => snapshot((await session.restore()).directory);

test('a fork copies nothing, has the same files, and can be undone by itself', async () => {
  const { add, fork, keys } = family();
  const session = add();
  const before = await said(session, 'a');
  const after = await said(session, 'bb');
  const packs = (await keys()).length;
  const copy = await fork(session);
  expect(await keys()).toHaveLength(packs + 1);
  expect((await keys()).filter((key) => key.startsWith(`acme/${copy.head.sessionId}/`))).toEqual([]);
  expect(await files(copy)).toEqual(after);
  const step = copy.state.undo(copy.head, 1);
  copy.head = { ...copy.head, generation: step!.generation, state: step!.state };
  expect(await files(copy)).toEqual(before);
  expect(await files(session)).toEqual(after);
  expect(copy.state.agentSessionOf(copy.head)).toBe(session.head.sessionId);
  expect(session.state.agentSessionOf(session.head)).toBe(session.head.sessionId);
});

test(`${promise('EXPIRE', 'NO-AMNESIA')} erasing one leaves the other whole, and erasing both leaves nothing`, async () => {
  for (const first of ['session', 'copy'] as const) {
    const { add, fork, keys, erase } = family();
    const session = add();
    await said(session, 'a');
    const copy = await fork(session);
    const afterwards = [await said(session, 'session'), await said(copy, 'the copy')];
    const [gone, left] = first === 'session' ? [session, copy] : [copy, session];
    await erase(gone);
    expect(await files(left)).toEqual(afterwards[first === 'session' ? 1 : 0]);
    expect((await verifyState(left.objects, left.head)).problems).toEqual([]);
    const own = (await keys()).filter((key) => key.startsWith(`acme/${gone.head.sessionId}/`));
    // What only the erased one needed went with it.
    expect(own.filter((key) => key.endsWith('.pack'))).toHaveLength(first === 'session' ? 1 : 0);
    expect(await left.state.lent(gone.head.tenant, gone.head.sessionId)).toEqual(new Set(own));
    await erase(left);
    expect(await keys()).toEqual([]);
  }
});

test('a fork that is only being made keeps what it will need', async () => {
  const { add, keys, objects } = family();
  const session = add();
  await said(session, 'a');
  expect(await session.state.branch(session.head, newSessionId())).not.toBeNull();
  const packs = (await keys()).filter((key) => key.endsWith('.pack'));
  await session.state.collect(packs, { shared: true });
  expect((await keys()).filter((key) => key.endsWith('.pack'))).toEqual(packs);
  // Where nobody can be asked, nothing that may be shared is deleted.
  const blind = testSession({ objects });
  await blind.state.erase(session.head.tenant, session.head.sessionId);
  expect((await keys()).filter((key) => key.endsWith('.pack'))).toEqual(packs);
});

test('a fork made while somebody asks who needs a pack is not overlooked', async () => {
  const { add, fork, members, keys } = family();
  const session = add();
  const wanted = await said(session, 'a');
  const copy = await fork(session);
  await said(session, 'rest');
  const pack = (await keys()).find(
    (key) => key.startsWith(`acme/${session.head.sessionId}/`) && key.endsWith('.pack'),
  )!;
  // The session has dropped it; its fork is forked, then drops it too, just between the two readings.
  session.head = { ...session.head, state: null, generation: 0 };
  let second: TestSession | undefined;
  const getHead = async (_tenant: string, id: SessionId) => {
    if (id === copy.head.sessionId && !second) {
      second = await fork(copy);
      copy.head = { ...copy.head, state: null, generation: 0 };
    }
    return members.get(id)?.head ?? null;
  };
  const asking = testSession({ objects: session.objects, heads: { getHead } });
  await asking.state.collect([pack], { shared: true });
  expect(second).toBeDefined();
  expect(await files(second!)).toEqual(wanted);
});

for (const seed of [1, 3]) {
  test(`a family of forks in any order of turns, steps, compactions and erasures (seed ${seed})`, async () => {
    const random = seeded(seed);
    const { add, fork, erase, keys, members, heads } = family();
    let alive: { session: TestSession; files: object }[] = [];
    const begin = async () => {
      const session = add();
      alive.push({ session, files: await said(session, 'begin') });
    };
    await begin();
    for (let round = 1; round <= 40; round++) {
      if (alive.length === 0) await begin();
      const one = alive[Math.floor(random() * alive.length)]!;
      const { session } = one;
      const act = random();
      if (act < 0.55) {
        const { directory, baseline } = await session.restore();
        const name = join(directory.workspace, `f${Math.floor(random() * 5)}`);
        if (random() < 0.3) rmSync(name, { force: true });
        else writeFileSync(name, randomBytesOf(random, 20_000 + Math.floor(random() * 60_000)));
        await session.commit(directory, baseline, turn(round));
        one.files = snapshot(directory);
      } else if (act < 0.7 && alive.length < 5) {
        alive.push({ session: await fork(session), files: one.files });
      } else if (act < 0.8) {
        const step = session.state.undo(session.head, 1);
        if (!step) continue;
        session.head = { ...session.head, generation: step.generation, state: step.state };
        one.files = await files(session);
      } else if (act < 0.88) {
        await erase(session);
        alive = alive.filter((other) => other !== one);
      }
      if (members.has(session.head.sessionId)) while (await session.compact());
      for (const other of alive) {
        expect((await verifyState(other.session.objects, other.session.head)).problems).toEqual([]);
      }
      expect(await files(alive[0]?.session ?? session).catch(() => null)).toEqual(alive[0]?.files ?? null);
    }
    for (const other of alive) {
      expect(await files(other.session)).toEqual(other.files);
      const { objects, head } = other.session;
      const orphans = await findOrphans(objects, head, { nowMs: Date.now() + 1_000, graceMs: 0, heads });
      // What a head lists as garbage is deleted with the next compaction.
      const listed = new Set(parseRecord(head.state)?.garbage.map(({ name }) => packKey(head, name)));
      expect(orphans.filter(({ key }) => !listed.has(key))).toEqual([]);
    }
    for (const { session } of alive) await erase(session);
    expect(await keys()).toEqual([]);
  });
}

test('a state that cannot be read stops no erasure: its own objects go, and what it may need of others stays', async () => {
  const { add, fork, erase, keys } = family();
  const session = add();
  await said(session, 'a');
  const copy = await fork(session);
  await said(copy, 'own');
  const packsOf = async ({ head }: TestSession) =>
    (await keys()).filter((key) => key.startsWith(`acme/${head.sessionId}/`) && key.endsWith('.pack'));
  expect(await packsOf(copy)).not.toEqual([]);

  copy.head = { ...copy.head, state: { nobody: 'can read this' } };
  const lent = await packsOf(session);
  await erase(session);
  expect(await packsOf(session)).toEqual(lent);
  await erase(copy);
  expect(await packsOf(copy)).toEqual([]);
});
