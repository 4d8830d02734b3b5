// Commands over the real turn and the in-memory ports: what a message stands for, what is answered without an agent, and
// what a message does to a turn that runs.
import { expect, test } from 'vitest';
import { acceptAndQueue } from '../../src/core/accept.ts';
import { inputsOf } from '../../src/core/command-requests.ts';
import { COMMANDS } from '../../src/core/commands.ts';
import { editText, isEdit } from '../../src/core/edited-message.ts';
import { eraseChat } from '../../src/core/erase-chat.ts';
import type { TurnId } from '../../src/core/ids.ts';
import { turnRequest } from '../../src/core/messages.ts';
import type { AgentRun } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { type WhileRunning, whileRunningIn, whileRunningSchema } from '../../src/core/while-running.ts';
import { createMemoryUsageLedger } from '../../src/stores/memory/index.ts';
import { createFixture, type Fixture } from './fixture.ts';

const conversation = { tenant: 'default', channel: 'http', bot: 'local', chat: 'c', thread: null };
let messages = 0;
const message = (text: string, dedupeId = `c${++messages}`) =>
  turnRequest({ conversation, dedupeId, text, receivedAtMs: 0 });

/** Takes a message in as an inlet does. */
const write = (fixture: Fixture, text: string, whileRunning?: WhileRunning, id?: string) =>
  acceptAndQueue({ ...fixture.deps, ...(whileRunning && { whileRunning }) }, message(text, id));

async function told(fixture: Fixture, text: string, overrides: Parameters<Fixture['step']>[0] = {}) {
  await write(fixture, text);
  await fixture.step(overrides);
  return fixture.sent.at(-1)?.reply.text ?? '';
}

test('each is one input of the queue, with what it takes; anything else is text for the agent', () => {
  for (const { name, kind, takes } of COMMANDS) {
    const text = takes.test('') ? `/${name}` : `/${name} x`;
    expect(inputsOf(message(text)).requests, text).toMatchObject([{ kind }]);
  }
  for (const text of [
    '/help me',
    '/status now',
    '/forget it',
    '/costs',
    '/etc/hosts',
    '/btw',
    'new',
    '/unknown',
  ]) {
    expect(inputsOf(message(text)).requests, text).toMatchObject([{ kind: 'message', text }]);
  }
});

test(`${promise('ONCE-IN')} /new with text is two inputs, and the message’s own id is that of the text`, async () => {
  const fixture = createFixture();
  await told(fixture, 'one');
  const first = await write(fixture, '/new two', undefined, 'n');
  expect(first).toMatchObject({ kind: 'message', text: 'two' });
  expect(await write(fixture, '/new two', undefined, 'n')).toMatchObject({ turnId: first.turnId });
  for (let i = 0; i < 4; i++) await fixture.step();
  expect(fixture.runs.map((run) => run.request.text)).toEqual(['one', 'two']);
  expect(new Set(fixture.runs.map((run) => run.sessionId)).size).toBe(2);
});

test('/status, /cost and /help answer without an agent and change nothing', async () => {
  const fixture = createFixture();
  const answer = fixture.agent;
  fixture.agent = async (run) => ({ ...(await answer(run)), contextTokens: 12_345 });
  await told(fixture, 'one');
  const usage = createMemoryUsageLedger();
  const account = { tenant: 'default' as never, scope: 'chat', id: message('x').sessionKey } as const;
  const day = new Date(fixture.clock.now()).toISOString().slice(0, 10);
  const used = {
    calls: 1,
    inputTokens: 1_000,
    outputTokens: 34,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    costNanoUsd: 12_300_000,
  };
  await usage.add([{ ...account, period: 'day', start: day }], used);
  const status = await told(fixture, '/status');
  expect(status).toContain('version 1');
  expect(status).toContain('12,345 tokens');
  expect(status).toContain('Nothing waits behind this.');
  const cost = await told(fixture, '/cost', { usage });
  expect(cost).toContain('Today: 1,034 tokens, about $0.0123');
  expect(cost).toContain('This month: 0 tokens');
  expect(cost).not.toContain('Infrastructure');
  // Where compute is paid by use, each turn notes what it cost.
  await told(fixture, '/status', { infraUsdOf: () => 0.0002 });
  await told(fixture, '/status', { infraUsdOf: () => 0.0004 });
  expect(await told(fixture, '/cost', { usage })).toContain(
    'Infrastructure: about $0.00030 a turn (the last 2), beside the tokens',
  );
  expect(await told(fixture, '/cost')).toBe('Nothing is counted here.');
  for (const { usage: written } of COMMANDS) expect(await told(fixture, '/help')).toContain(written);
  expect(fixture.runs).toHaveLength(1);
  const head = (await fixture.deps.store.listHeads('default' as never)).items[0];
  expect(head?.generation).toBe(1);
});

test(`${promise('EXPIRE')} /forget asks first, then erases the chat; the next message begins anew`, async () => {
  const fixture = createFixture();
  const { deps } = fixture;
  const forget = async (key: Parameters<typeof eraseChat>[1], by: TurnId) =>
    void (await eraseChat({ store: deps.store, state: deps.state }, key, by));
  await told(fixture, 'one');
  expect(await told(fixture, '/forget', { forget })).toContain('Write `/forget yes`');
  expect((await deps.store.listTurns(message('x').sessionKey)).items).toHaveLength(2);
  expect(await told(fixture, '/forget yes', { forget })).toContain('Forgotten');
  const { items } = await deps.store.listTurns(message('x').sessionKey);
  expect(items.map(({ text }) => text)).toEqual(['forget yes']);
  expect(await deps.store.getMapping(message('x').sessionKey)).toBeNull();
  expect(await told(fixture, 'two')).toBe('heard two');
  expect(fixture.runs.at(-1)?.resume).toBe(false);
  expect(await told(fixture, '/forget yes')).toContain('Ask the operator');
});

test(`${promise('ONCE-IN', 'EXPIRE')} /forget that comes again erases nothing that was written since`, async () => {
  const fixture = createFixture();
  const { deps } = fixture;
  const forget = async (key: Parameters<typeof eraseChat>[1], by: TurnId) =>
    void (await eraseChat({ store: deps.store, state: deps.state }, key, by));
  await told(fixture, 'one');
  const order = await write(fixture, '/forget yes', undefined, 'f');
  // Cut off before it was done.
  const dying = async () => {
    throw new Error('died');
  };
  expect(await fixture.step({ forget: dying })).toBe('retry');
  await fixture.clock.advance(60_000);
  expect(await fixture.step({ forget })).toBe('done');
  expect(await deps.store.getTurn('default' as never, order.turnId)).toMatchObject({ status: 'delivered' });
  await told(fixture, 'two');
  await deps.queue.send({ ...inputsOf(message('/forget yes', 'f')).requests[0], part: 1 });
  expect(await fixture.step({ forget })).toBe('done');
  const { items } = await deps.store.listTurns(message('x').sessionKey);
  expect(items.map(({ text }) => text)).toEqual(['forget yes', 'two']);
});

test(`${promise('EXPIRE')} /forget takes the rest of a turn with it that was cut off`, async () => {
  const fixture = createFixture();
  const { deps } = fixture;
  const forget = async (key: Parameters<typeof eraseChat>[1], by: TurnId) =>
    void (await eraseChat({ store: deps.store, state: deps.state }, key, by));
  const answer = fixture.agent;
  fixture.agent = async () => ({ status: 'deadline', text: '', demo: false });
  await write(fixture, 'long');
  await write(fixture, '/forget yes');
  expect(await fixture.step()).toBe('continue');
  fixture.agent = answer;
  expect(await fixture.step({ forget })).toBe('done');
  expect(await fixture.step({ forget })).toBe('done');
  expect(fixture.runs).toHaveLength(1);
  const { items } = await deps.store.listTurns(message('x').sessionKey);
  expect(items.map(({ text }) => text)).toEqual(['forget yes']);
});

test('a message waits, steers or interrupts, as its chat is set', () => {
  const settings = whileRunningSchema.parse({ chats: { 'http/c': 'steer', 'telegram/-100': 'interrupt' } });
  expect(whileRunningIn(undefined, conversation)).toBe('queue');
  expect(whileRunningIn(settings, conversation)).toBe('steer');
  expect(whileRunningIn(settings, { channel: 'telegram', chat: '-100' })).toBe('interrupt');
  expect(whileRunningIn(settings, { channel: 'telegram', chat: 'c' })).toBe('queue');
  expect(inputsOf(message('hello'), settings).requests[0].kind).toBe('steer');
  expect(inputsOf({ ...message('hello'), gatherMs: 1_000 }, settings).requests[0].kind).toBe('message');
  expect(() => whileRunningSchema.parse({ chats: { everything: 'steer' } })).toThrow(/channel\/chat/);
});

for (const text of ['then this', '/stop then this']) {
  test(`${promise('ORDER', 'ONCE-IN')} “${text}” stops what came before, and is gone on with; repeated, it stops nothing more`, async () => {
    const fixture = createFixture();
    const settings = whileRunningSchema.parse(text.startsWith('/') ? {} : { default: 'interrupt' });
    const answer = fixture.agent;
    fixture.agent = (run: AgentRun) =>
      run.request.text === 'long'
        ? new Promise((resolve) => {
            const stopped = { status: 'stopped', text: 'so far', demo: false } as const;
            run.signal.addEventListener('abort', () => resolve(stopped));
          })
        : answer(run);
    await write(fixture, 'long');
    const running = fixture.step();
    await write(fixture, 'waits', {
      default: 'queue',
      chats: {},
    });
    await write(fixture, text, settings, 'x');
    let over = false;
    void running.finally(() => {
      over = true;
    });
    while (!over) await fixture.clock.advance(500);
    await write(fixture, 'later', { default: 'queue', chats: {} });
    await write(fixture, text, settings, 'x');
    for (let i = 0; i < 4; i++) await fixture.step();
    expect(fixture.sent.map(({ reply }) => reply.text)).toEqual([
      'so far\n\n_(stopped)_',
      '_(stopped)_',
      'heard then this',
      'heard later',
    ]);
  });
}

test('nobody can write what stands for a changed message', () => {
  expect(COMMANDS.map(({ name }) => name)).not.toContain('edit');
  for (const text of ['/edit 5 x', '/edit 5\nx', 'edit 5\nx', '/new edit 5\nx', '/stop edit 5\nx']) {
    for (const request of inputsOf(message(text)).requests) expect(isEdit(request), text).toBe(false);
  }
});

test(`${promise('ONCE-IN')} a change while the message waits is what the agent gets; later or for another message it changes nothing`, async () => {
  const fixture = createFixture();
  const put = async (id: string, over: Partial<Parameters<typeof turnRequest>[0]>) => {
    const request = turnRequest({
      ...{ conversation, dedupeId: id, text: '', receivedAtMs: fixture.clock.now() },
      ...over,
    });
    await acceptAndQueue(fixture.deps, request);
  };
  const edit = (id: string, ref: string, text: string) =>
    put(id, { kind: 'command', text: editText(ref, text) });
  await put('a', { text: 'helo', messageRef: '5' });
  await put('b', { text: 'other', messageRef: '55' });
  await edit('c', '5', 'hello');
  await edit('d', '5', 'hello\nthere');
  await fixture.clock.advance(2_000);
  while (await fixture.step());
  await edit('e', '5', 'too late');
  while (await fixture.step());
  expect(fixture.runs.map((run) => run.request.text)).toEqual(['hello\nthere', 'other']);
  expect(fixture.sent.filter(({ reply }) => !reply.quiet)).toHaveLength(2);
});
