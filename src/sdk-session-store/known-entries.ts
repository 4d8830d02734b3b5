// What one transcript already holds, so that an entry sent twice is kept once. An entry with a uuid is known by it.
// One without (a title, a tag) is dropped only as part of a repeat: it has to stand, unchanged, at the place beside a
// known entry where it already stands in the transcript. A batch without any uuid is always kept, as the SDK asks.
import { hash } from 'node:crypto';
import { Invalid } from '../core/errors.ts';

/** One entry as a line of the transcript. */
export interface Line {
  readonly uuid: string | null;
  readonly json: string;
}

export interface KnownEntries {
  readonly size: number;
  add(line: Line): void;
  /** Those of the batch that are new, in order; they are known from now on. */
  takeNew(batch: readonly Line[]): readonly Line[];
}

export function lineOf(entry: unknown): Line {
  const json: unknown = entry !== null && typeof entry === 'object' ? JSON.stringify(entry) : undefined;
  if (typeof json !== 'string') throw new Invalid('bad-entry', 'A transcript entry has to be a JSON object.');
  return { uuid: uuidOf(entry), json };
}

export function uuidOf(entry: unknown): string | null {
  const { uuid } = entry as { uuid?: unknown };
  return typeof uuid === 'string' && uuid !== '' ? uuid : null;
}

const NONE: readonly string[] = [];
const digest = (line: Line): string => hash('sha256', line.json, 'base64url').slice(0, 22);

export function createKnownEntries(): KnownEntries {
  /** Of each uuid, the entries without one that follow it, as digests. `''` is the transcript's beginning. */
  const followers = new Map<string, readonly string[]>();
  /** The uuid before this one, where entries without a uuid stand between the two. */
  const before = new Map<string, string>();
  let last = '';

  function add(line: Line): void {
    const run = followers.get(last) ?? NONE;
    if (line.uuid === null) {
      followers.set(last, [...run, digest(line)]);
      return;
    }
    if (run.length > 0) before.set(line.uuid, last);
    last = line.uuid;
    if (!followers.has(last)) followers.set(last, NONE);
  }

  /** True when the entries without uuid that lead the batch stand before its first, known one already. */
  function leadsRepeat(batch: readonly Line[], lead: number): boolean {
    const first = batch[lead]?.uuid;
    if (!first || !followers.has(first)) return false;
    const place = before.get(first);
    const run = (place === undefined ? NONE : (followers.get(place) ?? NONE)).slice(-lead);
    return run.length === lead && run.every((known, i) => known === digest(batch[i]!));
  }

  return {
    get size() {
      return followers.size;
    },
    add,
    takeNew(batch) {
      const found = batch.findIndex((line) => line.uuid !== null);
      const lead = found === -1 ? batch.length : found;
      const fresh: Line[] = lead > 0 && !leadsRepeat(batch, lead) ? batch.slice(0, lead) : [];
      /** What follows the known entry just passed; null behind a new one. */
      let expected: readonly string[] | null = null;
      let at = 0;
      const news: Line[] = [];
      const seen = new Set<string>();
      for (const line of batch.slice(lead)) {
        if (line.uuid !== null) {
          const known = followers.get(line.uuid);
          expected = known ?? null;
          at = 0;
          if (known !== undefined || seen.has(line.uuid)) continue;
          seen.add(line.uuid);
          news.push(line);
        } else if (expected?.[at] === digest(line)) at++;
        else {
          expected = null;
          news.push(line);
        }
      }
      fresh.push(...news);
      for (const line of fresh) add(line);
      return fresh;
    },
  };
}
