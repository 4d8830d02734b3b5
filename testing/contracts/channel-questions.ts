// Cases: a question has buttons where the channel says that it has them, and a press is an answer of whoever pressed.
import { expect } from 'vitest';
import type { Question } from '../../src/core/question.ts';
import { offersOf } from '../../src/core/question-words.ts';
import type { Reply } from '../../src/core/records.ts';
import type { ChannelContract } from './channel-fixture.ts';
import { deliverAsCore, hear, ledgerOf, turnOf } from './channel-ledger.ts';
import { type Declare, needed, withFixture } from './contract.ts';

const approval: Question = {
  ...{ id: 'q0123456789abcdef', call: 'toolu_1', title: 'Bash: make deploy', detail: 'make deploy' },
  ...{ format: 'command', covers: 'call', choice: null, answer: null, reasonFrom: null },
};
const choice: Question = {
  ...{ ...approval, id: 'q1123456789abcdef' },
  choice: {
    question: 'Which color?',
    multiple: false,
    options: [
      { label: 'Red', description: '' },
      { label: `Blue ${'very '.repeat(40)}dark`, description: '' },
    ],
  },
};
const asking = (...asked: Question[]): Reply => ({ outcome: 'ok', text: 'May I?', asked });

export function questionCases({ create }: ChannelContract, it: Declare): void {
  it('a question has a button for each answer, and a press of it says what it says', () =>
    withFixture(create, async (fixture) => {
      expect(fixture.channel.capabilities.buttons).toBe(true);
      await deliverAsCore(fixture, ledgerOf(await turnOf(fixture, 'hello')), asking(approval));
      const offers = offersOf(approval);
      expect(needed(fixture.buttons)()).toEqual(offers.map(({ label }) => label));
      for (const { label, decision, question } of offers) {
        const { statuses, turns } = await hear(fixture, needed(fixture.pressed)(label));
        expect(statuses).toEqual([200]);
        expect(turns).toMatchObject([{ kind: 'answer', answer: { question, decision } }]);
        expect(turns[0]?.sender?.id).toBeTruthy();
      }
    }));

  it('what the agent offers stands on buttons, however long it is', () =>
    withFixture(create, async (fixture) => {
      await deliverAsCore(fixture, ledgerOf(await turnOf(fixture, 'hello')), asking(choice));
      const labels = needed(fixture.buttons)();
      expect(labels).toHaveLength(2);
      const { turns } = await hear(fixture, needed(fixture.pressed)(labels[1] ?? ''));
      expect(turns).toMatchObject([
        { kind: 'answer', answer: { question: choice.id, decision: 'reply', option: 1 } },
      ]);
    }));

  it('a press belongs to the conversation of the question, and the same press again is the same turn', () =>
    withFixture(create, async (fixture) => {
      const asked = await turnOf(fixture, 'hello');
      await deliverAsCore(fixture, ledgerOf(asked), asking(approval));
      const press = needed(fixture.pressed)('Deny');
      const { turns } = await hear(fixture, press, press);
      expect(turns.map(({ sessionKey }) => sessionKey)).toEqual([asked.sessionKey, asked.sessionKey]);
      expect(turns[1]?.turnId).toBe(turns[0]?.turnId);
    }));

  it('a press of a stranger is none', () =>
    withFixture(create, async (fixture) => {
      await deliverAsCore(fixture, ledgerOf(await turnOf(fixture, 'hello')), asking(approval));
      const { statuses, turns } = await hear(fixture, needed(fixture.pressed)('Allow once', 'stranger'));
      expect([statuses, turns]).toEqual([[200], []]);
    }));

  it('what was decided stands where the buttons were', () =>
    withFixture(create, async (fixture) => {
      await deliverAsCore(fixture, ledgerOf(await turnOf(fixture, 'hello')), asking(approval));
      const { turns } = await hear(fixture, needed(fixture.pressed)('Allow once'));
      const [press] = turns;
      if (!press) throw new Error('The press was not taken.');
      const by = { channel: fixture.name, id: press.sender?.id ?? null };
      const answer = { decision: 'once' as const, text: null, by, name: 'Ann', atMs: 1 };
      const answered = { ...approval, answer } as Question;
      const reply: Reply = { outcome: 'ok', text: 'Allowed.', quiet: true, answered: [answered] };
      await deliverAsCore(fixture, ledgerOf(press), reply);
      await deliverAsCore(fixture, ledgerOf(press), reply);
      expect(needed(fixture.buttons)().join()).not.toContain('Allow once');
      const seen = [...fixture.shown(), ...needed(fixture.buttons)()].join('\n');
      expect(seen).toContain('Allowed once by Ann');
    }));
}
