// Two chats, linked and unlinked at random moments, whose messages are taken in once or several times, by inlets that are
// at work at once: every message is answered once, where it was said, in the order in which its chat said it; and each runs in
// the session that the chat had when it was taken in.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { acceptAndQueue } from '../../src/core/accept.ts';
import { type Conversation, sessionKeyOf } from '../../src/core/ids.ts';
import { turnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import type { TurnRecord } from '../../src/core/records.ts';
import { settle } from '../../testing/clock.ts';
import { createFixture } from './fixture.ts';

type Step =
  | { readonly kind: 'say'; readonly chat: 0 | 1; readonly times: number }
  /** The chat asks for a code, which the other one says. */
  | { readonly kind: 'join'; readonly chat: 0 | 1 }
  | { readonly kind: 'guess'; readonly chat: 0 | 1 }
  | { readonly kind: 'unlink'; readonly chat: 0 | 1 }
  | { readonly kind: 'work'; readonly turns: number };

const chat = fc.constantFrom(0 as const, 1 as const);
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('say' as const),
        chat,
        times: fc.integer({ min: 1, max: 2 }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('join' as const), chat }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('guess' as const), chat }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('unlink' as const), chat }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('work' as const), turns: fc.integer({ min: 1, max: 6 }) }),
    },
  ),
  { minLength: 4, maxLength: 40 },
);

const CHATS: readonly Conversation[] = ['a', 'b'].map((name) => ({
  ...{ tenant: 'default', channel: 'http', bot: 'local', chat: name, thread: null },
}));
/** Messages that ran in the session of the other chat, in all rounds. */
let shared = 0;

/** More tries than any wait of the system between two of them. */
const IDLE_STEPS = 12;

test(`${promise('ORDER', 'ONCE-IN', 'ONCE-OUT')} whatever is linked when, each message is answered once and in order`, async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.infiniteStream(fc.boolean()), async (plan, random) => {
      const world = createFixture();
      const { store, queue } = world.deps;
      const accepting = { store, queue, retentionSec: world.deps.retentionSec, clock: world.clock };
      const said: { readonly text: string; readonly chat: number; readonly turn: TurnRecord }[] = [];
      let code: string | null = null;
      let heard = 0;
      let count = 0;
      let ids = 0;
      const running: Promise<unknown>[] = [];
      /** Agents that take their time, while other conversations go on. */
      const held: { readonly in: string; go(): void }[] = [];
      world.agent = async (run) => {
        const { chat: name } = run.request.conversation;
        if (random.next().value) await new Promise<void>((go) => held.push({ in: name, go }));
        return { status: 'ok', text: `heard ${run.request.text}`, demo: false };
      };
      // What one chat says comes in one after the other; the other chat's, and the workers, beside it.
      const lines: Promise<unknown>[] = [Promise.resolve(), Promise.resolve()];

      async function take(at: 0 | 1, text: string, times = 1): Promise<void> {
        ids += 1;
        const id = ids;
        const conversation = CHATS[at] as Conversation;
        const request = turnRequest({
          conversation,
          dedupeId: `m${id}`,
          text,
          receivedAtMs: world.clock.now(),
        });
        for (let n = 0; n < times; n++) {
          const turn = await acceptAndQueue(accepting, request);
          if (!text.startsWith('/') && n === 0) said.push({ text, chat: at, turn });
        }
      }
      async function step(): Promise<boolean> {
        const kind = await world.step();
        for (const { reply } of world.sent.slice(heard)) {
          code = /\/link (\w{4}-\w{4})/.exec(reply.text)?.[1] ?? code;
        }
        heard = world.sent.length;
        return kind !== null;
      }

      const goOn = async () => {
        for (let n = 0; n < 10; n++) await settle();
      };
      const letGo = (name?: string) => {
        const all = held.splice(0);
        for (const one of all) name === undefined || one.in === name ? one.go() : held.push(one);
      };
      const say = (at: 0 | 1, text: string, times = 1) => {
        lines[at] = lines[at]!.then(() => take(at, text, times));
        return lines[at];
      };
      async function join(at: 0 | 1): Promise<void> {
        code = null;
        await say(at, '/link');
        for (let tries = 0; code === null && tries < 20; tries++) {
          running.push(step());
          await goOn();
          letGo(CHATS[at]?.chat);
          await world.clock.advance(100);
        }
        if (code !== null) await say(at === 0 ? 1 : 0, `/link ${code}`);
      }

      for (const one of plan) {
        if (one.kind === 'work') {
          for (let n = 0; n < one.turns; n++) running.push(step());
          await goOn();
          if (random.next().value) letGo();
          continue;
        }
        count += 1;
        if (one.kind === 'join') await join(one.chat);
        else if (one.kind === 'say') void say(one.chat, `say ${one.chat} ${count}`, one.times);
        else void say(one.chat, one.kind === 'guess' ? '/link AAAA-AAAA' : '/unlink');
        if (random.next().value) await Promise.all(lines);
        if (random.next().value) running.push(step());
      }
      await Promise.all(lines);
      for (let idle = 0; idle < IDLE_STEPS; ) {
        const working = step();
        await goOn();
        letGo();
        await goOn();
        idle = (await working) ? 0 : idle + 1;
        await world.clock.advance(500);
      }
      await Promise.all(running);

      expect(await queue.depth()).toBe(0);
      expect((await queue.deadLetters.list()).items).toEqual([]);
      for (const at of [0, 1] as const) {
        const name = CHATS[at]?.chat;
        const own = said.filter((one) => one.chat === at);
        const answered = world.sent.filter((one) => one.chat === name && one.reply.text.startsWith('heard'));
        const texts = answered.map(({ reply }) => reply.text.replace('heard ', ''));
        expect([...texts].sort()).toEqual(own.map(({ text }) => text).sort());
        // Those that were taken in one after the other are answered so.
        const sequential = own.map(({ text }) => text);
        const places = sequential.map((text) => texts.indexOf(text));
        expect(places).toEqual([...places].sort((x, y) => x - y));
      }
      for (const { turn } of said) {
        if (turn.writtenIn) shared += 1;
        const now = await store.getTurn(turn.tenant, turn.turnId);
        expect(now?.sessionKey).toBe(turn.sessionKey);
        expect(CHATS.map(sessionKeyOf)).toContain(now?.sessionKey);
      }
    }),
    { numRuns: 60 },
  );
  expect(shared).toBeGreaterThan(20);
});
