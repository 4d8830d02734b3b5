// A session that somebody took to a computer of theirs. It is a mark in the head's record: no pack is written or read, and
// the generations stay. What is brought back is the next generation, if the files here are still those that were taken.
import { Corrupt } from '../core/errors.ts';
import type { Json } from '../core/messages.ts';
import type { Away } from '../core/ports/execution.ts';
import type { SessionHead } from '../core/records.ts';
import { encodeRecord, newest, parseRecord, type StateRecord } from './record.ts';

type State = Pick<SessionHead, 'state'>;

export function awayOf({ state }: State): Away | null {
  return parseRecord(state)?.away ?? null;
}

/** The same generation, known to be away. */
export function markedAway({ state }: State, away: Away): Json {
  return encodeRecord({ ...recordOf(state), away });
}

/** The same generation, no longer away. */
export function broughtBack(state: Json): Json {
  return encodeRecord(withoutMark(recordOf(state)));
}

/** The next generation, with the same files, of a session that goes on here although a copy is away. */
export function claimed({ generation, state }: State & Pick<SessionHead, 'generation'>) {
  const record = parseRecord(state);
  if (!record?.away) return null;
  const last = newest(record);
  const next = { ...last, generation: generation + 1 };
  const turns = new Map(record.turns);
  const mark = turns.get(last.generation);
  if (mark) turns.set(next.generation, mark);
  const history = [...record.history.slice(0, -1), next];
  return { generation: next.generation, state: encodeRecord({ ...withoutMark(record), history, turns }) };
}

/** What stands for the files of the newest generation: the same name, the same files. */
export function contentOf({ state }: State): string {
  return newest(recordOf(state)).content;
}

/** Whose the newest generation is; null where no turn made it. */
export function newestTurnOf({ state }: State): string | null {
  const record = recordOf(state);
  return record.turns?.get(newest(record).generation)?.id ?? null;
}

function withoutMark({ away: _, ...record }: StateRecord): StateRecord {
  return record;
}

function recordOf(state: Json | null): StateRecord {
  const record = parseRecord(state);
  if (record === null) throw new Corrupt('corrupt-state', "The session's head has no state.");
  return record;
}
