// One fault run, from plan to report. It ends every process that it started, by pid. When its time is over it checks
// what there is and reports what is missing.

import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../src/core/clock.ts';
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import { Refused } from '../../src/core/errors.ts';
import type { FakeBot } from '../telegram/fake-bot.ts';
import { type FakeTelegram, startFakeTelegram } from '../telegram/fake-telegram.ts';
import { check } from './check.ts';
import { endMarked } from './check-hosts.ts';
import { createProcessSlot, type ProcessSlot } from './children.ts';
import type { Failure } from './findings.ts';
import { writeHostFaults } from './host-environment.ts';
import { createInjectedFaults, createNote, type HistoryLine, type Note } from './injected-faults.ts';
import { type FaultModel, startFaultModel } from './model.ts';
import type { Mutation } from './mutations.ts';
import { numberIn, type Plan, type PlannedFault } from './planned.ts';
import { type OpenPorts, openPorts } from './ports.ts';
import { STRANGER } from './said-or-pressed.ts';
import { type Sent, telegramChatId } from './sent.ts';
import { AWS_TIME_FACTOR, type Settings } from './settings.ts';
import { playChat } from './simulated-users.ts';
import { type StandIns, startStandIns } from './stand-ins.ts';
import { numberOfTurn, TURNS_FOLDER } from './turn-numbers.ts';
import { isClosed, wakeUps } from './woken-turns.ts';

export interface RunOptions {
  readonly plan: Plan;
  readonly store: 'local' | 'aws';
  readonly agent: 'light' | 'real';
  /** Agents run in host processes; otherwise in the workers' own. */
  readonly hosts?: boolean;
  readonly mutation?: Mutation;
  /** After the last message was sent: how long nothing may come to an end before the run is given up. */
  readonly restWithinMs?: number;
  /** For a machine that does much else: leases last so many times as long. @default 1 */
  readonly timeFactor?: number;
  /** The whole run. */
  readonly limitMs?: number;
  /** Where compiled code is kept for later runs; in the run's own folder when left out. */
  readonly codeFolder?: string;
  /** The first worker is never killed. */
  readonly spareOne?: boolean;
  /** Ends the run at once, with nothing left behind: `runFaults` throws its reason. */
  readonly signal?: AbortSignal;
  /** Called every second while it runs. */
  readonly watch?: (running: Running) => void;
}

export interface Running {
  readonly processes: readonly { readonly name: string; readonly pid: number }[];
  readonly sent: readonly Sent[];
}

export interface RunResult {
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly history: readonly HistoryLine[];
  readonly sent: readonly Sent[];
  readonly leftovers: number;
  readonly orphans: number;
  readonly workerDeaths: number;
  readonly serverDeaths: number;
  readonly tookMs: number;
}

const TOKEN = '4242:FAULT-KIT-TOKEN';
const SECRET = 'fault-kit-webhook-secret';

export async function runFaults(options: RunOptions): Promise<RunResult> {
  const folder = await mkdtemp(join(tmpdir(), 'hybrid-faults-'));
  for (const name of ['injected', 'redeliveries', TURNS_FOLDER]) mkdirSync(join(folder, name));
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
  options: RunOptions,
  folder: string,
  ends: (() => Promise<unknown>)[],
): Promise<RunResult> {
  const {
    plan,
    store,
    agent,
    hosts = false,
    mutation = null,
    restWithinMs = 60_000 + 400 * plan.messages.length,
    limitMs = 540_000,
  } = options;
  const startedAtMs = Date.now();
  const timeOver = AbortSignal.timeout(limitMs);
  const over = options.signal ? AbortSignal.any([timeOver, options.signal]) : timeOver;
  const note = createNote(folder, 'kit');
  const standIns: StandIns = await startStandIns(store, {
    folder,
    seed: plan.seed,
    faultRate: plan.faults.length > 0 ? 1 : 0,
    note,
  });
  ends.push(standIns.close);
  const model: FaultModel = await startFaultModel(
    createInjectedFaults(folder, plan.faults, note),
    note,
    agent,
    undefined,
    {
      numberOf: (turn) => numberOfTurn(folder, turn),
      actOf: (number) => plan.messages.find((message) => message.number === number)?.act,
    },
  );
  ends.push(model.close);
  const telegram: FakeTelegram = await startFakeTelegram();
  ends.push(telegram.close);
  const bot = telegram.addBot({ token: TOKEN, webhookRetryMs: 30 });
  layTelegramFaults(bot, plan.faults, note);

  const chats = [...new Set(plan.messages.map(({ chat }) => chat))];
  const settings: Settings = {
    folder,
    codeFolder: options.codeFolder ?? join(folder, 'code'),
    store: standIns.faulty,
    faults: plan.faults,
    agent,
    hosts,
    modelUrl: model.url,
    telegram: {
      token: TOKEN,
      apiRoot: telegram.apiRoot,
      secret: SECRET,
      users: [...chats.map((chat) => String(Math.abs(telegramChatId(chat)))), String(STRANGER)],
    },
    mutation,
    timeFactor: (options.timeFactor ?? 1) * (store === 'aws' ? AWS_TIME_FACTOR : 1),
  };
  writeHostFaults(folder, plan.faults);
  ends.push(async () => endMarked(folder));
  const server = createProcessSlot({ program: 'server-process', name: 'server', settings, skewMs: 0, note });
  const slots: ProcessSlot[] = [server];
  ends.push(() => Promise.all(slots.map((slot) => slot.stop(0))));
  await server.ready;
  for (let index = 0; index < plan.workers; index++) {
    const skewMs = plan.skewMs[index] ?? 0;
    slots.push(
      createProcessSlot({
        program: 'worker-process',
        name: `worker-${index}`,
        settings,
        skewMs,
        note,
        spared: index === 0 && options.spareOne === true,
      }),
    );
  }
  await Promise.all(slots.map((slot) => slot.ready));
  options.signal?.throwIfAborted();
  await setWebhook(telegram.apiRoot, server.port);

  const ports = await openPorts(standIns.direct, systemClock, systemClock);
  ends.push(ports.close);
  const sent: Sent[] = [];
  const watching = watch(options, slots, sent);
  ends.push(async () => watching.end());
  const serverUrl = () => `http://127.0.0.1:${server.port}`;
  const moved = new Set<number>();
  const users = { bot, serverUrl, turns: ports.store, folder, moved, note, signal: over };
  await Promise.all(
    chats.map((chat) =>
      playChat(
        plan.messages.filter((message) => message.chat === chat),
        users,
        sent,
      ),
    ),
  );
  await comeToRest(ports, sent, bot.id, folder, over, restWithinMs, note);
  options.signal?.throwIfAborted();
  const workers = slots.filter((slot) => slot !== server);
  await Promise.all(workers.map((slot) => slot.stop(mutation === null ? 5_000 : 500)));
  await server.stop(0);
  watching.end();

  const history = readHistory(folder);
  const verdict = await check({ sent, ports, bot, modelCalls: model.calls, history, folder });
  return {
    passed: verdict.passed,
    failures: [...verdict.failures],
    leftovers: verdict.leftovers,
    orphans: verdict.orphans,
    history,
    sent,
    workerDeaths: workers.reduce((sum, slot) => sum + slot.deaths, 0),
    serverDeaths: server.deaths,
    tookMs: Date.now() - startedAtMs,
  };
}

/** Waits until every accepted turn is closed and every message acknowledged; a dead worker's message comes again. */
async function comeToRest(
  ports: OpenPorts,
  sent: readonly Sent[],
  botId: number,
  folder: string,
  over: AbortSignal,
  restWithinMs: number,
  note: Note,
): Promise<void> {
  let progressAtMs = Date.now();
  const open = new Set(sent.filter(({ beforeErased }) => !beforeErased).map(({ turnId }) => turnId));
  const isAtRest = async (): Promise<boolean> => {
    for (const turnId of open) {
      const turn = await ports.store.getTurn(DEFAULT_TENANT, turnId);
      if (turn && isClosed(turn)) open.delete(turnId);
    }
    if (open.size > 0 || (await ports.unacknowledged()) > 0 || redeliveriesLeft(folder)) return false;
    return (await wakeUps(ports.store, sent, botId)).every(
      ({ turns }) => turns.length > 0 && turns.every(isClosed),
    );
  };
  for (;;) {
    const before = open.size;
    // A busy machine's stand-in may give no answer in time; it is asked again.
    if (await isAtRest().catch(refusedForNow)) return;
    if (open.size < before) progressAtMs = Date.now();
    if (over.aborted || Date.now() - progressAtMs > restWithinMs)
      return note('time-over', { open: open.size });
    await pause(open.size > 20 ? 500 : 50);
  }
}

function refusedForNow(error: unknown): false {
  if (error instanceof Refused) return false;
  throw error;
}

function layTelegramFaults(bot: FakeBot, faults: readonly PlannedFault[], note: Note): void {
  for (const { id, place, message, how, method, ms = 0, after = 0 } of faults) {
    if (place !== 'telegram') continue;
    const text = (said: string) => {
      // A placeholder does not say whose it is; an edit does.
      const fits = method === 'editMessageText' ? numberIn(said) === message : true;
      return fits;
    };
    const common = {
      ...(method === undefined ? {} : { method }),
      text,
      after: method === 'editMessageText' ? after : message + after,
    };
    note('laid', { message, place, how, method, id });
    if (how === 'rate-limit') bot.faults.add({ ...common, kind: 'rate-limit', retryAfterSec: ms / 1_000 });
    else if (how === '500') bot.faults.add({ ...common, kind: 'error', status: 500 });
    else if (how === '500-applied') bot.faults.add({ ...common, kind: 'error', status: 500, applied: true });
    else if (how === 'slow') bot.faults.add({ ...common, kind: 'slow', ms: ms * 2 });
    else if (how === 'cut-before' || how === 'cut-after') bot.faults.add({ ...common, kind: how });
  }
}

async function setWebhook(apiRoot: string, port: number): Promise<void> {
  const answer = await fetch(`${apiRoot}/bot${TOKEN}/setWebhook`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ url: `http://127.0.0.1:${port}/telegram`, secret_token: SECRET }),
  });
  if (!answer.ok) throw new Error(`The fake Telegram refused the webhook: ${await answer.text()}`);
}

function watch(options: RunOptions, slots: readonly ProcessSlot[], sent: readonly Sent[]): { end(): void } {
  const look = options.watch;
  if (!look) return { end() {} };
  const timer = setInterval(
    () =>
      look({ processes: slots.flatMap(({ name, pid }) => (pid === undefined ? [] : [{ name, pid }])), sent }),
    1_000,
  );
  return { end: () => clearInterval(timer) };
}

function redeliveriesLeft(folder: string): boolean {
  return readdirSync(join(folder, 'redeliveries')).length > 0;
}

export function readHistory(folder: string): HistoryLine[] {
  return readFileSync(join(folder, 'history.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as HistoryLine)
    .sort((a, b) => a.atMs - b.atMs);
}
