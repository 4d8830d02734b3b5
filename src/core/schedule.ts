// A schedule: when its conversation is woken and with which words, what becomes of due times that were missed, and what
// came of the last ones. Plain JSON, checked when it is read back.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { Corrupt } from './errors.ts';
import { gateNameSchema } from './gate.ts';
import { type SessionKey, sessionKeyOf, type TurnId } from './ids.ts';
import type { When } from './schedule-times.ts';

export type ScheduleId = string & { readonly __brand: 'ScheduleId' };

/** Schedules that a chat may have, those that ended not counted. */
export const MAX_SCHEDULES = 20;
export const MAX_SCHEDULE_TEXT = 8_000;
export const MAX_SCHEDULE_NAME = 80;
export const MAX_MISSED_RUNS = 10;
/** Of the run log. */
const KEPT_RUNS = 20;
/** So long a schedule that ended can still be looked at. */
export const KEPT_AFTER_END_MS = 30 * 86_400_000;

const whenSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('once'), atMs: z.number() }),
  z.strictObject({ kind: z.literal('cron'), cron: z.string().max(200), timeZone: z.string().max(100) }),
]);

/** Of due times that passed while nothing here was running: one run for all of them, none, or each up to a number. */
export const missedSchema = z.discriminatedUnion('policy', [
  z.strictObject({ policy: z.literal('once') }),
  z.strictObject({ policy: z.literal('skip') }),
  z.strictObject({ policy: z.literal('all'), limit: z.int().min(1).max(MAX_MISSED_RUNS) }),
]);

/** While the run before is not answered yet. */
export const overlapSchema = z.enum(['skip', 'queue']);

const runSchema = z.strictObject({
  dueMs: z.number(),
  /** `woken`: see the turn. The others: why there is none. */
  outcome: z.enum(['woken', 'missed', 'overlapped', 'not-served']),
  turnId: z.string().nullable(),
  /** Due times that this line stands for. */
  times: z.int().positive(),
});

export const scheduleSchema = z.object({
  id: z.string().transform((id) => id as ScheduleId),
  sessionKey: z.string().transform((key) => key as SessionKey),
  conversation: z.strictObject({
    tenant: z.string(),
    channel: z.string(),
    bot: z.string(),
    chat: z.string(),
    thread: z.string().nullable(),
  }),
  replyTarget: z.json(),
  /** Whose turn a wake-up is: of whoever spoke when it was made. */
  sender: z.strictObject({ id: z.string(), name: z.string().nullable() }).nullable(),
  /** Who may change it besides that person, as settings name people; null: nobody. */
  managers: z.array(z.string()).nullable().default(null),
  name: z.string(),
  text: z.string(),
  when: whenSchema,
  /** For people: in which zone times are told. */
  timeZone: z.string(),
  missed: missedSchema,
  overlap: overlapSchema,
  /** A script of the agent folder that decides first; null: none. */
  gate: gateNameSchema.nullable().default(null),
  status: z.enum(['active', 'paused', 'ended', 'cancelled']),
  /** null when nothing comes any more. While paused it stays where it was. */
  nextDueMs: z.number().nullable(),
  /** Due times passed over since the last wake-up: the next one tells the agent. */
  untold: z.int().nonnegative(),
  runs: z.array(runSchema),
  version: z.int().positive(),
  createdAtMs: z.number(),
  /** Set when it ended. */
  expiresAtMs: z.number().nullable(),
});

export type Schedule = z.infer<typeof scheduleSchema> & { readonly when: When };
export type ScheduledRun = z.infer<typeof runSchema>;

/** Corrupt('record-unreadable'). */
export function parseSchedule(value: unknown): Schedule {
  const parsed = scheduleSchema.safeParse(value);
  if (parsed.success && sessionKeyOf(parsed.data.conversation) === parsed.data.sessionKey) return parsed.data;
  throw new Corrupt('record-unreadable', 'A stored schedule cannot be read.', { cause: parsed.error });
}

/** The same for the order at every attempt of its turn. */
export function scheduleIdOf(turnId: TurnId, order: number): ScheduleId {
  const digest = createHash('sha256').update(`schedule\n${turnId}\n${order}`).digest('hex');
  return `sch_${digest.slice(0, 16)}` as ScheduleId;
}

/** Still to come, or held back. */
export function isOpen({ status }: Pick<Schedule, 'status'>): boolean {
  return status === 'active' || status === 'paused';
}

export function withRuns(schedule: Schedule, runs: readonly ScheduledRun[]): Schedule {
  return { ...schedule, runs: [...schedule.runs, ...runs].slice(-KEPT_RUNS) };
}
