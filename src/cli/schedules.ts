// `schedules list|pause|resume|cancel|run`: what the agent of a conversation does by itself, and when. They work on the data
// folder, whether a server is running on it or not; one that runs sees the change at once.
import { systemClock } from '../core/clock.ts';
import { Gone, Invalid } from '../core/errors.ts';
import { silentLog } from '../core/log.ts';
import type { Schedule } from '../core/schedule.ts';
import { isScheduleNamed, outcomeOf, scheduleText, shortScheduleId } from '../core/schedule-commands.ts';
import { createScheduling, type ScheduleAction } from '../core/scheduling.ts';
import { harmless } from '../text/harmless.ts';
import type { CliContext, DataOptions } from './context.ts';
import { findConversation, tenantOption, withStores } from './lookup.ts';

export async function list(context: CliContext, chat: string, options: DataOptions): Promise<void> {
  const { terminal } = context;
  const tenant = tenantOption(options);
  await withStores(context, options, async ({ store, schedules }) => {
    const { head } = await findConversation(store, chat, tenant);
    const found = await schedules.list(head.sessionKey);
    if (options.json) {
      return terminal.json({ time_zone: await schedules.timeZoneOf(head.sessionKey), schedules: found });
    }
    if (found.length === 0) return terminal.note('Nothing is scheduled.');
    const last = async ({ runs }: Schedule) => {
      const run = runs.at(-1);
      return run ? `${new Date(run.dueMs).toISOString()} ${await outcomeOf(run, store, tenant)}` : '-';
    };
    terminal.table(
      ['ID', 'NAME', 'WHEN', 'LAST RUN (UTC)'],
      await Promise.all(
        found.map(async (one) => [
          shortScheduleId(one),
          harmless(one.name),
          scheduleText(one).replaceAll('`', ''),
          await last(one),
        ]),
      ),
    );
  });
}

/** `id`: of a schedule, or the beginning of it. */
export async function change(
  context: CliContext,
  action: ScheduleAction | 'run',
  chat: string,
  id: string,
  options: DataOptions,
): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async (stores) => {
    const { head } = await findConversation(stores.store, chat, tenantOption(options));
    const key = head.sessionKey;
    const schedule = named(await stores.schedules.list(key), id);
    const scheduling = createScheduling({
      ...stores,
      clock: systemClock,
      log: silentLog,
      timeZone: schedule.timeZone,
    });
    if (action === 'run') await scheduling.runNow(key, schedule.id, `cli/${systemClock.now()}`);
    else await scheduling.act(key, schedule.id, action);
    const now = named(await stores.schedules.list(key), schedule.id);
    if (options.json) return terminal.json(now);
    terminal.line(
      action === 'run'
        ? `“${harmless(now.name)}” is queued: a running server takes it at once, another with its start.`
        : `“${harmless(now.name)}” ${scheduleText(now).replaceAll('`', '')}`,
    );
  });
}

function named(schedules: readonly Schedule[], id: string): Schedule {
  const [found, another] = schedules.filter((one) => isScheduleNamed(one, id.replace(/^sch_/, '')));
  if (found && !another) return found;
  if (found)
    throw new Invalid('ambiguous', `"${id}" begins the ids of several schedules.`, {
      advice: 'Give more of it.',
    });
  throw new Gone('unknown-schedule', `There is no schedule "${id}" in this chat.`, {
    advice: '`hybrid-sessions schedules list` shows them.',
  });
}
