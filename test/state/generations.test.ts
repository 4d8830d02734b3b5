// Random trees over many generations: each restored and compared, also the older kept ones, also after compactions.
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Json } from '../../src/core/messages.ts';
import type { ExecutionDirectory } from '../../src/core/ports/execution.ts';
import { promise } from '../../src/core/promises.ts';
import { encodeRecord, MAX_PACKS, parseRecord, repairedState } from '../../src/state/record.ts';
import { verifyState } from '../../src/state/verify.ts';
import { freshDirectory, randomBytesOf, seeded, snapshot, type TestSession, testSession } from './fixture.ts';

function pathsIn(directory: ExecutionDirectory): string[] {
  const list = (base: string): string[] =>
    readdirSync(base).flatMap((name) => {
      const path = join(base, name);
      return lstatSync(path).isDirectory() ? [path, ...list(path)] : [path];
    });
  return [...list(directory.config), ...list(directory.workspace)];
}

/** A few random changes of every kind. */
function disturb(directory: ExecutionDirectory, random: () => number): void {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const count = 1 + Math.floor(random() * 8);
  for (let i = 0; i < count; i++) {
    const paths = pathsIn(directory);
    const folders = paths.filter((path) => lstatSync(path).isDirectory());
    const files = paths.filter((path) => lstatSync(path).isFile());
    const parent = pick([directory.config, directory.workspace, directory.workspace, ...folders]);
    const fresh = join(parent, `n${Math.floor(random() * 30)}`);
    const dice = random();
    if (dice < 0.3 || files.length === 0) {
      rmSync(fresh, { recursive: true, force: true });
      const size = Math.floor(random() ** 4 * 400_000);
      writeFileSync(fresh, random() < 0.2 ? Buffer.alloc(size) : randomBytesOf(random, size));
    } else if (dice < 0.5) {
      const path = pick(files);
      const bytes = readFileSync(path);
      const at = Math.floor(random() * bytes.length);
      const extra = randomBytesOf(random, Math.floor(random() * 3_000));
      const keep = random() < 0.5 ? bytes.subarray(at) : bytes.subarray(Math.min(bytes.length, at + 5_000));
      writeFileSync(path, Buffer.concat([bytes.subarray(0, at), extra, keep]));
    } else if (dice < 0.6) {
      rmSync(fresh, { recursive: true, force: true });
      mkdirSync(fresh);
    } else if (dice < 0.7) rmSync(pick(paths), { recursive: true, force: true });
    else if (dice < 0.78) {
      const from = pick(paths);
      if (fresh === from || fresh.startsWith(`${from}/`) || from.startsWith(`${fresh}/`)) continue;
      rmSync(fresh, { recursive: true, force: true });
      renameSync(from, fresh);
    } else if (dice < 0.84) {
      rmSync(fresh, { recursive: true, force: true });
      symlinkSync(`n${Math.floor(random() * 30)}`, fresh);
    } else if (dice < 0.9) chmodSync(pick(files), pick([0o644, 0o600, 0o755]));
    else if (dice < 0.95) utimesSync(pick(files), 1e9 + random() * 1e8, 1e9 + random() * 1e8);
    else writeFileSync(fresh.endsWith('x') ? fresh : `${fresh}x`, readFileSync(pick(files)));
  }
}

/** Generations that can be restored from this state, oldest first. */
function restorableGenerations(state: Json | null): readonly number[] {
  return parseRecord(state)?.history.map((kept) => kept.generation) ?? [];
}

/** A state for `restore` only: an older generation as if it were the newest. */
function stateAt(state: Json, generation: number): Json {
  const history = parseRecord(state)?.history.filter((kept) => kept.generation === generation);
  return encodeRecord({ history: history ?? [], garbage: [] });
}

async function expectAllKept(session: TestSession, expected: ReadonlyMap<number, object>): Promise<void> {
  const kept = restorableGenerations(session.head.state);
  expect(kept).toEqual([...expected.keys()].slice(-10));
  for (const generation of kept) {
    const { directory } = await session.restore({
      ...session.head,
      state: stateAt(session.head.state!, generation),
    });
    expect(snapshot(directory), `generation ${generation}`).toEqual(expected.get(generation));
  }
}

describe('generations', () => {
  for (const seed of [1, 2, 3]) {
    test(`${promise('WHOLE')} random trees, seed ${seed}: every kept generation comes back byte for byte`, async () => {
      const random = seeded(seed);
      const session = testSession();
      let directory = freshDirectory();
      let baseline: unknown = null;
      const expected = new Map<number, object>();
      for (let turn = 1; turn <= 33; turn++) {
        disturb(directory, random);
        const result = await session.commit(directory, random() < 0.8 ? baseline : null);
        baseline = result.baseline;
        expected.set(turn, snapshot(directory));
        // Compaction is sometimes missed: a checkpoint then merges by itself.
        if (result.compactionDue && random() < (seed === 3 ? 0 : 0.6)) await session.compact();
        const reads = session.objects.reads.length;
        const restored = await session.restore();
        const opened = session.objects.reads.slice(reads);
        expect(opened.length).toBeLessThanOrEqual(MAX_PACKS);
        expect(new Set(opened).size).toBe(opened.length);
        expect(snapshot(restored.directory)).toEqual(expected.get(turn));
        expect(JSON.stringify(session.head.state).length).toBeLessThan(5_000);
        if (random() < 0.5) ({ directory, baseline } = restored);
        if (turn % 16 === 0) await expectAllKept(session, expected);
      }
      await expectAllKept(session, expected);
      expect((await verifyState(session.objects, session.head)).problems).toEqual([]);
    });
  }

  test('an older generation is brought back as a new one, and that can be undone too', async () => {
    const session = testSession();
    const directory = freshDirectory();
    const file = join(directory.workspace, 'f');
    const expected = new Map<number, object>();
    for (let turn = 1; turn <= 14; turn++) {
      writeFileSync(file, `turn ${turn}`);
      if ((await session.commit(directory)).compactionDue) await session.compact();
      expected.set(turn, snapshot(directory));
    }
    expect(restorableGenerations(session.head.state)).toEqual([5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    const sound = () => new Set(restorableGenerations(session.head.state));
    expect(() => repairedState(session.head.state!, 4, 15, sound())).toThrow('not kept');
    for (const [as, from] of [
      [15, 9],
      [16, 14],
    ] as const) {
      const state = repairedState(session.head.state!, from, as, sound());
      session.head = { ...session.head, generation: as, state };
      expected.set(as, expected.get(from)!);
      expect(snapshot((await session.restore()).directory)).toEqual(expected.get(from));
    }
    writeFileSync(file, 'after the undo');
    await session.commit(directory);
    expected.set(17, snapshot(directory));
    while (await session.compact());
    await expectAllKept(session, expected);
  });

  test(`${promise('DELTA')} checkpoints without a change upload nothing and keep every generation`, async () => {
    const session = testSession();
    const directory = freshDirectory();
    writeFileSync(join(directory.workspace, 'f'), 'x');
    let { baseline } = await session.commit(directory);
    const puts = session.objects.puts.length;
    for (let turn = 0; turn < 3; turn++) {
      const result = await session.commit(directory, baseline);
      expect(result.bytesWritten).toBe(0);
      baseline = result.baseline;
    }
    expect(session.objects.puts.length).toBe(puts);
    expect(restorableGenerations(session.head.state)).toEqual([1, 2, 3, 4]);
  });

  test('a baseline of another generation is never trusted', async () => {
    const session = testSession();
    const directory = freshDirectory();
    writeFileSync(join(directory.workspace, 'f'), 'one');
    const first = await session.commit(directory);
    const other = testSession();
    const elsewhere = freshDirectory();
    writeFileSync(join(elsewhere.workspace, 'g'), 'other');
    await other.commit(elsewhere);
    writeFileSync(join(elsewhere.workspace, 'f'), 'one');
    await other.commit(elsewhere, first.baseline);
    expect(snapshot((await other.restore()).directory)).toEqual(snapshot(elsewhere));
  });

  test('dead weight is rewritten, and the store shrinks once no kept generation needs it', async () => {
    const session = testSession({ keepGenerations: 2 });
    const directory = freshDirectory();
    const random = seeded(9);
    writeFileSync(join(directory.workspace, 'big'), randomBytesOf(random, 4_000_000));
    writeFileSync(join(directory.workspace, 'small'), randomBytesOf(random, 400_000));
    await session.commit(directory);
    rmSync(join(directory.workspace, 'big'));
    expect((await session.commit(directory)).compactionDue).toBe(true);
    await session.compact();
    writeFileSync(join(directory.workspace, 'note'), 'x');
    await session.commit(directory);
    writeFileSync(join(directory.workspace, 'note'), 'y');
    await session.commit(directory);
    for (let turn = 0; turn < 10; turn++) {
      writeFileSync(join(directory.workspace, 'note'), `turn ${turn}`);
      if ((await session.commit(directory)).compactionDue) await session.compact();
    }
    let stored = 0;
    for await (const { bytes } of session.objects.list('')) stored += bytes;
    expect(stored).toBeLessThan(1_500_000);
    expect(snapshot((await session.restore()).directory)).toEqual(snapshot(directory));
  });
});
