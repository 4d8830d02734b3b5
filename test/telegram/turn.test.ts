// The whole way over the real core: a person's words, the queue, a worker, the chat at the end.
import { expect, test } from 'vitest';
import { createTelegramChannel } from '../../src/channels/telegram/channel.ts';
import type { Clock } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { createFixture } from '../core/fixture.ts';
import { ANNA, ask, startFixture } from './fixture.ts';

/** Retries wait a moment, not seconds. */
const hasty: Clock = { now: () => Date.now(), sleep: (ms, signal) => pause(Math.min(ms, 5), signal) };

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

async function ready() {
  const { bot, api } = await startFixture();
  const fixture = createFixture();
  const channels = new Map([['telegram', createTelegramChannel({ api, clock: hasty })]]);
  const put = async (text: string) => {
    const request = ask(bot, text);
    await fixture.deps.store.accept(request, fixture.deps.retentionSec);
    await fixture.deps.queue.send(request);
    return request;
  };
  const step = (at?: NonNullable<typeof fixture.deps.at>) =>
    fixture.step({ channels, clock: hasty, ...(at ? { at } : {}) });
  return { bot, fixture, put, step, chat: bot.chat(ANNA) };
}

test(`${promise('ONCE-OUT')} a reply whose answers were lost twice stands once, and the agent ran once`, async () => {
  const { bot, fixture, put, step, chat } = await ready();
  await put('hello');
  bot.faults.add({ kind: 'cut-after', method: 'editMessageText', times: 2 });
  expect(await step()).toBe('done');
  expect(chat.messages.map(({ text }) => text)).toEqual(['hello', 'heard hello']);
  expect(chat.messages[1]?.replyTo).toBe(chat.messages[0]?.id);
  expect(fixture.runs).toHaveLength(1);
});

test(`${promise('ONCE-OUT')} a worker that dies after sending leaves one reply, and the next adds none`, async () => {
  const { fixture, put, step, chat } = await ready();
  const request = await put('hello');
  const died = await step((point) => {
    if (point === 'after-send') throw new Error('killed');
  });
  expect(died).toBe('retry');
  await fixture.clock.advance(61_000);
  expect(await step()).toBe('done');
  expect(chat.botTexts).toEqual(['heard hello']);
  expect(fixture.runs).toHaveLength(1);
  expect(await fixture.deps.store.getTurn('acme' as never, request.turnId)).toMatchObject({
    status: 'delivered',
  });
});

test(`${promise('ONCE-IN')} the same update queued again is answered once`, async () => {
  const { fixture, put, step, chat } = await ready();
  const request = await put('hello');
  expect(await step()).toBe('done');
  await fixture.clock.advance(600_000);
  await fixture.deps.queue.send(request);
  expect(await step()).toBe('done');
  expect(chat.botTexts).toEqual(['heard hello']);
});

test('a blocked bot is recorded and not tried again', async () => {
  const { fixture, put, step, chat } = await ready();
  const request = await put('hello');
  chat.block();
  expect(await step()).toBe('dead');
  expect(await fixture.deps.store.getTurn('acme' as never, request.turnId)).toMatchObject({
    status: 'undeliverable',
  });
  expect(await step()).toBeNull();
});

test('/new is answered in the chat, without the agent', async () => {
  const { fixture, put, step, chat } = await ready();
  await put('/new');
  expect(await step()).toBe('done');
  expect(chat.botTexts).toEqual([expect.stringContaining('fresh session')]);
  expect(fixture.runs).toHaveLength(0);
});
