// The program interface over in-memory ports: sending, watching, stopping, history, erasing, closing.
import { afterEach, describe, expect, test } from 'vitest';
import { Conflict, Gone, Invalid, Refused } from '../../src/core/errors.ts';
import type { AgentRun } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { createSystem } from '../../src/system/create-system.ts';
import type { AnswerEvent } from '../../src/system/system.ts';
import { conversation, message } from '../../testing/contracts/contract.ts';
import { type ApiFixture, type ApiFixtureOptions, createApiFixture, says } from '../api/fixture.ts';

const fixtures: ApiFixture[] = [];
function open(options?: ApiFixtureOptions) {
  const fixture = createApiFixture(options);
  fixtures.push(fixture);
  const ending = new AbortController();
  return { fixture, ending, system: createSystem({ ...fixture.options, ending: ending.signal }) };
}
afterEach(async () => {
  await Promise.all(fixtures.splice(0).map((fixture) => fixture.close()));
});

const untilStopped = (run: AgentRun) =>
  new Promise<ReturnType<typeof says>>((resolve) => {
    run.signal.addEventListener('abort', () => resolve({ ...says('so far'), status: 'stopped' }));
  });

async function all(events: AsyncIterable<AnswerEvent>): Promise<AnswerEvent[]> {
  const out: AnswerEvent[] = [];
  for await (const event of events) out.push(event);
  return out;
}

describe('send', () => {
  test('gives the answer', async () => {
    const { system } = open();
    const turn = system.send('ann', 'hello');
    expect(await turn).toEqual({
      text: 'heard hello',
      outcome: 'ok',
      demo: true,
      turnId: turn.turnId,
      sessionId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      generation: 1,
    });
    await expect(turn.accepted).resolves.toBeUndefined();
    expect(await turn.finally(() => {})).toEqual(await turn);
  });

  test('gives the events, each time it is asked, and the same answer at their end', async () => {
    const { system, fixture } = open();
    fixture.agent = async (run) => {
      run.progress({ type: 'text', text: 'a' });
      return says('done');
    };
    const turn = system.send('ann', 'hello');
    const events = await all(turn);
    expect(events).toContainEqual({ type: 'text', text: 'a' });
    expect(events.at(-1)).toEqual({ type: 'final', answer: await turn });
    expect((await all(turn)).at(-1)).toEqual(events.at(-1));
  });

  test(`${promise('ONCE-IN')} the same key is the same turn, also long after it ended`, async () => {
    const { system, fixture } = open();
    const both = [1, 2].map(() => system.send('ann', 'hello', { idempotencyKey: 'k' }));
    const answers = await Promise.all(both);
    const later = await system.send('ann', 'hello', { idempotencyKey: 'k' });
    expect(new Set([...answers, later].map(({ turnId }) => turnId)).size).toBe(1);
    expect(fixture.runs).toEqual(['hello']);
    await expect(system.send('ann', 'other', { idempotencyKey: 'k' })).rejects.toThrow(Invalid);
  });

  test(`${promise('ACKED')} what could not be queued is not accepted, and the same send again is`, async () => {
    let fails = true;
    const { system } = open({
      queue: (queue) => ({
        ...queue,
        async send(request) {
          if (fails) throw new Refused('queue-away', 'The queue is away.');
          await queue.send(request);
        },
      }),
    });
    const refused = system.send('ann', 'hello', { idempotencyKey: 'k' });
    await expect(refused.accepted).rejects.toThrow('The queue is away.');
    await expect(refused).rejects.toThrow('The queue is away.');
    await expect(all(refused)).rejects.toThrow('The queue is away.');
    fails = false;
    expect((await system.send('ann', 'hello', { idempotencyKey: 'k' })).text).toBe('heard hello');
  });

  test.each([
    ['a chat name with a slash', 'a/b', 'x', {}, 'bad-chat'],
    ['an empty chat name', '', 'x', {}, 'bad-chat'],
    ['a blank text', 'a', ' \n', {}, 'blank-text'],
    ['a text too long', 'a', 'x'.repeat(100_001), {}, 'bad-message'],
    ['a key with spaces', 'a', 'x', { idempotencyKey: 'a b' }, 'bad-idempotency-key'],
  ] as const)('%s is refused before anything is sent', (_, chat, text, options, code) => {
    const { system } = open();
    expect(() => system.send(chat, text, options)).toThrow(expect.objectContaining({ code }));
  });

  test('a signal ends the waiting, not the turn', async () => {
    const { system, fixture } = open();
    const finish = Promise.withResolvers<void>();
    fixture.agent = async () => {
      await finish.promise;
      return says('late');
    };
    const patience = new AbortController();
    const turn = system.send('ann', 'hello', { signal: patience.signal, idempotencyKey: 'k' });
    await turn.accepted;
    patience.abort(new Error('no time'));
    await expect(turn).rejects.toThrow('no time');
    finish.resolve();
    expect((await system.send('ann', 'hello', { idempotencyKey: 'k' })).text).toBe('late');
    expect(fixture.runs).toHaveLength(1);
  });
});

describe('stop', () => {
  test.each(['the chat', 'the turn'])('by %s: what was said so far is the answer', async (by) => {
    const { system, fixture } = open();
    fixture.agent = untilStopped;
    const turn = system.send('ann', 'hello');
    await expect.poll(() => fixture.runs).toEqual(['hello']);
    expect(await system.stop(by === 'the chat' ? 'ann' : turn)).toBe(1);
    expect(await turn).toMatchObject({ outcome: 'stopped', text: expect.stringContaining('so far') });
    expect(await system.stop('ann')).toBe(0);
    expect(await system.stop(await turn)).toBe(0);
  });

  test('a turn that is not there is Gone', async () => {
    await expect(open().system.stop({ turnId: `turn_${'0'.repeat(32)}` })).rejects.toThrow(Gone);
  });

  test('a turn of another channel is Gone, too, and goes on', async () => {
    const { system, fixture } = open({ worker: false });
    const of = conversation({ tenant: 'default', channel: 'telegram' });
    const { turnId, tenant } = await fixture.options.store.accept(message(of), 3600);
    await expect(system.stop({ turnId })).rejects.toThrow(Gone);
    expect(await fixture.options.store.getTurn(tenant, turnId)).toMatchObject({ stopRequested: false });
  });
});

test('history has the turns as they arrived, in pages from the newest', async () => {
  const { system } = open();
  expect(await system.history('ann')).toEqual({ turns: [], cursor: null });
  for (const text of ['one', 'two', 'three']) await system.send('ann', text);
  await system.startOver('ann');
  const newest = await system.history('ann', { limit: 3 });
  expect(newest.turns.map(({ text, kind, answer }) => [kind, text, answer?.text])).toEqual([
    ['message', 'two', 'heard two'],
    ['message', 'three', 'heard three'],
    ['new', '', expect.stringContaining('fresh session')],
  ]);
  expect(newest.turns[0]?.receivedAt).toBeInstanceOf(Date);
  const { turns, cursor } = await system.history('ann', { limit: 3, cursor: newest.cursor ?? '' });
  expect([turns.map(({ text }) => text), cursor]).toEqual([['one'], null]);
});

test('erase removes a chat, says whether there was one, and leaves a running turn alone', async () => {
  const { system, fixture } = open();
  const { sessionId } = await system.send('ann', 'hello');
  fixture.agent = untilStopped;
  const running = system.send('ann', 'wait');
  await expect.poll(() => fixture.runs.length).toBe(2);
  await expect(system.erase('ann')).rejects.toThrow(Conflict);
  await system.stop('ann');
  await running;
  expect(await system.erase('ann')).toBe(true);
  expect(fixture.erased).toEqual([sessionId]);
  expect(await system.erase('ann')).toBe(false);
  expect((await system.history('ann')).turns).toEqual([]);
});

describe('the end', () => {
  test('ends the waiting in words, and takes no more', async () => {
    const { system, ending } = open({ worker: false });
    const turn = system.send('ann', 'hello');
    const events = all(turn);
    await turn.accepted;
    ending.abort();
    await expect(turn).rejects.toThrow('This system was closed.');
    await expect(events).rejects.toThrow(Refused);
    await expect(system.send('ann', 'more').accepted).rejects.toThrow(Refused);
    const response = await system.fetch(new Request('http://localhost/v1/info'));
    expect(response.status).toBe(503);
    await system.idle();
  });

  test('an erased chat ends the waiting as gone', async () => {
    const { system } = open({ worker: false });
    const turn = system.send('ann', 'hello');
    await turn.accepted;
    await system.erase('ann');
    await expect(turn).rejects.toThrow(Gone);
  });
});

test('fetch is the HTTP API over the same chats', async () => {
  const { system } = open();
  await system.send('ann', 'hello');
  const response = await system.fetch(new Request('http://localhost/v1/chats/ann'));
  expect(await response.json()).toMatchObject({
    chat: 'ann',
    turns: [{ text: 'hello', status: 'delivered' }],
  });
});

describe('fetchAs', () => {
  const ask = (fetch: (request: Request) => Promise<Response>, path: string, text?: string) =>
    fetch(
      new Request(`https://product.example${path}`, {
        ...(text !== undefined && {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: 'Bearer of-nobody' },
          body: JSON.stringify({ text }),
        }),
      }),
    );

  test(`${promise('TENANT')} opens one person's chats, whatever key the request holds and whoever else is there`, async () => {
    const { system, fixture } = open({ app: { apiKeys: ['a-key-of-at-least-16'], knownHosts: [] } });
    const senders: unknown[] = [];
    fixture.agent = async (run) => {
      senders.push(run.request.sender);
      return says('done');
    };
    await system.send('c', 'of the program');
    const [ann, bob] = [system.fetchAs({ user: 'ann', name: 'Ann' }), system.fetchAs({ user: 'bob' })];
    const other = system.fetchAs({ user: 'ann', tenant: 'acme' });
    for (const person of [ann, bob, other])
      expect((await ask(person, '/v1/chats/c/messages', 'mine')).status).toBe(200);
    for (const person of [ann, bob, other]) {
      const shown = (await (await ask(person, '/v1/chats/c')).json()) as { turns: { text: string }[] };
      expect(shown.turns.map(({ text }) => text)).toEqual(['mine']);
    }
    expect(senders).toEqual([
      null,
      { id: 'ann', name: 'Ann' },
      { id: 'bob', name: null },
      { id: 'ann', name: null },
    ]);
    expect((await ask(ann, '/metrics')).status).toBe(403);
    expect((await system.fetch(new Request('http://localhost/v1/chats'))).status).toBe(401);
  });

  test('wants a person and a tenant name', () => {
    const { system } = open();
    for (const person of [
      { user: '' },
      { user: ' ' },
      { user: 'a'.repeat(129) },
      { user: '\ud800' },
      { user: 'a', tenant: '../b' },
    ]) {
      expect(() => system.fetchAs(person)).toThrow(Invalid);
    }
  });
});
