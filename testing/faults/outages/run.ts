// One run with outages of minutes and hours, in one process over the real adapters, by a clock of its own that workers,
// stores, people and checks share (simulated-time.ts). Real processes, killed and stopped, are the other half of the kit:
// ../run.ts.
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSkewedClock } from '../../clock.ts';
import { startFakeTelegram } from '../../telegram/fake-telegram.ts';
import { check } from '../check.ts';
import { createFindings, type Failure } from '../findings.ts';
import { createNote, type HistoryLine, type InjectedFaults } from '../injected-faults.ts';
import { startFaultModel } from '../model.ts';
import { openPorts } from '../ports.ts';
import { createRandom } from '../random.ts';
import { readHistory } from '../run.ts';
import { type Sent, telegramChatId } from '../sent.ts';
import { createServerSide } from '../server-side.ts';
import { startStandIns } from '../stand-ins.ts';
import { checkOutages } from './check.ts';
import { writeAll } from './people.ts';
import { type OutagePlan, WORKERS } from './plan.ts';
import {
  type AwayOptions,
  createQueueNews,
  createWeather,
  eventsInOutages,
  objectsInOutages,
  queueInOutages,
  storeInOutages,
} from './ports-in-outages.ts';
import { createSimulatedTime } from './simulated-time.ts';
import { agentsWork, type OutageMutation, type SimulatedWorker, startSimulatedWorker } from './worker.ts';

export interface OutageRunOptions {
  readonly plan: OutagePlan;
  readonly store: 'local' | 'aws';
  readonly mutation?: OutageMutation;
  readonly codeFolder?: string;
  /** By the machine's own time. */
  readonly limitMs?: number;
  readonly signal?: AbortSignal;
}

export interface OutageRunResult {
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly history: readonly HistoryLine[];
  readonly sent: readonly Sent[];
  readonly startMs: number;
  /** By the run's clock. */
  readonly lastedMs: number;
  readonly tookMs: number;
}

const TOKEN = '4242:FAULT-KIT-TOKEN';
const SECRET = 'fault-kit-webhook-secret';
/** After the last outage: the longest wait, and a little. */
const REST_MS = 6 * 3_600_000;
/** By the machine's own time, for a machine that does much else. */
const LIMIT_MS = 45 * 60_000;
const SKEW_MS = [0, 700];

export async function runOutages(options: OutageRunOptions): Promise<OutageRunResult> {
  const folder = await mkdtemp(join(tmpdir(), 'hybrid-outages-'));
  const ends: (() => Promise<unknown>)[] = [
    () => rm(folder, { recursive: true, force: true, maxRetries: 3 }),
  ];
  try {
    return await play(options, folder, ends);
  } finally {
    for (const end of ends.reverse()) await end().catch(() => {});
  }
}

async function play(
  { plan, store, mutation, codeFolder, limitMs = LIMIT_MS, signal }: OutageRunOptions,
  folder: string,
  ends: (() => Promise<unknown>)[],
): Promise<OutageRunResult> {
  const tookFromMs = Date.now();
  const startMs = tookFromMs;
  const timeOver = AbortSignal.timeout(limitMs);
  const over = signal ? AbortSignal.any([timeOver, signal]) : timeOver;
  mkdirSync(join(folder, 'turns'));
  const time = createSimulatedTime(startMs);
  const { clock } = time;
  const weather = createWeather(plan, clock, startMs);
  const note = createNote(folder, 'kit', clock.now);
  const standIns = await startStandIns(store, {
    folder,
    seed: plan.seed,
    faultRate: 0,
    note,
    clock,
    isAway: weather.onWire,
  });
  ends.push(standIns.close);
  const chatOf = (number: number | null) =>
    plan.messages.find((message) => message.number === number)?.chat ?? null;
  const model = await startFaultModel(modelFaults(plan, weather, chatOf), note, 'light', (ms, message) =>
    modelWorks(
      ms,
      (piece) => time.pass(piece, agentsWork(message)),
      () => weather.away('model', chatOf(message)) !== null,
    ),
  );
  ends.push(model.close);
  const telegram = await startFakeTelegram();
  ends.push(telegram.close);
  const bot = telegram.addBot({ token: TOKEN, clock });
  for (const { part, status, namedSec, fromMs, untilMs } of plan.outages) {
    if (part !== 'telegram') continue;
    const text = () => fromMs <= clock.now() - startMs && clock.now() - startMs < untilMs;
    const times = Number.POSITIVE_INFINITY;
    if (namedSec === null) bot.faults.add({ kind: 'error', status, text, times });
    else bot.faults.add({ kind: 'rate-limit', retryAfterSec: namedSec, text, times });
  }

  const random = createRandom(plan.seed).fork('answers');
  const chats = new Map<string, number>();
  const news = createQueueNews();
  const away = (who: string): AwayOptions => ({
    time,
    weather,
    random,
    note: createNote(folder, who, clock.now),
    isOnWire: store === 'aws',
  });
  const users = [...new Set(plan.messages.map(({ chat }) => String(Math.abs(telegramChatId(chat)))))];
  const ports = await openPorts(standIns.faulty, clock, clock);
  ends.push(ports.close);
  const serverAway = away('server');
  const serve = createServerSide({
    name: 'outages',
    store: storeInOutages(ports.store, chats, chatOf, serverAway),
    queue: queueInOutages(ports.queue, news, clock, serverAway),
    events: eventsInOutages(ports.events, serverAway),
    objects: objectsInOutages(ports.objects, chats, serverAway),
    clock,
    telegram: { token: TOKEN, secret: SECRET, users },
  });

  const workers: SimulatedWorker[] = [];
  const start = async (index: number, deaths: number): Promise<void> => {
    const mine = await time.during(() =>
      openPorts(standIns.faulty, createSkewedClock(clock, SKEW_MS[index] ?? 0), clock),
    );
    ends.push(mine.close);
    const name = `worker-${index}.${deaths}`;
    workers[index] = startSimulatedWorker({
      ...away(name),
      store,
      clock: createSkewedClock(clock, SKEW_MS[index] ?? 0),
      ports: mine,
      news,
      chats,
      chatOf,
      folder: join(folder, 'turns', String(index)),
      codeFolder: codeFolder ?? join(folder, 'code'),
      modelUrl: model.url,
      telegram: { token: TOKEN, apiRoot: telegram.apiRoot },
      mutation: mutation ?? null,
    });
  };
  for (let index = 0; index < WORKERS; index++) await start(index, 0);
  const dying = plan.deaths.map(async ({ atMs, worker }, count) => {
    await clock.sleep(atMs);
    note('died', { whom: worker });
    await time.during(() => workers[worker]?.die() ?? Promise.resolve());
    await start(worker, count + 1);
  });
  void dying;

  const sent: Sent[] = [];
  const people = { bot, secret: SECRET, serve: during(time.during, serve), clock, startMs, weather, note };
  let said = false;
  const chatNumbers = [...new Set(plan.messages.map(({ chat }) => chat))];
  void Promise.all(
    chatNumbers.map((chat) =>
      writeAll(
        plan.messages.filter((message) => message.chat === chat),
        people,
        sent,
      ),
    ),
  ).then(() => {
    said = true;
  });
  const endMs = Math.max(
    ...plan.outages.map(({ untilMs }) => untilMs),
    ...plan.messages.map(({ atMs }) => atMs),
  );
  const isOver = async () => said && (await ports.unacknowledged()) === 0;
  const rested = await time.run(isOver, startMs + endMs + REST_MS, over);
  const lastedMs = clock.now() - startMs;
  signal?.throwIfAborted();
  if (!rested) note('time-over');
  // Whoever still waits is woken by nobody any more.
  await Promise.all(workers.map((worker) => worker.die()));

  const direct = await openPorts(standIns.direct, clock, clock);
  ends.push(direct.close);
  const history = readHistory(folder);
  const verdict = await check({ sent, ports: direct, bot, modelCalls: model.calls, history, folder });
  const findings = createFindings();
  findings.expect(rested, 'settled', null, () => 'It did not come to an end.');
  checkOutages({ plan, startMs, history, bot, outcomes: verdict.outcomes, store }, findings);
  return {
    passed: verdict.passed + findings.passed,
    failures: [...verdict.failures, ...findings.failures],
    history,
    sent,
    startMs,
    lastedMs,
    tookMs: Date.now() - tookFromMs,
  };
}

/** What the model does with a message: it takes its time once, and does not answer while it is away. */
function modelFaults(
  plan: OutagePlan,
  weather: ReturnType<typeof createWeather>,
  chatOf: (number: number | null) => number | null,
): InjectedFaults {
  const slow = new Map(plan.messages.map(({ number, modelMs }) => [number, modelMs]));
  return {
    take(place, message) {
      if (place !== 'model' || message === null) return null;
      const outage = weather.away('model', chatOf(message));
      const common = { id: `model-${message}`, message, place } as const;
      if (outage !== null) {
        const retryAfterSec = outage.namedSec ?? 0;
        return { ...common, how: String(outage.status), retryAfterSec };
      }
      const ms = slow.get(message) ?? 0;
      slow.delete(message);
      return ms > 0 ? { ...common, how: 'slow', ms } : null;
    },
  };
}

/** A model that goes away while it works breaks the request off. */
async function modelWorks(
  ms: number,
  pass: (ms: number) => Promise<void>,
  isAway: () => boolean,
): Promise<void> {
  for (let leftMs = ms; leftMs > 0; leftMs -= 1_000) {
    await pass(Math.min(leftMs, 1_000));
    if (isAway()) throw new Error('The model went away.');
  }
}

function during<A, R>(
  standing: <T>(work: () => Promise<T>) => Promise<T>,
  call: (input: A) => Promise<R>,
): (input: A) => Promise<R> {
  return (input) => standing(() => call(input));
}
