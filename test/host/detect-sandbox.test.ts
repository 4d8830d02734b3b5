// Which wall a machine has, found out by trying it; and the order of what is mounted in it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bubblewrapArguments } from '../../src/host/sandbox/bubblewrap.ts';
import { detectSandbox } from '../../src/host/sandbox/index.ts';

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

test("the session's folders are mounted after, and so over, every folder that is only shown", () => {
  const workspace = '/a/b/root/workspace';
  const args = bubblewrapArguments({
    sandbox: {
      kind: 'bubblewrap',
      command: '/usr/bin/bwrap',
      extra: [],
      ownNetwork: true,
      prlimit: null,
      setpriv: null,
    },
    user: { uid: 1000, gid: 1000, isOther: false },
    sharesNetwork: false,
    env: {},
    cwd: workspace,
    directories: { root: '/a/b/root', writable: [{ path: workspace }], readOnly: ['/a', '/a/b'] },
    sockets: {},
    temporaryBytes: 1,
    files: {},
    infoFd: 3,
    seccompFd: null,
  });
  const shown = args.lastIndexOf('/a/b');
  expect(args[shown - 2]).toBe('--ro-bind-try');
  expect(shown).toBeLessThan(args.lastIndexOf('/a/b/root', args.lastIndexOf(workspace) - 1));
  expect(args.lastIndexOf('--bind')).toBeLessThan(args.lastIndexOf('/a/b/root'));
  expect(args.slice(-4)).toEqual(['--remount-ro', '/', '--chdir', workspace]);
});
