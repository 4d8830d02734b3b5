// `/schedules` and `/timezone`: what a person sees of the chat's schedules, and what they may do with them.
import { isHybridError } from './errors.ts';
import { GATE_CLOSED, GATE_FAILED } from './gate-reply.ts';
import { type Tenant, type TurnId, tenantOf } from './ids.ts';
import { writtenIn } from './messages.ts';
import type { SessionStore } from './ports.ts';
import { speakerOf } from './principal.ts';
import type { RunningTurn } from './running-turn.ts';
import { isOpen, type Schedule, type ScheduledRun } from './schedule.ts';
import { mayChange, notYours } from './schedule-rights.ts';
import { timeText } from './schedule-times.ts';
import type { ScheduleAction, Scheduling } from './scheduling.ts';

const NOT_HERE = 'Nothing can be scheduled here.';
const SHOWN_ENDED = 3;

/** What came of a run: its turn's outcome where it has one. */
export type RunOutcome =
  | ScheduledRun['outcome']
  | 'waiting'
  | 'ok'
  | 'stopped'
  | 'failed'
  | typeof GATE_CLOSED
  | typeof GATE_FAILED;

/** For people: enough of the id to name one of a chat's schedules. */
export function shortScheduleId({ id }: Pick<Schedule, 'id'>): string {
  return id.slice('sch_'.length, 'sch_'.length + 6);
}

export async function schedulesReply({ deps, request }: RunningTurn): Promise<string> {
  const { scheduling, store } = deps;
  if (!scheduling) return NOT_HERE;
  const key = writtenIn(request);
  const [, action, name = ''] = request.text.split(' ');
  const schedules = await scheduling.list(key);
  if (action === undefined) {
    return await listText(schedules, await scheduling.timeZoneOf(key), store, tenantOf(key));
  }
  const found = schedules.filter((one) => isScheduleNamed(one, name));
  const [schedule] = found;
  if (!schedule || found.length > 1) {
    return `${schedule ? 'More than one schedule' : 'No schedule'} of this chat is called \`${name}\`. \`/schedules\` lists them.`;
  }
  if (!mayChange(schedule, speakerOf(request))) return notYours(schedule);
  return await doneText(scheduling, schedule, action as ScheduleAction | 'run', request.turnId);
}

/** By the beginning of its id. */
export function isScheduleNamed(schedule: Schedule, name: string): boolean {
  return name.length >= 4 && schedule.id.slice('sch_'.length).startsWith(name.toLowerCase());
}

async function doneText(
  scheduling: Scheduling,
  schedule: Schedule,
  action: ScheduleAction | 'run',
  turnId: TurnId,
): Promise<string> {
  const { sessionKey, id, name } = schedule;
  if (action === 'run') {
    await scheduling.runNow(sessionKey, id, turnId);
    return `“${name}” runs now, as soon as nothing else does.`;
  }
  const now = await scheduling.act(sessionKey, id, action);
  switch (now.status) {
    case 'cancelled':
      return `“${name}” is cancelled.`;
    case 'paused':
      return `“${name}” is paused. \`/schedules resume ${shortScheduleId(now)}\` lets it go on.`;
    case 'ended':
      return `“${name}” has ended already.`;
    case 'active':
      return `“${name}” is active; next: ${nextText(now)}.`;
  }
}

async function listText(
  schedules: readonly Schedule[],
  timeZone: string,
  store: Pick<SessionStore, 'getTurn'>,
  tenant: Tenant,
): Promise<string> {
  const zone = `Times are those of ${timeZone}; \`/timezone\` changes that.`;
  const open = schedules.filter(isOpen);
  const ended = schedules.filter((one) => !isOpen(one)).slice(-SHOWN_ENDED);
  if (open.length + ended.length === 0) {
    return `Nothing is scheduled. Ask me to do something later, or again and again. ${zone}`;
  }
  const lines = await Promise.all(
    [...open, ...ended].map(async (one) => {
      const last = one.runs.at(-1);
      const log = last
        ? `; last: ${timeText(last.dueMs, one.timeZone)}, ${wordsOf(await outcomeOf(last, store, tenant), last)}`
        : '';
      return `\`${shortScheduleId(one)}\` **${one.name}** ${scheduleText(one)}${log}`;
    }),
  );
  const ways = open[0]
    ? `\n\n\`/schedules pause ${shortScheduleId(open[0])}\`, \`resume\`, \`cancel\` or \`run\`. ${zone}`
    : '';
  return `${lines.join('  \n')}${ways}`;
}

export async function outcomeOf(
  run: ScheduledRun,
  store: Pick<SessionStore, 'getTurn'>,
  tenant: Tenant,
): Promise<RunOutcome> {
  if (run.turnId === null) return run.outcome;
  const turn = await store.getTurn(tenant, run.turnId as TurnId);
  if (turn === null) return run.outcome;
  const { outcome = 'waiting', code } = turn.reply ?? {};
  return code === GATE_CLOSED || code === GATE_FAILED ? code : outcome;
}

function wordsOf(outcome: RunOutcome, { times }: ScheduledRun): string {
  const words: Record<RunOutcome, string> = {
    ok: 'answered',
    failed: 'failed',
    stopped: 'stopped',
    waiting: 'not answered yet',
    woken: 'answered',
    missed: `missed${times > 1 ? ` (${times} times)` : ''}`,
    overlapped: 'left out, because the one before was not answered yet',
    [GATE_CLOSED]: 'not woken: its gate was closed',
    [GATE_FAILED]: 'not woken: its gate failed',
    'not-served': 'not run, because this bot was switched off',
  };
  return words[outcome];
}

/** When it comes, in one line. */
export function scheduleText(schedule: Schedule): string {
  const state = schedule.status === 'active' ? `next: ${nextText(schedule)}` : schedule.status;
  return `(${patternText(schedule)}): ${state}`;
}

function patternText({ when, timeZone, gate }: Schedule): string {
  const behind = gate === null ? '' : `, behind the gate \`${gate}\``;
  if (when.kind === 'once') return `once${behind}`;
  const zone = when.timeZone === timeZone ? '' : ` in ${when.timeZone}`;
  return `\`${when.cron}\`${zone}${behind}`;
}

function nextText({ nextDueMs, timeZone }: Schedule): string {
  return nextDueMs === null ? 'never' : timeText(nextDueMs, timeZone);
}

export async function timeZoneReply({ deps, request }: RunningTurn): Promise<string> {
  const { scheduling } = deps;
  if (!scheduling) return NOT_HERE;
  const key = writtenIn(request);
  const [, name] = request.text.split(' ');
  try {
    if (name !== undefined) await scheduling.setTimeZone(key, name === 'default' ? null : name);
  } catch (error) {
    if (!isHybridError(error) || error.code !== 'bad-time-zone') throw error;
    return `${error.message} ${error.advice ?? ''}`;
  }
  const timeZone = await scheduling.timeZoneOf(key);
  return `The time zone of this chat is ${timeZone}: it is now ${timeText(deps.clock.now(), timeZone)}. Schedules that exist keep theirs.`;
}
