// The tool by which an agent wakes itself later. What it orders is written into a file of the session's state, beside the
// conversation that says so: a turn that is cut and goes on elsewhere has both or neither. At the turn's end the worker is given
// the orders, checks them and applies them with the commit. So a turn that is tried again schedules nothing twice.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createSdkMcpServer,
  type McpSdkServerConfigWithInstance,
  tool,
} from '@anthropic-ai/claude-agent-sdk';
import { z } from 'zod';
import { isHybridError } from '../core/errors.ts';
import { gateNameSchema } from '../core/gate.ts';
import type { AgentRun } from '../core/ports/execution.ts';
import { MAX_MISSED_RUNS, MAX_SCHEDULE_NAME, MAX_SCHEDULE_TEXT, MAX_SCHEDULES } from '../core/schedule.ts';
import {
  type AgentScheduling,
  agentSchedulingSchema,
  createOrderSchema,
  MAX_ORDERS,
  type ScheduleOrder,
  scheduleOrdersSchema,
  tooMany,
  whenOf,
} from '../core/schedule-orders.ts';
import { nextDueMs, timeText } from '../core/schedule-times.ts';
import { writeOwnFile } from './write-own-file.ts';

const SERVER = 'hybrid_sessions';
export const SCHEDULE_SERVER = SERVER;
export const SCHEDULE_TOOL = `mcp__${SERVER}__schedule`;

const fileSchema = z.object({
  turnId: z.string(),
  timeZone: z.string(),
  scheduling: agentSchedulingSchema,
  orders: scheduleOrdersSchema,
  /** Scripts of the agent folder that may decide about a wake-up. */
  gates: z.array(gateNameSchema).default([]),
});
type ScheduleFile = z.output<typeof fileSchema>;

const pathOf = (config: string): string => join(config, '.hybrid', 'schedules.json');

async function readScheduleFile(config: string): Promise<ScheduleFile | null> {
  try {
    return fileSchema.parse(JSON.parse(await readFile(pathOf(config), 'utf8')));
  } catch {
    return null;
  }
}

/** Before the agent runs. What an earlier part of this turn ordered stays. */
export async function beginScheduling(
  { directory, request, continuing }: Pick<AgentRun, 'directory' | 'request' | 'continuing'>,
  scheduling: AgentScheduling,
  ownTimeZone: string,
  gates: readonly string[] = [],
): Promise<void> {
  const { turnId } = request;
  const before = continuing ? await readScheduleFile(directory.config) : null;
  const orders = before?.turnId === turnId ? before.orders : [];
  const timeZone = scheduling.timeZone ?? ownTimeZone;
  const file: ScheduleFile = { turnId, timeZone, scheduling, orders, gates: [...gates] };
  await writeOwnFile(pathOf(directory.config), JSON.stringify(file));
}

/** What this turn has ordered, in order. `managers`: who may change what it makes, by the agent folder. */
export async function orderedSchedules(
  { directory, request }: Pick<AgentRun, 'directory' | 'request'>,
  managers: readonly string[] | null,
): Promise<readonly ScheduleOrder[]> {
  const file = await readScheduleFile(directory.config);
  if (file?.turnId !== request.turnId) return [];
  const named = managers === null ? null : [...managers];
  return file.orders.map((order) => (order.action === 'create' ? { ...order, managers: named } : order));
}

const input = {
  action: z.enum(['create', 'list', 'pause', 'resume', 'cancel']),
  name: z.string().max(MAX_SCHEDULE_NAME).optional().describe('create: a short name that people see'),
  text: z
    .string()
    .max(MAX_SCHEDULE_TEXT)
    .optional()
    .describe('create: what you will be told then; it must be understood without this conversation'),
  at: z.string().optional().describe('create, once: local time as 2026-12-01T09:00, or with an offset'),
  in_minutes: z.number().int().min(1).optional().describe('create, once: so many minutes from now'),
  cron: z
    .string()
    .optional()
    .describe(
      'create, repeated: five fields (minute hour day-of-month month day-of-week), e.g. "0 9 * * 1-5"',
    ),
  time_zone: z.string().optional().describe("create: an IANA name; the chat's own when left out"),
  if_missed: z
    .enum(['run_once', 'skip', 'run_all'])
    .optional()
    .describe('create: when the system was down at due times; run_once when left out'),
  run_all_limit: z.number().int().min(1).max(MAX_MISSED_RUNS).optional(),
  if_still_running: z
    .enum(['skip', 'queue'])
    .optional()
    .describe('create: when the run before is not answered yet'),
  gate: z
    .string()
    .optional()
    .describe('create: a check that decides without you whether you are woken; `list` tells which there are'),
  id: z.string().optional().describe('pause, resume, cancel: the id that create and list tell'),
};
type Input = z.output<z.ZodObject<typeof input>>;

const DESCRIPTION =
  'Wakes you later in this chat, once or again and again, also when nobody writes and after restarts: you are given the text as a message, and your reply goes to the chat. Use it whenever you are asked to do something at a time, regularly, or to look again later. What you order holds when this turn ends.';

/** One for the CLI's whole life: what it does goes by the file of the turn that runs. */
export function scheduleServer(config: string, now: () => number = Date.now): McpSdkServerConfigWithInstance {
  // Calls of one message may come at once.
  let last: Promise<unknown> = Promise.resolve();
  const answer = (given: Input) => {
    const answered = last.then(() => answerTo(config, given, now()));
    last = answered.catch(() => {});
    return answered;
  };
  const schedule = tool('schedule', DESCRIPTION, input, async (given) => {
    try {
      return result(await answer(given));
    } catch (error) {
      if (!isHybridError(error)) throw error;
      return result(`${error.message} ${error.advice ?? ''}`.trim(), true);
    }
  });
  return createSdkMcpServer({ name: SERVER, version: '1.0.0', tools: [schedule] });
}

function result(text: string, isError = false) {
  return { content: [{ type: 'text' as const, text }], isError };
}

async function answerTo(config: string, given: Input, nowMs: number): Promise<string> {
  const file = await readScheduleFile(config);
  if (!file) return 'Nothing can be scheduled in this turn.';
  if (given.action === 'list') return listText(file, nowMs);
  if (file.orders.length >= MAX_ORDERS) return 'This turn has ordered too much already.';
  if (given.action === 'create') return await create(config, file, given, nowMs);
  const known = openOnes(file).find(({ id }) => id === given.id);
  if (!known) return `There is no schedule with this id. ${listText(file, nowMs)}`;
  await addOrder(config, file, { action: given.action, id: known.id });
  const words = { pause: 'paused', resume: 'resumed', cancel: 'cancelled' } as const;
  return `“${known.name}” is ${words[given.action]} when this turn ends.`;
}

async function create(config: string, file: ScheduleFile, given: Input, nowMs: number): Promise<string> {
  if (openOnes(file).length + created(file).length >= MAX_SCHEDULES) return tooMany();
  const { gate } = given;
  if (gate !== undefined && !file.gates.includes(gate)) {
    return `Not scheduled: there is no gate “${gate}”. ${gatesText(file)}`;
  }
  const timeZone = given.time_zone ?? file.timeZone;
  const at =
    given.in_minutes === undefined ? given.at : new Date(nowMs + given.in_minutes * 60_000).toISOString();
  const parsed = createOrderSchema.safeParse({
    action: 'create',
    name: given.name,
    text: given.text,
    ...(at !== undefined && { at }),
    ...(given.cron !== undefined && { cron: given.cron }),
    timeZone,
    ...(given.if_missed && { missed: missedOf(given) }),
    ...(given.if_still_running && { overlap: given.if_still_running }),
    ...(gate !== undefined && { gate }),
  });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return `Not scheduled: ${issue?.path.join('.')}: ${issue?.message}.`;
  }
  const next = nextDueMs(whenOf(parsed.data, nowMs), nowMs);
  await addOrder(config, file, parsed.data);
  const when = next === null ? '' : ` First: ${timeText(next, timeZone)}.`;
  return `“${parsed.data.name}” is scheduled when this turn ends.${when} It is now ${timeText(nowMs, timeZone)}. People see and cancel it with /schedules. This conversation is kept for ${file.scheduling.keptDays} days after the last message or wake-up.`;
}

function missedOf({ if_missed, run_all_limit = MAX_MISSED_RUNS }: Input) {
  if (if_missed === 'run_all') return { policy: 'all', limit: run_all_limit };
  return { policy: if_missed === 'skip' ? 'skip' : 'once' };
}

async function addOrder(config: string, file: ScheduleFile, order: ScheduleOrder): Promise<void> {
  await writeOwnFile(pathOf(config), JSON.stringify({ ...file, orders: [...file.orders, order] }));
}

function created({ orders }: ScheduleFile) {
  return orders.filter(({ action }) => action === 'create');
}

/** As this turn has left them so far. */
function openOnes({ scheduling, orders }: ScheduleFile) {
  const cancelled = new Set(orders.flatMap((order) => (order.action === 'cancel' ? [order.id] : [])));
  return scheduling.schedules.filter(({ id }) => !cancelled.has(id));
}

function listText(file: ScheduleFile, nowMs: number): string {
  const lines = [
    ...openOnes(file).map(({ id, name, what }) => `- ${id} “${name}”: ${what}`),
    ...file.orders.flatMap((order) =>
      order.action === 'create' ? [`- (from this turn) “${order.name}”`] : [],
    ),
  ];
  const now = `It is now ${timeText(nowMs, file.timeZone)}.`;
  const gates = file.gates.length === 0 ? '' : ` ${gatesText(file)}`;
  return lines.length === 0 ? `Nothing is scheduled. ${now}${gates}` : `${now}${gates}\n${lines.join('\n')}`;
}

function gatesText({ gates }: ScheduleFile): string {
  return gates.length === 0 ? 'There are no gates.' : `Gates: ${gates.join(', ')}.`;
}
