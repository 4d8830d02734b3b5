// Cases: a committed reply stands in the chat once, whole and in order, whatever happened to the calls.
import { expect } from 'vitest';
import { Ambiguous, Conflict, Gone, Refused } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import type { Reply } from '../../src/core/records.ts';
import type { ChannelContract, ChannelFault } from './channel-fixture.ts';
import { answersIn, deliverAsCore, ledgerOf, REPLY, turnOf } from './channel-ledger.ts';
import { type Declare, expectFailure, failure, withFixture } from './contract.ts';

const FAULTS: readonly ChannelFault[] = ['refused', 'lost-call', 'lost-answer', 'server-error'];

export function deliveryCases({ create }: ChannelContract, it: Declare): void {
  it('the channel says what it can', () =>
    withFixture(create, async ({ name, channel }) => {
      expect(channel.name).toBe(name);
      expect(channel.capabilities.maxTextLength).toBeGreaterThan(0);
    }));

  it(`${promise('ONCE-OUT')} a reply that is delivered again stands once`, () =>
    withFixture(create, async (fixture) => {
      const line = ledgerOf(await turnOf(fixture, 'hello'));
      await fixture.channel.deliver(line.attempt(), REPLY);
      await fixture.channel.deliver(line.attempt(), REPLY);
      expect(answersIn(fixture)).toEqual([expect.stringContaining('answer')]);
      expect(fixture.shown()).toHaveLength(1);
    }));

  it('an empty reply is a message that says so', () =>
    withFixture(create, async (fixture) => {
      await deliverAsCore(fixture, ledgerOf(await turnOf(fixture, 'hello')), { ...REPLY, text: ' \n' });
      expect(answersIn(fixture)).toHaveLength(1);
      expect(answersIn(fixture)[0]?.trim()).not.toBe('');
    }));

  it('what the demo model wrote says so', () =>
    withFixture(create, async (fixture) => {
      await deliverAsCore(fixture, ledgerOf(await turnOf(fixture, 'hello')), { ...REPLY, demo: true });
      expect(answersIn(fixture).join()).toContain('demo model');
    }));

  it('a quiet reply is no message', () =>
    withFixture(create, async (fixture) => {
      const line = ledgerOf(await turnOf(fixture, 'hello'));
      await deliverAsCore(fixture, line, { ...REPLY, quiet: true });
      expect(fixture.shown()).toEqual([]);
    }));

  it('a long reply comes in parts, each within the limit, in order and whole', () =>
    withFixture(create, async (fixture) => {
      const { maxTextLength } = fixture.channel.capabilities;
      const words = Array.from({ length: Math.ceil((maxTextLength * 2.5) / 8) }, (_, n) => `w${n}👍🏽`);
      await deliverAsCore(fixture, ledgerOf(await turnOf(fixture, 'hello')), {
        ...REPLY,
        text: words.join(' '),
      });
      const parts = answersIn(fixture);
      expect(parts.length).toBeGreaterThan(2);
      for (const part of parts) expect(part.length).toBeLessThanOrEqual(maxTextLength);
      expect(
        parts
          .join(' ')
          .split(/\s+/)
          .filter((word) => word.startsWith('w')),
      ).toEqual(words);
    }));

  it('code that a part ends in is whole on both sides', () =>
    withFixture(create, async (fixture) => {
      const { maxTextLength } = fixture.channel.capabilities;
      const lines = Array.from({ length: Math.ceil((maxTextLength * 1.5) / 10) }, (_, n) => `line ${n};`);
      const text = `Look:\n\n\`\`\`js\n${lines.join('\n')}\n\`\`\`\n\nThat was it.`;
      await deliverAsCore(fixture, ledgerOf(await turnOf(fixture, 'hello')), { ...REPLY, text });
      const parts = answersIn(fixture);
      expect(parts.length).toBeGreaterThan(1);
      for (const part of parts) expect((part.match(/```/g) ?? []).length % 2).toBe(0);
    }));

  for (const fault of FAULTS) {
    it(`${promise('ONCE-OUT')} ${fault} at any call: in the end the reply stands once, and nothing stands beside it`, async () => {
      for (let after = 0; ; after++) {
        let struck = true;
        await withFixture(create, async (fixture) => {
          const line = ledgerOf(await turnOf(fixture, 'hello'));
          const reply = longReply(fixture.channel.capabilities.maxTextLength);
          fixture.fail(fault, { after });
          await deliverAsCore(fixture, line, reply);
          struck = fixture.faultsLeft() === 0;
          const where = `${fault} after ${after} calls`;
          expect(answersIn(fixture), where).toEqual([
            expect.stringMatching(/^first/),
            expect.stringContaining('last'),
          ]);
        });
        if (!struck) return expect(after).toBeGreaterThan(0);
      }
    });
  }

  it('a call that is refused says when it may be made again', () =>
    withFixture(create, async (fixture) => {
      const line = ledgerOf(await turnOf(fixture, 'hello'));
      fixture.fail('refused');
      const error = await failure(fixture.channel.deliver(line.attempt(), REPLY));
      expect(error).toBeInstanceOf(Refused);
      expect((error as Refused).retryAfterMs).toBeGreaterThanOrEqual(fixture.refusedForMs);
      expect(answersIn(fixture)).toEqual([]);
      await fixture.advance((error as Refused).retryAfterMs);
      await fixture.channel.deliver(line.attempt(), REPLY);
      expect(answersIn(fixture)).toHaveLength(1);
    }));

  it('a lost answer to something sent is not taken for a refusal', () =>
    withFixture(create, async (fixture) => {
      const line = ledgerOf(await turnOf(fixture, 'hello'));
      fixture.fail('lost-answer');
      const error = await failure(fixture.channel.deliver(line.attempt(), REPLY));
      expect(error).toBeInstanceOf(Ambiguous);
    }));

  it('a chat that is gone is said to be gone', () =>
    withFixture(create, async (fixture) => {
      const line = ledgerOf(await turnOf(fixture, 'hello'));
      fixture.leave();
      expect(await failure(fixture.channel.deliver(line.attempt(), REPLY))).toBeInstanceOf(Gone);
    }));

  it('a worker that lost the session shows no reply', () =>
    withFixture(create, async (fixture) => {
      const attempt = ledgerOf(await turnOf(fixture, 'hello')).attempt();
      attempt.lose();
      await expectFailure(fixture.channel.deliver(attempt, REPLY), Conflict, 'lease-lost');
      expect(answersIn(fixture)).toEqual([]);
    }));

  it('the error of a failed call holds no secret', () =>
    withFixture(create, async (fixture) => {
      const line = ledgerOf(await turnOf(fixture, 'hello'));
      for (const fault of FAULTS) {
        fixture.fail(fault);
        const error = await failure(fixture.channel.deliver(line.attempt(), REPLY)).catch(() => null);
        fixture.faultsLeft();
        if (error)
          expect(`${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`).not.toMatch(/SECRET/);
        await fixture.advance(60_000);
      }
    }));
}

/** Two messages of it. */
function longReply(maxTextLength: number): Reply {
  const filler = 'word '.repeat(Math.ceil((maxTextLength * 0.7) / 5));
  return { outcome: 'ok', text: `first ${filler}\n\n${filler} last` };
}
