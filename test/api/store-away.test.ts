// While the store itself is away, no worker can say so in it: who watches or waits over HTTP hears it from the server, and
// what was watched goes on when the store is back.
import { afterEach, expect, test } from 'vitest';
import { Ambiguous, Corrupt, Refused } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import { createSystem } from '../../src/system/create-system.ts';
import type { AnswerEvent } from '../../src/system/system.ts';
import { type ApiFixture, createApiFixture, eventsOf, says } from './fixture.ts';

const SEND = '/v1/chats/c/messages';
let fixture: ApiFixture;
afterEach(() => fixture.close());

/** What the store answers while it is away; null when it is there. Reads only: the worker's writes have their own tests. */
function breakable(): { error: Error | null } {
  fixture = createApiFixture();
  const state: { error: Error | null } = { error: null };
  const { store, events } = fixture.options;
  for (const [part, name] of [
    [store, 'getTurn'],
    [events, 'read'],
  ] as const) {
    const real = (part as never as Record<string, (...args: unknown[]) => Promise<unknown>>)[name]!.bind(
      part,
    );
    Object.assign(part, {
      [name]: async (...args: unknown[]) => {
        if (state.error) throw state.error;
        return await real(...args);
      },
    });
  }
  return state;
}

/** An agent that works until it is let go. */
function held(): { started: Promise<void>; finish(): void } {
  const started = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  fixture.agent = async () => {
    started.resolve();
    await release.promise;
    return says('done');
  };
  return { started: started.promise, finish: release.resolve };
}

test.each([
  ['refuses', new Refused('store-unavailable', 'away')],
  ['does not answer', new Ambiguous('no-answer', 'away')],
])(`${promise('HEARD')} a stream says that the store %s, and ends with the reply`, async (_name, error) => {
  const away = breakable();
  const agent = held();
  const response = await fixture.call('POST', SEND, { text: 'x' }, { accept: 'text/event-stream' });
  await agent.started;
  away.error = error;
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = '';
  const readUntil = async (part: string) => {
    while (!text.includes(part)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`The stream ended: ${text}`);
      text += Buffer.from(value).toString();
    }
  };
  await readUntil('"waiting"');
  away.error = null;
  agent.finish();
  await readUntil('event: final');
  const seen = await eventsOf({ text: async () => text });
  const statuses = seen.map(({ data }) => data as { status?: string; waiting_for?: string; text?: string });
  expect(statuses.filter(({ status }) => status === 'waiting')).toEqual([
    expect.objectContaining({ waiting_for: 'store', text: expect.stringContaining('Your message is kept.') }),
  ]);
  // After it the turn is said to go on, so that nobody goes on reading that it waits.
  const after = statuses.slice(statuses.findIndex(({ status }) => status === 'waiting') + 1);
  expect(
    after.some(
      ({ status, text: said }) => status === 'running' || said !== undefined || 'reply' in after.at(-1)!,
    ),
  ).toBe(true);
  expect(seen.at(-1)?.data).toMatchObject({ reply: { text: 'done' } });
});

test('a program that waits hears it, too', async () => {
  const away = breakable();
  const agent = held();
  const system = createSystem({ ...fixture.options, ending: new AbortController().signal });
  const turn = system.send('c', 'x');
  const seen: AnswerEvent[] = [];
  for await (const event of turn) {
    seen.push(event);
    if (seen.length === 1) {
      await agent.started;
      away.error = new Refused('store-unavailable', 'away');
    }
    if (event.type === 'status' && event.status === 'waiting') {
      away.error = null;
      agent.finish();
    }
  }
  expect(seen).toContainEqual({ type: 'status', status: 'waiting', waitingFor: 'store', nextTryAtMs: null });
  expect(seen.at(-1)).toMatchObject({ type: 'final', answer: { text: 'done' } });
});

test('a request that waits for its answer waits it out, and gets 202 when its own time is over', async () => {
  const away = breakable();
  const agent = held();
  const sent = fixture.call('POST', SEND, { text: 'x' }, { prefer: 'wait=600' });
  await agent.started;
  away.error = new Refused('store-unavailable', 'away');
  const short = await fixture.call('POST', '/v1/chats/d/messages', { text: 'y' }, { prefer: 'wait=1' });
  expect(short.status).toBe(202);
  away.error = null;
  agent.finish();
  expect(await (await sent).json()).toMatchObject({ reply: { text: 'done' } });
});

test('what is no outage is no reason to wait: the stream breaks off', async () => {
  const away = breakable();
  const agent = held();
  const response = await fixture.call('POST', SEND, { text: 'x' }, { accept: 'text/event-stream' });
  await agent.started;
  away.error = new Corrupt('database-corrupt', 'damaged');
  await expect(response.text()).rejects.toThrow('damaged');
  away.error = null;
  agent.finish();
});
