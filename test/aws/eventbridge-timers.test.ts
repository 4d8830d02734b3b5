// Timers in EventBridge Scheduler, through the real client over signed HTTP, and the stand-in that plays the service.
import {
  CreateScheduleCommand,
  DeleteScheduleCommand,
  GetScheduleCommand,
  ListSchedulesCommand,
  SchedulerClient,
  UpdateScheduleCommand,
} from '@aws-sdk/client-scheduler';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterEach, describe, expect, test } from 'vitest';
import { Refused } from '../../src/core/errors.ts';
import type { ScheduleStore } from '../../src/core/ports/schedules.ts';
import type { Schedule } from '../../src/core/schedule.ts';
import { createEventBridgeTimers } from '../../src/stores/eventbridge/timers.ts';
import { createMemorySchedules } from '../../src/stores/memory/index.ts';
import { withTimers } from '../../src/stores/timed-schedules.ts';
import { localAws } from '../../testing/aws/dynamodb-local.ts';
import { startSchedulerServer } from '../../testing/aws/scheduler/server.ts';
import { startSqsFifoServer } from '../../testing/aws/sqs/server.ts';
import { createManualClock } from '../../testing/clock.ts';
import { scheduleOf, schedulesContract } from '../../testing/contracts/schedules.ts';
import { until } from '../waiting.ts';

const HOUR = 3_600_000;
const QUEUE_ARN = 'arn:aws:sqs:us-east-1:000000000000:turns.fifo';
const ROLE_ARN = 'arn:aws:iam::000000000000:role/timers';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function createWorld(options: { sends?: number; queueExists?: boolean } = {}) {
  const clock = createManualClock();
  const sqsServer = await startSqsFifoServer({ clock });
  const sqs = new SQSClient({ ...localAws, endpoint: sqsServer.endpoint, maxAttempts: 1 });
  const Attributes = { FifoQueue: 'true', ContentBasedDeduplication: 'true' };
  const queueUrl = (await sqs.send(new CreateQueueCommand({ QueueName: 'turns.fifo', Attributes })))
    .QueueUrl!;
  let queueExists = options.queueExists ?? true;
  const server = await startSchedulerServer({
    sqs,
    queueUrlOf: (arn) => (queueExists && arn === QUEUE_ARN ? queueUrl : null),
    key: localAws.credentials,
    region: localAws.region,
    clock,
    sends: () => options.sends ?? 1,
  });
  server.createGroup('mine');
  const connection = { ...localAws, endpoint: server.endpoint };
  const timers = createEventBridgeTimers({
    groupName: 'mine',
    queueArn: QUEUE_ARN,
    roleArn: ROLE_ARN,
    clock,
    ...connection,
  });
  const client = new SchedulerClient({ ...connection, maxAttempts: 1 });
  ends.push(async () => {
    client.destroy();
    await timers.close();
    await server.close();
    sqs.destroy();
    await sqsServer.close();
  });
  return {
    clock,
    server,
    timers,
    client,
    connection,
    setQueue(exists: boolean) {
      queueExists = exists;
    },
    async advance(ms: number) {
      await clock.advance(ms);
      await until(() => server.sending === 0);
    },
    /** Bodies of what is visible in the queue, with their groups. */
    async received() {
      const found: { group: string; kind: string; id: string; dueMs: number }[] = [];
      for (;;) {
        const { Messages = [] } = await sqs.send(
          new ReceiveMessageCommand({
            QueueUrl: queueUrl,
            MaxNumberOfMessages: 10,
            MessageSystemAttributeNames: ['MessageGroupId'],
          }),
        );
        if (Messages.length === 0) return found;
        for (const { Body, Attributes: its, ReceiptHandle } of Messages) {
          await sqs.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle }));
          const { kind = '', text = '' } = JSON.parse(Body!);
          const [id, due] = text.split(' ');
          found.push({ group: its!.MessageGroupId!, kind, id, dueMs: Number(due) });
        }
      }
    },
  };
}

schedulesContract({
  name: 'with timers of EventBridge Scheduler',
  async create() {
    const { clock, timers } = await createWorld();
    const schedules = withTimers(createMemorySchedules({ clock }), timers, clock);
    return { schedules, clock, close: async () => {} };
  },
  skip: [
    {
      tests: [
        'what is due is told by its time, the longest due first; what is held back or over is not',
        'whoever waits wakes at the due time, and when a nearer one is made',
      ],
      reason: 'timers of the platform ring',
    },
  ],
});

describe('a timer', () => {
  test('rings once at its due time, in a place of its own in the queue; set again it is the same', async () => {
    const { clock, timers, server, advance, received } = await createWorld();
    const one = scheduleOf(clock.now(), 'chat <aws.scheduler.execution-id> ünï 😀');
    const dueMs = clock.now() + HOUR + 123;
    for (let i = 0; i < 3; i++) await timers.set(one, dueMs);
    expect(server.schedules()).toHaveLength(1);
    await advance(HOUR);
    expect(await received()).toEqual([]);
    await advance(1_000);
    expect(await received()).toEqual([{ group: `due_${one.id}`, kind: 'due', id: one.id, dueMs }]);
    await advance(48 * HOUR);
    expect(await received()).toEqual([]);
    // Until what it rang for is done.
    expect(server.schedules()).toMatchObject([{ isFinished: true }]);
    await timers.clear({ ...one, dueMs });
    await timers.clear({ ...one, dueMs });
    expect(server.schedules()).toEqual([]);
  });

  test('whose time has passed rings at once, also when it rang before', async () => {
    const { clock, timers, advance, received } = await createWorld();
    const one = scheduleOf(clock.now());
    const dueMs = clock.now() - HOUR;
    for (let i = 0; i < 2; i++) {
      await timers.set(one, dueMs);
      await advance(10_000);
      // However short the time between: the queue forgets messages only after five minutes.
      expect(await received()).toHaveLength(1);
    }
  });

  test('is sent until the queue takes it, and counts once though it is sent twice', async () => {
    const { clock, timers, setQueue, advance, received } = await createWorld({
      sends: 2,
      queueExists: false,
    });
    await timers.set(scheduleOf(clock.now()), clock.now() + HOUR);
    await clock.advance(HOUR + 10_000);
    setQueue(true);
    await until(async () => {
      await clock.advance(60_000);
      return (await received()).length === 1;
    });
    await advance(60_000);
    expect(await received()).toEqual([]);
  });

  test('that was given up on its way rings again when it is looked for; none that is still to come', async () => {
    const { clock, timers, server, setQueue, advance, received } = await createWorld({ queueExists: false });
    const late = Array.from({ length: 3 }, (_, at) => scheduleOf(clock.now(), `late ${at}`));
    for (const one of late) await timers.set(one, clock.now() + HOUR);
    await timers.set(scheduleOf(clock.now(), 'later'), clock.now() + 90 * 24 * HOUR);
    // Longer than a message is tried.
    for (let hours = 0; hours < 30; hours++) await clock.advance(HOUR);
    await until(async () => {
      await clock.advance(HOUR);
      return server.sending === 0;
    });
    setQueue(true);
    const { signal } = new AbortController();
    expect(await timers.ringAgain(clock.now() - HOUR, signal)).toBe(3);
    await advance(10_000);
    const rung = await received();
    expect(rung.map(({ id }) => id).sort()).toEqual(late.map(({ id }) => id).sort());
  });

  test('goes with its conversation, however many there are, and with no other', async () => {
    const { clock, timers, server } = await createWorld();
    const mine = Array.from({ length: 120 }, (_, at) => scheduleOf(clock.now(), 'mine', at));
    for (let at = 0; at < mine.length; at += 8) {
      await Promise.all(mine.slice(at, at + 8).map((one) => timers.set(one, clock.now() + HOUR)));
    }
    const other = scheduleOf(clock.now(), 'other');
    await timers.set(other, clock.now() + HOUR);
    await timers.clearAll(mine[0]!.sessionKey, mine[0]!.id);
    expect(server.schedules()).toHaveLength(120);
    await timers.clearAll(mine[0]!.sessionKey);
    expect(server.schedules()).toHaveLength(1);
    await timers.clearAll(other.sessionKey);
    expect(server.schedules()).toEqual([]);
  });

  test('refusals of the service are of the families that the turn knows', async () => {
    const { clock, connection } = await createWorld();
    const at = (over: object) =>
      createEventBridgeTimers({
        groupName: 'mine',
        queueArn: QUEUE_ARN,
        roleArn: ROLE_ARN,
        clock,
        ...connection,
        ...over,
      });
    const set = async (over: object) => {
      const timers = at(over);
      ends.push(() => timers.close());
      await timers.set(scheduleOf(clock.now()), clock.now() + HOUR);
    };
    await expect(set({ groupName: 'none' })).rejects.toThrow(Refused);
    await expect(
      set({ credentials: { accessKeyId: 'test', secretAccessKey: 'wrong' } }),
    ).rejects.toMatchObject({ code: 'store-not-set-up' });
  });
});

describe('no record says a time without its timer', () => {
  /** Fails at the given call of either side, before or after it was done. */
  function breaking<T extends object>(port: T, next: () => 'before' | 'after' | null): T {
    const wrapped = Object.entries(port).map(([name, method]) => [
      name,
      typeof method !== 'function'
        ? method
        : async (...given: unknown[]) => {
            const how = next();
            if (how === 'before') throw new Refused('away', 'away');
            const result = await method.apply(port, given);
            if (how === 'after') throw new Refused('away', 'away');
            return result;
          },
    ]);
    return Object.fromEntries(wrapped);
  }

  test('wherever it is cut off, and whatever comes of the second try', async () => {
    const { clock, timers, server } = await createWorld();
    const due = (hours: number) => clock.now() + hours * HOUR;
    const actions: ((store: ScheduleStore, one: Schedule) => Promise<unknown>)[] = [
      (store, one) => store.add({ ...one, nextDueMs: due(1) }),
      async (store) => {
        for (const one of await store.list(scheduleOf(0).sessionKey)) {
          await store.set({ ...one, nextDueMs: due(2) });
        }
      },
    ];
    for (let cut = 0; cut < 6; cut++) {
      for (const how of ['before', 'after'] as const) {
        const records = createMemorySchedules({ clock });
        let calls = 0;
        const next = () => (calls++ === cut ? how : null);
        const cutOff = withTimers(breaking(records, next), breaking(timers, next), clock);
        const one = scheduleOf(clock.now());
        for (const act of actions) {
          await act(cutOff, one).catch(() => {});
          for (const { nextDueMs } of await records.list(one.sessionKey)) {
            const names = server.schedules().map(({ name }) => name);
            expect(names.filter((name) => name.endsWith(`.${nextDueMs}`))).toHaveLength(1);
          }
        }
        await withTimers(records, timers, clock).erase(one.sessionKey);
        expect(server.schedules()).toEqual([]);
      }
    }
  });

  test('one that ended or was cancelled leaves none; one that is held back and let go on has one that rings', async () => {
    const { clock, timers, server, advance, received } = await createWorld();
    const store = withTimers(createMemorySchedules({ clock }), timers, clock);
    const one = { ...scheduleOf(clock.now()), nextDueMs: clock.now() + HOUR };
    await store.add(one);
    await store.set({ ...one, status: 'paused' });
    await advance(HOUR + 1_000);
    expect(await received()).toHaveLength(1);
    const [held] = await store.list(one.sessionKey);
    await store.set({ ...held!, status: 'active' });
    await advance(10_000);
    expect(await received()).toHaveLength(1);
    const [now] = await store.list(one.sessionKey);
    await store.set({ ...now!, status: 'cancelled', nextDueMs: null, expiresAtMs: clock.now() + HOUR });
    expect(server.schedules()).toEqual([]);
  });
});

describe('the stand-in', () => {
  const input = (over: object = {}) => ({
    Name: 'n',
    GroupName: 'mine',
    ScheduleExpression: 'at(2030-01-01T09:00:00)',
    FlexibleTimeWindow: { Mode: 'OFF' as const },
    Target: { Arn: QUEUE_ARN, RoleArn: ROLE_ARN, Input: '{}', SqsParameters: { MessageGroupId: 'g' } },
    ...over,
  });

  test('refuses what the service refuses, by its names', async () => {
    const { client, server } = await createWorld();
    const make = (over: object) => client.send(new CreateScheduleCommand(input(over)));
    const name = async (work: Promise<unknown>) =>
      await work.then(
        () => 'taken',
        (error: Error) => error.name,
      );
    expect(await name(make({ Name: 'a b' }))).toBe('ValidationException');
    expect(await name(make({ Name: 'n'.repeat(65) }))).toBe('ValidationException');
    expect(await name(make({ ScheduleExpression: 'at(tomorrow)' }))).toBe('ValidationException');
    expect(await name(make({ GroupName: 'other' }))).toBe('ResourceNotFoundException');
    const { SqsParameters: _, ...target } = input().Target;
    expect(await name(make({ Target: target }))).toBe('ValidationException');
    expect(await name(client.send(new UpdateScheduleCommand(input())))).toBe('ResourceNotFoundException');
    expect(await name(make({}))).toBe('taken');
    expect(await name(make({}))).toBe('ConflictException');
    expect(await client.send(new GetScheduleCommand({ Name: 'n', GroupName: 'mine' }))).toMatchObject({
      Name: 'n',
      GroupName: 'mine',
      ScheduleExpression: 'at(2030-01-01T09:00:00)',
      Target: input().Target,
    });
    expect(await name(client.send(new GetScheduleCommand({ Name: 'n' })))).toBe('ResourceNotFoundException');
    expect(await name(client.send(new DeleteScheduleCommand({ Name: 'n', GroupName: 'mine' })))).toBe(
      'taken',
    );
    expect(await name(client.send(new DeleteScheduleCommand({ Name: 'n', GroupName: 'mine' })))).toBe(
      'ResourceNotFoundException',
    );
    expect((await fetch(`${server.endpoint}/schedules`)).status).toBe(403);
  });

  test('a time in the past never comes; one with DELETE goes when it has come; lists come in pages', async () => {
    const { client, clock, server, advance, received } = await createWorld();
    const at = (ms: number) => `at(${new Date(ms).toISOString().slice(0, 19)})`;
    const make = (over: object) => client.send(new CreateScheduleCommand(input(over)));
    await make({ Name: 'past', ScheduleExpression: at(clock.now() - HOUR) });
    await advance(HOUR);
    expect(server.sent).toEqual([]);
    const ActionAfterCompletion = 'DELETE';
    await make({ Name: 'goes', ScheduleExpression: at(clock.now() + HOUR), ActionAfterCompletion });
    await advance(2 * HOUR);
    expect(server.sent.map(({ name }) => name)).toEqual(['goes']);
    expect((await received()).length).toBe(1);
    expect(server.schedules().map(({ name }) => name)).toEqual(['past']);
    for (let i = 0; i < 5; i++) await make({ Name: `x${i}` });
    const list = new ListSchedulesCommand({ GroupName: 'mine', NamePrefix: 'x', MaxResults: 3 });
    const first = await client.send(list);
    expect(first.Schedules?.map(({ Name }) => Name)).toEqual(['x0', 'x1', 'x2']);
    const second = await client.send(
      new ListSchedulesCommand({ ...list.input, NextToken: first.NextToken! }),
    );
    expect(second.Schedules?.map(({ Name }) => Name)).toEqual(['x3', 'x4']);
    expect(second.NextToken).toBeUndefined();
  });
});
