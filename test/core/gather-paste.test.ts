// A paste in parts over the real turn: one turn whatever dies, nothing lost, nothing that was no part of it taken along.
import { expect, test } from 'vitest';
import { tenantId } from '../../src/core/ids.ts';
import { type TurnRequestInput, turnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import { GATHERED } from '../../src/core/records.ts';
import { replayDeadLetter } from '../../src/core/replay.ts';
import { createFixture } from './fixture.ts';

const GATHER_MS = 1_000;
const FULL = `${'a'.repeat(4_095)}b`;
const LINES = `${'line\n'.repeat(700)}end`;
const conversation = { tenant: 'default', channel: 'http', bot: 'local', chat: 'c', thread: null };

function ready() {
  const fixture = createFixture();
  const { store, queue, retentionSec } = fixture.deps;
  let messages = 0;
  const say = async (text: string, over: Partial<TurnRequestInput> = {}) => {
    const gatherMs = text.length >= 3_000 ? { gatherMs: GATHER_MS } : {};
    const dedupeId = `m${++messages}`;
    const receivedAtMs = fixture.clock.now();
    const request = turnRequest({ conversation, dedupeId, text, receivedAtMs, ...gatherMs, ...over });
    await store.accept(request, retentionSec);
    await queue.send(request);
    return request;
  };
  const finish = async (step: Promise<string | null>) => {
    let kind: string | null | undefined;
    void step.then((done) => {
      kind = done;
    });
    for (let i = 0; kind === undefined && i < 100; i++) await fixture.clock.advance(100);
    return kind;
  };
  /** Runs all that waits. */
  const settle = async () => {
    const kinds: (string | null | undefined)[] = [];
    for (;;) {
      const kind = await finish(fixture.step());
      if (kind === null) return kinds;
      kinds.push(kind);
    }
  };
  const asked = () => fixture.runs.map((run) => run.request.text);
  const turnOf = (request: { turnId: string }) => store.getTurn(tenantId('default'), request.turnId as never);
  return { fixture, say, settle, finish, asked, turnOf };
}

test(`${promise('ONCE-IN')} parts that wait are one turn with one reply, and their messages are done`, async () => {
  const { fixture, say, settle, asked } = ready();
  const parts = [FULL, LINES, 'tail'];
  const requests = [];
  for (const part of parts) requests.push(await say(part));
  await settle();
  expect(asked()).toEqual([`${FULL}${LINES}\ntail`]);
  expect(fixture.sent).toHaveLength(1);
  for (const request of requests) await fixture.deps.queue.send({ ...request, part: 1 });
  await settle();
  expect(asked()).toHaveLength(1);
  expect(fixture.sent).toHaveLength(1);
});

test('a part that comes while the first one waits is part of it; quiet ends the waiting', async () => {
  const { fixture, say, settle, finish, asked } = ready();
  await say(FULL);
  const step = fixture.step();
  await fixture.clock.advance(600);
  expect(asked()).toEqual([]);
  await say('tail');
  await finish(step);
  await settle();
  expect(asked()).toEqual([`${FULL}tail`]);
  await say(FULL);
  await settle();
  expect(asked()[1]).toBe(FULL);
});

test(`${promise('ORDER')} what is no part of the paste is a turn of its own, in order`, async () => {
  const { fixture, say, settle, asked } = ready();
  await say('short');
  await say('follows at once');
  await say(FULL);
  await say('tail');
  await say('after the tail');
  await say(FULL);
  await fixture.clock.advance(GATHER_MS + 1);
  await say('too late');
  await say(FULL, { kind: 'message' });
  await say('', { kind: 'new' });
  await say('of the new session');
  await settle();
  expect(asked()).toEqual([
    'short',
    'follows at once',
    `${FULL}tail`,
    'after the tail',
    FULL,
    'too late',
    FULL,
    'of the new session',
  ]);
});

test.each(['after-restore', 'mid-run', 'after-agent', 'after-pack', 'after-commit', 'after-send'] as const)(
  'a worker that dies %s leaves the parts with their turn',
  async (point) => {
    const { fixture, say, settle, finish, asked, turnOf } = ready();
    await say(FULL);
    const second = await say('tail');
    let struck = false;
    const at = async (here: string) => {
      if (here !== point || struck) return;
      struck = true;
      throw new Error('killed');
    };
    await finish(fixture.step({ at }));
    expect(struck).toBe(true);
    await say('next');
    await fixture.clock.advance(120_000);
    await settle();
    expect(new Set(asked())).toEqual(new Set([`${FULL}tail`, 'next']));
    expect(fixture.sent).toHaveLength(point === 'after-send' ? 3 : 2);
    expect(await turnOf(second)).toMatchObject({ status: 'delivered', reply: GATHERED });
  },
);

test('a paste that was given up is asked again whole', async () => {
  const { fixture, say, settle, asked } = ready();
  await say(FULL);
  await say('tail');
  fixture.agent = async () => {
    throw new Error('broken');
  };
  for (let i = 0; i < 6; i++) {
    await settle();
    await fixture.clock.advance(120_000);
  }
  const [letter] = (await fixture.deps.queue.deadLetters.list()).items;
  if (!letter) throw new Error('no dead letter');
  fixture.agent = async () => ({ status: 'ok', text: 'well', demo: false });
  expect((await replayDeadLetter(fixture.deps, letter)).how).toBe('asked-again');
  await settle();
  expect(asked().at(-1)).toBe(`${FULL}tail`);
  expect(fixture.sent.at(-1)?.reply.text).toBe('well');
});
