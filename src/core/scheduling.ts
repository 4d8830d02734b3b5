// What is done with schedules: made and changed by orders, and turned into messages of their conversation when they are due.
// A wake-up's id is made of its schedule's and its due time, so however often it is fired it is one turn (ONCE-IN). The message
// is in the queue before the schedule is moved on: cut off in between, it is fired again and found.
import { type AcceptDeps, acceptAndQueue } from './accept.ts';
import { dueRuns } from './due-runs.ts';
import { Conflict, Gone, Refused } from './errors.ts';
import { conversationOf, type SessionKey, tenantOf, turnIdOf } from './ids.ts';
import type { Log } from './log.ts';
import { type TurnRequest, turnRequest, writtenIn } from './messages.ts';
import type { Clock } from './ports/clock.ts';
import type { ScheduleStore, ScheduleTimer } from './ports/schedules.ts';
import type { SessionStore } from './ports/store.ts';
import { isCommitted } from './records.ts';
import {
  isOpen,
  KEPT_AFTER_END_MS,
  type Schedule,
  type ScheduledRun,
  type ScheduleId,
  withRuns,
} from './schedule.ts';
import { type PlacedOrder, scheduleFrom } from './schedule-orders.ts';
import { checkTimeZone, nextDueMs, timeText } from './schedule-times.ts';
import { NotServed } from './standing.ts';

export interface SchedulingDeps {
  readonly schedules: ScheduleStore;
  readonly store: AcceptDeps['store'] & Pick<SessionStore, 'getTurn'>;
  readonly queue: AcceptDeps['queue'];
  readonly retentionSec: number;
  readonly retentionOf?: AcceptDeps['retentionOf'];
  readonly standing?: AcceptDeps['standing'];
  readonly clock: Clock;
  readonly log: Log;
  /** Where a chat has chosen none. */
  readonly timeZone: string;
}

export type ScheduleAction = 'pause' | 'resume' | 'cancel';

export interface Scheduling {
  list(key: SessionKey): Promise<readonly Schedule[]>;
  timeZoneOf(key: SessionKey): Promise<string>;
  /** null: none. */
  chosenTimeZone(key: SessionKey): Promise<string | null>;
  /** null: the installation's. Invalid('bad-time-zone') */
  setTimeZone(key: SessionKey, timeZone: string | null): Promise<void>;
  /** Of a committed turn; may be repeated. */
  apply(request: TurnRequest, orders: readonly PlacedOrder[]): Promise<void>;
  /** Gone('unknown-schedule') */
  act(key: SessionKey, id: ScheduleId, action: ScheduleAction): Promise<Schedule>;
  /** Wakes once, besides its times, whatever its gate says. The same `token` is the same wake-up. */
  runNow(key: SessionKey, id: ScheduleId, token: string): Promise<void>;
  /** The conversation goes on under another key; may be repeated. */
  move(from: SessionKey, to: SessionKey): Promise<void>;
  /** Makes turns of what is due, and moves the schedule on. */
  fire(schedule: Schedule): Promise<void>;
  /** Fires what is due by this timer. Says in how many milliseconds it is due when the timer rang early, else null. */
  fireDue(timer: ScheduleTimer): Promise<number | null>;
}

/** A change that meets another one is made anew over what is there then. */
const CHANGE_TRIES = 5;

export function createScheduling(deps: SchedulingDeps): Scheduling {
  const { schedules, store, clock, log } = deps;
  const accepting: AcceptDeps = {
    store,
    queue: deps.queue,
    retentionSec: deps.retentionSec,
    ...(deps.retentionOf && { retentionOf: deps.retentionOf }),
    ...(deps.standing && { standing: deps.standing }),
  };

  async function find(key: SessionKey, id: ScheduleId): Promise<Schedule> {
    const found = (await schedules.list(key)).find((one) => one.id === id);
    if (found) return found;
    throw new Gone('unknown-schedule', 'There is no such schedule.', {
      advice: 'List the schedules of this chat: it may have ended long ago.',
    });
  }

  async function change(
    key: SessionKey,
    id: ScheduleId,
    to: (schedule: Schedule) => Schedule,
  ): Promise<Schedule> {
    for (let tries = 1; ; tries++) {
      const before = await find(key, id);
      const after = to(before);
      if (after === before) return before;
      try {
        await schedules.set(after);
        return after;
      } catch (error) {
        if (!(error instanceof Conflict) || tries >= CHANGE_TRIES) throw error;
      }
    }
  }

  function requestOf(schedule: Schedule, due: string, context: WakeUp): TurnRequest {
    return turnRequest({
      conversation: schedule.conversation,
      dedupeId: wakeUpId(schedule, due),
      kind: 'wake',
      text: schedule.text,
      sender: schedule.sender,
      replyTarget: schedule.replyTarget,
      receivedAtMs: clock.now(),
      context: { wakeUp: context },
    });
  }

  async function wake(schedule: Schedule, dueMs: number, missed: number): Promise<ScheduledRun> {
    const run = { dueMs, times: 1 } as const;
    const context = {
      name: schedule.name,
      due: timeText(dueMs, schedule.timeZone),
      missed,
      ...(schedule.gate !== null && { gate: schedule.gate }),
    };
    const request = requestOf(schedule, String(dueMs), context);
    try {
      await acceptAndQueue(accepting, request);
      return { ...run, outcome: 'woken', turnId: request.turnId };
    } catch (error) {
      if (error instanceof NotServed) return { ...run, outcome: 'not-served', turnId: null };
      throw error;
    }
  }

  /** The turn of the run before is not answered yet. */
  async function isOverlapped(schedule: Schedule, dueMs: number): Promise<boolean> {
    if (schedule.overlap === 'queue' || schedule.when.kind === 'once') return false;
    const last = schedule.runs.findLast(({ turnId }) => turnId !== null);
    if (!last?.turnId || last.dueMs === dueMs) return false;
    const tenant = tenantOf(schedule.sessionKey);
    // One that was fired before a crash is no other.
    const own = turnIdOf(schedule.sessionKey, wakeUpId(schedule, String(dueMs)));
    if (await store.getTurn(tenant, own)) return false;
    const turn = await store.getTurn(tenant, last.turnId as TurnRequest['turnId']);
    return turn !== null && !isCommitted(turn);
  }

  return {
    list: (key) => schedules.list(key),
    timeZoneOf: async (key) => (await schedules.timeZoneOf(key)) ?? deps.timeZone,
    chosenTimeZone: (key) => schedules.timeZoneOf(key),
    async setTimeZone(key, timeZone) {
      await schedules.setTimeZone(key, timeZone === null ? null : checkTimeZone(timeZone));
    },
    async apply(request, orders) {
      for (const [at, order] of orders) {
        if (order.action === 'create') {
          await schedules.add(scheduleFrom(order, request, at, clock.now()));
        } else await this.act(writtenIn(request), order.id as ScheduleId, order.action).catch(unlessGone);
      }
    },
    act: (key, id, action) => change(key, id, (schedule) => acted(schedule, action, clock.now())),
    async runNow(key, id, token) {
      const schedule = await find(key, id);
      const nowMs = clock.now();
      const context = { name: schedule.name, due: timeText(nowMs, schedule.timeZone), missed: 0 };
      const request = requestOf(schedule, `now/${token}`, context);
      await acceptAndQueue(accepting, request);
      const { turnId } = request;
      await change(key, id, (now) =>
        now.runs.some((run) => run.turnId === turnId)
          ? now
          : withRuns(now, [{ dueMs: nowMs, outcome: 'woken', turnId, times: 1 }]),
      );
    },
    async move(from, to) {
      const conversation = conversationOf(to);
      for (const schedule of await schedules.list(from)) {
        await schedules.add({ ...schedule, sessionKey: to, conversation, version: 1 });
      }
      const timeZone = await schedules.timeZoneOf(from);
      if (timeZone !== null) await schedules.setTimeZone(to, timeZone);
      await schedules.erase(from);
    },
    async fire(schedule) {
      const nowMs = clock.now();
      const { wake: due, passedOver, nextDueMs: next } = dueRuns(schedule, nowMs);
      const runs: ScheduledRun[] = [...passedOver];
      let untold = schedule.untold + passedOver.reduce((sum, { times }) => sum + times, 0);
      const overlaps = due[0] !== undefined && (await isOverlapped(schedule, due[0]));
      for (const dueMs of due) {
        if (overlaps) {
          runs.push({ dueMs, outcome: 'overlapped', turnId: null, times: 1 });
          untold += 1;
          continue;
        }
        const run = await wake(schedule, dueMs, untold);
        runs.push(run);
        if (run.outcome === 'woken') untold = 0;
      }
      const moved = { ...withRuns(schedule, runs), nextDueMs: next, untold };
      try {
        await schedules.set(next === null ? ended(moved, 'ended', nowMs) : moved);
      } catch (error) {
        // Somebody changed it meanwhile: what is due then is found, and its turn is there already.
        if (!(error instanceof Conflict)) throw error;
      }
      for (const { outcome, times } of runs) {
        const level = outcome === 'woken' ? 'info' : 'warn';
        log(level, 'schedule-due', {
          schedule: schedule.id,
          outcome,
          times,
          lateMs: nowMs - (due[0] ?? nowMs),
        });
      }
    },
    async fireDue(timer) {
      for (let tries = 1; tries <= CHANGE_TRIES; tries++) {
        const found = (await schedules.list(timer.sessionKey)).find(({ id }) => id === timer.id);
        if (found?.nextDueMs !== timer.dueMs) {
          await schedules.rang?.(timer);
          return null;
        }
        // Held back: whoever resumes it sets the timer again.
        if (found.status !== 'active') return null;
        const earlyMs = timer.dueMs - clock.now();
        if (earlyMs > 0) return earlyMs;
        await this.fire(found);
      }
      throw scheduleBusy();
    },
  };
}

function scheduleBusy(): Refused {
  return new Refused('contended', 'A schedule that is due was changed again and again.', {
    retryAfterMs: 1_000,
  });
}

interface WakeUp {
  readonly gate?: string;
  readonly name: string;
  readonly due: string;
  readonly missed: number;
}

/** Which schedule woke this turn; null when none did. */
export function scheduleOfWakeUp({
  kind,
  dedupeId,
}: Pick<TurnRequest, 'kind' | 'dedupeId'>): ScheduleId | null {
  const [, id] = /^schedule\/(sch_[0-9a-f]{16})\//.exec(dedupeId) ?? [];
  return kind === 'wake' && id !== undefined ? (id as ScheduleId) : null;
}

function wakeUpId({ id }: Schedule, due: string): string {
  return `schedule/${id}/${due}`;
}

function acted(schedule: Schedule, action: ScheduleAction, nowMs: number): Schedule {
  if (!isOpen(schedule)) return schedule;
  switch (action) {
    case 'pause':
      return schedule.status === 'paused' ? schedule : { ...schedule, status: 'paused' };
    case 'resume': {
      if (schedule.status === 'active') return schedule;
      // What passed while it was held back was not missed: that is what holding back is for.
      const next = schedule.when.kind === 'cron' ? nextDueMs(schedule.when, nowMs) : schedule.nextDueMs;
      return { ...schedule, status: 'active', nextDueMs: next };
    }
    case 'cancel':
      return ended(schedule, 'cancelled', nowMs);
  }
}

function ended(schedule: Schedule, status: 'ended' | 'cancelled', nowMs: number): Schedule {
  return { ...schedule, status, nextDueMs: null, expiresAtMs: nowMs + KEPT_AFTER_END_MS };
}

function unlessGone(error: unknown): void {
  if (!(error instanceof Gone)) throw error;
}
