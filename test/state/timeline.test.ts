// Back and forth in a session's kept generations: the files are those of the turn that was gone back to, whatever was
// compacted in between, and no pack that a step may still need is deleted.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { KEPT_GENERATIONS } from '../../src/core/defaults.ts';
import type { TurnId } from '../../src/core/ids.ts';
import type { TimelineStep, TurnMark } from '../../src/core/ports/execution.ts';
import { broughtBack, contentOf, markedAway } from '../../src/state/away.ts';
import { parseRecord } from '../../src/state/record.ts';
import { isUnchangedSince } from '../../src/state/unchanged-since.ts';
import { verifyState } from '../../src/state/verify.ts';
import { freshDirectory, randomBytesOf, seeded, snapshot, type TestSession, testSession } from './fixture.ts';

const turn = (number: number): TurnMark => ({ id: `turn_${number}` as TurnId, text: `message ${number}` });
const texts = (marks: readonly TurnMark[]) => marks.map(({ text }) => text);

function take(session: TestSession, step: TimelineStep | null): TimelineStep {
  if (!step) throw new Error('There is no such step.');
  const { generation, state } = step;
  session.head = { ...session.head, generation, state };
  return step;
}

async function said(session: TestSession, count: number) {
  const directory = freshDirectory();
  const file = join(directory.workspace, 'said');
  let baseline: unknown = null;
  for (let number = 1; number <= count; number++) {
    writeFileSync(file, `${number}`);
    ({ baseline } = await session.commit(directory, baseline, turn(number)));
  }
  return { directory, file, baseline };
}

test('a step back brings the files of before, and a step forth those of after', async () => {
  const session = testSession();
  const { directory } = await said(session, 3);
  const after = snapshot(directory);
  const step = take(session, session.state.undo(session.head, 2));
  expect(step).toMatchObject({ generation: 4, asOf: turn(1) });
  expect(texts(step.turns)).toEqual(['message 3', 'message 2']);
  expect(snapshot((await session.restore()).directory)['workspace/said']).toMatch(/^file 644 1 /);
  expect(snapshot((await session.restore()).directory)).not.toEqual(after);
  expect(texts(session.state.redoable(session.head))).toEqual(['message 3', 'message 2']);
  const again = take(session, session.state.redo(session.head));
  expect(again).toMatchObject({ generation: 5, asOf: turn(3), turns: step.turns });
  expect(snapshot((await session.restore()).directory)).toEqual(after);
  expect(texts(session.state.undoable(session.head))).toEqual(['message 3', 'message 2', 'message 1']);
  expect(session.state.redo(session.head)).toBeNull();
});

test('before the first turn there is an empty session, and it can be gone on with', async () => {
  const session = testSession();
  const { directory } = await said(session, 1);
  const after = snapshot(directory);
  expect(session.state.undo(session.head, 2)).toBeNull();
  expect(take(session, session.state.undo(session.head, 1)).asOf).toBeNull();
  expect(session.state.isBlank(session.head)).toBe(true);
  const { directory: blank, baseline } = await session.restore();
  expect(snapshot(blank)).toEqual({});
  expect((await verifyState(session.objects, session.head)).problems).toEqual([]);
  expect(session.state.undo(session.head, 1)).toBeNull();
  take(session, session.state.redo(session.head));
  expect(snapshot((await session.restore()).directory)).toEqual(after);
  take(session, session.state.undo(session.head, 1));
  writeFileSync(join(blank.workspace, 'another'), 'x');
  await session.commit(blank, baseline, turn(2));
  expect(session.state.isBlank(session.head)).toBe(false);
  expect(Object.keys(snapshot((await session.restore()).directory))).toEqual(['workspace/another']);
  expect(session.state.redo(session.head)).toBeNull();
  expect(texts(session.state.undoable(session.head))).toEqual(['message 2']);
});

test('what a turn saved in its middle makes way for what it left, so as many turns can be undone as are kept', async () => {
  const session = testSession();
  const directory = freshDirectory();
  for (let number = 1; number <= 30; number++) {
    for (let save = 0; save < number % 4; save++) {
      writeFileSync(join(directory.workspace, 'said'), `${number}.${save}`);
      await session.commit(directory, null, turn(number));
    }
  }
  const marks = session.state.undoable(session.head);
  expect(marks).toHaveLength(KEPT_GENERATIONS - 1);
  expect(new Set(texts(marks)).size).toBe(KEPT_GENERATIONS - 1);
});

test('nothing is undone past what no turn saved, or past the oldest generation that is kept', async () => {
  const session = testSession();
  const directory = freshDirectory();
  await session.commit(directory, null);
  for (const number of [1, 2]) {
    writeFileSync(join(directory.workspace, 'said'), `${number}`);
    await session.commit(directory, null, turn(number));
  }
  expect(texts(session.state.undoable(session.head))).toEqual(['message 2', 'message 1']);
  expect(session.state.undo(session.head, 3)).toBeNull();
});

test('files that are kept on a machine are not taken for those of a session that went back', async () => {
  const session = testSession();
  const { directory, baseline } = await said(session, 2);
  expect(await isUnchangedSince(session.head, directory, baseline)).toBe(true);
  take(session, session.state.undo(session.head, 1));
  expect(await isUnchangedSince(session.head, directory, baseline)).toBe(false);
  take(session, session.state.redo(session.head));
  expect(await isUnchangedSince(session.head, directory, baseline)).toBe(true);
});

for (const seed of [2, 4]) {
  test(`any order of turns, steps and compactions keeps every step whole (seed ${seed})`, async () => {
    const random = seeded(seed);
    const session = testSession();
    let { directory, baseline } = { directory: freshDirectory(), baseline: null as unknown };
    /** What each turn that can be undone left, oldest first, and what was undone. */
    const blank = snapshot(directory);
    const past: object[] = [blank];
    const future: object[][] = [];
    for (let round = 1; round <= 45; round++) {
      const act = random();
      if (act < 0.6) {
        const name = `f${Math.floor(random() * 6)}`;
        if (random() < 0.2) rmSync(join(directory.workspace, name), { force: true });
        else writeFileSync(join(directory.workspace, name), randomBytesOf(random, 20_000));
        ({ baseline } = await session.commit(directory, baseline, turn(round)));
        past.push(snapshot(directory));
        past.splice(0, past.length - KEPT_GENERATIONS - (past[0] === blank ? 1 : 0));
        future.length = 0;
      } else if (act < 0.8) {
        const possible = session.state.undoable(session.head).length;
        expect(possible).toBe(past.length - 1);
        if (possible === 0) continue;
        const turns = 1 + Math.floor(random() * possible);
        take(session, session.state.undo(session.head, turns));
        future.push(past.splice(-turns));
      } else {
        const redone = future.pop();
        const step = session.state.redo(session.head);
        expect(step === null).toBe(redone === undefined);
        if (step === null) continue;
        take(session, step);
        past.push(...(redone ?? []));
      }
      if (random() < 0.4) await session.compact();
      expect((await verifyState(session.objects, session.head)).problems).toEqual([]);
      ({ directory, baseline } = await session.restore());
      expect(snapshot(directory)).toEqual(past.at(-1));
      expect(JSON.stringify(session.head.state).length).toBeLessThan(8_000);
      const { history, undone = [] } = parseRecord(session.head.state) ?? { history: [] };
      expect(history.length + undone.flat().length).toBeLessThanOrEqual(2 * KEPT_GENERATIONS);
    }
  });
}

test('a mark that the session is away stays until it is claimed or brought back, whatever happens to the generations', async () => {
  const session = testSession();
  const { directory, baseline } = await said(session, 3);
  expect(session.state.claim(session.head)).toBeNull();
  const away = { id: 'copy', sinceMs: 5 };
  const content = contentOf(session.head);
  session.head = { ...session.head, state: markedAway(session.head, away) };
  const files = snapshot((await session.restore()).directory);
  take(session, session.state.undo(session.head, 1));
  expect(session.state.awayOf(session.head)).toEqual(away);
  take(session, session.state.redo(session.head));
  expect([session.state.awayOf(session.head), contentOf(session.head)]).toEqual([away, content]);
  const both = await session.state.branch(session.head, 'other' as never);
  expect(session.state.awayOf({ state: both?.branch ?? null })).toBeNull();
  expect(session.state.awayOf({ state: both?.state ?? null })).toEqual(away);
  const { generation } = session.head;
  const claim = session.state.claim(session.head);
  expect(claim).toMatchObject({ generation: generation + 1 });
  session.head = { ...session.head, ...claim };
  expect([session.state.awayOf(session.head), contentOf(session.head)]).toEqual([null, content]);
  expect(snapshot((await session.restore()).directory)).toEqual(files);
  expect(texts(session.state.undoable(session.head))).toEqual(['message 3', 'message 2', 'message 1']);
  session.head = { ...session.head, state: markedAway(session.head, away) };
  await session.commit(directory, baseline, turn(4));
  expect(session.state.awayOf(session.head)).toEqual(away);
  expect(session.state.awayOf({ state: broughtBack(session.head.state) })).toBeNull();
});
