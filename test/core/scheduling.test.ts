// Schedules over a whole worker in memory: what is due becomes a turn once, whatever fails and however long nothing ran.
import { afterEach, describe, expect, test } from 'vitest';
import type { Asked } from '../../src/core/asked-call.ts';
import { waitingQuestions } from '../../src/core/consent.ts';
import { Refused } from '../../src/core/errors.ts';
import { sessionKeyOf, tenantOf } from '../../src/core/ids.ts';
import { turnRequest } from '../../src/core/messages.ts';
import { acceptMove } from '../../src/core/move-conversation.ts';
import { MAX_SCHEDULES, type Schedule } from '../../src/core/schedule.ts';
import { outcomeOf } from '../../src/core/schedule-commands.ts';
import { checkOrders, createOrderSchema, type ScheduleOrder } from '../../src/core/schedule-orders.ts';
import { createScheduling, type Scheduling } from '../../src/core/scheduling.ts';
import { runWakeUps } from '../../src/core/wake-ups.ts';
import { createMemorySchedules } from '../../src/stores/memory/index.ts';
import { settle } from '../../testing/clock.ts';
import { createFixture, type Fixture } from './fixture.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ANN = { channel: 'http', id: 'ann' };

interface World extends Fixture {
  readonly scheduling: Scheduling;
  readonly schedules: ReturnType<typeof createMemorySchedules>;
  /** The server runs from here on, until `down`. */
  up(): void;
  down(): Promise<void>;
  /** Answers all that waits; the texts that agents were run with. */
  answers(): Promise<string[]>;
  plan(order: object): Promise<Schedule>;
  only(): Promise<Schedule>;
}

const ASKED: Asked = {
  calls: [
    {
      ...{ id: 'toolu_1', tool: 'Bash', title: 'Bash: npm publish', detail: 'npm publish' },
      ...{ format: 'command', hash: 'h1', waits: 'held', covers: 'call' },
    },
  ],
  approvers: null,
  expiresAfterSec: null,
};

const worlds: World[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.down();
});

function createWorld(): World {
  const fixture = createFixture();
  const { step } = fixture;
  const schedules = createMemorySchedules({ clock: fixture.clock });
  const deps = { ...fixture.deps, schedules, timeZone: 'Europe/Berlin' };
  const scheduling = createScheduling(deps);
  let running: { stop: AbortController; ended: Promise<void> } | null = null;
  const request = turnRequest({
    conversation: { tenant: 'default', channel: 'http', bot: 'local', chat: 'c', thread: null },
    dedupeId: 'm0',
    text: 'remind me',
    sender: { id: 'ann', name: 'Ann' },
    receivedAtMs: 0,
  });
  let orders = 0;
  const world: World = Object.assign(fixture, {
    deps,
    step: (overrides: Parameters<typeof step>[0]) =>
      step({ schedules, timeZone: 'Europe/Berlin', ...overrides }),
    scheduling,
    schedules,
    up(): void {
      const stop = new AbortController();
      const due = schedules.due!;
      const parts = { scheduling, due, clock: fixture.clock, log: fixture.deps.log };
      running = { stop, ended: runWakeUps(parts, stop.signal) };
    },
    async down() {
      running?.stop.abort();
      await running?.ended;
      running = null;
    },
    async answers() {
      const before = fixture.runs.length;
      while (await world.step());
      return fixture.runs.slice(before).map((run) => run.request.text);
    },
    async plan(order: object) {
      const parsed: ScheduleOrder = createOrderSchema.parse({
        action: 'create',
        name: 'report',
        text: 'write the report',
        timeZone: 'Europe/Berlin',
        ...order,
      });
      await scheduling.apply(request, [[orders++, parsed]]);
      return (await schedules.list(request.sessionKey)).at(-1)!;
    },
    only: async () => (await schedules.list(request.sessionKey))[0]!,
  });
  worlds.push(world);
  return world;
}

describe('what is due becomes a turn', () => {
  test('[ONCE-IN] once, with its words, its speaker, and what woke it', async () => {
    const world = createWorld();
    const { clock } = world;
    const schedule = await world.plan({ at: new Date(clock.now() + HOUR).toISOString() });
    world.up();
    await clock.advance(HOUR - 1_000);
    expect(await world.answers()).toEqual([]);
    await clock.advance(1_000);
    // However often it is fired.
    await Promise.all([schedule, schedule, schedule].map((one) => world.scheduling.fire(one)));
    expect(await world.answers()).toEqual(['write the report']);
    expect(world.runs[0]?.request).toMatchObject({
      kind: 'wake',
      sender: { id: 'ann' },
      context: { wakeUp: { name: 'report', missed: 0, due: expect.stringContaining('Europe/Berlin') } },
    });
    expect(world.sent).toHaveLength(1);
    expect(await world.only()).toMatchObject({
      status: 'ended',
      nextDueMs: null,
      runs: [{ outcome: 'woken' }],
    });
    await clock.advance(DAY);
    expect(await world.answers()).toEqual([]);
  });

  test('again and again, by the clocks of its zone, over a month with a change of the clocks', async () => {
    const world = createWorld();
    const { clock } = world;
    await clock.advance(Date.parse('2027-03-14T12:00:00Z') - clock.now());
    await world.plan({ cron: '0 9 * * *' });
    world.up();
    const hours: number[] = [];
    for (let day = 0; day < 30; day++) {
      await clock.advance(DAY);
      for (const run of (await world.only()).runs.slice(-1)) hours.push(new Date(run.dueMs).getUTCHours());
      expect(await world.answers()).toEqual(['write the report']);
    }
    expect(hours).toEqual([...Array(13).fill(8), ...Array(17).fill(7)]);
  });

  test('after a failure on the way it is fired again, and is one turn still', async () => {
    const world = createWorld();
    const { clock, deps } = world;
    await world.plan({ at: new Date(clock.now() + HOUR).toISOString() });
    const send = deps.queue.send.bind(deps.queue);
    let failures = 3;
    const queue = {
      ...deps.queue,
      async send(request: Parameters<typeof send>[0]) {
        if (failures-- > 0) throw new Refused('queue-away', 'away');
        await send(request);
      },
    };
    const scheduling = createScheduling({ ...deps, queue, schedules: world.schedules, timeZone: 'UTC' });
    const stop = new AbortController();
    const ended = runWakeUps({ scheduling, due: world.schedules.due!, clock, log: deps.log }, stop.signal);
    await clock.advance(HOUR + 60_000);
    expect(failures).toBeLessThan(0);
    expect(await world.answers()).toEqual(['write the report']);
    stop.abort();
    await ended;
  });

  test('one that cannot be fired keeps no other waiting', async () => {
    const world = createWorld();
    const { clock } = world;
    await world.plan({ at: new Date(clock.now() + HOUR).toISOString(), text: 'one' });
    await world.plan({ at: new Date(clock.now() + HOUR).toISOString(), text: 'two' });
    const stop = new AbortController();
    const ended = runWakeUps(
      {
        scheduling: {
          async fire(schedule) {
            if (schedule.text === 'one') throw new Error('broken on purpose');
            await world.scheduling.fire(schedule);
          },
        },
        due: world.schedules.due!,
        clock,
        log: world.deps.log,
      },
      stop.signal,
    );
    await clock.advance(HOUR + 1_000);
    expect(await world.answers()).toEqual(['two']);
    stop.abort();
    await ended;
  });
});

describe('nothing ran when it was due', () => {
  const policies: readonly (readonly [Schedule['missed'], readonly number[], number])[] = [
    // Due at 9:00 of five days; the clock stands at noon before and after.
    [{ policy: 'once' }, [4], 1],
    [{ policy: 'skip' }, [], 0],
    [{ policy: 'all', limit: 3 }, [2, 0, 0], 3],
    [{ policy: 'all', limit: 10 }, [0, 0, 0, 0, 0], 5],
  ];
  test.each(policies)('%j: so many turns, and the missed ones are told', async (missed, told, turns) => {
    const world = createWorld();
    const { clock } = world;
    const { id } = await world.plan({ cron: '0 9 * * *', missed });
    world.up();
    await world.down();
    await clock.advance(5 * DAY);
    world.up();
    await settle();
    await world.answers();
    const counts = () => world.runs.map(({ request }) => request.context?.wakeUp?.missed);
    expect(world.runs).toHaveLength(turns);
    const before = counts();
    await clock.advance(DAY);
    await world.answers();
    expect(world.runs).toHaveLength(turns + 1);
    const all = [...before, counts().at(-1)];
    expect(all.reduce((sum: number, count) => sum + (count ?? 0), 0) + all.length).toBe(6);
    expect(before).toEqual(told);
    expect((await world.only()).id).toBe(id);
  });

  test('one time that passed is caught up with, or left out where it was made so, and the log says it', async () => {
    const world = createWorld();
    const { clock } = world;
    await world.plan({ at: new Date(clock.now() + HOUR).toISOString(), text: 'late is fine' });
    await world.plan({ at: new Date(clock.now() + HOUR).toISOString(), missed: { policy: 'skip' } });
    await clock.advance(30 * DAY);
    world.up();
    await settle();
    expect(await world.answers()).toEqual(['late is fine']);
    const [, skipped] = await world.scheduling.list((await world.only()).sessionKey);
    expect(skipped).toMatchObject({ status: 'ended', runs: [{ outcome: 'missed', turnId: null, times: 1 }] });
  });

  test('cut off between queue and schedule, one run for many is the same run', async () => {
    const world = createWorld();
    const { clock } = world;
    const schedule = await world.plan({ cron: '0 9 * * *' });
    await clock.advance(5 * DAY);
    await world.scheduling.fire(schedule);
    await clock.advance(3 * DAY);
    await world.scheduling.fire(schedule);
    expect(await world.answers()).toEqual(['write the report']);
  });
});

describe('the run before is not answered yet', () => {
  test('the next is left out and told later; with `queue` it waits behind', async () => {
    const world = createWorld();
    const { clock } = world;
    await world.plan({ cron: '0 * * * *', text: 'skips' });
    await world.plan({ cron: '0 * * * *', text: 'queues', overlap: 'queue' });
    world.up();
    await clock.advance(3 * HOUR);
    expect((await world.answers()).sort()).toEqual(['queues', 'queues', 'queues', 'skips']);
    expect((await world.only()).runs.map(({ outcome }) => outcome)).toEqual([
      'woken',
      'overlapped',
      'overlapped',
    ]);
    await clock.advance(HOUR);
    await world.answers();
    const last = world.runs.findLast(({ request }) => request.text === 'skips');
    expect(last?.request.context?.wakeUp?.missed).toBe(2);
  });
});

describe('people and schedules', () => {
  test('pause, resume, run now, cancel; by command, and each may be repeated', async () => {
    const world = createWorld();
    const { clock, sent } = world;
    const { id } = await world.plan({ cron: '0 9 * * *' });
    const short = id.slice(4, 10);
    const command = async (text: string) => {
      await world.say(text, { kind: 'command', sender: { id: 'ann', name: 'Ann' } });
      await world.answers();
      return sent.at(-1)?.reply.text ?? '';
    };
    world.up();
    expect(await command('schedules')).toMatch(
      `\`${short}\` **report** (\`0 9 * * *\`): next: Mon, 23 Nov 2026, 09:00`,
    );
    expect(await command(`schedules pause ${short}`)).toContain('is paused');
    await clock.advance(3 * DAY);
    expect(world.runs).toEqual([]);
    expect(await command(`schedules resume ${short}`)).toContain('Thu, 26 Nov 2026, 09:00 (Europe/Berlin)');
    await world.say(`schedules run ${short}`, { kind: 'command', sender: { id: 'ann', name: 'Ann' } });
    expect(await world.answers()).toEqual(['write the report']);
    expect(await command('schedules')).toContain('answered');
    await clock.advance(DAY);
    expect(await world.answers()).toEqual(['write the report']);
    expect(await command(`schedules cancel ${short}`)).toContain('is cancelled');
    await clock.advance(3 * DAY);
    expect(await world.answers()).toEqual([]);
    expect(await command(`schedules resume ${short}`)).toContain('is cancelled');
    expect(await command('schedules cancel ffff')).toContain('No schedule of this chat');
  });

  test('only who it was made for, and whom the agent folder lets decide, changes one; who speaks counts, not who is named', async () => {
    const world = createWorld();
    const { id } = await world.plan({ cron: '0 9 * * *', managers: ['http/boss', 'slack/*'] });
    const short = id.slice(4, 10);
    const said = async (action: string, sender: { id: string; name: string | null } | null) => {
      await world.say(`schedules ${action} ${short}`, { kind: 'command', sender });
      await world.answers();
      return world.sent.at(-1)?.reply.text ?? '';
    };
    const strangers = [{ id: 'bob', name: 'Ann' }, { id: 'ANN', name: 'Ann' }, { id: '*', name: null }, null];
    for (const sender of strangers) {
      for (const action of ['pause', 'resume', 'run', 'cancel']) {
        expect(await said(action, sender)).toContain('was made for Ann: only they');
      }
      const text = sender?.id ?? null;
      const order = { action: 'cancel', id };
      const checked = checkOrders([order], [await world.only()], { channel: 'http', id: text }, 0);
      expect(checked).toMatchObject({ orders: [], refused: [expect.stringContaining('made for Ann')] });
    }
    // Another channel's person of that id is somebody else.
    const order = [{ action: 'cancel', id }];
    const own = [await world.only()];
    expect(checkOrders(order, own, { channel: 'telegram', id: 'ann' }, 0).orders).toEqual([]);
    expect(checkOrders(order, own, { channel: 'slack', id: 'carl' }, 0).orders).toHaveLength(1);
    expect(checkOrders(order, own, ANN, 0).orders).toHaveLength(1);
    expect((await world.only()).status).toBe('active');
    expect(world.runs).toEqual([]);
    expect(await said('pause', { id: 'boss', name: 'B' })).toContain('is paused');
    expect(await said('cancel', { id: 'ann', name: 'Someone' })).toContain('is cancelled');
  });

  test("one that a program made is everybody's of the chat", async () => {
    const world = createWorld();
    const schedule = { ...(await world.plan({ cron: '0 9 * * *' })), sender: null };
    const order = [{ action: 'cancel', id: schedule.id }];
    expect(checkOrders(order, [schedule], { channel: 'http', id: 'bob' }, 0).orders).toHaveLength(1);
  });

  test('the time zone of a chat', async () => {
    const world = createWorld();
    const command = async (text: string) => {
      await world.say(text, { kind: 'command' });
      await world.answers();
      return world.sent.at(-1)?.reply.text ?? '';
    };
    expect(await command('timezone')).toContain('is Europe/Berlin: it is now Sun, 22 Nov 2026, 13:00');
    expect(await command('timezone Asia/Tokyo')).toContain(
      'is Asia/Tokyo: it is now Sun, 22 Nov 2026, 21:00',
    );
    expect(await command('timezone Mars/Olympus')).toContain('"Europe/Madrid"');
    expect(await command('timezone default')).toContain('Europe/Berlin');
  });

  test('a conversation that goes on under another key takes its schedules and its time zone along', async () => {
    const world = createWorld();
    const { clock, deps } = world;
    await world.say('hello');
    await world.answers();
    const { sessionKey, conversation } = await world.plan({ cron: '0 9 * * *' });
    await world.scheduling.setTimeZone(sessionKey, 'Asia/Tokyo');
    const to = { ...conversation, chat: 'moved' };
    await acceptMove(deps, conversation, to, clock.now());
    await world.answers();
    const newKey = sessionKeyOf(to);
    expect(await world.scheduling.list(sessionKey)).toEqual([]);
    expect(await world.scheduling.list(newKey)).toHaveLength(1);
    expect(await world.scheduling.timeZoneOf(newKey)).toBe('Asia/Tokyo');
    world.up();
    await clock.advance(DAY);
    expect(await world.answers()).toEqual(['write the report']);
    expect(world.sent.at(-1)?.chat).toBe('moved');
  });

  test('a question that waits is neither answered nor denied by a wake-up, and the person is told', async () => {
    const world = createWorld();
    const { clock, sent } = world;
    const schedule = await world.plan({ at: new Date(clock.now() + HOUR).toISOString() });
    world.agent = async () => ({ status: 'ok', text: '', demo: false, asked: ASKED });
    await world.say('ask');
    await world.answers();
    const key = schedule.sessionKey;
    const open = async () => {
      const mapping = await world.deps.store.getMapping(key);
      const head = await world.deps.store.getHead(tenantOf(key), mapping!.session_id);
      return waitingQuestions(head!, clock.now());
    };
    const before = await open();
    expect(before).not.toBeNull();
    world.up();
    await clock.advance(HOUR);
    const runs = world.runs.length;
    await world.answers();
    expect(world.runs).toHaveLength(runs);
    expect(sent.at(-1)?.reply).toMatchObject({
      code: 'question-open',
      text: expect.stringContaining('“report”'),
    });
    expect(await open()).toEqual(before);
  });
});

describe('a gate stands before it', () => {
  test('closed, it is in the log and not in the chat; failing again and again, the chat is told once', async () => {
    const world = createWorld();
    const { clock, sent } = world;
    await world.plan({ cron: '0 * * * *', gate: 'mail' });
    world.up();
    const verdicts = ['closed', 'failed', 'failed', 'closed', 'failed', 'open'] as const;
    const quiet: (boolean | undefined)[] = [];
    for (const verdict of verdicts) {
      world.agent = async (run) => {
        expect(run.request.context?.wakeUp?.gate).toBe('mail');
        if (verdict === 'open') return { status: 'ok', text: 'mail!', demo: false };
        return { status: 'ok', text: '', demo: false, gate: { verdict, said: 'why' } };
      };
      await clock.advance(HOUR);
      await world.answers();
      quiet.push(sent.at(-1)?.reply.quiet);
    }
    expect(quiet).toEqual([true, undefined, true, true, undefined, undefined]);
    const { runs } = await world.only();
    const outcomes = await Promise.all(
      runs.map((run) => outcomeOf(run, world.deps.store, 'default' as never)),
    );
    expect(outcomes).toEqual([
      'gate-closed',
      'gate-failed',
      'gate-failed',
      'gate-closed',
      'gate-failed',
      'ok',
    ]);
    expect(sent.at(-2)?.reply).toMatchObject({
      outcome: 'failed',
      text: expect.stringContaining('The gate `mail` of “report” failed'),
    });
    await world.say(`schedules`, { kind: 'command' });
    await world.answers();
    expect(sent.at(-1)?.reply.text).toContain('behind the gate `mail`');
  });

  test('a person who wakes it by hand is not asked to pass it', async () => {
    const world = createWorld();
    const { sessionKey, id } = await world.plan({ cron: '0 9 * * *', gate: 'mail' });
    await world.scheduling.runNow(sessionKey, id, 'k');
    await world.answers();
    expect(world.runs[0]?.request.context?.wakeUp?.gate).toBeUndefined();
  });
});

describe('orders of an agent', () => {
  const order = { action: 'create', name: 'n', text: 't', cron: '0 9 * * *', timeZone: 'UTC' };
  test('what is no order, or one too many, is refused in words; the rest is kept with its place', () => {
    expect(checkOrders('nonsense', [], ANN, 0)).toMatchObject({ orders: [], refused: [expect.any(String)] });
    expect(checkOrders([{ ...order, more: 1 }], [], ANN, 0).orders).toEqual([]);
    const many = Array.from({ length: MAX_SCHEDULES + 2 }, () => order);
    const checked = checkOrders([{ ...order, cron: '* * * * *' }, ...many], [], ANN, 0);
    expect(checked.orders.map(([at]) => at)).toEqual(
      Array.from({ length: MAX_SCHEDULES }, (_, at) => at + 1),
    );
    expect(checked.refused).toHaveLength(3);
    expect(checked.refused[0]).toContain('more often');
    expect(checked.refused[1]).toContain(`${MAX_SCHEDULES} schedules`);
  });

  test('orders that are applied twice schedule once', async () => {
    const world = createWorld();
    const { clock } = world;
    const schedule = await world.plan({ cron: '0 9 * * *' });
    const request = turnRequest({
      conversation: schedule.conversation,
      dedupeId: 'm9',
      text: 'x',
      receivedAtMs: clock.now(),
    });
    const orders = [[0, createOrderSchema.parse(order)]] as const;
    await world.scheduling.apply(request, orders);
    await clock.advance(1_000);
    await world.scheduling.apply(request, orders);
    expect(await world.scheduling.list(schedule.sessionKey)).toHaveLength(2);
  });
});
