// The contract of every `ScheduleStore`: nothing is made twice, no change is lost to another, conversations are apart, and
// whoever waits for what is due learns of it.
import { describe, expect } from 'vitest';
import { Conflict, Refused } from '../../src/core/errors.ts';
import { turnIdOf } from '../../src/core/ids.ts';
import { turnRequest } from '../../src/core/messages.ts';
import type { ScheduleStore } from '../../src/core/ports/schedules.ts';
import { KEPT_AFTER_END_MS, type Schedule, scheduleIdOf } from '../../src/core/schedule.ts';
import { createOrderSchema, scheduleFrom } from '../../src/core/schedule-orders.ts';
import type { ManualClock } from '../clock.ts';
import { type Contract, cases, expectFailure, HOSTILE_IDS, needed, withFixture } from './contract.ts';

export interface SchedulesFixture {
  readonly schedules: ScheduleStore;
  readonly clock: ManualClock;
  /** Another over the same data, as a second process would open it; absent where there can be none. */
  reopen?(): Promise<ScheduleStore>;
  close(): Promise<void>;
}

export type SchedulesContract = Contract<SchedulesFixture>;

export function scheduleOf(nowMs: number, chat = 'c', at = 0, cron = '0 9 * * *', tenant = 'acme'): Schedule {
  const conversation = { tenant, channel: 'http', bot: 'main', chat, thread: null };
  const request = turnRequest({ conversation, dedupeId: 'm1', text: 'plan', receivedAtMs: nowMs });
  const order = createOrderSchema.parse({
    action: 'create',
    name: `plan ${at}`,
    text: 'say good morning',
    cron,
    timeZone: 'UTC',
  });
  return scheduleFrom(order, request, at, nowMs);
}

export function schedulesContract({ name, create, skip }: SchedulesContract): void {
  describe(`schedules: ${name}`, () => {
    const { it, finish } = cases(skip);

    it('what was added is listed as it is, oldest first, and adding it again changes nothing', () =>
      withFixture(create, async ({ schedules, clock }) => {
        const first = scheduleOf(clock.now());
        expect(await schedules.list(first.sessionKey)).toEqual([]);
        expect(await schedules.add(first)).toBe(true);
        await clock.advance(10);
        const second = scheduleOf(clock.now(), 'c', 1);
        expect(await schedules.add(second)).toBe(true);
        expect(await schedules.add({ ...first, text: 'other' })).toBe(false);
        expect(await schedules.list(first.sessionKey)).toEqual([first, second]);
      }));

    it('of changes over the same version exactly one goes through', () =>
      withFixture(create, async ({ schedules, clock, reopen }) => {
        const other = (await reopen?.()) ?? schedules;
        const schedule = scheduleOf(clock.now());
        await schedules.add(schedule);
        const outcomes = await Promise.allSettled(
          Array.from({ length: 8 }, (_, at) =>
            (at % 2 ? schedules : other).set({ ...schedule, name: `by ${at}` }),
          ),
        );
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
        for (const outcome of outcomes) {
          if (outcome.status === 'rejected')
            expect(outcome.reason).toMatchObject({ code: 'schedule-changed' });
        }
        const [now] = await schedules.list(schedule.sessionKey);
        expect(now).toMatchObject({ version: 2, name: expect.stringMatching(/^by \d$/) });
        await schedules.set({ ...now!, status: 'paused' });
        await expectFailure(schedules.set(schedule), Conflict, 'schedule-changed');
        const never = { ...schedule, id: scheduleIdOf(turnIdOf(schedule.sessionKey, 'x'), 9) };
        await expectFailure(schedules.set(never), Conflict, 'schedule-changed');
      }));

    it('what ended is gone after its time', () =>
      withFixture(create, async ({ schedules, clock }) => {
        const schedule = scheduleOf(clock.now());
        await schedules.add(schedule);
        const expiresAtMs = clock.now() + KEPT_AFTER_END_MS;
        await schedules.set({ ...schedule, status: 'cancelled', nextDueMs: null, expiresAtMs });
        expect(await schedules.list(schedule.sessionKey)).toHaveLength(1);
        await clock.advance(KEPT_AFTER_END_MS + 1_000);
        expect(await schedules.list(schedule.sessionKey)).toEqual([]);
      }));

    it('conversations are apart, whatever their ids hold, and one is erased alone, with its time zone', () =>
      withFixture(create, async ({ schedules, clock }) => {
        const chats = HOSTILE_IDS.filter((id) => id !== '' && id.length <= 256);
        const all = chats.map((chat) => scheduleOf(clock.now(), chat));
        for (const [at, one] of all.entries()) {
          await schedules.add(one);
          await schedules.setTimeZone(one.sessionKey, at % 2 ? 'Europe/Berlin' : 'Asia/Tokyo');
        }
        await schedules.erase(all[1]!.sessionKey);
        for (const [at, one] of all.entries()) {
          const isErased = at === 1;
          expect(await schedules.list(one.sessionKey)).toEqual(isErased ? [] : [one]);
          const zone = at % 2 ? 'Europe/Berlin' : 'Asia/Tokyo';
          expect(await schedules.timeZoneOf(one.sessionKey)).toBe(isErased ? null : zone);
        }
        await schedules.setTimeZone(all[0]!.sessionKey, null);
        expect(await schedules.timeZoneOf(all[0]!.sessionKey)).toBeNull();
      }));

    it('what is due is told by its time, the longest due first; what is held back or over is not', () =>
      withFixture(create, async ({ schedules, clock }) => {
        const due = needed(schedules.due);
        const [a, b, c] = ['a', 'b', 'c'].map((chat) => scheduleOf(clock.now(), chat)) as [
          Schedule,
          Schedule,
          Schedule,
        ];
        await schedules.add({ ...a, nextDueMs: clock.now() + 2_000 });
        await schedules.add({ ...b, nextDueMs: clock.now() + 1_000 });
        await schedules.add({ ...c, nextDueMs: clock.now() + 500, status: 'paused' });
        expect(await due.list(clock.now(), 10)).toEqual([]);
        const chats = async (limit: number) =>
          (await due.list(clock.now() + 5_000, limit)).map(({ conversation }) => conversation.chat);
        expect(await chats(10)).toEqual(['b', 'a']);
        expect(await chats(1)).toEqual(['b']);
      }));

    it('whoever waits wakes at the due time, and when a nearer one is made', () =>
      withFixture(create, async ({ schedules, clock, reopen }) => {
        const due = needed(schedules.due);
        const other = (await reopen?.()) ?? schedules;
        const { signal } = new AbortController();
        const first = due.wait(signal);
        await other.add({ ...scheduleOf(clock.now()), nextDueMs: clock.now() + 90_000 });
        await clock.advance(1_000);
        await first;
        let isAwake = false;
        const second = due.wait(signal).then(() => {
          isAwake = true;
        });
        await clock.advance(60_000);
        expect(isAwake).toBe(false);
        await clock.advance(30_000);
        await second;
        expect(await due.list(clock.now(), 10)).toHaveLength(1);
        const ended = new AbortController();
        const third = due.wait(ended.signal);
        ended.abort();
        await third;
      }));

    it('once closed it refuses', () =>
      withFixture(create, async ({ schedules, clock }) => {
        const schedule = scheduleOf(clock.now());
        await schedules.add(schedule);
        await schedules.close();
        await expectFailure(schedules.add(schedule), Refused, 'store-closed');
        await expectFailure(schedules.list(schedule.sessionKey), Refused, 'store-closed');
      }));

    finish();
  });
}
