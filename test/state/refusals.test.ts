// Limits, crashes and disks that fail: each gets a clear error, and nothing stored before is lost.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { Invalid, Refused } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import { findOrphans } from '../../src/state/verify.ts';
import { freshDirectory, randomBytesOf, seeded, snapshot, temporaryFolder, testSession } from './fixture.ts';

describe('limits of the workspace', () => {
  const limits = { maxWorkspaceBytes: 1_000_000, maxWorkspaceFiles: 20 };

  test(`${promise('NO-AMNESIA')} too many bytes: told with sizes, nothing written, the last generation stays`, async () => {
    const session = testSession({ limits });
    const directory = freshDirectory();
    writeFileSync(join(directory.workspace, 'ok'), 'ok');
    await session.commit(directory);
    const before = snapshot(directory);
    mkdirSync(join(directory.workspace, 'videos'));
    for (const name of ['a', 'b', 'c']) {
      writeFileSync(join(directory.workspace, 'videos', name), Buffer.alloc(300_000));
    }
    writeFileSync(join(directory.workspace, 'dump.sql'), Buffer.alloc(200_000));
    const puts = session.objects.puts.length;
    const error = await session.commit(directory).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Invalid);
    expect(error).toMatchObject({
      code: 'workspace-too-large',
      message: 'The working directory holds 1.1 MB in 6 files; 1.0 MB in 20 files are allowed.',
      advice: expect.stringContaining(
        'videos (900.0 kB, 4 files), dump.sql (200.0 kB, 1 file), ok (2 B, 1 file)',
      ),
      data: { bytes: 1_100_002, maxBytes: 1_000_000 },
    });
    expect(session.objects.puts.length).toBe(puts);
    expect(snapshot((await session.restore()).directory)).toEqual(before);
  });

  test('the config folder counts, too, by itself', async () => {
    const session = testSession({ limits });
    const directory = freshDirectory();
    writeFileSync(join(directory.workspace, 'half'), Buffer.alloc(900_000));
    writeFileSync(join(directory.config, 'half'), Buffer.alloc(900_000));
    await session.commit(directory);
    const puts = session.objects.puts.length;
    writeFileSync(join(directory.config, 'planted'), Buffer.alloc(300_000));
    await expect(session.commit(directory)).rejects.toMatchObject({
      code: 'workspace-too-large',
      message:
        'The conversation and what belongs to it take 1.2 MB in 2 files; 1.0 MB in 20 files are allowed.',
      advice: expect.stringContaining('half (900.0 kB, 1 file), planted (300.0 kB, 1 file)'),
    });
    expect(session.objects.puts.length).toBe(puts);
  });

  test('too many files: exactly the limit passes, one more does not', async () => {
    const session = testSession({ limits });
    const directory = freshDirectory();
    for (let i = 0; i < 20; i++) writeFileSync(join(directory.workspace, `f${i}`), '');
    await session.commit(directory);
    writeFileSync(join(directory.workspace, 'one-more'), '');
    await expect(session.commit(directory)).rejects.toMatchObject({
      code: 'workspace-too-large',
      message: expect.stringContaining('in 21 files'),
    });
  });
});

describe('crashes', () => {
  test(`${promise('ATOMIC')} a worker that dies between put and commit leaves an orphan, never a torn generation`, async () => {
    const session = testSession();
    const directory = freshDirectory();
    writeFileSync(join(directory.workspace, 'f'), 'one');
    const { baseline } = await session.commit(directory);
    const committed = session.head;
    const before = snapshot(directory);
    writeFileSync(join(directory.workspace, 'f'), 'lost turn');
    await session.commit(directory, baseline);
    // The head was never moved: the next worker sees generation 1 and makes its own generation 2.
    session.head = committed;
    const restored = await session.restore();
    expect(snapshot(restored.directory)).toEqual(before);
    writeFileSync(join(restored.directory.workspace, 'f'), 'next turn');
    await session.commit(restored.directory, restored.baseline);
    expect(snapshot((await session.restore()).directory)).toEqual(snapshot(restored.directory));
    const nowMs = Date.now();
    expect(await findOrphans(session.objects, session.head, { nowMs })).toEqual([]);
    const orphans = await findOrphans(session.objects, session.head, { nowMs: nowMs + 10_000_000 });
    expect(orphans.map(({ key }) => key)).toEqual([session.objects.puts[1]!.key]);
    await session.state.collect(orphans.map(({ key }) => key));
    expect(snapshot((await session.restore()).directory)).toEqual(snapshot(restored.directory));
  });

  test('a compaction whose commit is lost changes nothing', async () => {
    const session = testSession();
    const directory = freshDirectory();
    let due = false;
    for (let turn = 0; !due; turn++) {
      writeFileSync(join(directory.workspace, `f${turn}`), 'x');
      due = (await session.commit(directory)).compactionDue;
    }
    expect(await session.state.compact(session.head, 99)).not.toBeNull();
    expect(snapshot((await session.restore()).directory)).toEqual(snapshot(directory));
    await session.compact();
    expect(snapshot((await session.restore()).directory)).toEqual(snapshot(directory));
  });

  test(`${promise('EXPIRE')} erase leaves nothing of the session and all of its neighbours`, async () => {
    const session = testSession();
    const neighbour = testSession({ objects: session.objects });
    const directory = freshDirectory();
    writeFileSync(join(directory.workspace, 'f'), 'x');
    await session.commit(directory);
    await neighbour.commit(directory);
    await session.state.erase(session.head.tenant, session.head.sessionId);
    const left: string[] = [];
    for await (const { key } of session.objects.list('')) left.push(key);
    expect(left).toEqual([session.objects.puts[1]!.key]);
    await expect(session.restore()).rejects.toMatchObject({ code: 'missing-pack' });
    await neighbour.restore();
  });
});

describe('disks that fail', () => {
  const mounts: string[] = [];
  afterEach(() => {
    for (const path of mounts.splice(0)) execFileSync('umount', [path]);
  });

  /** A tiny disk of its own; null where this user may not mount. */
  function tinyDisk(options: string): string | null {
    const path = temporaryFolder();
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]);
    if (mounted.status !== 0) return null;
    mounts.push(path);
    return path;
  }

  test(`${promise('NO-AMNESIA')} a disk that fills up while restoring or packing: disk-full, nothing lost`, async ({
    skip,
  }) => {
    const disk = tinyDisk('size=12m');
    if (disk === null) return skip('this user may not mount a tmpfs');
    const session = testSession({ temporaryDirectory: disk });
    const directory = freshDirectory();
    const random = seeded(6);
    for (let i = 0; i < 20; i++) {
      writeFileSync(join(directory.workspace, `f${i}`), randomBytesOf(random, 1_000_000));
    }
    await session.commit(directory);
    const full = freshDirectory(disk);
    await expect(session.state.restore(session.head, full)).rejects.toMatchObject({ code: 'disk-full' });
    for (const name of readdirSync(full.workspace)) rmSync(join(full.workspace, name));

    // Twenty megabytes to pack do not fit beside the working directory either.
    const packing = { ...directory, root: full.root };
    const other = testSession();
    const error = await other.commit(packing).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Refused);
    expect(error).toMatchObject({ code: 'disk-full', advice: expect.stringContaining('Free space') });
    expect(other.objects.puts).toEqual([]);
    expect(readdirSync(full.root).sort()).toEqual(['config', 'workspace']);
    expect(snapshot((await session.restore()).directory)).toEqual(snapshot(directory));
  });

  test('a read-only disk: disk-read-only', async ({ skip }) => {
    const disk = tinyDisk('size=1m');
    if (disk === null) return skip('this user may not mount a tmpfs');
    const session = testSession();
    const directory = freshDirectory();
    writeFileSync(join(directory.workspace, 'f'), 'x');
    await session.commit(directory);
    const target = freshDirectory(disk);
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    await expect(session.state.restore(session.head, target)).rejects.toMatchObject({
      code: 'disk-read-only',
    });
  });

  test(`${promise('NO-AMNESIA')} a config folder that is gone is no empty session; a removed workspace is`, async () => {
    const session = testSession();
    const directory = freshDirectory();
    writeFileSync(join(directory.config, 'transcript'), 'x');
    await session.commit(directory);
    rmSync(directory.workspace, { recursive: true });
    await session.commit(directory);
    rmSync(directory.config, { recursive: true });
    await expect(session.commit(directory)).rejects.toMatchObject({ code: 'directory-missing' });
    expect(Object.keys(snapshot((await session.restore()).directory))).toEqual(['config/transcript']);
  });

  test('a folder that is not empty is left alone', async () => {
    const session = testSession();
    const directory = freshDirectory();
    writeFileSync(join(directory.workspace, 'f'), 'x');
    await session.commit(directory);
    await expect(session.state.restore(session.head, directory)).rejects.toMatchObject({
      code: 'directory-not-empty',
    });
    expect(readdirSync(directory.workspace)).toEqual(['f']);
  });

  test('as a plain user: own shut files are kept, unreadable ones are named and what was stored of them stays', async ({
    skip,
  }) => {
    if (process.getuid?.() !== 0) return skip('needs root to become somebody else');
    const base = temporaryFolder();
    execFileSync('chmod', ['755', base]);
    const program = fileURLToPath(new URL('./plain-user.ts', import.meta.url));
    const done = spawnSync(process.execPath, [program, base], { encoding: 'utf8' });
    expect({ stderr: done.stderr, status: done.status }).toEqual({ stderr: '', status: 0 });
    expect(JSON.parse(done.stdout)).toEqual({
      refused: [
        { path: 'workspace/foreign-folder', reason: 'it may not be read' },
        { path: 'workspace/foreign', reason: 'it may not be read' },
      ],
      // Not being able to read is no change: what was stored of them stays, and nothing is uploaded.
      written: [0, 0],
      text: 'foreign text',
    });
  });
});
