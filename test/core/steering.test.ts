// What is written to a running turn, over the real turn and the in-memory ports: answered once, by that turn or by the
// next, whatever dies in between.
import { expect, test } from 'vitest';
import { messageUuid } from '../../src/agent/continuation.ts';
import { inputsOf } from '../../src/core/command-requests.ts';
import { turnRequest } from '../../src/core/messages.ts';
import type { AgentRun, SteeringMessage } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { createFixture, type Fixture } from './fixture.ts';

/** An agent that waits to be told something, and answers with it; or gives up waiting when `told` is false. */
function listening(fixture: Fixture, { takes = true } = {}) {
  const told: string[] = [];
  const offered = Promise.withResolvers<void>();
  const answer = fixture.agent;
  fixture.agent = async (run: AgentRun) => {
    if (run.request.text !== 'long') return await answer(run);
    const message = Promise.withResolvers<SteeringMessage>();
    const deaf = run.steering?.listen((one) => message.resolve(one));
    const one = await message.promise;
    offered.resolve();
    if (takes) {
      told.push(one.text);
      run.steering?.took(one.turnId);
    }
    deaf?.();
    return { status: 'ok', text: takes ? `heard long and ${one.text}` : 'heard long', demo: false };
  };
  return { told, offered: offered.promise };
}

async function settle(fixture: Fixture, done: Promise<unknown>): Promise<void> {
  let over = false;
  void done.finally(() => {
    over = true;
  });
  while (!over) await fixture.clock.advance(500);
}

test(`${promise('ONCE-IN', 'ONCE-OUT')} is answered by the turn that takes it, and by no other`, async () => {
  const fixture = createFixture();
  const { told } = listening(fixture);
  await fixture.say('long');
  const running = fixture.step();
  const steer = await fixture.say('use tabs', { kind: 'steer' });
  await settle(fixture, running);
  expect(told).toEqual(['use tabs']);
  expect(await fixture.step()).toBe('done');
  await fixture.deps.queue.send({ ...steer, part: 1 });
  expect(await fixture.step()).toBe('done');
  expect(fixture.sent.map(({ reply }) => reply.text)).toEqual(['heard long and use tabs']);
  expect(fixture.runs.map((run) => run.request.text)).toEqual(['long']);
  const line = await fixture.deps.store.getTurn('default' as never, steer.turnId);
  expect(line).toMatchObject({ status: 'delivered', reply: { code: 'gathered' } });
  expect(await fixture.deps.queue.depth()).toBe(0);
});

test(`${promise('ORDER')} is the next turn when the running one ends without it, or when none runs`, async () => {
  const fixture = createFixture();
  listening(fixture, { takes: false });
  await fixture.say('long');
  const running = fixture.step();
  await fixture.say('use tabs', { kind: 'steer' });
  await fixture.say('after that');
  await settle(fixture, running);
  await fixture.step();
  await fixture.step();
  await fixture.say('alone', { kind: 'steer' });
  await fixture.step();
  expect(fixture.sent.map(({ reply }) => reply.text)).toEqual([
    'heard long',
    'heard use tabs',
    'heard after that',
    'heard alone',
  ]);
});

test('one that was asked to stop is not offered', async () => {
  const fixture = createFixture();
  const { told } = listening(fixture);
  await fixture.say('long');
  const running = fixture.step();
  const called = await fixture.say('never mind', { kind: 'steer' });
  await fixture.deps.store.requestStop('default' as never, called.turnId);
  await fixture.say('use tabs', { kind: 'steer' });
  await settle(fixture, running);
  expect(told).toEqual(['use tabs']);
});

test(`${promise('ONCE-IN', 'FENCED')} whatever dies once it was taken, it is answered once`, async () => {
  const points = ['after-agent', 'after-pack', 'before-commit', 'after-commit', 'after-send'] as const;
  for (const point of points) {
    const fixture = createFixture();
    const { told } = listening(fixture);
    const dies = (now: string) => {
      if (now === point) throw new Error(`died ${point}`);
    };
    const { store } = fixture.deps;
    await fixture.say('long');
    const running = fixture.step({
      at: dies,
      store: {
        ...store,
        async commit(input) {
          dies('before-commit');
          return await store.commit(input);
        },
      },
    });
    await fixture.say('use tabs', { kind: 'steer' });
    await settle(fixture, running);
    // Nothing that the cut-off attempt did was saved: its agent never heard of the message.
    for (let i = 0; i < 4; i++) {
      await fixture.clock.advance(60_000);
      await settle(fixture, fixture.step());
    }
    expect(
      fixture.runs.filter((run) => run.request.text === 'use tabs'),
      point,
    ).toEqual([]);
    expect(told, point).toEqual(
      point === 'after-commit' || point === 'after-send' ? ['use tabs'] : ['use tabs', 'use tabs'],
    );
    const texts = fixture.sent.map(({ reply }) => reply.text);
    expect(new Set(texts), point).toEqual(new Set(['heard long and use tabs']));
  }
});

test('is written as /btw; alone it is nothing but text', () => {
  const conversation = { tenant: 'default', channel: 'http', bot: 'local', chat: 'c', thread: null };
  const request = turnRequest({ conversation, dedupeId: 'x', text: '/btw use tabs', receivedAtMs: 0 });
  const [steer] = inputsOf(request).requests;
  expect(steer).toMatchObject({ kind: 'steer', text: 'use tabs', turnId: request.turnId });
  expect(messageUuid(steer.turnId)).toBe(messageUuid(request.turnId));
  expect(inputsOf({ ...request, text: '/btw' }).requests[0]).toMatchObject({ kind: 'message', text: '/btw' });
});
