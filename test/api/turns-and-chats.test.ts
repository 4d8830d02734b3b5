// Looking at turns and chats, watching, stopping and erasing.
import { afterEach, describe, expect, test } from 'vitest';
import { type TurnId, tenantId } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { message } from '../../testing/contracts/contract.ts';
import { until } from '../waiting.ts';
import { type ApiFixture, type ApiFixtureOptions, createApiFixture, eventsOf, says } from './fixture.ts';

const fixtures: ApiFixture[] = [];
const open = (options?: ApiFixtureOptions) => {
  const fixture = createApiFixture(options);
  fixtures.push(fixture);
  return fixture;
};
afterEach(async () => {
  await Promise.all(fixtures.splice(0).map((fixture) => fixture.close()));
});

/** The next one is said later by the clock, too: what happens within a millisecond has no order to be listed in. */
async function say(fixture: ApiFixture, text: string, chat = 'c') {
  const answer = await (await fixture.call('POST', `/v1/chats/${chat}/messages`, { text })).json();
  const saidAtMs = Date.now();
  await until(() => Date.now() > saidAtMs);
  return answer;
}

describe('chats', () => {
  test('are listed most recently used first, with the first message as title', async () => {
    const fixture = open();
    await say(fixture, `  first\nline ${'word '.repeat(20)}`, 'one');
    await say(fixture, 'other', 'two');
    await say(fixture, 'second message', 'one');
    const { chats, cursor } = await (await fixture.call('GET', '/v1/chats')).json();
    expect(chats.map((chat: { chat: string }) => chat.chat)).toEqual(['one', 'two']);
    expect(chats[0]?.title).toMatch(/^first line word .*…$/);
    expect(chats[0]?.title.length ?? 0).toBeLessThanOrEqual(60);
    expect(cursor).toBeNull();
  });

  test('come in pages that meet without gap or repeat', async () => {
    const fixture = open();
    for (const chat of ['a', 'b', 'c', 'd', 'e']) await say(fixture, 'x', chat);
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page = await (
        await fixture.call('GET', `/v1/chats?limit=2&cursor=${encodeURIComponent(cursor)}`)
      ).json();
      seen.push(...page.chats.map((chat: { chat: string }) => chat.chat));
      cursor = page.cursor;
    }
    expect(seen).toEqual(['e', 'd', 'c', 'b', 'a']);
  });

  test('one chat has its turns in arrival order, the newest page first', async () => {
    const fixture = open();
    for (const text of ['1', '2', '3']) await say(fixture, text);
    const newest = await (await fixture.call('GET', '/v1/chats/c?limit=2')).json();
    expect(newest.turns.map((turn: { text: string }) => turn.text)).toEqual(['2', '3']);
    expect(newest.generation).toBe(3);
    const older = await (await fixture.call('GET', `/v1/chats/c?limit=2&cursor=${newest.cursor}`)).json();
    expect(older.turns.map((turn: { text: string }) => turn.text)).toEqual(['1']);
    expect(older.cursor).toBeNull();
  });

  test('a chat whose first turn still waits is known', async () => {
    const fixture = open({ worker: false });
    await fixture.call('POST', '/v1/chats/c/messages', { text: 'x' }, { prefer: 'respond-async' });
    const chat = await (await fixture.call('GET', '/v1/chats/c')).json();
    expect(chat).toMatchObject({ session_id: null, turns: [{ status: 'queued', reply: null }] });
  });

  test.each(['limit=0', 'limit=201', 'limit=x', 'limit=1.5', 'page=2', 'cursor=%%%'])(
    'refuse %s',
    async (query) => {
      expect((await open({ worker: false }).call('GET', `/v1/chats?${query}`)).status).toBe(400);
    },
  );

  test(`${promise('EXPIRE')} erasing removes turns, mapping and the objects of every session`, async () => {
    const fixture = open();
    const first = await say(fixture, 'a');
    await fixture.call('POST', '/v1/chats/c/new', {});
    const second = await say(fixture, 'b');
    expect((await fixture.call('DELETE', '/v1/chats/c')).status).toBe(204);
    expect(fixture.erased).toEqual(expect.arrayContaining([first.session_id, second.session_id]));
    expect((await fixture.call('GET', '/v1/chats/c')).status).toBe(404);
    expect((await fixture.call('GET', `/v1/turns/${first.turn_id}`)).status).toBe(404);
    expect((await fixture.call('DELETE', '/v1/chats/c')).status).toBe(404);
  });

  test('a chat with a running turn is not erased', async () => {
    const fixture = open();
    const release = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    fixture.agent = async () => {
      started.resolve();
      await release.promise;
      return says('done');
    };
    const sent = say(fixture, 'x');
    await started.promise;
    const refused = await fixture.call('DELETE', '/v1/chats/c');
    expect([refused.status, (await refused.json()).code]).toEqual([409, 'turn-running']);
    release.resolve();
    expect((await sent).reply.text).toBe('done');
  });
});

describe('turns', () => {
  test('unknown ones and unknown chats are 404', async () => {
    const fixture = open({ worker: false });
    const id = `turn_${'0'.repeat(32)}`;
    for (const [method, path] of [
      ['GET', `/v1/turns/${id}`],
      ['GET', '/v1/turns/turn_x'],
      ['GET', `/v1/turns/${id}/events`],
      ['POST', `/v1/turns/${id}/stop`],
      ['GET', '/v1/chats/none'],
      ['DELETE', '/v1/chats/none'],
    ] as const) {
      const body = method === 'POST' ? {} : undefined;
      expect((await fixture.call(method, path, body)).status, path).toBe(404);
    }
  });

  test.each([
    ['another channel', { channel: 'telegram' }],
    ['another bot', { bot: 'second' }],
    ['another tenant', { tenant: 'acme' }],
  ])('a turn of %s is as unknown as none, whoever knows its id, and is not stopped', async (_name, of) => {
    const fixture = open({ worker: false });
    const { store } = fixture.options;
    const conversation = { tenant: 'default', channel: 'http', bot: 'local', chat: 'c', thread: null, ...of };
    const turn = await store.accept(message(conversation), 3600);
    const none = `turn_${'0'.repeat(32)}`;
    for (const [method, action] of [
      ['GET', ''],
      ['GET', '/events'],
      ['GET', '/timeline'],
      ['POST', '/stop'],
    ] as const) {
      const answers = await Promise.all(
        [turn.turnId, none].map(async (id) => {
          const body = method === 'POST' ? {} : undefined;
          const response = await fixture.call(method, `/v1/turns/${id}${action}`, body);
          return [response.status, [...response.headers], await response.text()];
        }),
      );
      expect(answers[0]).toEqual(answers[1]);
      expect(answers[0]?.[0]).toBe(404);
    }
    const after = await store.getTurn(tenantId(conversation.tenant), turn.turnId);
    expect(after).toEqual(turn);
  });

  test('events go on behind Last-Event-ID, and after the last there is nothing', async () => {
    const fixture = open();
    fixture.agent = async (run) => {
      run.progress({ type: 'tool', id: 't', name: 'Bash', summary: 'ls', state: 'started' });
      run.progress({ type: 'text', text: 'all' });
      return says('all');
    };
    const { turn_id: id } = await say(fixture, 'x');
    const all = await eventsOf(await fixture.call('GET', `/v1/turns/${id}/events`));
    expect(all.at(-1)?.event).toBe('final');
    const rest = await eventsOf(
      await fixture.call('GET', `/v1/turns/${id}/events`, undefined, { 'last-event-id': all[0]?.id ?? '' }),
    );
    expect(rest).toEqual(all.slice(1));
    const end = { 'last-event-id': all.at(-1)?.id ?? '' };
    expect((await fixture.call('GET', `/v1/turns/${id}/events`, undefined, end)).status).toBe(204);
    const bad = await fixture.call('GET', `/v1/turns/${id}/events`, undefined, { 'last-event-id': 'x' });
    expect(bad.status).toBe(400);
  });

  test('a settled turn whose events are pruned still has its final event', async () => {
    const fixture = open();
    const answer = await say(fixture, 'x');
    const { createMemoryEventLog } = await import('../../src/stores/memory/event-log.ts');
    const { createApp } = await import('../../src/api/app.ts');
    const app = createApp({ ...fixture.options, events: createMemoryEventLog() });
    const events = await eventsOf(await app.request(`/v1/turns/${answer.turn_id}/events`));
    expect(events).toEqual([{ id: '1', event: 'final', data: answer }]);
  });

  test('a reply that is delivered twice is one final event', async () => {
    const fixture = open();
    const { turn_id: turnId } = await say(fixture, 'x');
    const { createHttpChannel } = await import('../../src/channels/http/channel.ts');
    const turn = await fixture.options.store.getTurn(tenantId('default'), turnId as TurnId);
    const channel = createHttpChannel({ events: fixture.options.events });
    const context = {
      request: { turnId },
      tenant: tenantId('default'),
      sessionId: turn?.sessionId,
      generation: 1,
    } as unknown as Parameters<typeof channel.deliver>[0];
    await channel.deliver(context, turn?.reply ?? { text: '', outcome: 'ok' });
    const events = await eventsOf(await fixture.call('GET', `/v1/turns/${turnId}/events`));
    expect(events.filter(({ event }) => event === 'final')).toHaveLength(1);
    const logged = await fixture.options.events.read(tenantId('default'), turnId as TurnId, 0, { waitMs: 0 });
    expect(logged.filter(({ event }) => event.type === 'final')).toHaveLength(1);
  });

  test('stop ends a running turn with what it has', async () => {
    const fixture = open();
    const started = Promise.withResolvers<string>();
    fixture.agent = async (run) => {
      run.progress({ type: 'text', text: 'so far' });
      started.resolve(run.request.turnId);
      await new Promise<void>((resolve) =>
        run.signal.addEventListener('abort', () => resolve(), { once: true }),
      );
      return { status: 'stopped', text: 'so far', demo: false };
    };
    const sent = fixture.call('POST', '/v1/chats/c/messages', { text: 'x' }, { accept: 'text/event-stream' });
    const turnId = await started.promise;
    const stop = await fixture.call('POST', `/v1/turns/${turnId}/stop`, {});
    expect([stop.status, (await stop.json()).stop_requested]).toEqual([202, true]);
    const events = await eventsOf(await sent);
    expect(events.map(({ data }) => (data as { status?: string }).status)).toContain('stopping');
    expect(events.at(-1)?.data).toMatchObject({ reply: { outcome: 'stopped' } });
    expect((await fixture.call('POST', `/v1/turns/${turnId}/stop`, {})).status).toBe(202);
  });

  test('a watcher that leaves ends its reading', async () => {
    const fixture = open({ worker: false });
    const sent = await fixture.call(
      'POST',
      '/v1/chats/c/messages',
      { text: 'x' },
      { accept: 'text/event-stream' },
    );
    const reader = sent.body?.getReader();
    const first = await reader?.read();
    expect(new TextDecoder().decode(first?.value)).toContain('"queued"');
    await reader?.cancel();
    expect(await reader?.read()).toEqual({ done: true, value: undefined });
  });
});
