// Due times by the clocks of a place: days of 23 and 25 hours, what cannot be read, what comes too often.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cronAt, nextDueMs, offsetMinutes, onceAt, type When } from '../../src/core/schedule-times.ts';

const at = (time: string) => Date.parse(time);
const cron = (pattern: string, timeZone: string): When => ({ kind: 'cron', cron: pattern, timeZone });

function dueTimes(when: When, after: string, count: number): string[] {
  const times: string[] = [];
  let next: number | null = at(after);
  while (times.length < count && next !== null) {
    next = nextDueMs(when, next);
    if (next !== null) times.push(new Date(next).toISOString().slice(0, 16));
  }
  return times;
}

describe('days on which the clocks change', () => {
  test.each([
    [
      'every day, on the day before, of and after spring',
      '0 9 * * *',
      'Europe/Berlin',
      '2026-03-28T00:00Z',
      ['2026-03-28T08:00', '2026-03-29T07:00', '2026-03-30T07:00'],
    ],
    [
      'a time that the clocks jump over comes as much later',
      '30 2 * * *',
      'Europe/Berlin',
      '2026-03-28T12:00Z',
      ['2026-03-29T01:30', '2026-03-30T00:30'],
    ],
    [
      'a time that comes twice is due once',
      '30 2 * * *',
      'Europe/Berlin',
      '2026-10-24T12:00Z',
      ['2026-10-25T00:30', '2026-10-26T01:30'],
    ],
    [
      'every hour stays every hour in autumn',
      '0 * * * *',
      'Europe/Berlin',
      '2026-10-24T23:30Z',
      ['2026-10-25T00:00', '2026-10-25T01:00', '2026-10-25T02:00', '2026-10-25T03:00'],
    ],
    [
      'every hour stays every hour in spring',
      '0 * * * *',
      'Europe/Berlin',
      '2026-03-28T23:30Z',
      ['2026-03-29T00:00', '2026-03-29T01:00', '2026-03-29T02:00'],
    ],
    [
      'clocks that change by half an hour',
      '15 * * * *',
      'Australia/Lord_Howe',
      '2026-04-04T13:30Z',
      ['2026-04-04T14:15', '2026-04-04T15:45', '2026-04-04T16:45'],
    ],
    [
      'a zone without changes',
      '0 9 * * 1',
      'Asia/Tokyo',
      '2026-03-28T00:00Z',
      ['2026-03-30T00:00', '2026-04-06T00:00'],
    ],
    [
      'midnight that does not exist',
      '0 0 * * *',
      'America/Havana',
      '2026-03-07T06:00Z',
      ['2026-03-08T05:00', '2026-03-09T04:00'],
    ],
    [
      'the last day of the month',
      '0 12 L * *',
      'UTC',
      '2026-02-01T00:00Z',
      ['2026-02-28T12:00', '2026-03-31T12:00'],
    ],
  ])('%s', (_title, pattern, timeZone, after, expected) => {
    expect(dueTimes(cron(pattern, timeZone), after, expected.length)).toEqual(expected);
  });

  const zones = [
    'Europe/Berlin',
    'America/New_York',
    'Asia/Kolkata',
    'Africa/Casablanca',
    'Pacific/Chatham',
    'UTC',
  ];
  test('whatever the day, what is due every hour comes every hour, and time only goes on', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.integer({ min: 0, max: 59 }),
        fc.integer({ min: at('2026-01-01T00:00Z'), max: at('2027-12-31T00:00Z') }),
        (timeZone, minute, fromMs) => {
          const next = nextDueMs(cron(`${minute} * * * *`, timeZone), fromMs) as number;
          expect(next).toBeGreaterThan(fromMs);
          expect(next - fromMs).toBeLessThanOrEqual(3_600_000);
          const local = new Date(next + offsetMinutes(timeZone, next) * 60_000);
          expect(local.getUTCMinutes()).toBe(minute);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('what people and agents may write', () => {
  const now = at('2026-10-24T12:00Z');
  test.each([
    ['2026-10-25T09:00', 'Europe/Berlin', '2026-10-25T08:00'],
    ['2026-10-25 09:00', 'Europe/Berlin', '2026-10-25T08:00'],
    ['2026-10-25T02:30', 'Europe/Berlin', '2026-10-25T00:30'],
    ['2027-03-28T02:30', 'Europe/Berlin', '2027-03-28T01:30'],
    ['2026-10-25T09:00:00Z', 'Europe/Berlin', '2026-10-25T09:00'],
    ['2026-10-25T09:00+05:30', 'Europe/Berlin', '2026-10-25T03:30'],
  ])('%s in %s', (time, timeZone, expected) => {
    const when = onceAt(time, timeZone, now);
    expect(nextDueMs(when, now)).toBe(at(`${expected}Z`));
    expect(nextDueMs(when, at(`${expected}Z`))).toBeNull();
  });

  test.each(['2026-10-24T11:00Z', 'tomorrow', '', '2026-13-45T09:00', '2030-01-01T00:00'])(
    'a time such as "%s" is refused with what to write instead',
    (time) => {
      expect(() => onceAt(time, 'UTC', now)).toThrow(
        expect.objectContaining({
          code: 'bad-schedule-time',
          advice: expect.stringContaining('2026-12-01T09:00'),
        }),
      );
    },
  );

  test.each([
    '* * * * *',
    '*/2 * * * *',
    '0 9 * *',
    '0 9 * * * *',
    '@daily',
    '? 9 * * *',
    '61 * * * *',
    '0 0 31 2 *',
    'x y z a b',
    '0,2 9 * * 1',
  ])('a pattern such as "%s" is refused', (pattern) => {
    expect(() => cronAt(pattern, 'UTC', now)).toThrow(expect.objectContaining({ code: 'bad-schedule-time' }));
  });

  test('patterns are read with any spaces; zones by their names only', () => {
    expect(cronAt('  0   9 * * 1-5 ', 'Europe/Berlin', now)).toEqual(cron('0 9 * * 1-5', 'Europe/Berlin'));
    expect(cronAt('*/5 * * * *', 'UTC', now)).toMatchObject({ cron: '*/5 * * * *' });
    expect(() => cronAt('0 9 * * *', 'Mars/Olympus', now)).toThrow(
      expect.objectContaining({ code: 'bad-time-zone' }),
    );
  });
});
