// npm run soak -- --minutes 10 --chats 50 [--store local|aws] [--agent light|real] [--seed 1] [--per-minute 90]
// Load with random faults for a while. Prints throughput, latency, memory and open files of the processes that live
// through all of it, and the checker's verdict (docs/reliability.md).
import { readdirSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { endedBySignal } from '../testing/faults/ended-by-signal.ts';
import { createPlan } from '../testing/faults/plan.ts';
import { failuresOf, summaryOf, verdictOf } from '../testing/faults/report.ts';
import { type RunResult, runFaults } from '../testing/faults/run.ts';

const ended = endedBySignal();

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    chats: { type: 'string', default: '50' },
    store: { type: 'string', default: 'local' },
    agent: { type: 'string', default: 'light' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string', default: '4' },
    'per-minute': { type: 'string', default: '90' },
  },
});

function positive(name: 'minutes' | 'chats' | 'workers' | 'per-minute'): number {
  const value = Number(values[name]);
  if (value > 0) return value;
  throw new Error(`--${name} must be a number above 0.`);
}

if (values.store !== 'local' && values.store !== 'aws') throw new Error('--store is local or aws.');
if (values.agent !== 'light' && values.agent !== 'real') throw new Error('--agent is light or real.');
const { store, agent } = values;
const minutes = positive('minutes');
const chats = positive('chats');
const perMinute = positive('per-minute');
const turns = Math.max(chats, Math.round(minutes * perMinute));
const SAMPLE_MS = 5_000;

interface Sample {
  readonly atMs: number;
  readonly rssMb: number;
  readonly files: number;
}

const samples = new Map<string, Sample[]>();
const startedAtMs = Date.now();
let sampledAtMs = 0;
let printedAtMs = 0;

/** Linux only: elsewhere nothing is sampled. */
function sample(name: string, pid: number): void {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
    const files = readdirSync(`/proc/${pid}/fd`).length;
    const taken = samples.get(name) ?? [];
    samples.set(name, [...taken, { atMs: Date.now(), rssMb: (pages * 4_096) / 1e6, files }]);
  } catch {
    // It ended meanwhile.
  }
}

const plan = createPlan({
  seed: Number(values.seed),
  turns,
  chats,
  agent,
  workers: positive('workers'),
  faultRate: 0.25,
  acts: false,
  meanPauseMs: (chats / perMinute) * 60_000,
});
/** Every chat's messages within the time: some chats would need longer by chance. */
const messages = [...Map.groupBy(plan.messages, ({ chat }) => chat).values()].flatMap((mine) => {
  const sumMs = mine.reduce((sum, { pauseMs }) => sum + pauseMs, 0);
  const scale = Math.min(1, (minutes * 60_000) / Math.max(1, sumMs));
  return mine.map((message) => ({ ...message, pauseMs: Math.round(message.pauseMs * scale) }));
});
const result = await runFaults({
  // The server lives through the soak, and so does the first worker; the others die as ever.
  plan: {
    ...plan,
    messages,
    faults: plan.faults.filter(({ place, how }) => !(place.startsWith('server') && how === 'kill')),
  },
  store,
  agent,
  spareOne: true,
  restWithinMs: 180_000,
  limitMs: Math.round((minutes + 8) * 60_000),
  watch({ processes, sent }) {
    if (Date.now() - sampledAtMs < SAMPLE_MS) return;
    sampledAtMs = Date.now();
    sample('kit (with the stand-ins)', process.pid);
    for (const { name, pid } of processes) if (name === 'server' || name === 'worker-0') sample(name, pid);
    if (Date.now() - printedAtMs < 30_000) return;
    printedAtMs = Date.now();
    const states = [...samples].map(
      ([name, taken]) => `${name} ${taken.at(-1)?.rssMb.toFixed(0)} MB ${taken.at(-1)?.files} files`,
    );
    console.log(
      `${((Date.now() - startedAtMs) / 1_000).toFixed(0).padStart(4)} s  ${sent.length} sent  ${states.join(', ')}`,
    );
  },
  signal: ended,
}).catch((error: unknown) => {
  if (!ended.aborted) throw error;
  console.log('Stopped.');
  process.exit(130);
});

console.log(summaryOf(result));
console.log(latencies(result));
for (const [name, taken] of samples) console.log(flatness(name, taken));
if (result.failures.length > 0) console.log(failuresOf(result));
console.log(verdictOf(result));
process.exit(result.failures.length > 0 ? 1 : 0);

function latencies({ sent, history, tookMs }: RunResult): string {
  const doneAtMs = new Map<unknown, number>();
  for (const line of history) {
    const done = line.event === 'turn-ended' && (line.outcome === 'done' || line.outcome === 'dead');
    if (done && !doneAtMs.has(line.turn)) doneAtMs.set(line.turn, line.atMs);
  }
  const struck = new Set(history.filter(({ what }) => what === 'fault').map(({ message }) => message));
  const all = sent.flatMap(({ turnId, sentAtMs, message }) => {
    const at = doneAtMs.get(turnId);
    return at === undefined ? [] : [{ ms: at - sentAtMs, struck: struck.has(message.number) }];
  });
  const line = (name: string, values: number[]) => {
    const sorted = values.sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return `${name}: ${sorted.length} turns, p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`;
  };
  return [
    `throughput: ${((all.length / tookMs) * 60_000).toFixed(1)} turns per minute`,
    line(
      'latency of all',
      all.map(({ ms }) => ms),
    ),
    line(
      'latency where no fault struck the turn itself',
      all.filter((each) => !each.struck).map(({ ms }) => ms),
    ),
  ].join('\n');
}

/** The middle of the first and of the last third of the samples, without the first minute. */
function flatness(name: string, taken: readonly Sample[]): string {
  const settled = taken.filter(({ atMs }) => atMs - startedAtMs > Math.min(60_000, minutes * 20_000));
  const third = Math.max(1, Math.floor(settled.length / 3));
  const middle = (part: readonly Sample[], of: (sample: Sample) => number) =>
    [...part].map(of).sort((a, b) => a - b)[Math.floor(part.length / 2)] ?? 0;
  const [first, last] = [settled.slice(0, third), settled.slice(-third)];
  const rss = [middle(first, (s) => s.rssMb), middle(last, (s) => s.rssMb)] as const;
  const files = [middle(first, (s) => s.files), middle(last, (s) => s.files)] as const;
  return `${name}: ${rss[0].toFixed(0)} -> ${rss[1].toFixed(0)} MB, ${files[0]} -> ${files[1]} open files`;
}
