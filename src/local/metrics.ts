// `/metrics` of one machine, for Prometheus. Counts begin with the server's start; gauges are read when they are asked for.
// Labels have few values, all of them known here: never a turn, a chat or an error's text.
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { TurnQueue } from '../core/ports.ts';
import { WAITED_FOR, type WaitingTurns } from './waiting-turns.ts';
import type { WorkerNote } from './worker-notes.ts';

export interface MetricsSources {
  readonly queue: Pick<TurnQueue, 'depth' | 'deadLetters'>;
  readonly waiting: WaitingTurns;
  readonly workers: () => number;
}

export interface Metrics {
  readonly contentType: string;
  take(note: WorkerNote): void;
  workerRestarted(): void;
  text(): Promise<string>;
}

const OUTCOMES = ['done', 'undeliverable', 'given_up', 'continued'] as const;
const TURN_BUCKETS_SEC = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600];
const WAIT_BUCKETS_SEC = [0.1, 0.5, 1, 5, 15, 60, 300, 1_800, 3_600, 6 * 3_600];
const MAX_PAGES = 100;

export function createMetrics({ queue, waiting, workers }: MetricsSources): Metrics {
  const registry = new Registry();
  const of = (name: string, help: string) => ({
    name: `hybrid_sessions_${name}`,
    help,
    registers: [registry],
  });

  const turns = new Counter({
    ...of('turns_total', 'Turns by how they ended; continued: handed on to another worker, saved.'),
    labelNames: ['outcome'] as const,
  });
  for (const outcome of OUTCOMES) turns.inc({ outcome }, 0);
  const retries = new Counter(
    of('turn_retries_total', 'Attempts that ended without a reply and are made again.'),
  );
  const restarts = new Counter(
    of('worker_restarts_total', 'Worker processes that died and were started again.'),
  );
  const starts = new Counter({
    ...of(
      'agent_starts_total',
      'Runs of the agent by how they began; hot: by the live one of the turn before.',
    ),
    labelNames: ['start', 'why'] as const,
  });
  starts.inc({ start: 'hot', why: 'held' }, 0);
  starts.inc({ start: 'cold', why: 'first' }, 0);
  const ends = new Counter({
    ...of('hot_ended_total', 'Live agents that stayed between two turns and were ended, by reason.'),
    labelNames: ['why'] as const,
  });
  const tookSec = new Histogram({
    ...of('turn_duration_seconds', 'How long an ended turn ran, in its last attempt.'),
    buckets: TURN_BUCKETS_SEC,
  });
  const waitedSec = new Histogram({
    ...of('turn_wait_seconds', 'From the arrival of a message to the attempt that answered it.'),
    buckets: WAIT_BUCKETS_SEC,
  });
  new Gauge({
    ...of('turns_waiting', 'Turns that wait for a part that is away.'),
    labelNames: ['waiting_for'] as const,
    collect() {
      for (const part of WAITED_FOR) this.set({ waiting_for: part }, waiting.count(part));
    },
  });
  new Gauge({
    ...of('queue_messages', 'Messages that wait for a worker.'),
    async collect() {
      this.set(await queue.depth());
    },
  });
  new Gauge({
    ...of('dead_letters', 'Messages that were set aside for a person.'),
    async collect() {
      this.set(await countDeadLetters(queue));
    },
  });
  new Gauge({
    ...of('workers', 'Worker processes that run.'),
    collect() {
      this.set(workers());
    },
  });

  return {
    contentType: registry.contentType,
    take(note) {
      if (note.event === 'agent-started') {
        return starts.inc({ start: note.start, why: note.start === 'hot' ? 'held' : note.why });
      }
      if (note.event === 'hot-ended') return ends.inc({ why: note.why });
      if (note.event !== 'turn-ended') return;
      if (note.outcome === 'retry') return retries.inc();
      turns.inc({ outcome: outcomeOf(note) });
      if (note.outcome === 'continue') return;
      tookSec.observe(note.tookMs / 1_000);
      waitedSec.observe(Math.max(0, note.waitedMs) / 1_000);
    },
    workerRestarted: () => restarts.inc(),
    text: () => registry.metrics(),
  };
}

function outcomeOf({
  outcome,
  reason,
}: Extract<WorkerNote, { event: 'turn-ended' }>): (typeof OUTCOMES)[number] {
  if (outcome === 'continue') return 'continued';
  if (outcome !== 'dead') return 'done';
  return reason === 'undeliverable' ? 'undeliverable' : 'given_up';
}

async function countDeadLetters({ deadLetters }: MetricsSources['queue']): Promise<number> {
  let count = 0;
  let cursor: string | null = null;
  for (let page = 0; page < MAX_PAGES; page++) {
    const { items, cursor: next } = await deadLetters.list(cursor === null ? {} : { cursor });
    count += items.length;
    if (next === null) break;
    cursor = next;
  }
  return count;
}
