// The one place where text is cut to a length: between grapheme clusters, what a person sees as one character, so
// that no emoji, accent or flag is torn and no half of a surrogate pair is left. Lengths are UTF-16 code units, as
// chat platforms count. A cluster longer than the whole length is cut between code points: nothing else fits.

const clusters = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** The first `max` units of a text at most. `mark` (such as `…`) is put where something was left out, and counts. */
export function cutText(text: string, max: number, mark = ''): string {
  if (text.length <= max) return text;
  const room = Math.max(max - mark.length, 0);
  return `${text.slice(0, boundaryBefore(text, room) || codePointBefore(text, room)).trimEnd()}${mark}`;
}

/** The last `max` units of a text at most: the end of a log, of a growing answer. */
export function cutTextStart(text: string, max: number): string {
  if (text.length <= max) return text;
  const from = text.length - max;
  const cluster = clusters.segment(text).containing(from);
  if (!cluster || cluster.index === from) return text.slice(from);
  const next = cluster.index + cluster.segment.length;
  return text.slice(next < text.length ? next : codePointBefore(text, from + 1));
}

/** One line: every run of white space is a blank, and the whole is at most `max` units. */
export function oneLine(text: string, max: number): string {
  return cutText(text.replace(/\s+/g, ' ').trim(), max, '…');
}

/** The last boundary between clusters at or before `at`; 0 when the first cluster reaches beyond it. */
export function boundaryBefore(text: string, at: number): number {
  if (at <= 0 || at >= text.length) return Math.min(Math.max(at, 0), text.length);
  // What comes later decides nothing; a long text is not looked through.
  return clusters.segment(text.slice(0, at + 2)).containing(at)?.index ?? at;
}

function codePointBefore(text: string, at: number): number {
  const after = text.charCodeAt(at);
  const before = text.charCodeAt(at - 1);
  return after >= 0xdc00 && after <= 0xdfff && before >= 0xd800 && before <= 0xdbff ? at - 1 : at;
}

/** The boundaries between clusters after `from` (which is one) up to `to`, in order. */
export function boundariesIn(text: string, from: number, to: number): readonly number[] {
  const found: number[] = [];
  for (const { index } of clusters.segment(text.slice(from, to + 2))) {
    if (index > 0 && from + index <= to) found.push(from + index);
  }
  return found;
}
