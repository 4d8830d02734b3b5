import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { freshDirectory, randomBytesOf, seeded, snapshot, testSession } from './fixture.ts';

describe('a restored tree is the tree that was checkpointed', () => {
  test(`${promise('WHOLE')} modes, times, empty folders, empty files, deep trees`, async () => {
    const session = testSession();
    const directory = freshDirectory();
    const w = directory.workspace;
    for (const mode of [0o777, 0o755, 0o600, 0o444, 0o000]) {
      writeFileSync(join(w, `m${mode.toString(8)}`), `mode ${mode}`);
      chmodSync(join(w, `m${mode.toString(8)}`), mode);
    }
    mkdirSync(join(w, 'empty'));
    mkdirSync(join(w, 'shut'));
    writeFileSync(join(w, 'shut', 'inside'), 'x');
    chmodSync(join(w, 'shut'), 0o500);
    mkdirSync(join(w, Array.from({ length: 60 }, (_, i) => `level-${i}`).join('/')), { recursive: true });
    writeFileSync(join(w, 'nothing'), '');
    writeFileSync(join(w, 'old'), 'old');
    utimesSync(join(w, 'old'), new Date(-86_400_123), new Date(-86_400_123));
    writeFileSync(join(w, 'future'), 'future');
    utimesSync(join(w, 'future'), 4e9 + 0.789, 4e9 + 0.789);
    utimesSync(join(w, 'empty'), 1e9 + 0.001, 1e9 + 0.001);
    mkdirSync(join(directory.config, 'projects', 'p'), { recursive: true });
    writeFileSync(join(directory.config, 'projects', 'p', 'a.jsonl'), '{"a":1}\n');
    const before = snapshot(directory);
    const result = await session.commit(directory);
    expect(result.refused).toEqual([]);
    const restored = await session.restore();
    expect(snapshot(restored.directory)).toEqual(before);
    // What was restored is unchanged, with its baseline and without.
    for (const baseline of [restored.baseline, null]) {
      const again = await session.commit(restored.directory, baseline);
      expect(again.bytesWritten).toBe(0);
    }
  });

  test(`${promise('WHOLE')} names of any bytes survive`, async () => {
    const session = testSession();
    const directory = freshDirectory();
    const w = directory.workspace;
    const names = [
      'é'.normalize('NFC'),
      'é'.normalize('NFD'),
      'two\nlines',
      'tab\tquote"back\\slash',
      ' ',
      '-rf',
      '...',
      '🦊'.repeat(60),
      'x'.repeat(255),
      'ж'.repeat(127),
      'Case',
      'case',
      '\ufffd real replacement',
      '__proto__',
      'constructor',
      '\u0001\u007f',
    ];
    for (const name of names) writeFileSync(join(w, name), name);
    for (const name of names) mkdirSync(join(w, 'folders', name), { recursive: true });
    const raw = Buffer.concat([
      Buffer.from(`${w}/`),
      Buffer.from([0x66, 0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80]),
    ]);
    mkdirSync(raw);
    writeFileSync(Buffer.concat([raw, Buffer.from('/in\xe9', 'latin1')]), 'latin1 name');
    const long = Array.from({ length: 13 }, (_, i) => String(i % 10).repeat(250)).join('/');
    mkdirSync(join(w, 'long', long), { recursive: true });
    writeFileSync(join(w, 'long', long, 'end'), 'far');
    const before = snapshot(directory);
    expect((await session.commit(directory)).refused).toEqual([]);
    const restored = await session.restore();
    expect(snapshot(restored.directory)).toEqual(before);
    expect((await session.commit(restored.directory, restored.baseline)).bytesWritten).toBe(0);
  });

  test(`${promise('WHOLE')} links into the system's own folders survive, and ways out of them do not`, async () => {
    const session = testSession();
    const directory = freshDirectory();
    const kept: Record<string, string> = {
      interpreter: '/usr/bin/env',
      'through-another': 'interpreter',
      folder: '/usr/share',
      'below-a-folder': 'folder/doc',
      missing: '/usr/lib/not-here',
    };
    const refused: Record<string, string> = {
      account: '/etc/passwd',
      'out-again': '/usr/../etc/passwd',
      'out-through-a-folder': 'folder/../../etc/passwd',
      'the-folder-itself': '/usr',
      'alike-by-name': '/usrlocal/bin',
    };
    for (const [name, target] of Object.entries({ ...kept, ...refused }))
      symlinkSync(target, join(directory.workspace, name));
    symlinkSync('/usr/bin/env', join(directory.config, 'settings'));
    const { refused: named } = await session.commit(directory);
    expect(named.map(({ path }) => path).sort()).toEqual(
      ['config/settings', ...Object.keys(refused).map((name) => `workspace/${name}`)].sort(),
    );
    const { directory: elsewhere } = await session.restore();
    expect(readdirSync(elsewhere.workspace).sort()).toEqual(Object.keys(kept).sort());
    for (const [name, target] of Object.entries(kept)) {
      expect(readlinkSync(join(elsewhere.workspace, name))).toBe(target);
    }
  });

  test(`${promise('WHOLE')} a link in the place of a root is not followed, and what was stored stays`, async () => {
    const session = testSession();
    const directory = freshDirectory();
    writeFileSync(join(directory.workspace, 'mine'), 'mine');
    const { baseline } = await session.commit(directory);
    const elsewhere = freshDirectory();
    writeFileSync(join(elsewhere.workspace, 'private'), 'private');
    rmSync(directory.workspace, { recursive: true });
    symlinkSync(elsewhere.workspace, directory.workspace);
    const { refused } = await session.commit(directory, baseline);
    expect(refused).toEqual([{ path: 'workspace', reason: 'it was replaced by a link' }]);
    expect(readdirSync((await session.restore()).directory.workspace)).toEqual(['mine']);
    rmSync(directory.config, { recursive: true });
    symlinkSync(elsewhere.config, directory.config);
    await expect(session.commit(directory, baseline)).rejects.toMatchObject({ code: 'directory-missing' });
  });

  test(`${promise('WHOLE')} links inside survive, whatever leads out or is no file is refused by name`, async () => {
    const session = testSession();
    const directory = freshDirectory();
    const w = directory.workspace;
    mkdirSync(join(w, 'a/b'), { recursive: true });
    writeFileSync(join(w, 'a/file'), 'x');
    symlinkSync('file', join(w, 'a/to-file'));
    symlinkSync('../file', join(w, 'a/b/up'));
    symlinkSync(join(w, 'a'), join(w, 'absolute'));
    symlinkSync(w, join(w, 'a/root'));
    symlinkSync('nowhere/at/all', join(w, 'dangling'));
    symlinkSync('loop', join(w, 'loop'));
    symlinkSync('.', join(w, 'a/self'));
    const kept = snapshot(directory);
    symlinkSync('/etc/passwd', join(w, 'out-absolute'));
    symlinkSync('../../elsewhere', join(w, 'out-relative'));
    symlinkSync('a/self/../..', join(w, 'out-sly'));
    symlinkSync('../workspace/a', join(directory.config, 'cross'));
    execFileSync('mkfifo', [join(w, 'pipe')]);
    const server = createServer();
    await new Promise<void>((done) => server.listen(join(w, 'socket'), done));
    const result = await session.commit(directory);
    await new Promise((done) => server.close(done));
    const reasons = Object.fromEntries(result.refused.map((item) => [item.path, item.reason]));
    expect(reasons).toEqual({
      'workspace/out-absolute': 'the link leads out of its folder',
      'workspace/out-relative': 'the link leads out of its folder',
      'workspace/out-sly': 'the link leads out of its folder',
      'config/cross': 'the link leads out of its folder',
      'workspace/pipe': 'a named pipe cannot be kept',
      'workspace/socket': 'a socket cannot be kept',
    });
    const restored = await session.restore();
    const after = snapshot(restored.directory);
    expect(Object.keys(after).sort()).toEqual(Object.keys(kept).sort());
    expect(readlinkSync(join(restored.directory.workspace, 'absolute'))).toBe(
      join(restored.directory.workspace, 'a'),
    );
    expect(readFileSync(join(restored.directory.workspace, 'absolute/b/up'), 'utf8')).toBe('x');
  });

  test('a 1 GB file of holes costs next to nothing and stays sparse', async () => {
    const session = testSession();
    const directory = freshDirectory();
    const path = join(directory.workspace, 'sparse');
    const fd = openSync(path, 'w');
    ftruncateSync(fd, 1_000_000_001);
    writeSync(fd, 'middle', 500_000_000);
    closeSync(fd);
    const { bytesWritten } = await session.commit(directory);
    expect(bytesWritten).toBeLessThan(2_000);
    const { directory: restored } = await session.restore();
    const stats = statSync(join(restored.workspace, 'sparse'));
    expect(stats.size).toBe(1_000_000_001);
    expect(stats.blocks * 512).toBeLessThan(2_000_000);
    const back = openSync(join(restored.workspace, 'sparse'), 'r');
    const bytes = Buffer.alloc(8);
    const { readSync } = await import('node:fs');
    readSync(back, bytes, 0, 8, 499_999_999);
    closeSync(back);
    expect(bytes.toString()).toBe('\0middle\0');
  });

  test(`${promise('DELTA')} one changed byte, an insertion or an append in 50 MB uploads a few chunks`, async () => {
    const session = testSession();
    const directory = freshDirectory();
    const path = join(directory.workspace, 'big');
    const bytes = randomBytesOf(seeded(1), 50_000_000);
    writeFileSync(path, bytes);
    let { baseline } = await session.commit(directory);
    const steps: [string, () => void][] = [
      ['byte', () => writeFileSync(path, bytes.fill(7, 25_000_000, 25_000_001))],
      ['append', () => appendFileSync(path, 'tail')],
      [
        'insert',
        () => {
          const now = readFileSync(path);
          writeFileSync(
            path,
            Buffer.concat([now.subarray(0, 30_000_000), Buffer.from('!'), now.subarray(30_000_000)]),
          );
        },
      ],
      ['move', () => renameSync(path, join(directory.workspace, 'moved'))],
      ['copy', () => writeFileSync(path, readFileSync(join(directory.workspace, 'moved')))],
    ];
    for (const [name, change] of steps) {
      change();
      const result = await session.commit(directory, baseline);
      baseline = result.baseline;
      expect({ name, bytes: result.bytesWritten }).toEqual({
        name,
        bytes: expect.toSatisfy((bytes: number) => bytes > 0 && bytes < 700_000),
      });
    }
    const restored = await session.restore();
    expect(snapshot(restored.directory)).toEqual(snapshot(directory));
  });

  test('a file that keeps changing while it is read is taken as read, and read again next time', async () => {
    const session = testSession();
    const directory = freshDirectory();
    const path = join(directory.workspace, 'log');
    writeFileSync(path, randomBytesOf(seeded(2), 40_000_000));
    let writing = true;
    const write = () => {
      if (!writing) return;
      appendFileSync(path, 'line\n');
      setImmediate(write);
    };
    setImmediate(write);
    const { baseline } = await session.commit(directory);
    writing = false;
    const seen = readFileSync(join((await session.restore()).directory.workspace, 'log'));
    const whole = readFileSync(path);
    expect(seen.length).toBeLessThan(whole.length);
    expect(whole.subarray(0, seen.length).equals(seen)).toBe(true);
    await session.commit(directory, baseline);
    expect(snapshot((await session.restore()).directory)).toEqual(snapshot(directory));
  });

  test('every kind of change, generation after generation', async () => {
    const session = testSession();
    const directory = freshDirectory();
    const w = directory.workspace;
    const at = (name: string) => join(w, name);
    const changes: (() => void)[] = [
      () => writeFileSync(at('f'), 'one'),
      () => rmSync(at('f')),
      () => mkdirSync(at('f/sub'), { recursive: true }),
      () => writeFileSync(at('f/sub/x'), 'x'),
      () => {
        rmSync(at('f'), { recursive: true });
        writeFileSync(at('f'), 'a file again');
      },
      () => chmodSync(at('f'), 0o755),
      () => utimesSync(at('f'), 1e9, 1e9),
      () => renameSync(at('f'), at('g')),
      () => {
        rmSync(at('g'));
        symlinkSync('h', at('g'));
      },
      () => {
        rmSync(at('g'));
        mkdirSync(at('g'), 0o711);
      },
      () => {
        // Same size and same time: only the change time tells.
        writeFileSync(at('same'), 'aaaa');
        utimesSync(at('same'), 1e9, 1e9);
      },
      () => {
        writeFileSync(at('same'), 'bbbb');
        utimesSync(at('same'), 1e9, 1e9);
      },
      () => rmSync(w, { recursive: true }),
      () => writeFileSync(at('z'), 'last'),
    ];
    let baseline: unknown = null;
    for (const change of changes) {
      change();
      mkdirSync(w, { recursive: true });
      ({ baseline } = await session.commit(directory, baseline));
      const restored = await session.restore();
      expect(snapshot(restored.directory)).toEqual(snapshot(directory));
    }
  });

  test('what the agent layer lays in, credentials and caches stay out of the state', async () => {
    const session = testSession();
    const directory = freshDirectory();
    const { config, workspace } = directory;
    for (const name of [
      '.credentials.json',
      'settings.json',
      'agents.json',
      'mcp.json',
      'system_prompt.md',
      '.claude.json',
      'CLAUDE.md',
    ]) {
      writeFileSync(join(config, name), 'secret');
      writeFileSync(join(workspace, name), 'mine');
    }
    for (const name of [
      'skills',
      'agents',
      'hooks',
      'plugins',
      'backups',
      'sessions',
      'shell-snapshots',
      'cache',
    ]) {
      mkdirSync(join(config, name));
      writeFileSync(join(config, name, 'x'), 'secret');
    }
    for (const name of ['projects', 'todos', 'debug', 'file-history', '.hybrid'])
      mkdirSync(join(config, name));
    await session.commit(directory);
    const restored = Object.keys(snapshot((await session.restore()).directory)).sort();
    expect(restored).toEqual([
      'config/.hybrid',
      'config/debug',
      'config/file-history',
      'config/projects',
      'config/todos',
      'workspace/.claude.json',
      'workspace/.credentials.json',
      'workspace/CLAUDE.md',
      'workspace/agents.json',
      'workspace/mcp.json',
      'workspace/settings.json',
      'workspace/system_prompt.md',
    ]);
  });
});
