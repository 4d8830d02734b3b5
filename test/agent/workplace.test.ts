// The execution directory: made fresh, private, taken over from the dead, and gone without a trace.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ROOT_MARKER } from '../../src/agent/processes.ts';
import { createWorkplace, folderNameOf } from '../../src/agent/workplace.ts';
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import { type SessionId, tenantId } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import type { Lease } from '../../src/core/records.ts';
import { leaseOf } from './turn-fixture.ts';

let base: string;
let root: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'hybrid-place-'));
  root = join(base, 'turns');
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(base, { recursive: true, force: true });
});

/** A process that an earlier turn left behind: marked, or the child of a marked one with a clean environment. */
function leftBehind(place: string, clean = false): ChildProcess {
  const sleeper = clean ? 'env -i sleep 600 & wait' : 'exec sleep 600';
  const child = spawn('/bin/bash', ['-c', sleeper], {
    env: { PATH: '/usr/bin:/bin', [ROOT_MARKER]: place },
    detached: true,
  });
  children.push(child);
  return child;
}

test('the same session gets the same path, fresh and private', async () => {
  const workplace = createWorkplace({ root });
  const lease = leaseOf(randomUUID());
  const first = await workplace.open(lease);
  await writeFile(join(first.workspace, 'left.txt'), 'x');
  const again = await workplace.open({ ...lease, fence: 2 });
  expect(again).toEqual(first);
  expect((await readdir(again.root)).sort()).toEqual(['config', 'home', 'tmp', 'workspace']);
  expect(await readdir(again.workspace)).toEqual([]);
  for (const path of [root, again.root, again.config, again.workspace]) {
    expect((await stat(path)).mode & 0o777).toBe(0o700);
  }
});

test('a close that comes late takes nothing away from a newer lease, whoever is faster', async () => {
  const lease = leaseOf(randomUUID());
  const name = folderNameOf(lease);
  const [before, after] = [createWorkplace({ root }), createWorkplace({ root })];
  for (let round = 1; round <= 150; round++) {
    const old = { ...lease, owner: `old-${round}`, fence: 2 * round };
    await before.open(old);
    const steps = round % 15;
    const closing = before.close(old);
    for (let step = 0; step < steps; step++) await new Promise((resolve) => setImmediate(resolve));
    const newer = { ...lease, owner: `new-${round}`, fence: 2 * round + 1 };
    const [opened] = await Promise.all([after.open(newer), closing]);
    expect((await readdir(opened.root)).sort(), `round ${round}`).toEqual([
      'config',
      'home',
      'tmp',
      'workspace',
    ]);
    expect((await readdir(root)).filter((name) => !name.includes('.trash-')).sort()).toEqual([
      name,
      `${name}.json`,
    ]);
  }
});

test('a worker that was killed while it held a directory holds nobody up, and gives way to one of them', async () => {
  const lease = leaseOf(randomUUID());
  const name = folderNameOf(lease);
  await mkdir(root);
  const dead = { number: '0123456789abcdef', worker: { pid: 2 ** 22 + 1, start: '1' } };
  await writeFile(join(root, `${name}.lock`), JSON.stringify(dead));
  const workplaces = Array.from({ length: 8 }, () => createWorkplace({ root }));
  const opened = await Promise.all(
    workplaces.map((workplace, at) => workplace.open({ ...lease, fence: at + 1 }).catch(() => null)),
  );
  expect(opened.at(-1)).toMatchObject({ root: join(root, name) });
  expect((await readdir(join(root, name))).sort()).toEqual(['config', 'home', 'tmp', 'workspace']);
  expect(await readdir(root)).not.toContain(`${name}.lock`);
});

test('after close nothing is left, whatever permissions the agent gave', async () => {
  const workplace = createWorkplace({ root });
  const lease = leaseOf(randomUUID());
  const { workspace } = await workplace.open(lease);
  await mkdir(join(workspace, 'locked/deep'), { recursive: true });
  await writeFile(join(workspace, 'locked/deep/file'), 'x', { mode: 0o000 });
  const outside = join(base, 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'kept'), 'x');
  await symlink(outside, join(workspace, 'locked/link'));
  await chmod(join(workspace, 'locked/deep'), 0o000);
  await chmod(join(workspace, 'locked'), 0o500);
  await workplace.close(lease);
  expect(await readdir(base)).toEqual(['outside']);
  expect(await readdir(outside)).toEqual(['kept']);
  await workplace.close(lease);
});

test(`${promise('FENCED')} a lease that lost the directory neither removes nor takes it`, async () => {
  const workplace = createWorkplace({ root });
  const old = leaseOf(randomUUID(), 1, 'a');
  await workplace.open(old);
  const mine = { ...old, fence: 2, owner: 'b' };
  const { workspace } = await workplace.open(mine);
  await writeFile(join(workspace, 'mine.txt'), 'x');
  await workplace.close(old);
  await expect(workplace.open(old)).rejects.toMatchObject({ code: 'lease-lost' });
  expect(await readdir(workspace)).toEqual(['mine.txt']);
  await workplace.close(mine);
});

test('opening ends what an earlier turn left running, and only that', async () => {
  const workplace = createWorkplace({ root });
  const lease = leaseOf(randomUUID());
  const { root: place } = await workplace.open(lease);
  const other = leftBehind(`${place}-another`);
  const left = [leftBehind(place), leftBehind(place, true)];
  await Promise.all([other, ...left].map((child) => (child.pid ? null : once(child, 'spawn'))));
  const ended = left.map((child) => once(child, 'exit'));
  await workplace.open({ ...lease, fence: 2 });
  for (const end of ended) expect((await end)[1]).toBe('SIGKILL');
  expect(other.exitCode ?? other.signalCode).toBe(null);
});

test('sessions do not disturb each other', async () => {
  const workplace = createWorkplace({ root });
  const [a, b] = [leaseOf(randomUUID()), leaseOf(randomUUID())];
  await workplace.open(a);
  const second = await workplace.open(b);
  await workplace.close(a);
  const kept = folderNameOf(b);
  expect(await readdir(root)).toEqual([kept, `${kept}.json`].sort());
  expect(await readdir(second.root)).toContain('workspace');
  await workplace.close(b);
});

test(`${promise('TENANT')} no two pairs of tenant and session share a folder, whatever they are called`, async () => {
  const uuid = '0f8fad5b-d9cb-469f-a165-70867728950e';
  const odd = [
    '../../etc',
    '..',
    '.',
    '',
    'a/b',
    'a',
    'b',
    'A',
    'a.b',
    'a-b',
    'a b',
    '\0',
    'é',
    'e\u0301',
    '"',
    '["a"]',
  ];
  const sessions = [uuid, uuid.toUpperCase(), uuid.replaceAll('-', ''), `${uuid}.json`, ...odd];
  const tenants = ['default', 'DEFAULT', 'test', uuid, ...odd];
  const pairs = tenants.flatMap((tenant) =>
    sessions.map((sessionId) => ({ tenant, sessionId }) as Pick<Lease, 'tenant' | 'sessionId'>),
  );
  const names = pairs.map(folderNameOf);
  expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(pairs.length);
  for (const name of names) expect(name).toMatch(/^[0-9a-f-]{36,40}$/);
  expect(folderNameOf({ tenant: DEFAULT_TENANT, sessionId: uuid as SessionId })).toBe(uuid);

  const workplace = createWorkplace({ root });
  const [mine, theirs] = ['acme', 'globex'].map((name) => ({ ...leaseOf(uuid), tenant: tenantId(name) }));
  const { workspace } = await workplace.open(mine!);
  await writeFile(join(workspace, 'mine.txt'), 'x');
  const other = await workplace.open(theirs!);
  expect(await readdir(other.workspace)).toEqual([]);
  await workplace.close(theirs!);
  expect(await readdir(workspace)).toEqual(['mine.txt']);
  await workplace.close(mine!);
});

test('a folder whose path the CLI would misread is refused', () => {
  expect(() => createWorkplace({ root: '/tmp/a -b' })).toThrow(/" -"/);
});
