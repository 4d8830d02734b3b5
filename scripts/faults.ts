// npm run faults -- --seed 1 --turns 300 [--store local|aws] [--agent light|real] [--chats 8] [--seeds 1-20] [--in-process] [--messages-only] [--time-factor 3] [--json]
// npm run faults -- --outages --seed 1 --turns 300 [--store local|aws] [--chats 8] [--seeds 1-10]
// Runs the fault kit (docs/reliability.md) and ends with `N passed, N failed`; the exit code is 1 when any failed.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { endedBySignal } from '../testing/faults/ended-by-signal.ts';
import type { HistoryLine } from '../testing/faults/injected-faults.ts';
import { createOutagePlan } from '../testing/faults/outages/plan.ts';
import { outageFailures, outageSummary } from '../testing/faults/outages/report.ts';
import { runOutages } from '../testing/faults/outages/run.ts';
import { createPlan } from '../testing/faults/plan.ts';
import { failuresOf, historyOf, summaryOf, verdictOf } from '../testing/faults/report.ts';
import { runFaults } from '../testing/faults/run.ts';

const ended = endedBySignal();
/** A run that takes longer than this is stuck, on the busiest of machines. */
const FIXED_MS = 10 * 60_000;
const MS_PER_TURN = 6_000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    turns: { type: 'string', default: '300' },
    store: { type: 'string', default: 'local' },
    agent: { type: 'string', default: 'light' },
    chats: { type: 'string', default: '8' },
    workers: { type: 'string', default: '3' },
    /** `1-20`: these seeds one after the other. */
    seeds: { type: 'string' },
    /** The whole history of one message, besides. */
    history: { type: 'string' },
    /** Writes every line of the history to this file (of the last seed). */
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
    /** Agents run in the workers' own processes, without hosts. */
    'in-process': { type: 'boolean', default: false },
    /** People only write messages, and do nothing else. */
    'messages-only': { type: 'boolean', default: false },
    /** For a machine that does much else: leases last so many times as long. */
    'time-factor': { type: 'string', default: '1' },
    /** Parts away for minutes and hours by the run's clock, in place of killed processes. */
    outages: { type: 'boolean', default: false },
  },
});

function number(name: 'seed' | 'turns' | 'chats' | 'workers' | 'time-factor', least: number): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= least) return value;
  throw new Error(`--${name} must be a whole number from ${least} on.`);
}

function choice<T extends string>(name: 'store' | 'agent', allowed: readonly T[]): T {
  const found = allowed.find((each) => each === values[name]);
  if (found) return found;
  throw new Error(`--${name} is one of ${allowed.join(', ')}.`);
}

function seeds(): number[] {
  if (values.seeds === undefined) return [number('seed', 0)];
  const [, from, to] = /^(\d+)-(\d+)$/.exec(values.seeds) ?? [];
  if (from === undefined || to === undefined) throw new Error('--seeds is written as 1-20.');
  return Array.from({ length: Number(to) - Number(from) + 1 }, (_, index) => Number(from) + index);
}

function stopped(error: unknown): never {
  if (!ended.aborted) throw error;
  console.log('Stopped.');
  process.exit(130);
}

function writeHistory(history: readonly HistoryLine[]): void {
  if (values.out === undefined) return;
  writeFileSync(values.out, history.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

const store = choice('store', ['local', 'aws']);
const agent = choice('agent', ['light', 'real']);
const turns = number('turns', 1);
const hosts = !values['in-process'];
const chats = Math.min(number('chats', 1), turns);
let passed = 0;
let failed = 0;
for (const seed of seeds()) {
  if (values.outages) {
    const plan = createOutagePlan({ seed, turns, chats });
    const result = await runOutages({ plan, store, signal: ended }).catch(stopped);
    writeHistory(result.history);
    passed += result.passed;
    failed += result.failures.length;
    console.log(`seed ${seed}, store ${store}, outages`);
    console.log(outageSummary(plan, result));
    if (result.failures.length > 0) console.log(outageFailures(result));
    console.log(`seed ${seed}: ${result.passed} passed, ${result.failures.length} failed\n`);
    continue;
  }
  const acts = !values['messages-only'];
  const plan = createPlan({ seed, turns, chats, agent, hosts, acts, workers: number('workers', 1) });
  const result = await runFaults({
    plan,
    store,
    agent,
    hosts,
    signal: ended,
    timeFactor: number('time-factor', 1),
    limitMs: FIXED_MS + turns * MS_PER_TURN,
  }).catch(stopped);
  writeHistory(result.history);
  passed += result.passed;
  failed += result.failures.length;
  if (values.json) {
    const { history: _, sent: __, ...rest } = result;
    console.log(JSON.stringify({ seed, turns, store, agent, chats, ...rest }));
    continue;
  }
  console.log(`seed ${seed}, store ${store}, agent ${agent}, ${hosts ? 'hosts' : 'in process'}`);
  console.log(summaryOf(result));
  if (values.history !== undefined) console.log(historyOf(result.history, Number(values.history)).join('\n'));
  if (result.failures.length > 0) {
    console.log(failuresOf(result));
    console.log(
      `Again: npm run faults -- --seed ${seed} --turns ${turns} --chats ${chats} --store ${store} --agent ${agent}${hosts ? '' : ' --in-process'}${acts ? '' : ' --messages-only'}`,
    );
  }
  console.log(`seed ${seed}: ${verdictOf(result)}\n`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
