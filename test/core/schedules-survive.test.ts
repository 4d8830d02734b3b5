// A schedule outlives whatever happens to what runs it, on one machine and on AWS: a worker that is killed while it fires, a new
// version of the program, weeks in which nothing runs, under each policy for what was missed.
import { CreateQueueCommand, PurgeQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, describe, expect, test } from 'vitest';
import { turnRequest } from '../../src/core/messages.ts';
import type { ScheduleStore } from '../../src/core/ports/schedules.ts';
import { parseSchedule, type Schedule } from '../../src/core/schedule.ts';
import { createOrderSchema, scheduleFrom } from '../../src/core/schedule-orders.ts';
import { createScheduling, type Scheduling } from '../../src/core/scheduling.ts';
import { runWakeUps } from '../../src/core/wake-ups.ts';
import { processMessage } from '../../src/core/worker.ts';
import { createSqsTurnQueue } from '../../src/queues/sqs-fifo/turn-queue.ts';
import { createEventBridgeTimers } from '../../src/stores/eventbridge/timers.ts';
import { createMemorySchedules } from '../../src/stores/memory/index.ts';
import { withTimers } from '../../src/stores/timed-schedules.ts';
import { localAws } from '../../testing/aws/dynamodb-local.ts';
import { timeOf } from '../../testing/aws/scheduler/checks.ts';
import { startSchedulerServer } from '../../testing/aws/scheduler/server.ts';
import { startSqsFifoServer } from '../../testing/aws/sqs/server.ts';
import { settle } from '../../testing/clock.ts';
import { workerOf } from '../../testing/worker-parts.ts';
import { until } from '../waiting.ts';
import { createFixture, type Fixture } from './fixture.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** A timer rings within its minute. */
const LATE_MS = 40_000;

interface World extends Fixture {
  readonly schedules: ScheduleStore;
  /** What wakes is running from here on; until then nothing is. `records`: what it writes schedules to, where not the store itself. */
  up(records?: ScheduleStore): Promise<void>;
  down(): Promise<void>;
  /** The time goes on, whatever runs. */
  pass(ms: number): Promise<void>;
  /** Answers all that waits; how many due times the agent was told that it missed, for each time it was woken. */
  woken(): Promise<number[]>;
}

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function answer(world: Fixture, schedules: ScheduleStore): Promise<number[]> {
  const before = world.runs.length;
  while (await world.step({ schedules }));
  return world.runs.slice(before).map(({ request }) => request.context?.wakeUp?.missed ?? -1);
}

/** The server's own clock. */
async function oneMachine(): Promise<World> {
  const fixture = createFixture();
  const { clock, deps } = fixture;
  const schedules = createMemorySchedules({ clock });
  let running: { stop: AbortController; ended: Promise<void> } | null = null;
  const world = Object.assign(fixture, {
    schedules,
    async up(records: ScheduleStore = schedules) {
      const stop = new AbortController();
      const scheduling: Scheduling = createScheduling({ ...deps, schedules: records, timeZone: 'UTC' });
      running = { stop, ended: runWakeUps({ ...deps, scheduling, due: schedules.due! }, stop.signal) };
      await settle();
    },
    async down() {
      running?.stop.abort();
      await running?.ended;
      running = null;
    },
    pass: (ms: number) => clock.advance(ms),
    woken: () => answer(fixture, schedules),
  });
  ends.push(() => world.down());
  return world;
}

/** Timers of the platform, and a worker that takes what they send. */
async function aws(): Promise<World> {
  const fixture = createFixture();
  const { clock, deps } = fixture;
  const sqsServer = await startSqsFifoServer({ clock });
  const client = new SQSClient({ ...localAws, endpoint: sqsServer.endpoint });
  const make = async (name: string) => {
    const Attributes = { FifoQueue: 'true', ContentBasedDeduplication: 'true' };
    return (await client.send(new CreateQueueCommand({ QueueName: `${name}.fifo`, Attributes }))).QueueUrl!;
  };
  const [queueUrl, deadLetterQueueUrl] = [await make('turns'), await make('dead')];
  const scheduler = await startSchedulerServer({
    ...{ sqs: client, key: localAws.credentials, region: localAws.region, clock },
    queueUrlOf: () => queueUrl,
    // At least once, and within its minute.
    sends: () => 2,
    lateMs: () => LATE_MS,
  });
  scheduler.createGroup('mine');
  const timers = createEventBridgeTimers({
    ...{ ...localAws, endpoint: scheduler.endpoint, clock, groupName: 'mine' },
    queueArn: 'arn:aws:sqs:us-east-1:000000000000:turns.fifo',
    roleArn: 'arn:aws:iam::000000000000:role/timers',
  });
  const schedules = withTimers(createMemorySchedules({ clock }), timers, clock);
  const rings = createSqsTurnQueue({ client, queueUrl, deadLetterQueueUrl, clock });
  let records: ScheduleStore | null = null;

  async function takeRings(): Promise<void> {
    while (records) {
      const [ring] = await rings.receive({ max: 1, waitMs: 0, visibilityMs: deps.visibilityMs });
      if (!ring) return;
      expect(ring.request.kind).toBe('due');
      const worker = workerOf({ ...deps, schedules: records });
      await processMessage(worker, ring, new AbortController().signal);
    }
  }
  const pass = async (ms: number) => {
    const untilMs = clock.now() + ms;
    while (clock.now() < untilMs) {
      // What rings is there before the time goes on.
      const next = scheduler.schedules().flatMap((one) => (one.isFinished ? [] : [timeOf(one) + LATE_MS]));
      const toMs = Math.min(untilMs, clock.now() + DAY, ...next.filter((atMs) => atMs > clock.now()));
      await clock.advance(toMs - clock.now());
      await until(() => scheduler.sending === 0);
      await takeRings();
    }
  };
  ends.push(async () => {
    await timers.close();
    await rings.close();
    await scheduler.close();
    client.destroy();
    await sqsServer.close();
  });
  return Object.assign(fixture, {
    schedules,
    async up(given: ScheduleStore = schedules) {
      records = given;
      // A queue keeps nothing longer than two weeks; the sweep finds what it was for.
      for (const { dueMs } of overdue(scheduler.schedules())) {
        if (clock.now() - dueMs > 14 * DAY) await client.send(new PurgeQueueCommand({ QueueUrl: queueUrl }));
      }
      await timers.ringAgain(clock.now() - 15 * 60_000, new AbortController().signal);
      await pass(50_000);
    },
    async down() {
      records = null;
    },
    pass,
    woken: () => answer(fixture, schedules),
  });
}

const overdue = (names: readonly { readonly name: string }[]) =>
  names.map(({ name }) => ({ dueMs: Number(name.split('.').at(-1)) }));

const CONVERSATION = { tenant: 'default', channel: 'http', bot: 'local', chat: 'c', thread: null };

async function plan(world: World, order: object): Promise<Schedule> {
  const nowMs = world.clock.now();
  const request = turnRequest({ conversation: CONVERSATION, dedupeId: 'm0', text: 'x', receivedAtMs: nowMs });
  const parsed = createOrderSchema.parse({
    ...{ action: 'create', name: 'report', text: 'write the report', timeZone: 'UTC', ...order },
  });
  const schedule = scheduleFrom(parsed, request, 0, nowMs);
  await world.schedules.add(schedule);
  return schedule;
}
const only = async (world: World, { sessionKey }: Schedule) => (await world.schedules.list(sessionKey))[0]!;

describe.each([
  ['one machine', oneMachine],
  ['AWS', aws],
] as const)('%s', (_, create) => {
  const policies: readonly (readonly [Schedule['missed'], readonly number[]])[] = [
    [{ policy: 'once' }, [30]],
    [{ policy: 'skip' }, []],
    [{ policy: 'all', limit: 3 }, [28, 0, 0]],
  ];
  test.each(policies)(
    'down for a month, %j: as many turns as it says, the others told; then it goes on',
    async (missed, told) => {
      const world = await create();
      const schedule = await plan(world, { cron: '0 9 * * *', missed });
      await world.pass(31 * DAY);
      expect(await world.woken()).toEqual([]);
      await world.up();
      expect(await world.woken()).toEqual(told);
      // One due time is one run: woken, or told as missed by the next.
      await world.pass(DAY);
      const next = await world.woken();
      expect(next).toEqual([told.length === 0 ? 31 : 0]);
      await world.pass(DAY);
      expect(await world.woken()).toEqual([0]);
      const { runs } = await only(world, schedule);
      expect(runs.filter(({ outcome }) => outcome === 'woken')).toHaveLength(told.length + 2);
      expect(new Set(runs.map(({ dueMs }) => dueMs)).size).toBe(runs.length);
    },
  );

  test('a month of days, each once; a day down is caught up with once', async () => {
    const world = await create();
    await plan(world, { cron: '0 9 * * *' });
    await world.up();
    for (let day = 0; day < 30; day++) {
      await world.pass(DAY);
      expect(await world.woken()).toEqual([0]);
    }
    await world.down();
    await world.pass(DAY);
    await world.up();
    expect(await world.woken()).toEqual([0]);
  });

  test.each(['before', 'after'] as const)(
    '[ONCE-IN] cut off %s the record is written: one turn for the due time, and the next comes',
    async (when) => {
      const world = await create();
      const { clock, schedules } = world;
      const schedule = await plan(world, { cron: '0 9 * * *' });
      let cuts = 0;
      await world.up({
        ...schedules,
        async set(changed) {
          if (when === 'after') await schedules.set(changed);
          if (cuts++ < 3) throw new Error('the process is gone');
          if (when === 'before') await schedules.set(changed);
        },
      });
      await world.pass(DAY);
      // Until it is tried again, by clock or queue.
      for (let minutes = 0; minutes < 30; minutes++) await world.pass(60_000);
      expect(cuts).toBeGreaterThan(0);
      expect(await world.woken()).toEqual([0]);
      await world.down();
      await world.up();
      expect(await world.woken()).toEqual([]);
      await world.pass(DAY);
      expect(await world.woken()).toEqual([0]);
      const { runs, nextDueMs } = await only(world, schedule);
      expect(runs.map(({ outcome }) => outcome)).toEqual(['woken', 'woken']);
      expect(nextDueMs).toBeGreaterThan(clock.now());
    },
  );

  test('a new version of the program takes up what the first one wrote', async () => {
    const world = await create();
    const schedule = await plan(world, { at: new Date(world.clock.now() + HOUR).toISOString() });
    const { gate: _, managers: _none, ...written } = JSON.parse(JSON.stringify(schedule));
    // Beside what this version knows, a newer one may have written more.
    const read = (one: Schedule) => parseSchedule({ ...written, ...one, later: true });
    expect(parseSchedule({ ...written, later: true })).toEqual(schedule);
    await world.up({
      ...world.schedules,
      list: async (key) => (await world.schedules.list(key)).map(read),
    });
    await world.pass(HOUR + 60_000);
    expect(await world.woken()).toEqual([0]);
    expect(await only(world, schedule)).toMatchObject({ status: 'ended', runs: [{ outcome: 'woken' }] });
  });
});
