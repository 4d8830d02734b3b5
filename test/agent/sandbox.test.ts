// The wall around the agent, tried from inside through the real CLI. Runs where this machine has bubblewrap.
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { AgentFolder } from '../../src/agent/agent-folder.ts';
import { settingsSchema } from '../../src/agent/agent-folder-schema.ts';
import { sandboxFinding } from '../../src/agent/findings.ts';
import { bubblewrapArguments, detectSandbox, type SandboxChoice } from '../../src/agent/sandbox.ts';
import { describePolicy, sandboxNotice } from '../../src/agent/tool-policy.ts';
import { bash, call, createFixture, SANDBOX } from './turn-fixture.ts';

const BUBBLEWRAP: SandboxChoice = {
  kind: 'bubblewrap',
  command: '/usr/bin/bwrap',
  extra: [],
  ownNetwork: true,
  prlimit: '/usr/bin/prlimit',
  setpriv: null,
};

describe.skipIf(SANDBOX.kind !== 'bubblewrap')('bubblewrap', () => {
  test('hides other sessions, the data folder, the home and other processes; shows the turn its own', async () => {
    const fixture = await createFixture({ sandbox: SANDBOX });
    const data = await mkdtemp(join(homedir(), '.hybrid-sandbox-test-'));
    try {
      const other = join(fixture.base, 'turns/other-session/workspace');
      await mkdir(other, { recursive: true });
      await writeFile(join(other, 'secret.txt'), 'secret-of-another');
      await writeFile(join(data, 'data.db'), 'secret-of-the-store');
      const look = [
        `cat ${other}/secret.txt ${data}/data.db`,
        `ls ${join(fixture.base, 'turns')} ${tmpdir()} ${homedir()}`,
        `cat /proc/${process.pid}/environ`,
        `touch /usr/planted /etc/planted ${fixture.directory.root}/agent/planted /planted`,
        'echo mine > mine.txt; cat mine.txt; ls "$HOME" "$TMPDIR" > /dev/null && echo usable',
      ];
      const { text } = await fixture.turn(bash(`${look.join('; ')}; exit 0`));
      expect(text).not.toMatch(/secret-of/);
      expect(text).not.toContain('other-session\n');
      expect(text.match(/Read-only file system/g)).toHaveLength(4);
      expect(text).toContain('mine\nusable');
      expect(await readdir(fixture.directory.workspace)).toEqual(['mine.txt']);
    } finally {
      await rm(data, { recursive: true, force: true });
      await fixture.close();
    }
  });

  test('nothing of a turn is left in the temporary folder', async () => {
    const own = (name: string) => /claude|hybrid-agent|cc-socks/i.test(name);
    const before = (await readdir(tmpdir())).filter(own);
    const fixture = await createFixture({ sandbox: SANDBOX });
    await fixture.turn(bash('mktemp; export A=1'));
    await fixture.workplace.close(fixture.lease);
    expect(await readdir(fixture.base)).toEqual([]);
    await fixture.close();
    const left = (await readdir(tmpdir())).filter((name) => own(name) && !before.includes(name));
    expect(left.filter((name) => !name.startsWith('hybrid-agent-'))).toEqual([]);
  });
});

test('where bubblewrap is missing or broken, the reason is told', async () => {
  if (process.platform !== 'linux') return;
  expect(await detectSandbox({ path: '/nowhere' })).toMatchObject({
    kind: 'none',
    reason: expect.stringContaining('not installed'),
  });
  const folder = await mkdtemp(join(tmpdir(), 'hybrid-bwrap-'));
  await writeFile(join(folder, 'bwrap'), '#!/bin/sh\necho "no user namespaces" >&2\nexit 1\n', {
    mode: 0o755,
  });
  expect(await detectSandbox({ path: folder })).toMatchObject({
    kind: 'none',
    reason: expect.stringContaining('no user namespaces'),
  });
  await rm(folder, { recursive: true });
});

test('a bubblewrap that keeps nothing in is none', async () => {
  if (process.platform !== 'linux') return;
  const folder = await mkdtemp(join(tmpdir(), 'hybrid-bwrap-'));
  const noWall = '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift; exec "$@"\n';
  await writeFile(join(folder, 'bwrap'), noWall, { mode: 0o755 });
  expect(await detectSandbox({ path: folder })).toMatchObject({ kind: 'none' });
  await rm(folder, { recursive: true });
});

test('other systems have none, or the one of the SDK', async () => {
  expect(await detectSandbox({ platform: 'win32' })).toEqual({
    kind: 'none',
    reason: 'none is known on win32',
  });
  expect(await detectSandbox({ platform: 'darwin' })).toMatchObject({
    kind: expect.stringMatching(/^(seatbelt|none)$/),
  });
});

describe('without a sandbox', () => {
  const sandbox = { kind: 'none', reason: 'bubblewrap (bwrap) is not installed' } as const;
  const write = (file: string) => call({ name: 'Write', input: { file_path: file, content: 'x' } });

  test('commands and writing tools are refused with a sentence; reading is not', async () => {
    const fixture = await createFixture({ sandbox });
    try {
      const file = join(fixture.directory.workspace, 'a.txt');
      await writeFile(file, 'readable');
      const { text } = await fixture.turn(bash('touch planted; echo it-ran'));
      expect(text).toMatch(/Bash is refused: there is no sandbox here \(bubblewrap .*"sandbox": "off"/s);
      expect(text).not.toContain('it-ran');
      expect((await fixture.turn(write(join(fixture.directory.workspace, 'b.txt')))).text).toContain(
        'Write is refused',
      );
      expect(await readdir(fixture.directory.workspace)).toEqual(['a.txt']);
      const read = call({ name: 'Read', input: { file_path: file } });
      expect((await fixture.turn(read)).text).toContain('readable');
    } finally {
      await fixture.close();
    }
  });

  test.each([
    ['the folder says so', { sandbox: 'off' as const }, sandbox],
    ['something else is the wall', {}, { ...sandbox, accepted: true }],
  ])('they run where %s', async (_name, settings, choice) => {
    const fixture = await createFixture({ sandbox: choice });
    const folder = { ...fixture.folder, settings: { ...fixture.folder.settings, ...settings } };
    try {
      expect((await fixture.turn(bash('echo it-ran'), { runner: { folder } })).text).toContain('it-ran');
    } finally {
      await fixture.close();
    }
  });

  test('start, page and doctor say what it means', () => {
    const settings = { tools: { allow: ['Read', 'Bash', 'Write'] } };
    const folderWith = (more: object) =>
      ({ settings: settingsSchema.parse({ ...settings, ...more }) }) as AgentFolder;
    const plain = folderWith({});
    expect(describePolicy(plain, sandbox)).toMatch(/Bash, Write refused; "sandbox": "off" in settings\.json/);
    expect(sandboxNotice(plain, sandbox)).toMatch(/no sandbox on this machine, so Bash, Write are refused/);
    expect(sandboxFinding(sandbox, plain.settings)).toMatchObject({
      status: 'warn',
      mend: expect.stringMatching(/refused/),
    });
    const off = folderWith({ sandbox: 'off' });
    expect(sandboxNotice(off, sandbox)).toMatch(/can read and change everything/);
    expect(sandboxNotice(off, BUBBLEWRAP)).toMatch(/can read and change everything/);
    expect(sandboxFinding(BUBBLEWRAP, off.settings)).toMatchObject({ status: 'warn' });
    expect(sandboxNotice(plain, BUBBLEWRAP)).toBeNull();
    expect(sandboxFinding(BUBBLEWRAP, plain.settings)).toEqual({
      name: 'sandbox',
      status: 'ok',
      found: 'bubblewrap',
    });
    const shared = { ...BUBBLEWRAP, ownNetwork: false };
    expect(sandboxFinding(shared, plain.settings)).toMatchObject({ status: 'fail' });
    expect(sandboxFinding(shared, folderWith({ network: 'open' }).settings)).toMatchObject({ status: 'ok' });
    expect(sandboxFinding({ ...BUBBLEWRAP, prlimit: null }, plain.settings)).toMatchObject({
      status: 'warn',
    });
    expect(sandboxNotice(plain, { kind: 'seatbelt' })).toMatch(/Only shell commands/);
  });
});

test('the root is mounted after, and so over, every folder that is only shown', () => {
  const args = bubblewrapArguments({
    root: '/a/b/root',
    cwd: '/a/b/root/workspace',
    readOnly: ['/a', '/a/b'],
  });
  expect(args.lastIndexOf('/a/b')).toBeLessThan(args.indexOf('/a/b/root'));
});

describe.skipIf(SANDBOX.kind !== 'bubblewrap')('nothing in the place of what we open afterwards', () => {
  test.each([
    ['the working directory', 'mv workspace gone && ln -s /etc workspace'],
    ['the configuration', 'mv config gone && ln -s /etc config'],
    ['a new name beside them', 'mkdir planted'],
    ['kernel parameters', 'echo x > /proc/sys/kernel/domainname'],
  ])('%s', async (_name, command) => {
    const fixture = await createFixture({ sandbox: SANDBOX });
    try {
      const { text } = await fixture.turn(bash(`cd "$HYBRID_SESSIONS_ROOT" && ${command} && echo it-worked`));
      expect(text).not.toContain('it-worked');
      expect(text).toMatch(/Read-only file system|Device or resource busy|Permission denied/);
    } finally {
      await fixture.close();
    }
  });
});
