// Going back and forth in a session's kept generations, and a second session that begins where one stands. All of it is a
// change of the record in the head: no file is read, no pack is written.
import { Corrupt } from '../core/errors.ts';
import type { Json } from '../core/messages.ts';
import type { BranchedState, TimelineStep, TurnMark } from '../core/ports/execution.ts';
import type { SessionHead } from '../core/records.ts';
import {
  encodeRecord,
  keptGenerations,
  newest,
  ownerOfPack,
  parseRecord,
  type StateRecord,
  type StateScope,
  type StoredGeneration,
  trimmed,
} from './record.ts';

/** The content of a session in which nothing was said yet, or all of it was undone. */
const BLANK = 'blank';

type Head = Pick<SessionHead, 'generation' | 'state'>;

/** True when the head stands for no files, although generations came before it. */
export function isBlank(head: Pick<SessionHead, 'state'>): boolean {
  const record = parseRecord(head.state);
  return record !== null && newest(record).packs.length === 0;
}

/** The turns that can be undone, the newest first. One before which something was saved by no turn is the last. */
export function undoable(head: Pick<SessionHead, 'state'>): readonly TurnMark[] {
  const record = parseRecord(head.state);
  if (record === null) return [];
  const marks: TurnMark[] = [];
  for (let at = record.history.length - 1; at >= 0; at--) {
    const mark = record.turns?.get(record.history[at]!.generation);
    if (mark === undefined || (at === 0 && !record.whole)) break;
    marks.push(mark);
  }
  return marks;
}

/** The turns that a redo brings back, the newest first. */
export function redoable(head: Pick<SessionHead, 'state'>): readonly TurnMark[] {
  const record = parseRecord(head.state);
  const [, ...turns] = record?.undone?.at(-1) ?? [];
  return turns.flatMap(({ generation }) => record?.turns?.get(generation) ?? []).reverse();
}

/** The next generation, with the files of before the last `turns` turns; null when not so many can be undone. */
export function undone(head: Head, turns: number): TimelineStep | null {
  const marks = undoable(head);
  if (turns < 1 || turns > marks.length) return null;
  const record = parseRecord(head.state)!;
  const generation = head.generation + 1;
  const at = record.history.length - 1 - turns;
  const target = record.history[at] ?? { generation: 0, content: BLANK, packs: [] };
  const left = record.history.slice(at + 1);
  const history = [...record.history.slice(0, Math.max(0, at)), { ...target, generation }];
  const next = trimmed(record, history, [...(record.undone ?? []), [target, ...left]]);
  const asOf = record.turns?.get(target.generation) ?? null;
  return stepTo(
    { ...next, turns: marked(record, generation, asOf) },
    generation,
    marks.slice(0, turns),
    asOf,
  );
}

/** The next generation, with the files of before the last undo; null when there is nothing to redo. */
export function redone(head: Head): TimelineStep | null {
  const record = parseRecord(head.state);
  const batch = record?.undone?.at(-1);
  if (!record || !batch) return null;
  const generation = head.generation + 1;
  const again = redoable(head);
  const before = batch[0]!.packs.length === 0 ? batch.slice(1) : batch;
  const last = before.at(-1)!;
  const history = [...record.history.slice(0, -1), ...before.slice(0, -1), { ...last, generation }];
  const next = trimmed(record, history, record.undone!.slice(0, -1));
  const asOf = record.turns?.get(last.generation) ?? null;
  return stepTo({ ...next, turns: marked(record, generation, asOf) }, generation, again, asOf);
}

/** Two sessions out of one, both at the next generation: itself, and one in `sessionId` that needs packs of it. */
export function branched(head: StateScope & Head): BranchedState | null {
  const record = parseRecord(head.state);
  if (record === null) return null;
  const generation = head.generation + 1;
  const last = newest(record);
  const history = [...record.history.slice(0, -1), { ...last, generation }];
  const turns = marked(record, generation, record.turns?.get(last.generation) ?? null);
  const own = { ...record, history, turns, shared: true };
  const foreign = history.map((stored): StoredGeneration => {
    const packs = stored.packs.map((pack) => {
      return ownerOfPack(pack.name) ? pack : { ...pack, name: `${head.sessionId}/${pack.name}` };
    });
    return { ...stored, packs };
  });
  const owners = new Set(
    foreign.flatMap(({ packs }) => packs.flatMap(({ name }) => ownerOfPack(name) ?? [])),
  );
  const branch: StateRecord = {
    history: foreign,
    owners: [...owners],
    garbage: [],
    turns,
    agentSession: record.agentSession ?? head.sessionId,
    ...(record.whole && { whole: true }),
  };
  return { generation, state: encodeRecord(own), branch: encodeRecord(branch), owners: [...owners] };
}

/** Claude's own id of the conversation that the head holds. */
export function agentSessionOf(head: StateScope & Pick<SessionHead, 'state'>): SessionHead['sessionId'] {
  return parseRecord(head.state)?.agentSession ?? head.sessionId;
}

/** The state with another agent session: of an import. */
export function withAgentSession(state: Json, agentSession: SessionHead['sessionId']): Json {
  const record = parseRecord(state);
  if (record === null) throw new Corrupt('corrupt-state', "The session's head has no state.");
  return encodeRecord({ ...record, agentSession });
}

function marked(record: StateRecord, generation: number, mark: TurnMark | null): Map<number, TurnMark> {
  const turns = new Map(record.turns);
  if (mark) turns.set(generation, mark);
  return turns;
}

function stepTo(
  record: StateRecord,
  generation: number,
  turns: readonly TurnMark[],
  asOf: TurnMark | null,
): TimelineStep {
  return { generation, state: encodeRecord(record), turns, asOf };
}

/** True when packs of the session may be needed by another one, or the other way round. */
export function isShared(record: StateRecord): boolean {
  if (record.shared || record.owners) return true;
  const names = [...keptGenerations(record).flatMap(({ packs }) => packs), ...record.garbage];
  return names.some(({ name }) => ownerOfPack(name) !== null);
}
