// `npm run scaling`: what gives first as an installation on AWS grows, by simulation. docs/scaling.md reads the table.
import { US_EAST_1 } from '../../src/cost/aws-prices.ts';
import { sum, TYPICAL, turnCost } from '../../src/cost/turn-cost.ts';
import type { Pattern, People } from './arrivals.ts';
import { DEFAULT_QUOTAS, PER_TURN } from './quotas.ts';
import { type Outcome, type Part, type Scenario, simulate, TYPICAL_SCENARIO } from './simulate.ts';

const people = (conversations: number): People => ({
  conversations,
  turnsPerDay: 10,
  turnsPerSitting: 4,
  pauseSec: 45,
});

const GROWTH = [1_000, 10_000, 100_000, 1_000_000];
const WORTH_RAISING_SEC = 15;
const thousands = (value: number) => value.toLocaleString('en-US');
const PATTERNS: readonly Pattern[] = ['even', 'busy-hour', 'broadcast'];

console.log(
  'conversations  pattern    agents    quotas                     turns/s  wait p50  wait p99   hot  nearest its quota (peak use over quota)   $ per 1,000',
);
for (const conversations of GROWTH) {
  for (const pattern of PATTERNS) {
    for (const agents of ['isolated', 'shared'] as const) {
      const scenario = { ...TYPICAL_SCENARIO, people: people(conversations), pattern, agents };
      const outcome = simulate(scenario);
      row(conversations, pattern, agents, 'default', outcome);
      if (outcome.waitSec.p99 < WORTH_RAISING_SEC) continue;
      const asked = raised(scenario);
      row(
        conversations,
        pattern,
        agents,
        `${thousands(asked.quotas.concurrency)} at once, ${asked.queues} queues`,
        simulate(asked),
      );
    }
  }
}

/** Quotas to ask AWS for, and queues to have: twice what would be held if nothing were refused. */
function raised(scenario: Scenario): Scenario {
  const { peak } = simulate({
    ...scenario,
    queues: 1_000,
    quotas: { ...DEFAULT_QUOTAS, concurrency: 1e9, rampPer10Sec: 1e9, queueRampPerMin: 1e6 },
  });
  const concurrency = Math.max(1_000, Math.ceil((2 * peak.executions) / 1_000) * 1_000);
  const turns = peak.executions / PER_TURN.executions[scenario.agents];
  const queues = Math.max(1, Math.ceil((2 * turns) / DEFAULT_QUOTAS.turnsPerQueue));
  return { ...scenario, queues, quotas: { ...DEFAULT_QUOTAS, concurrency } };
}

function row(
  conversations: number,
  pattern: Pattern,
  agents: 'isolated' | 'shared',
  quotas: string,
  outcome: Outcome,
) {
  const [part, load] = (Object.entries(outcome.load) as [Part, number][]).reduce((most, each) =>
    each[1] > most[1] ? each : most,
  );
  const dollars = 1_000 * sum(turnCost({ ...TYPICAL, agents, hotRate: outcome.hotShare }, US_EAST_1));
  console.log(
    [
      thousands(conversations).padStart(13),
      pattern.padEnd(9),
      agents.padEnd(8),
      quotas.padEnd(25),
      outcome.peak.turnsPerSec.toFixed(1).padStart(7),
      `${outcome.waitSec.median.toFixed(1)} s`.padStart(8),
      `${outcome.waitSec.p99.toFixed(1)} s`.padStart(8),
      `${Math.round(outcome.hotShare * 100)} %`.padStart(5),
      `${part} (${load.toFixed(2)})`.padEnd(40),
      dollars.toFixed(2),
    ].join('  '),
  );
}
