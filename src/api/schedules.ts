// Schedules of a chat and its time zone: listed, held back, ended, run at once. They are made by the agent, when it is asked to.
import type { Context } from 'hono';
import { z } from 'zod';
import { type SessionKey, sessionKeyOf } from '../core/ids.ts';
import type { Schedule, ScheduleId } from '../core/schedule.ts';
import { outcomeOf } from '../core/schedule-commands.ts';
import { createScheduling, type Scheduling } from '../core/scheduling.ts';
import { conversationOfChat } from './chat-name.ts';
import { type ApiDeps, OWN, type Route } from './deps.ts';
import { refuse } from './problems.ts';
import { idempotencyKey, jsonBody } from './requests.ts';

const actionBody = z.strictObject({ action: z.enum(['pause', 'resume', 'cancel', 'run']) });
const timeZoneBody = z.strictObject({ time_zone: z.string().max(100).nullable() });
const SCHEDULE = /^sch_[0-9a-f]{16}$/;

export function scheduleRoutes(deps: ApiDeps): Route[] {
  const { owner = OWN, schedules, timeZone = 'UTC' } = deps;
  const made = schedules && createScheduling({ ...deps, schedules, timeZone });
  const keyOf = (context: Context) => sessionKeyOf(conversationOfChat(context.req.param('chat'), owner));

  function scheduling(): Scheduling {
    return made ?? refuse(409, 'no-schedules', 'Nothing can be scheduled here.');
  }

  async function view(schedule: Schedule) {
    const time = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
    const { id, name, text, when, status, missed, overlap, gate, runs } = schedule;
    return {
      ...{ id, name, text, status, missed, overlap, gate },
      cron: when.kind === 'cron' ? when.cron : null,
      time_zone: when.kind === 'cron' ? when.timeZone : schedule.timeZone,
      next_due_at: time(schedule.nextDueMs),
      created_at: time(schedule.createdAtMs),
      runs: await Promise.all(
        runs.map(async (run) => ({
          due_at: time(run.dueMs),
          outcome: await outcomeOf(run, deps.store, owner.tenant),
          turn_id: run.turnId,
          times: run.times,
        })),
      ),
    };
  }

  async function find(key: SessionKey, id: string): Promise<Schedule> {
    const found = SCHEDULE.test(id) && (await scheduling().list(key)).find((one) => one.id === id);
    return found || refuse(404, 'unknown-schedule', 'There is no such schedule.');
  }

  return [
    {
      method: 'get',
      path: '/v1/chats/{chat}/schedules',
      async handle(context) {
        const key = keyOf(context);
        const [all, zone] = await Promise.all([scheduling().list(key), scheduling().timeZoneOf(key)]);
        return context.json({ time_zone: zone, schedules: await Promise.all(all.map(view)) });
      },
    },
    {
      method: 'post',
      path: '/v1/chats/{chat}/schedules/{id}',
      async handle(context) {
        const { action } = await jsonBody(context, actionBody);
        const key = keyOf(context);
        const id = (context.req.param('id') ?? '') as ScheduleId;
        await find(key, id);
        if (action === 'run') await scheduling().runNow(key, id, `api/${idempotencyKey(context)}`);
        else await scheduling().act(key, id, action);
        return context.json(await view(await find(key, id)));
      },
    },
    {
      method: 'post',
      path: '/v1/chats/{chat}/time-zone',
      async handle(context) {
        const { time_zone } = await jsonBody(context, timeZoneBody);
        const key = keyOf(context);
        await scheduling().setTimeZone(key, time_zone);
        return context.json({ time_zone: await scheduling().timeZoneOf(key) });
      },
    },
  ];
}
