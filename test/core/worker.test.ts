// The worker's loop: turns of different conversations beside each other, those of one conversation one after the other.

import { expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { runWorker } from '../../src/core/worker.ts';
import { settle } from '../../testing/clock.ts';
import { workerOf } from '../../testing/worker-parts.ts';
import { createFixture, type Fixture } from './fixture.ts';

/** A worker whose agents run until they are let go, by the message they were given. */
async function hanging(turnsAtOnce: number) {
  const fixture = createFixture();
  const begun: string[] = [];
  const going = new Map<string, () => void>();
  fixture.agent = async ({ request }) => {
    begun.push(request.text);
    await new Promise<void>((resolve) => going.set(request.text, resolve));
    return { status: 'ok', text: `done ${request.text}`, demo: false };
  };
  const stopping = new AbortController();
  const working = runWorker(workerOf(fixture.deps), { signal: stopping.signal, turnsAtOnce });
  return {
    ...fixture,
    begun,
    letGo(text: string) {
      going.get(text)?.();
    },
    answered: () => fixture.sent.map(({ reply }) => reply.text),
    async stop() {
      stopping.abort();
      for (const finish of going.values()) finish();
      await working;
    },
  };
}

async function until(fixture: Pick<Fixture, 'clock'>, happened: () => boolean): Promise<void> {
  for (let tries = 0; !happened() && tries < 1_000; tries++) {
    await fixture.clock.advance(10);
    await settle();
  }
  expect(happened()).toBe(true);
}

test(`${promise('APART')} chats whose turns hang keep no other chat waiting`, async () => {
  const worker = await hanging(5);
  for (const n of [1, 2, 3, 4]) await worker.say(`hangs ${n}`, { chat: `chat ${n}` });
  await until(worker, () => worker.begun.length === 4);
  await worker.say('fifth', { chat: 'chat 5' });
  await until(worker, () => worker.begun.includes('fifth'));
  worker.letGo('fifth');
  await until(worker, () => worker.answered().length === 1);
  expect(worker.answered()).toEqual(['done fifth']);
  await worker.stop();
});

test(`${promise('APART', 'ORDER')} a flood in one chat waits behind itself only`, async () => {
  const worker = await hanging(3);
  for (const n of [1, 2, 3, 4, 5, 6]) await worker.say(`flood ${n}`, { chat: 'flood' });
  await worker.say('other', { chat: 'other' });
  await until(worker, () => worker.begun.includes('other'));
  expect(worker.begun.filter((text) => text.startsWith('flood'))).toEqual(['flood 1']);
  worker.letGo('flood 1');
  await until(worker, () => worker.begun.includes('flood 2'));
  expect(worker.answered()).toEqual(['done flood 1']);
  await worker.stop();
});

test('no more turns run at once than were asked for, and ending waits for those in hand', async () => {
  const worker = await hanging(2);
  for (const n of [1, 2, 3]) await worker.say(`turn ${n}`, { chat: `chat ${n}` });
  await until(worker, () => worker.begun.length === 2);
  await worker.clock.advance(5_000);
  expect(worker.begun).toHaveLength(2);
  await worker.stop();
  expect(worker.answered().sort()).toEqual(worker.begun.map((text) => `done ${text}`).sort());
});
