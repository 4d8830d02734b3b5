// Cases: what is shown while a turn runs is best effort: it breaks nothing, and leaves nothing behind.
import { expect } from 'vitest';
import type { TurnEvent } from '../../src/core/ports.ts';
import type { ChannelContract, ChannelFault, ChannelFixture } from './channel-fixture.ts';
import { deliverAsCore, ledgerOf, REPLY, turnOf } from './channel-ledger.ts';
import { type Declare, withFixture } from './contract.ts';

const EVENTS: readonly TurnEvent[] = [
  { type: 'status', status: 'running' },
  { type: 'tool', id: 't1', name: 'Bash', summary: 'ls `x`', state: 'started' },
  { type: 'tool', id: 't1', name: 'Bash', summary: 'ls `x`', state: 'done' },
  { type: 'text', text: 'Half an answer' },
];
const FAULTS: readonly ChannelFault[] = ['refused', 'lost-call', 'server-error'];

export function progressCases({ create }: ChannelContract, it: Declare): void {
  it('what the agent says is seen while it works, and gives way to the reply', () =>
    withFixture(create, async (fixture) => {
      const line = ledgerOf(await turnOf(fixture, 'hello'));
      const sink = fixture.channel.open(line.attempt());
      for (const event of EVENTS) sink.push(event);
      await expect.poll(() => seenAfter(fixture, 5_000)).toContain('Half an answer');
      await sink.close();
      await deliverAsCore(fixture, line, REPLY);
      expect(fixture.shown()).toEqual([expect.stringContaining('42')]);
    }));

  for (const fault of FAULTS) {
    it(`${fault} at every call of progress breaks nothing, and after its end nothing is called`, () =>
      withFixture(create, async (fixture) => {
        const line = ledgerOf(await turnOf(fixture, 'hello'));
        fixture.fail(fault, { times: 1_000 });
        const sink = fixture.channel.open(line.attempt());
        for (const event of EVENTS) sink.push(event);
        await expect.poll(() => seenAfter(fixture, 5_000, fixture.calls > 0)).toBe(true);
        await sink.close();
        const { calls } = fixture;
        sink.push({ type: 'text', text: 'too late' });
        await fixture.advance(60_000);
        expect(fixture.calls).toBe(calls);
        fixture.faultsLeft();
        await deliverAsCore(fixture, line, REPLY);
        expect(fixture.shown()).toEqual([expect.stringContaining('42')]);
      }));
  }

  it('the worker that takes a turn over leaves nothing of the one before', () =>
    withFixture(create, async (fixture) => {
      const line = ledgerOf(await turnOf(fixture, 'hello'));
      for (let worker = 0; worker < 3; worker++) {
        const { calls } = fixture;
        const sink = fixture.channel.open(line.attempt());
        for (const event of EVENTS) sink.push(event);
        await expect.poll(() => seenAfter(fixture, 5_000, fixture.calls > calls)).toBe(true);
        await sink.close();
      }
      await deliverAsCore(fixture, line, REPLY);
      expect(fixture.shown()).toEqual([expect.stringContaining('42')]);
    }));
}

/** Lets time pass, then says what is to be seen, or `what`. */
async function seenAfter(fixture: ChannelFixture, ms: number, what?: boolean): Promise<string | boolean> {
  await fixture.advance(ms);
  return what ?? fixture.shown().join('\n');
}
