// When a schedule is due. Cron patterns are read in a time zone, by `croner`, and days with 23 or 25 hours count as people
// expect: a time that the clock jumps over comes as much later as it jumped, a time that comes twice is due once, and
// what is due every hour stays due every hour.
import { Cron } from 'croner';
import { Invalid } from './errors.ts';

export type When =
  | { readonly kind: 'once'; readonly atMs: number }
  /** Five fields: minute, hour, day of month, month, day of week. `timeZone`: an IANA name. */
  | { readonly kind: 'cron'; readonly cron: string; readonly timeZone: string };

/** Nothing is due more often: each time is a turn of the agent, and is paid for. */
export const MIN_INTERVAL_MS = 5 * 60_000;
const MIN_INTERVAL_MIN = MIN_INTERVAL_MS / 60_000;

const FIVE_FIELDS = /^[^\s?@]+(?: [^\s?@]+){4}$/;
const EVERY_HOUR = /^\S+ \*(?:\/1)? /;

/** The first due time after `afterMs`; null when none comes. */
export function nextDueMs(when: When, afterMs: number): number | null {
  if (when.kind === 'once') return when.atMs > afterMs ? when.atMs : null;
  const { cron, timeZone } = when;
  const next = runAfter(cron, { timezone: timeZone }, afterMs);
  if (next === null || !EVERY_HOUR.test(cron)) return next;
  // The hour that comes twice has two due times here: by the clock of each side of the change.
  const offsets = new Set([afterMs, afterMs + DAY_MS].map((at) => offsetMinutes(timeZone, at)));
  const candidates = [...offsets].flatMap((utcOffset) => runAfter(cron, { utcOffset }, afterMs) ?? []);
  const real = candidates.filter(
    (at) => runAfter(cron, { utcOffset: offsetMinutes(timeZone, at) }, at - 1_000) === at,
  );
  return Math.min(next, ...real);
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function runAfter(
  cron: string,
  zone: { readonly timezone: string } | { readonly utcOffset: number },
  afterMs: number,
) {
  return patternOf(cron, zone).nextRun(new Date(afterMs))?.getTime() ?? null;
}

/** Patterns and zones that were read before: both take longer to read than to ask. */
const MAX_REMEMBERED = 200;
const patterns = new Map<string, Cron>();
const clocks = new Map<string, Intl.DateTimeFormat>();

function remembered<T>(known: Map<string, T>, name: string, make: () => T): T {
  const before = known.get(name);
  if (before !== undefined) return before;
  if (known.size >= MAX_REMEMBERED) known.clear();
  const made = make();
  known.set(name, made);
  return made;
}

function patternOf(cron: string, zone: object): Cron {
  return remembered(
    patterns,
    JSON.stringify([cron, zone]),
    () => new Cron(cron, { ...zone, mode: '5-part', paused: true }),
  );
}

/** Minutes that the clocks of a zone are ahead of UTC. */
export function offsetMinutes(timeZone: string, atMs: number): number {
  const clock = remembered(
    clocks,
    timeZone,
    () => new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' }),
  );
  const parts = clock.formatToParts(atMs);
  const name = parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const [, sign, hours = '0', minutes = '0'] = /GMT([+-])(\d+):(\d+)/.exec(name) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}

/** The name as the system knows it; Invalid('bad-time-zone'). */
export function checkTimeZone(name: string): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch (cause) {
    throw new Invalid('bad-time-zone', 'This is not the name of a time zone.', {
      cause,
      advice: 'Name it as in "Europe/Madrid" or "UTC".',
    });
  }
}

/** Invalid('bad-schedule-time') for a pattern that cannot be read, is never due, or is due too often. */
export function cronAt(cron: string, timeZone: string, nowMs: number): When {
  const pattern = cron.trim().replace(/\s+/g, ' ');
  const when = { kind: 'cron', cron: pattern, timeZone: checkTimeZone(timeZone) } as const;
  try {
    if (!FIVE_FIELDS.test(pattern)) throw new Error('five fields are needed');
    patternOf(pattern, { timezone: when.timeZone });
  } catch (cause) {
    throw badTime('This cron pattern cannot be read.', cause);
  }
  if (nextDueMs(when, nowMs) === null) throw badTime('This cron pattern is never due.');
  const minutes = minutesOf(pattern);
  if (minutes.some((minute, at) => minute - (minutes[at - 1] ?? -MIN_INTERVAL_MIN) < MIN_INTERVAL_MIN)) {
    throw badTime(`This cron pattern is due more often than every ${MIN_INTERVAL_MIN} minutes.`);
  }
  return when;
}

/** The minutes of an hour in which a pattern is due. */
function minutesOf(pattern: string): number[] {
  const everyHour = patternOf(`${pattern.split(' ')[0]} * * * *`, { utcOffset: 0 });
  const minutes: number[] = [];
  for (
    let run = everyHour.nextRun(new Date(-1));
    run && run.getTime() < HOUR_MS;
    run = everyHour.nextRun(run)
  ) {
    minutes.push(run.getUTCMinutes());
  }
  return minutes;
}

/** `2026-12-01T09:00` by the clocks of the zone, or a time with its offset. Invalid('bad-schedule-time') */
export function onceAt(time: string, timeZone: string, nowMs: number): When {
  const atMs = timeMs(time.trim(), checkTimeZone(timeZone));
  if (atMs === null || Number.isNaN(atMs)) throw badTime('This time cannot be read.');
  if (atMs <= nowMs) throw badTime('This time has passed.');
  if (atMs - nowMs > MAX_AHEAD_MS) throw badTime('This time is more than two years ahead.');
  return { kind: 'once', atMs };
}

const MAX_AHEAD_MS = 2 * 366 * DAY_MS;

function timeMs(time: string, timeZone: string): number | null {
  if (/(?:Z|[+-]\d\d:?\d\d)$/i.test(time)) return Date.parse(time);
  if (!/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?$/.test(time)) return null;
  const utcMs = Date.parse(`${time.replace(' ', 'T')}Z`);
  if (Number.isNaN(utcMs)) return null;
  // By the offset that holds then; a time that comes twice is the first of the two, one that is jumped over comes later.
  const earlier = offsetMinutes(timeZone, utcMs - DAY_MS) * 60_000;
  const later = offsetMinutes(timeZone, utcMs + DAY_MS) * 60_000;
  const fits = [earlier, later].filter(
    (offset) => offsetMinutes(timeZone, utcMs - offset) * 60_000 === offset,
  );
  return utcMs - (fits[0] ?? earlier);
}

function badTime(message: string, cause?: unknown): Invalid {
  return new Invalid('bad-schedule-time', message, {
    ...(cause !== undefined && { cause }),
    advice:
      'Give a time as 2026-12-01T09:00, or a cron pattern of five fields (minute, hour, day of month, month, day of week) such as "0 9 * * 1-5".',
  });
}

/** As people read it: `Tue 1 Dec 2026, 09:00 (Europe/Berlin)`. */
export function timeText(atMs: number, timeZone: string): string {
  const text = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
  }).format(atMs);
  return `${text} (${timeZone})`;
}
