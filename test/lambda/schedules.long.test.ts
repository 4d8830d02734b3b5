// Schedules on AWS: the built functions, a queue, tables, and the stand-in for EventBridge Scheduler that rings. An agent schedules
// itself in a chat and is woken there; also when a worker is killed while it fires, and when a timer was given up.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateScheduleCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { type SessionKey, sessionKeyOf } from '../../src/core/ids.ts';
import { turnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import type { Schedule } from '../../src/core/schedule.ts';
import { createOrderSchema, scheduleFrom } from '../../src/core/schedule-orders.ts';
import { createDynamoSchedules } from '../../src/stores/dynamodb/schedules.ts';
import { createDynamoSessionStore } from '../../src/stores/dynamodb/session-store.ts';
import { createEventBridgeTimers } from '../../src/stores/eventbridge/timers.ts';
import { withTimers } from '../../src/stores/timed-schedules.ts';
import { localAws } from '../../testing/aws/dynamodb-local.ts';
import { ALLOWED_USER, type Installation, TIMERS } from '../../testing/lambda/installation.ts';
import { createScriptedModel, type Responder } from '../../testing/model/scripted-model.ts';
import { until } from '../waiting.ts';
import { startBuiltInstallation } from './built-installation.ts';

const MINUTE = 60_000;
const CHAT = { tenant: 'default', channel: 'http', bot: 'local', thread: null };
let dueInMs = 3_000;
/** "plan" schedules; a wake-up is answered with its own words. */
const respond: Responder = (request) => {
  const last = request.messages.findLast(({ text, toolResults }) => text !== '' || toolResults.length > 0);
  if (last?.text.includes('plan it')) {
    const at = new Date(Date.now() + dueInMs).toISOString();
    const input = { action: 'create', name: 'greeting', text: 'say good morning', at };
    return { blocks: [{ type: 'tool_use', name: 'mcp__hybrid_sessions__schedule', input }] };
  }
  const words = /say good (?:morning|evening \d+)/.exec(last?.text ?? '')?.[0] ?? 'planned';
  return { blocks: [{ type: 'text', text: `heard: ${words}` }] };
};

const folder = mkdtempSync(join(tmpdir(), 'hybrid-aws-schedules-'));
const model = await createScriptedModel(respond);
let output = '';
const started = await startBuiltInstallation({
  folder,
  modelUrl: model.url,
  onOutput: (text) => {
    output += text;
  },
});
const unavailable = 'unavailable' in started ? started.unavailable : null;
const installation = started as Installation;
beforeAll(() => {
  if (unavailable) console.warn(`Skipped: ${unavailable}`);
});
afterAll(async () => {
  if (!unavailable) await installation.close();
  await model.close();
  rmSync(folder, { recursive: true, force: true });
});

const api = (path: string, init: RequestInit = {}) =>
  fetch(`${installation.apiUrl}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${installation.apiKey}`, 'content-type': 'application/json' },
  });

function stores() {
  const client = installation.dynamo.client();
  const timers = createEventBridgeTimers({
    ...{ groupName: TIMERS.timerGroup, queueArn: TIMERS.timerQueue, roleArn: TIMERS.timerRole },
    ...{ ...localAws, endpoint: installation.scheduler.endpoint },
  });
  const { stateTable } = installation.tables;
  return {
    store: createDynamoSessionStore({ client, ...installation.tables, clock: systemClock }),
    records: createDynamoSchedules({ client, stateTable }),
    timers,
    schedules: withTimers(createDynamoSchedules({ client, stateTable }), timers),
  };
}

/** A schedule as a turn of this chat would have made it. */
function scheduleOf(chat: string, text: string, over: Partial<Schedule> = {}): Schedule {
  const conversation = { ...CHAT, chat };
  const request = turnRequest({ conversation, dedupeId: 'm', text: 'plan', receivedAtMs: Date.now() });
  const order = createOrderSchema.parse({
    ...{ action: 'create', name: 'greeting', text, cron: '0 9 * * *', timeZone: 'UTC' },
  });
  return { ...scheduleFrom(order, request, 0, Date.now()), ...over };
}

async function wakeUps(key: SessionKey) {
  const { items } = await stores().store.listTurns(key, { limit: 50 });
  return items.filter(({ kind }) => kind === 'wake');
}
const timersThere = () => installation.scheduler.schedules().map(({ name }) => name);

describe.skipIf(unavailable)('an installation', () => {
  test(`${promise('ONCE-IN')} what an agent schedules in a chat wakes it there, once, and leaves no timer`, async () => {
    onTestFailed(() => console.error(output.slice(-6_000)));
    const { bot } = installation;
    bot.say(ALLOWED_USER, 'plan it', { from: ALLOWED_USER });
    const said = (words: string) => bot.chat(ALLOWED_USER).botTexts.filter((text) => text.includes(words));
    await until(() => said('heard: planned').length > 0);
    await until(() => said('heard: say good morning').length > 0);
    await until(() => timersThere().length === 0);
    expect(said('heard: say good morning')).toHaveLength(1);
    bot.say(ALLOWED_USER, '/schedules', { from: ALLOWED_USER });
    await until(() => said('greeting').some((text) => text.includes('answered')));
  });

  test('held back, let go on and cancelled over HTTP; erased with its chat', async () => {
    onTestFailed(() => console.error(output.slice(-6_000)));
    dueInMs = 90 * MINUTE;
    await api('/v1/chats/web/messages', { method: 'POST', body: '{"text":"plan it"}' });
    const listed = async () =>
      (await (await api('/v1/chats/web/schedules')).json()) as {
        time_zone: string;
        schedules: { id: string; status: string }[];
      };
    await until(async () => (await listed()).schedules.length === 1);
    expect(await listed()).toMatchObject({ time_zone: 'UTC', schedules: [{ status: 'active' }] });
    expect(timersThere()).toHaveLength(1);
    const [{ id } = { id: '' }] = (await listed()).schedules;
    const act = async (action: string) =>
      (
        await api(`/v1/chats/web/schedules/${id}`, { method: 'POST', body: JSON.stringify({ action }) })
      ).json();
    expect(await act('pause')).toMatchObject({ status: 'paused' });
    expect(await act('resume')).toMatchObject({ status: 'active' });
    expect(timersThere()).toHaveLength(1);
    await until(async () => (await api('/v1/chats/web', { method: 'DELETE' })).status === 204);
    expect(timersThere()).toEqual([]);
    expect(await listed()).toMatchObject({ schedules: [] });
  });

  test(`${promise('ONCE-IN')} a worker that is killed between the queue and the record: one turn, and it goes on`, async () => {
    onTestFailed(() => console.error(output.slice(-6_000)));
    const { scheduler, workers } = installation;
    const { schedules } = stores();
    const one = scheduleOf('killed', 'say good evening 1', { nextDueMs: Date.now() + 1_000 });
    const key = sessionKeyOf(one.conversation);
    await schedules.add(one);
    // The worker has queued the turn, and sets the timer for tomorrow before it writes that down.
    const there = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    scheduler.intercept(async (request) => {
      if (!request.startsWith('POST')) return;
      there.resolve();
      await ended.promise;
    });
    await there.promise;
    expect(await wakeUps(key)).toHaveLength(1);
    expect((await schedules.list(key))[0]).toMatchObject({ runs: [], nextDueMs: one.nextDueMs });
    scheduler.intercept(null);
    await workers[0]?.kill();
    ended.resolve();
    await until(async () => (await schedules.list(key))[0]?.runs.length === 1);
    await until(async () => (await wakeUps(key)).every(({ status }) => status === 'delivered'));
    expect(await wakeUps(key)).toHaveLength(1);
    const [now] = await schedules.list(key);
    expect(now).toMatchObject({ status: 'active', runs: [{ outcome: 'woken', dueMs: one.nextDueMs }] });
    await until(() => timersThere().length === 1);
    expect(timersThere()[0]).toMatch(new RegExp(`\\.${now?.nextDueMs}$`));
    await schedules.erase(key);
  });

  test('a timer that came to nothing is rung again by the daily sweep, and the missed run is caught up with', async () => {
    onTestFailed(() => console.error(output.slice(-6_000)));
    const { records, schedules, timers } = stores();
    const dueMs = Date.now() - 20 * MINUTE;
    const one = scheduleOf('given-up', 'say good evening 2', { nextDueMs: dueMs });
    const key = sessionKeyOf(one.conversation);
    // As after a day without a queue: the service has given up, and what it was to do stands there still.
    await timers.set(one, dueMs);
    const [given] = installation.scheduler.schedules();
    await timers.clearAll(key);
    const client = new SchedulerClient({ ...localAws, endpoint: installation.scheduler.endpoint });
    await client.send(
      new CreateScheduleCommand({
        ...{ Name: given!.name, GroupName: given!.group, Target: given!.Target },
        ScheduleExpression: `at(${new Date(dueMs).toISOString().slice(0, 19)})`,
        FlexibleTimeWindow: { Mode: 'OFF' },
      }),
    );
    client.destroy();
    await records.add(one);
    expect(await wakeUps(key)).toEqual([]);
    const { error } = await installation.sweep.invoke({ source: 'aws.events' });
    expect(error).toBeNull();
    await until(async () => (await wakeUps(key)).some(({ status }) => status === 'delivered'));
    await until(async () => (await schedules.list(key))[0]?.runs.length === 1);
    expect(await wakeUps(key)).toHaveLength(1);
    expect(output).toContain('timers-rung-again');
    await schedules.erase(key);
    expect(timersThere()).toEqual([]);
  });
});
