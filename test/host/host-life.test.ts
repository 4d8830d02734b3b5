// Hosts that stand still, or whose worker is gone: each is ended, by its own worker or by the next one.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processStart } from '../../src/agent/process-identity.ts';
import { createWorkplace } from '../../src/agent/workplace.ts';
import { silentLog } from '../../src/core/log.ts';
import { promise } from '../../src/core/promises.ts';
import type { Lease } from '../../src/core/records.ts';
import { type LocalHostsOptions, openLocalHosts } from '../../src/host/local-hosts.ts';
import { HOST_PATIENCE } from '../../src/host/patience.ts';
import { detectSandbox, type Sandbox } from '../../src/host/sandbox/index.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/index.ts';
import { EXAMPLE, leaseOf } from '../agent/turn-fixture.ts';
import { until } from '../waiting.ts';

const sandbox = await detectSandbox();
const NO_WALL: Sandbox = { kind: 'none', reason: 'left out by the test', accepted: true };
const KINDS: readonly Sandbox[] = [...(sandbox.kind === 'bubblewrap' ? [sandbox] : []), NO_WALL];

let base: string;
beforeAll(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), 'host-life-')));
});
afterAll(() => rm(base, { recursive: true }));

function optionsFor(wall: Sandbox, root: string): LocalHostsOptions {
  return {
    sandbox: wall,
    root,
    workplace: createWorkplace({ root }),
    objects: createMemoryObjectStore(),
    agentDir: EXAMPLE,
    limits: { maxWorkspaceBytes: 1_000_000, maxWorkspaceFiles: 100 },
    network: 'open',
    patience: { ...HOST_PATIENCE, silentMs: 1_500, beatEveryMs: 200 },
    log: silentLog,
  };
}

/** The processes below one, itself included. */
function familyOf(pid: number): number[] {
  const parents = readdirSync('/proc')
    .map(Number)
    .filter(Boolean)
    .map((each) => [each, parentOf(each)] as const);
  const family = [pid];
  for (const member of family) family.push(...parents.flatMap(([each, of]) => (of === member ? [each] : [])));
  return family;
}

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return 0;
  }
}

const isGone = async (pid: number): Promise<boolean> => (await processStart(pid)) === null;

describe.each(KINDS)('sandbox: $kind', (wall) => {
  test.each<[string, (root: string) => Partial<LocalHostsOptions>]>([
    ['its agent folder is gone', (root) => ({ agentDir: join(root, 'nowhere') })],
    ['its program is missing', (root) => ({ program: join(root, 'nowhere.js') })],
    ['its program ends at once', () => ({ program: '--version' })],
    ['the copy of its folder is gone', (root) => ({ agentCopy: join(root, 'nowhere') })],
  ])('a host that cannot start, as %s, leaves nothing', async (_why, broken) => {
    const root = join(base, randomUUID());
    await expect(openLocalHosts({ ...optionsFor(wall, root), ...broken(root) })()).rejects.toThrow();
    expect(existsSync(root)).toBe(false);
  });

  test(`${promise('UNBLOCK')} a host that stands still is ended, and said to have stopped answering`, async () => {
    const start = openLocalHosts(optionsFor(wall, join(base, randomUUID())));
    const host = await start();
    const { pid } = host.link.process as { readonly pid?: number };
    const family = familyOf(pid!);
    process.kill(family.at(-1)!, 'SIGSTOP');
    await host.link.ended;
    await expect(host.link.ask({ type: 'close' }, 'saved')).rejects.toMatchObject({
      code: 'host-hung',
      message: expect.stringContaining('stopped answering'),
    });
    await host.close();
    for (const each of family) await until(() => isGone(each), 'its processes to be gone');
  });
});

describe('without a wall', () => {
  test(`${promise('FORGET')} a host that stood still when its worker was killed is ended by the next worker`, async () => {
    const root = join(base, randomUUID());
    const file = join(base, `${randomUUID()}.ts`);
    const module = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);
    await writeFile(
      file,
      `import { openLocalHosts } from ${module('../../src/host/local-hosts.ts')};
import { createWorkplace } from ${module('../../src/agent/workplace.ts')};
import { createMemoryObjectStore } from ${module('../../src/stores/memory/index.ts')};
const options = JSON.parse(process.argv[2]);
const start = openLocalHosts({ ...options, workplace: createWorkplace({ root: options.root }), objects: createMemoryObjectStore(), log() {} });
const host = await start();
console.log(host.link.process.pid);
`,
    );
    const { workplace: _, objects: __, log: ___, ...plain } = optionsFor(NO_WALL, root);
    const patience = { ...HOST_PATIENCE, silentMs: 3_600_000 };
    const worker = spawn(process.execPath, ['--no-warnings', file, JSON.stringify({ ...plain, patience })], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said = await new Promise<Buffer>((resolve) => worker.stdout.once('data', resolve));
    const pid = Number(said.toString());
    process.kill(pid, 'SIGSTOP');
    worker.kill('SIGKILL');
    await until(() => worker.signalCode, 'the worker to be gone');
    expect(await isGone(pid)).toBe(false);
    openLocalHosts(optionsFor(NO_WALL, root));
    await until(() => isGone(pid), 'the host to be gone');
    await expect.poll(() => (existsSync(root) ? readdirSync(root) : [])).toEqual([]);
  });

  test(`${promise('FENCED')} a session's earlier host is ended before its folder is used again`, async () => {
    const root = join(base, randomUUID());
    const start = openLocalHosts(optionsFor(NO_WALL, root));
    const [first, second] = [await start(), await start()];
    const lease = leaseOf(randomUUID());
    const newer: Lease = { ...lease, owner: 'another', fence: lease.fence + 1 };
    const { directory } = await first.claim(lease, null);
    await writeFile(join(directory.workspace, 'left'), 'behind');
    const place = await second.claim(newer, null);
    await first.link.ended;
    expect(place.directory).toEqual(directory);
    expect(readdirSync(directory.workspace)).toEqual([]);
    await expect(first.claim(lease, null)).rejects.toMatchObject({ code: 'lease-lost' });
    await first.close();
    expect(existsSync(directory.workspace)).toBe(true);
    await second.close();
    expect(existsSync(directory.workspace)).toBe(false);
  });
});
