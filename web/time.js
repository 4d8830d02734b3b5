// Times as people say them.

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** "now", "5 min", "14:05", "Tue", "3 Mar", "3 Mar 2024". @param {string} iso @param {number} [nowMs] */
export function briefTime(iso, nowMs = Date.now()) {
  const then = new Date(iso);
  const ageMs = nowMs - then.getTime();
  if (Number.isNaN(ageMs)) return '';
  if (ageMs < MINUTE_MS) return 'now';
  if (ageMs < 60 * MINUTE_MS) return `${Math.floor(ageMs / MINUTE_MS)} min`;
  const days = daysBetween(then, new Date(nowMs));
  if (days === 0) return format(then, { hour: '2-digit', minute: '2-digit' });
  if (days < 7) return format(then, { weekday: 'short' });
  const sameYear = then.getFullYear() === new Date(nowMs).getFullYear();
  return format(then, { day: 'numeric', month: 'short', ...(sameYear ? {} : { year: 'numeric' }) });
}

/** "14:05:10". @param {number} ms */
export function clockTime(ms) {
  return format(new Date(ms), { timeStyle: 'medium' });
}

/** The whole date and time, for tooltips. @param {string} iso */
export function fullTime(iso) {
  return format(new Date(iso), { dateStyle: 'full', timeStyle: 'short' });
}

/** Which part of the past a chat belongs to. @param {string} iso @param {number} [nowMs] */
export function period(iso, nowMs = Date.now()) {
  const days = daysBetween(new Date(iso), new Date(nowMs));
  if (days <= 0) return 'Today';
  if (days === 1) return 'Yesterday';
  return days < 7 ? 'Past week' : days < 31 ? 'Past month' : 'Older';
}

/** Calendar days, not spans of 24 hours. @param {Date} earlier @param {Date} later */
function daysBetween(earlier, later) {
  const midnight = (/** @type {Date} */ day) => Date.UTC(day.getFullYear(), day.getMonth(), day.getDate());
  return Math.round((midnight(later) - midnight(earlier)) / DAY_MS);
}

/** @param {Date} date @param {Intl.DateTimeFormatOptions} options */
function format(date, options) {
  return Number.isNaN(date.getTime()) ? '' : new Intl.DateTimeFormat('en-GB', options).format(date);
}
