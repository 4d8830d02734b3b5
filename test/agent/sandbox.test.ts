// The wall around the agent, tried from inside through the real CLI. Runs where this machine has bubblewrap.
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bubblewrapArguments, detectSandbox } from '../../src/agent/sandbox.ts';
import { bash, createFixture, SANDBOX } from './turn-fixture.ts';

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
