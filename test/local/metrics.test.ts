// What an operator sees of one machine: the numbers as Prometheus reads them, and health while a part is away.
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { createMetrics } from '../../src/local/metrics.ts';
import { createWaitingTurns } from '../../src/local/waiting-turns.ts';
import { noteOf, type WorkerNote } from '../../src/local/worker-notes.ts';
import { createMemoryTurnQueue } from '../../src/queues/memory/turn-queue.ts';
import { createManualClock } from '../../testing/clock.ts';
import { conversation, message } from '../../testing/contracts/contract.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import { until } from '../waiting.ts';

type Ended = Extract<WorkerNote, { event: 'turn-ended' }>;

function ended(outcome: string, more: object = {}): Ended {
  return noteOf('turn-ended', { turn: 't', outcome, waitedMs: 400, tookMs: 3_000, ...more }) as Ended;
}

/** Values by the line's name and labels. */
function valuesOf(text: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
  );
}

describe('/metrics', () => {
  const clock = createManualClock();
  const queue = createMemoryTurnQueue({ clock });
  const waiting = createWaitingTurns(() => clock.now());
  const metrics = createMetrics({ queue, waiting, workers: () => 2 });

  test('counts by outcome, reads queue and dead letters, and names no turn, chat or error', async () => {
    const notes = [
      ended('done'),
      ended('done'),
      ended('dead', { reason: 'undeliverable' }),
      ended('dead', { reason: 'gave up after 3 attempts' }),
      ended('continue'),
      ended('retry', { reason: 'some secret error text' }),
    ];
    for (const note of notes) metrics.take(note);
    metrics.workerRestarted();
    await queue.send(message(conversation()));
    await queue.send(message(conversation()));
    const [delivery] = await queue.receive({ max: 1, waitMs: 0, visibilityMs: 1_000 });
    await delivery!.deadLetter('x');
    waiting.take(noteOf('turn-waits', { turn: 'w', waitingFor: 'model', nextTryInMs: 60_000 })!);

    const text = await metrics.text();
    expect(valuesOf(text)).toMatchObject({
      'hybrid_sessions_turns_total{outcome="done"}': 2,
      'hybrid_sessions_turns_total{outcome="undeliverable"}': 1,
      'hybrid_sessions_turns_total{outcome="given_up"}': 1,
      'hybrid_sessions_turns_total{outcome="continued"}': 1,
      hybrid_sessions_turn_retries_total: 1,
      hybrid_sessions_worker_restarts_total: 1,
      hybrid_sessions_workers: 2,
      hybrid_sessions_queue_messages: 1,
      hybrid_sessions_dead_letters: 1,
      'hybrid_sessions_turns_waiting{waiting_for="model"}': 1,
      'hybrid_sessions_turns_waiting{waiting_for="store"}': 0,
      hybrid_sessions_turn_duration_seconds_count: 4,
      hybrid_sessions_turn_duration_seconds_sum: 12,
      'hybrid_sessions_turn_wait_seconds_bucket{le="0.5"}': 4,
      'hybrid_sessions_turn_wait_seconds_bucket{le="0.1"}': 0,
    });
    expect(text).not.toContain('secret');
  });

  test('docs/self-hosting.md lists exactly these', async () => {
    const names = [...(await metrics.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
      ([, name, type]) => `${name} ${type}`,
    );
    const page = readFileSync('docs/self-hosting.md', 'utf8');
    const listed = [...page.matchAll(/^\| `(hybrid_sessions_\w+)[^|]*\| (\w+) \|/gm)].map(
      ([, name, type]) => `${name} ${type}`,
    );
    expect(listed.sort()).toEqual(names.sort());
  });
});

describe('what waits', () => {
  const clock = createManualClock();
  const waits = (turn: string, waitingFor: string) =>
    noteOf('turn-waits', { turn, waitingFor, nextTryInMs: 60_000 })!;

  test('is known since its first try, with its next one, until its turn ends or nobody heard of it for long', async () => {
    const waiting = createWaitingTurns(() => clock.now());
    expect(waiting.list()).toEqual([]);
    const sinceMs = clock.now();
    waiting.take(waits('a', 'model'));
    await clock.advance(60_000);
    waiting.take({ ...ended('retry'), turn: 'a' });
    waiting.take(waits('a', 'model'));
    waiting.take(waits('b', 'model'));
    waiting.take(waits('c', 'store'));
    const nextTryAtMs = clock.now() + 60_000;
    expect(waiting.list()).toEqual([
      { waitingFor: 'model', sinceMs, nextTryAtMs },
      { waitingFor: 'store', sinceMs: sinceMs + 60_000, nextTryAtMs },
    ]);
    expect(waiting.count('model')).toBe(2);
    // That another turn was answered says nothing about what this one waits for.
    waiting.take({ ...ended('done'), turn: 'other' });
    waiting.take({ ...ended('done'), turn: 'a' });
    waiting.take({ ...ended('done'), turn: 'c' });
    expect(waiting.list().map(({ waitingFor }) => waitingFor)).toEqual(['model']);
    await clock.advance(60_000 + 16 * 60_000);
    expect(waiting.list()).toEqual([]);
  });
});

describe('a whole server', () => {
  let system: TestSystem | undefined;
  afterEach(async () => {
    await system?.close();
    system = undefined;
  });

  const ask = async (path: string) => {
    // Health is asked without the key, as a health check does.
    const response = await (path === '/healthz' ? fetch(`${system!.url}${path}`) : system!.call(path));
    return {
      status: response.status,
      type: response.headers.get('content-type'),
      text: await response.text(),
    };
  };

  test(`${promise('HEARD')} says that it is degraded while the model is away, and counts what its workers do`, async () => {
    let away = true;
    system = await startLocalSystem({
      respond: () => (away ? { fault: 'status', status: 529 } : { blocks: [{ type: 'text', text: 'back' }] }),
    });
    expect(JSON.parse((await ask('/healthz')).text)).toEqual({ status: 'ok' });
    void system.say('c', 'hello?').catch(() => {});
    const health = await until(async () => {
      const { status, text } = await ask('/healthz');
      return text.includes('degraded') ? { status, ...JSON.parse(text) } : undefined;
    }, 'the server to be degraded');
    expect(health).toMatchObject({
      status: 'degraded',
      reason: 'Turns wait for the model. Their messages are kept.',
    });
    const { status, type, text } = await ask('/metrics');
    expect([status, type]).toEqual([200, expect.stringMatching(/^text\/plain.*version=0\.0\.4/)]);
    expect(valuesOf(text)).toMatchObject({
      'hybrid_sessions_turns_waiting{waiting_for="model"}': 1,
      hybrid_sessions_turn_retries_total: 1,
    });
    // The next try is some seconds off: a worker that dies meanwhile is counted, and changes nothing for the turn.
    for (const pid of system.workerPids()) process.kill(pid, 'SIGKILL');
    await until(
      async () => valuesOf((await ask('/metrics')).text).hybrid_sessions_worker_restarts_total === 1,
      'the restart to be counted',
    );
    away = false;
    await until(
      async () => JSON.parse((await ask('/healthz')).text).status === 'ok',
      'the server to be well again',
    );
    expect(valuesOf((await ask('/metrics')).text)).toMatchObject({
      'hybrid_sessions_turns_total{outcome="done"}': 1,
      hybrid_sessions_turn_duration_seconds_count: 1,
    });
  });
});
