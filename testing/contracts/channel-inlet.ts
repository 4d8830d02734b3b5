// Cases: who is heard, that what is acknowledged is in the queue, and what each kind of payload becomes.
import { expect } from 'vitest';
import { Invalid, Refused } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import type { ChannelContract, Post } from './channel-fixture.ts';
import { hear, statusesOf } from './channel-ledger.ts';
import { type Declare, needed, withFixture } from './contract.ts';

const GARBAGE = [
  '',
  '{}',
  '[]',
  'null',
  '7',
  '"text"',
  'not json',
  '{"type":',
  '<xml></xml>',
  '\u0000',
  'a=b&c',
];

export function inletCases({ create }: ChannelContract, it: Declare): void {
  it('a message of an allowed person is one turn, with the text as it was written', () =>
    withFixture(create, async (fixture) => {
      const { statuses, turns } = await hear(fixture, fixture.written('hello, ünïcödé & <tags> 👋🏽'));
      expect(statuses).toEqual([200]);
      expect(turns).toMatchObject([{ kind: 'message', text: 'hello, ünïcödé & <tags> 👋🏽' }]);
      expect(turns[0]?.conversation.channel).toBe(fixture.name);
      expect(turns[0]?.sender?.id).toBeTruthy();
    }));

  it(`${promise('ONCE-IN')} the same call again is the same turn, and another message is another one`, () =>
    withFixture(create, async (fixture) => {
      const [first, second] = [fixture.written('same words'), fixture.written('same words')];
      const { turns } = await hear(fixture, first, first, second, first);
      const [a, b, c, d] = turns.map(({ turnId }) => turnId);
      expect(turns).toHaveLength(4);
      expect([b, d]).toEqual([a, a]);
      expect(c).not.toBe(a);
      expect(new Set(turns.map(({ sessionKey }) => sessionKey)).size).toBe(1);
    }));

  it('a caller who is not the platform is refused, and nothing of it is taken', () =>
    withFixture(create, async (fixture) => {
      const forged = fixture.forged(fixture.written('hello'));
      expect(forged.length).toBeGreaterThan(1);
      for (const { what, post } of forged) {
        const { statuses, turns } = await hear(fixture, post);
        expect([401, 403], what).toContain(statuses[0]);
        expect(turns, what).toEqual([]);
      }
    }));

  it('a call that was signed long ago is refused', () =>
    withFixture(create, async (fixture) => {
      const { statuses, turns } = await hear(fixture, needed(fixture.stale)('hello'));
      expect([401, 403]).toContain(statuses[0]);
      expect(turns).toEqual([]);
    }));

  it(`${promise('ACKED')} what the queue does not take is not acknowledged, and is taken when it comes again`, () =>
    withFixture(create, async (fixture) => {
      let broken = true;
      const taken: string[] = [];
      const handler = await fixture.open(async ({ text }) => {
        if (broken) throw new Refused('queue-down', 'The queue does not answer.');
        taken.push(text);
      });
      const post = fixture.written('hello');
      const [first = 0] = await statusesOf(handler, [post]);
      expect(first).toBeGreaterThanOrEqual(500);
      broken = false;
      expect(await statusesOf(handler, [post])).toEqual([200]);
      expect(taken).toEqual(['hello']);
    }));

  it('a message that no queue will ever take holds up nothing', () =>
    withFixture(create, async (fixture) => {
      const handler = await fixture.open(async () => {
        throw new Invalid('bad-message', 'Nobody can read that.');
      });
      expect(await statusesOf(handler, [fixture.written('hello')])).toEqual([200]);
    }));

  it('garbage of the platform itself is answered, and taken for nothing', () =>
    withFixture(create, async (fixture) => {
      const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;
      for (const body of [...GARBAGE, deep]) {
        const { statuses, turns } = await hear(fixture, fixture.signed(body));
        expect(statuses[0], body).toBeLessThan(500);
        expect(turns, body).toEqual([]);
      }
    }));

  it('a stranger gets no turn, and the platform no reason to ask again', () =>
    withFixture(create, async (fixture) => {
      const { statuses, turns } = await hear(fixture, fixture.written('let me in', 'stranger'));
      expect([statuses, turns]).toEqual([[200], []]);
    }));

  it('each documented payload becomes what it says', () =>
    withFixture(create, async (fixture) => {
      expect(fixture.documented.length).toBeGreaterThan(3);
      for (const { name, post, becomes } of fixture.documented) {
        const { statuses, turns } = await hear(fixture, post);
        expect(statuses, name).toEqual([200]);
        const seen = turns.map(({ kind, text }) => ({ kind, text }));
        expect(seen, name).toEqual(becomes === null ? [] : [becomes]);
      }
    }));

  it('a body without end is refused before it is read', () =>
    withFixture(create, async (fixture) => {
      const post: Post = fixture.signed('x'.repeat(20_000_000));
      const { statuses, turns } = await hear(fixture, post);
      expect([413, turns]).toEqual([statuses[0], []]);
    }));
}
