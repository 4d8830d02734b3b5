// Hosts on this machine: each in a sandbox as a whole where there is one, in a folder of its own. Inside the sandbox every
// session has the same paths, those that it has on Lambda, too; so a host can be started before its session is known, and
// a session moves between machines without its paths changing.
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, readlink, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { SAFE_PATH } from '../agent/environment.ts';
import { folderStamp } from '../agent/folder-stamp.ts';
import { isSameProcess, processStart } from '../agent/process-identity.ts';
import { endProcesses } from '../agent/processes.ts';
import { removeTree } from '../agent/remove-tree.ts';
import { errorFields, type Log } from '../core/log.ts';
import type { StateLimits, Workplace } from '../core/ports/execution.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import { programFile } from '../package-root.ts';
import { createHostLink } from './host-link.ts';
import { createIncoming } from './incoming.ts';
import { HOST_PATIENCE, type HostPatience } from './patience.ts';
import { PROTOCOL_VERSION } from './protocol.ts';
import {
  endOrphans,
  type NetworkSetting,
  programPaths,
  type Sandbox,
  type SandboxLimits,
  type StartOptions,
  startInSandbox,
} from './sandbox/index.ts';
import type { SpareHost } from './spare-host.ts';

/** Where a session is in every sandbox. */
const INSIDE = { root: '/tmp', config: '/tmp/.claude-code', workspace: '/tmp/workspace' } as const;
const INSIDE_HOME = '/tmp/home';
const INSIDE_TEMPORARY = '/tmp/tmp';
const INSIDE_PACKS = '/run/hybrid-sessions/packs';
const INSIDE_COMPILED = '/run/hybrid-sessions/compiled';
/** A host that was asked to end may take so long; it has nothing left to do. */
const CLOSE_MS = 1_000;

export interface LocalHostsOptions {
  readonly sandbox: Sandbox;
  /** Where hosts have their folders; private to this user. */
  readonly root: string;
  /** Without a sandbox: a directory per session that always has the same path. */
  readonly workplace: Workplace;
  readonly objects: ObjectStore;
  /** Where hosts find the agent folder. */
  readonly agentDir: string;
  /** What they find there, where it is not the folder itself: a copy that another user may read. */
  readonly agentCopy?: string;
  /** Node's compile cache as this process has it (`module.getCompileCacheDir`). */
  readonly compiled?: string | undefined;
  readonly limits: StateLimits;
  readonly network: NetworkSetting;
  /** Unix sockets of the worker by name, that hosts may reach. */
  readonly sockets?: Readonly<Record<string, string>>;
  readonly hostLimits?: Partial<SandboxLimits>;
  readonly language?: string;
  /** What a host runs. @default the program with the real CLI */
  readonly program?: string;
  /** Of the next host's process, besides what every host gets. */
  readonly environment?: () => Readonly<Record<string, string>>;
  /** @default HOST_PATIENCE */
  readonly patience?: HostPatience;
  readonly log: Log;
}

/** What starts one host after the other. What killed workers left is removed meanwhile: nobody waits for that. */
export function openLocalHosts(
  options: LocalHostsOptions,
): (other?: Partial<LocalHostsOptions> | null) => Promise<SpareHost> {
  const { root, sandbox, log } = options;
  const clearing =
    sandbox.kind === 'bubblewrap' ? [removeLeftovers(root), endOrphans()] : [removeLeftovers(root)];
  for (const cleared of clearing) {
    cleared.catch((error: unknown) => log('warn', 'leftovers-not-removed', errorFields(error)));
  }
  const sessions: Sessions = new Map();
  return (other) => startHost({ ...options, ...other }, sessions);
}

/** Without a wall: the last host of each session's directory, while it is there. */
type Sessions = Map<string, { readonly fence: number; readonly close: () => Promise<void> }>;

async function startHost(options: LocalHostsOptions, sessions: Sessions): Promise<SpareHost> {
  const slot = await openSlot(options.root, SLOT);
  try {
    return await startInSlot(slot, options, sessions);
  } catch (error) {
    await removeSlot(slot);
    throw error;
  }
}

async function startInSlot(slot: string, options: LocalHostsOptions, sessions: Sessions): Promise<SpareHost> {
  const { sandbox, workplace, objects, patience = HOST_PATIENCE, log } = options;
  const isWalled = sandbox.kind === 'bubblewrap';
  const folders = {
    config: join(slot, 'config'),
    workspace: join(slot, 'workspace'),
    home: join(slot, 'home'),
    temporary: join(slot, 'tmp'),
  };
  for (const folder of Object.values(folders)) await mkdir(folder, { mode: 0o700 });
  const isRoot = process.getuid?.() === 0;
  const packs = join(slot, 'packs');
  const agentFolder = options.agentCopy ?? options.agentDir;
  const stamp = await folderStamp(agentFolder);
  const incoming = await createIncoming(packs, objects, { shared: isWalled && !isRoot });

  const compiled = compiledInside(options.compiled);
  const started = await startInSandbox({
    sandbox,
    program: {
      command: process.execPath,
      args: ['--no-warnings', options.program ?? programFile('agent-host')],
    },
    env: {
      ...options.environment?.(),
      PATH: SAFE_PATH,
      LANG: options.language ?? 'C.UTF-8',
      TZ: new Intl.DateTimeFormat().resolvedOptions().timeZone,
      HOME: isWalled ? INSIDE_HOME : folders.home,
      TMPDIR: isWalled ? INSIDE_TEMPORARY : folders.temporary,
      ...(isWalled ? compiled.environment : {}),
    },
    cwd: isWalled ? INSIDE.root : slot,
    directories: isWalled
      ? {
          root: INSIDE.root,
          writable: [
            { path: folders.config, at: INSIDE.config },
            { path: folders.workspace, at: INSIDE.workspace },
            { path: folders.home, at: INSIDE_HOME },
            { path: folders.temporary, at: INSIDE_TEMPORARY },
          ],
          readOnly: [...(options.agentCopy === undefined ? [options.agentDir] : []), ...programPaths()],
          incoming: [
            { path: packs, at: INSIDE_PACKS },
            ...(options.agentCopy === undefined ? [] : [{ path: options.agentCopy, at: options.agentDir }]),
            ...compiled.mounts,
          ],
        }
      : { root: slot, writable: [], readOnly: [] },
    stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'],
    network: isWalled ? options.network : 'open',
    ...(options.sockets ? { sockets: options.sockets } : {}),
    ...(options.hostLimits ? { limits: options.hostLimits } : {}),
    onNotice: (notice) => log('info', 'sandbox-notice', { ...notice }),
    watchedLater: true,
  });
  const link = createHostLink(started, log, patience);
  let leave = async () => {};
  let closed: Promise<void> | undefined;

  async function close(): Promise<void> {
    link.send({ type: 'close' });
    const impatient = setTimeout(link.kill, CLOSE_MS);
    await link.ended;
    clearTimeout(impatient);
    await leave();
    await removeSlot(slot);
  }

  const host: SpareHost = {
    link,
    async claim(lease) {
      const { stage } = incoming;
      started.watch();
      if (isWalled) return { directory: INSIDE, stage, spool: slot };
      // A host that hung gave way to this one, under the same lease: it must be gone before the directory is made anew.
      const session = `${lease.tenant}/${lease.sessionId}`;
      const before = sessions.get(session);
      if (before?.fence === lease.fence) await before.close();
      let directory = await workplace.open(lease);
      const mine = { fence: lease.fence, close: host.close };
      sessions.set(session, mine);
      leave = async () => {
        await workplace.close(lease);
        if (sessions.get(session) === mine) sessions.delete(session);
      };
      await writeOwner(slot, { directory: directory.root, fence: lease.fence });
      // Its own process would write into the folder that is ours now.
      if (await endEarlierHosts(options.root, directory.root, lease.fence))
        directory = await workplace.open(lease);
      return { directory, stage, spool: slot };
    },
    isCurrent: async () => (await folderStamp(agentFolder).catch(() => null)) === stamp,
    close: () => (closed ??= close()),
  };
  try {
    await link.ask(
      {
        type: 'boot',
        version: PROTOCOL_VERSION,
        folder: options.agentDir,
        incoming: isWalled ? INSIDE_PACKS : packs,
        limits: options.limits,
        sandbox: isWalled ? 'host' : sandbox.kind === 'seatbelt' ? 'seatbelt' : 'none',
        accepted: sandbox.kind === 'none' && sandbox.accepted === true,
        outside: await readlink('/proc/self/ns/pid').catch(() => null),
        beatEveryMs: patience.beatEveryMs,
        ...(options.language === undefined ? {} : { language: options.language }),
      },
      'ready',
      patience.bootMs,
    );
    return host;
  } catch (error) {
    await host.close();
    throw error;
  }
}

/** Node's compile cache for a host. Its folder is named after the user, who is another one inside. */
function compiledInside(folder: string | undefined): {
  readonly environment: Readonly<Record<string, string>>;
  readonly mounts: NonNullable<StartOptions['directories']['incoming']>;
} {
  const ending = `-${process.getuid?.()}`;
  if (folder === undefined || !folder.endsWith(ending)) return { environment: {}, mounts: [] };
  const name = basename(folder).slice(0, -ending.length);
  const at = (uid: number): string => `${INSIDE_COMPILED}/${name}-${uid}`;
  return { environment: { NODE_COMPILE_CACHE: INSIDE_COMPILED }, mounts: [{ path: folder, at }] };
}

/** A folder of this worker's own beside its hosts', for sockets; removed by the next worker if this one is killed. */
export async function openWorkerFolder(
  root: string,
): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await openSlot(root, `${SLOT}worker-`);
  return { path, remove: () => removeSlot(path) };
}

const SLOT = 'host-';
const ownerSchema = z.object({
  pid: z.number(),
  start: z.string(),
  /** Without a wall: the session's folder that it works in, and by which lease. */
  works: z.object({ directory: z.string(), fence: z.number() }).optional(),
});
type Works = NonNullable<z.infer<typeof ownerSchema>['works']>;

async function openSlot(root: string, prefix: string): Promise<string> {
  const slot = join(root, `${prefix}${randomBytes(8).toString('hex')}`);
  await mkdir(slot, { recursive: true, mode: 0o700 });
  await writeOwner(slot);
  return slot;
}

async function removeSlot(slot: string): Promise<void> {
  await removeTree(slot);
  await rm(`${slot}.json`, { force: true });
  await rmdir(dirname(slot)).catch(() => {});
}

/** Beside the slot, out of its reach. */
async function writeOwner(slot: string, works?: Works): Promise<void> {
  const start = (await processStart(process.pid)) ?? '';
  const draft = `${slot}.draft`;
  await writeFile(draft, JSON.stringify({ pid: process.pid, start, works }), { mode: 0o600 });
  await rename(draft, `${slot}.json`);
}

async function* slotsIn(root: string) {
  const names = await readdir(root).catch((): string[] => []);
  for (const name of names) {
    if (!name.startsWith(SLOT) || !name.endsWith('.json')) continue;
    const file = join(root, name);
    const owner = ownerSchema.safeParse(await readJson(file));
    yield { file, slot: file.slice(0, -'.json'.length), owner: owner.success ? owner.data : null };
  }
}

/** Of workers that were killed: their hosts end with them, unless they stand still; the folders stay. */
async function removeLeftovers(root: string): Promise<void> {
  for await (const { file, slot, owner } of slotsIn(root)) {
    if (owner && (await isSameProcess(owner))) continue;
    await endProcesses(slot);
    await removeTree(slot);
    await rm(file, { force: true });
  }
}

/** Of workers that lost this session's lease and do not know it yet; true when there were any. */
async function endEarlierHosts(root: string, directory: string, fence: number): Promise<boolean> {
  let found = false;
  for await (const { slot, owner } of slotsIn(root)) {
    if (owner?.works?.directory !== directory || owner.works.fence >= fence) continue;
    await endProcesses(slot);
    found = true;
  }
  return found;
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return null;
  }
}
