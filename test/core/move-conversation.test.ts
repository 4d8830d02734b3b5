// A conversation that goes on under another key, over the real turn and the in-memory ports: order, once, no amnesia.
import { expect, test } from 'vitest';
import { type Conversation, sessionKeyOf, tenantId } from '../../src/core/ids.ts';
import { turnRequest } from '../../src/core/messages.ts';
import { acceptMove } from '../../src/core/move-conversation.ts';
import { promise } from '../../src/core/promises.ts';
import { createFixture } from './fixture.ts';

const of = (chat: string): Conversation => ({
  tenant: 'default',
  channel: 'http',
  bot: 'local',
  chat,
  thread: null,
});
const OLD = of('old');
const NEW = of('new');

function ready() {
  const fixture = createFixture();
  const move = () => acceptMove(fixture.deps, OLD, NEW, fixture.clock.now());
  const heard = () => fixture.runs.map((run) => `${run.request.conversation.chat}: ${run.request.text}`);
  /** Runs whatever is due, letting time pass, until nothing is left. */
  const settle = async () => {
    for (let idle = 0; idle < 20; ) {
      let step: string | null | undefined;
      void fixture.step().then((kind) => {
        step = kind;
      });
      do await fixture.clock.advance(100);
      while (step === undefined);
      idle = step === null ? idle + 1 : 0;
    }
  };
  return { fixture, move, heard, settle };
}

test(`${promise('ORDER', 'ONCE-IN')} what was said before the move comes first, and each message once`, async () => {
  const { fixture, move, heard, settle } = ready();
  const first = await fixture.say('one', { chat: 'old' });
  await fixture.say('two', { chat: 'old' });
  // Both service messages, and both again.
  for (let i = 0; i < 2; i++) await move();
  await fixture.say('three', { chat: 'new' });
  await settle();
  await move();
  await fixture.deps.queue.send(first);
  await settle();
  expect(heard()).toEqual(['old: one', 'old: two', 'new: three']);
  expect(new Set(fixture.runs.map((run) => run.sessionId)).size).toBe(1);
  expect(fixture.sent.map(({ reply }) => reply.text)).toEqual(['heard one', 'heard two', 'heard three']);
  expect(await fixture.deps.queue.depth()).toBe(0);
  expect((await fixture.deps.queue.deadLetters.list()).items).toEqual([]);
});

test('a turn cut off at its deadline ends before the move, in its own session', async () => {
  const { fixture, move, heard, settle } = ready();
  await fixture.say('zero', { chat: 'old' });
  await settle();
  await fixture.say('long', { chat: 'old' });
  const answer = fixture.agent;
  fixture.agent = async () => ({ status: 'deadline', text: '', demo: false });
  const cut = fixture.step();
  await move();
  await fixture.say('later', { chat: 'new' });
  expect(await cut).toBe('continue');
  fixture.agent = answer;
  await settle();
  expect(heard()).toEqual(['old: zero', 'old: long', 'old: long', 'new: later']);
  expect(new Set(fixture.runs.map((run) => run.sessionId)).size).toBe(1);
});

test(`${promise('NO-AMNESIA')} a new chat that has begun a session of its own keeps it, and so does the old one`, async () => {
  const { fixture, move, settle } = ready();
  await fixture.say('one', { chat: 'old' });
  await fixture.say('too early', { chat: 'new' });
  await settle();
  await move();
  await fixture.say('next', { chat: 'new' });
  await settle();
  expect(fixture.runs[2]?.sessionId).toBe(fixture.runs[1]?.sessionId);
  const mapping = await fixture.deps.store.getMapping(sessionKeyOf(OLD));
  expect(mapping?.session_id).toBe(fixture.runs[0]?.sessionId);
});

test('a conversation in which nothing was said is not moved, and nothing is queued', async () => {
  const { fixture, move } = ready();
  await move();
  expect(await fixture.deps.queue.depth()).toBe(0);
});

test('a move that never comes does not hold the new conversation for good', async () => {
  const { fixture, heard, settle } = ready();
  const lost = turnRequest({ conversation: OLD, dedupeId: 'lost', kind: 'move', text: 'x', receivedAtMs: 0 });
  await fixture.deps.store.accept(lost, 10_000);
  const receivedAtMs = fixture.clock.now();
  await fixture.deps.queue.send(
    turnRequest({ conversation: NEW, dedupeId: 'w', kind: 'await-move', text: lost.turnId, receivedAtMs }),
  );
  await fixture.say('hello', { chat: 'new' });
  for (let i = 0; i < 3; i++) await fixture.step();
  expect(heard()).toEqual([]);
  await fixture.clock.advance(11 * 60_000);
  await settle();
  expect(heard()).toEqual(['new: hello']);
  expect(await fixture.deps.store.getTurn(tenantId('default'), lost.turnId)).toMatchObject({
    status: 'queued',
  });
});
