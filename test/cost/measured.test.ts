// What turns cost that really ran: read from their timelines in each form in which they are written down.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { timelineView } from '../../src/api/timeline-view.ts';
import type { Timeline } from '../../src/core/timeline.ts';
import { timelineFields } from '../../src/core/timeline-fields.ts';
import { US_EAST_1 } from '../../src/cost/aws-prices.ts';
import {
  measuredTurn,
  measuredTurnUsd,
  measuredUsage,
  readMeasuredTurns,
} from '../../src/cost/measured-turn.ts';
import { sum, TYPICAL, turnCost } from '../../src/cost/turn-cost.ts';

const timeline = (start: 'hot' | 'new', agentMs = 4_000): Timeline => ({
  attempt: 1,
  spans: [
    { kind: 'queue', fromMs: 0, toMs: 90_000 },
    { kind: 'lease', fromMs: 90_000, toMs: 90_010 },
    { kind: 'host', fromMs: 90_010, toMs: 90_110 },
    { kind: 'restore', fromMs: 90_110, toMs: 90_510 },
    { kind: 'agent', fromMs: 90_510, toMs: 90_510 + agentMs },
    { kind: 'model', fromMs: 90_600, toMs: 91_000 },
    { kind: 'tool', name: 'Bash', fromMs: 91_000, toMs: 91_100 },
    { kind: 'commit', fromMs: 90_510 + agentMs, toMs: 91_010 + agentMs },
  ],
  firstTextMs: 91_000,
  totalMs: 91_010 + agentMs,
  host: { start, waitedMs: 100, restoredBytes: 1, savedBytes: 1 },
});
const command: Timeline = {
  attempt: 1,
  spans: [{ kind: 'queue', fromMs: 0, toMs: 5 }],
  firstTextMs: null,
  totalMs: 9,
  host: null,
};

test("an agent is held from its host to the end; the wait in the queue is nobody's", () => {
  expect(measuredTurn(timeline('hot'))).toEqual({ heldSec: 5, hot: true, modelCalls: 1 });
  expect(measuredTurn(command)).toEqual({ heldSec: 0, hot: false, modelCalls: 0 });
});

test('the same is read from the API, from a list of turns, and from a line of the log', () => {
  const one = timeline('hot');
  const record = { turnId: 't', receivedAtMs: 0 } as Parameters<typeof timelineView>[0];
  const view = timelineView(record, one);
  const seen = measuredTurn(one);
  expect(readMeasuredTurns(JSON.parse(JSON.stringify(view)))).toEqual([seen]);
  expect(readMeasuredTurns({ turns: [{ timeline: view }, { timeline: null }], more: false })).toEqual([seen]);
  const line = { level: 'INFO', message: 'turn-timeline', turn: 't', ...timelineFields(one) };
  expect(readMeasuredTurns(line)).toEqual([{ ...seen, modelCalls: 0 }]);
  const { message: _, ...local } = line;
  expect(readMeasuredTurns({ ...local, event: 'turn-timeline' })).toEqual([{ ...seen, modelCalls: 0 }]);
});

test.each([
  null,
  1,
  'x',
  [],
  {},
  { message: 'turn-ended', agentMs: 1 },
  { agentMs: 1 },
  { spans: 'x', host: null },
])('what is no timeline is none: %j', (value) => {
  expect(readMeasuredTurns(value)).toBeNull();
});

test('seconds and hot rate are those of the turns that ran an agent', () => {
  const turns = [timeline('hot'), timeline('new', 8_000), command].map(measuredTurn);
  expect(measuredUsage(turns)).toEqual({ secondsPerTurn: 7, hotRate: 0.5, modelCallsPerTurn: 1 });
  expect(measuredUsage([measuredTurn(command)])).toBeNull();
});

test('one turn costs what the formula says of its seconds; longer, larger and cold ones cost more', () => {
  const built = { agents: 'isolated', memoryMb: 2_048 } as const;
  const usd = (heldSec: number, hot: boolean, memoryMb = 2_048) =>
    measuredTurnUsd({ heldSec, hot, modelCalls: 3 }, { ...built, memoryMb }, US_EAST_1);
  // Nothing starts in a hot turn, so measured and typical are the same there.
  expect(usd(20, true)).toBeCloseTo(
    sum(turnCost({ ...TYPICAL, secondsPerTurn: 20, hotRate: 1 }, US_EAST_1)),
    9,
  );
  fc.assert(
    fc.property(fc.double({ min: 0.1, max: 800, noNaN: true }), fc.boolean(), (seconds, hot) => {
      expect(usd(seconds + 1, hot)).toBeGreaterThan(usd(seconds, hot));
      expect(usd(seconds, hot, 1_024)).toBeLessThan(usd(seconds, hot));
      expect(usd(seconds, false)).toBeGreaterThan(usd(seconds, true));
    }),
  );
  const none = measuredTurnUsd(measuredTurn(command), built, US_EAST_1);
  expect(none).toBeGreaterThan(0);
  expect(none).toBeLessThan(usd(1, true));
});
