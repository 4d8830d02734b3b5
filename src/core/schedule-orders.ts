// What an agent or a person orders about schedules, as plain JSON: it comes from an agent's side, so it is checked as a
// stranger's input before a reply is committed with it.
import { z } from 'zod';
import { Invalid, isHybridError } from './errors.ts';
import { gateNameSchema } from './gate.ts';
import { type TurnRequest, writtenIn } from './messages.ts';
import { type Principal, principalListSchema } from './principal.ts';
import {
  isOpen,
  MAX_SCHEDULE_NAME,
  MAX_SCHEDULE_TEXT,
  MAX_SCHEDULES,
  missedSchema,
  overlapSchema,
  type Schedule,
  scheduleIdOf,
} from './schedule.ts';
import { mayChange, notYours } from './schedule-rights.ts';
import { cronAt, nextDueMs, onceAt, type When } from './schedule-times.ts';

/** One turn may order so much. */
export const MAX_ORDERS = 50;

export const createOrderSchema = z.strictObject({
  action: z.literal('create'),
  name: z.string().trim().min(1).max(MAX_SCHEDULE_NAME),
  text: z.string().trim().min(1).max(MAX_SCHEDULE_TEXT),
  /** One of the two. */
  at: z.string().max(40).optional(),
  cron: z.string().max(200).optional(),
  timeZone: z.string().max(100),
  missed: missedSchema.default({ policy: 'once' }),
  overlap: overlapSchema.default('skip'),
  gate: gateNameSchema.nullable().default(null),
  /** Said by the agent folder, not by the agent. */
  managers: principalListSchema.max(1_000).nullable().default(null),
});

const changeOrderSchema = z.strictObject({
  action: z.enum(['pause', 'resume', 'cancel']),
  id: z.string().regex(/^sch_[0-9a-f]{16}$/),
});

export const scheduleOrderSchema = z.discriminatedUnion('action', [createOrderSchema, changeOrderSchema]);
export const scheduleOrdersSchema = z.array(scheduleOrderSchema).max(MAX_ORDERS).readonly();

/** What an agent's side is told of its chat, to answer its agent at once. */
export const agentSchedulingSchema = z.object({
  /** What the chat has chosen; null: the agent folder's. */
  timeZone: z.string().max(100).nullable(),
  keptDays: z.number(),
  schedules: z.array(z.object({ id: z.string(), name: z.string(), what: z.string() })).max(MAX_SCHEDULES),
});
export type AgentScheduling = z.output<typeof agentSchedulingSchema>;

export type ScheduleOrder = z.output<typeof scheduleOrderSchema>;
export type CreateOrder = Extract<ScheduleOrder, { action: 'create' }>;

/** Invalid('bad-schedule-time'), Invalid('bad-time-zone') */
export function whenOf({ at, cron, timeZone }: CreateOrder, nowMs: number): When {
  if (at !== undefined && cron === undefined) return onceAt(at, timeZone, nowMs);
  if (cron !== undefined && at === undefined) return cronAt(cron, timeZone, nowMs);
  throw new Invalid('bad-schedule-time', 'A schedule has either `at` or `cron`.', {
    advice: 'Give `at` for one time, `cron` for many.',
  });
}

export function scheduleFrom(order: CreateOrder, request: TurnRequest, at: number, nowMs: number): Schedule {
  const when = whenOf(order, earliestMs(order, nowMs));
  return {
    id: scheduleIdOf(request.turnId, at),
    // Of the chat in which it was ordered, whichever session that shares.
    sessionKey: writtenIn(request),
    conversation: request.conversation,
    replyTarget: request.replyTarget,
    sender: request.sender,
    managers: order.managers,
    name: order.name.toWellFormed(),
    text: order.text.toWellFormed(),
    when,
    timeZone: order.timeZone,
    missed: order.missed,
    overlap: order.overlap,
    gate: order.gate,
    status: 'active',
    nextDueMs: nextDueMs(when, earliestMs(order, nowMs)),
    untold: 0,
    runs: [],
    version: 1,
    createdAtMs: nowMs,
    expiresAtMs: null,
  };
}

/** An order with its place among all of its turn: ids are made of it. */
export type PlacedOrder = readonly [at: number, order: ScheduleOrder];

export interface CheckedOrders {
  /** What will be done. */
  readonly orders: readonly PlacedOrder[];
  /** Why others will not, in words for the person. */
  readonly refused: readonly string[];
}

/** What of the orders of this person's turn can be done for a chat that has `schedules`. */
export function checkOrders(
  given: unknown,
  schedules: readonly Schedule[],
  speaker: Principal,
  nowMs: number,
): CheckedOrders {
  const parsed = scheduleOrdersSchema.safeParse(given);
  if (!parsed.success) return { orders: [], refused: ['The schedules of this turn could not be read.'] };
  let open = schedules.filter(isOpen).length;
  const orders: PlacedOrder[] = [];
  const refused: string[] = [];
  for (const [at, order] of parsed.data.entries()) {
    if (order.action === 'create') {
      const problem = open >= MAX_SCHEDULES ? tooMany() : problemOf(order, nowMs);
      if (problem !== null) {
        refused.push(`“${order.name}” is not scheduled: ${problem}`);
        continue;
      }
      open += 1;
    } else {
      const named = schedules.find(({ id }) => id === order.id);
      if (named && !mayChange(named, speaker)) {
        refused.push(notYours(named));
        continue;
      }
      if (order.action === 'cancel') open -= 1;
    }
    orders.push([at, order]);
  }
  return { orders, refused };
}

export function tooMany(): string {
  return `There are ${MAX_SCHEDULES} schedules in this chat, which is the most. Cancel one first.`;
}

/** A turn may have taken long: a time that has passed since is due at once, not refused. */
function earliestMs({ at }: CreateOrder, nowMs: number): number {
  return at === undefined ? nowMs : Math.max(0, nowMs - MAX_TURN_MS);
}

const MAX_TURN_MS = 7 * 86_400_000;

function problemOf(order: CreateOrder, nowMs: number): string | null {
  try {
    whenOf(order, earliestMs(order, nowMs));
    return null;
  } catch (error) {
    if (!isHybridError(error)) throw error;
    return error.message;
  }
}
