// Bubblewrap around a program: what is handed over before the start, the descriptors, the end of everything in it.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { processStart } from '../../agent/process-identity.ts';
import { Invalid } from '../../core/errors.ts';
import { activityInside } from './activity.ts';
import { bubblewrapArguments, socketInside } from './bubblewrap.ts';
import { endOf, streamsOf } from './child.ts';
import { writtenOfEtc } from './etc.ts';
import { type FirstProcess, firstProcess } from './first-process.ts';
import { SOCKETS_VARIABLE } from './forward.ts';
import { coverInherited } from './inherited-descriptors.ts';
import { handOver, handOverSocket, letRead, type RunsAs, runsAs } from './inside-user.ts';
import { DEFAULT_LIMITS, prlimitArguments, type SandboxLimits } from './limits.ts';
import { endOrphans, SANDBOX_NAME } from './orphans.ts';
import type { Bubblewrap, SandboxEnd, SandboxedProcess, StartOptions } from './sandbox.ts';
import { seccompFilter } from './seccomp.ts';

/** After its first process was killed, the outermost one reports that at once. */
const REPORT_MS = 2_000;
const LOOK_AGAIN_MS = 5;

export interface WalledOptions extends StartOptions {
  readonly sandbox: Bubblewrap;
  /** The same one as another start had. */
  readonly user?: RunsAs;
}

export interface Walled extends Omit<SandboxedProcess, 'watch' | 'peakMemoryBytes'> {
  readonly user: RunsAs;
  readonly limits: SandboxLimits;
  /** Of its namespace; null when it did not get so far. */
  readonly first: Promise<FirstProcess | null>;
}

export async function startWalled(options: WalledOptions): Promise<Walled> {
  const { sandbox, directories, network, sockets = {} } = options;
  if (network !== 'open' && !sandbox.ownNetwork) {
    throw new Invalid('no-own-network', 'This machine gives a sandbox no network of its own.', {
      advice: 'Set "network": "open" in settings.json if the agent may reach whatever this machine reaches.',
    });
  }
  const user = options.user ?? runsAs(sandbox);
  await handOver(
    directories.writable.map(({ path }) => path),
    user,
  );
  for (const path of Object.values(sockets)) await handOverSocket(path, user);
  for (const { path } of directories.incoming ?? []) await letRead(path, user);
  return spawnWalled(options, user);
}

function spawnWalled(options: WalledOptions, user: RunsAs): Walled {
  const { sandbox, program, sockets = {} } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const sharesNetwork = options.network === 'open';
  const inside = Object.fromEntries(Object.keys(sockets).map((name) => [name, socketInside(name)]));
  const env: Readonly<Record<string, string>> = {
    ...options.env,
    [SOCKETS_VARIABLE]: JSON.stringify(inside),
  };
  const files = writtenOfEtc({ ...user, home: env.HOME ?? '/' }, sharesNetwork);
  const filter = seccompFilter();

  // Behind the caller's descriptors come ours, which end before the program starts.
  const first = options.stdio.length;
  const given = [...Object.values(files), ...(filter === null ? [] : [filter])];
  const [argsFd, infoFd] = [first, first + 1];
  const fdOf = (index: number): number => first + 2 + index;
  const args = bubblewrapArguments({
    sandbox,
    user,
    sharesNetwork,
    env,
    cwd: options.cwd,
    directories: options.directories,
    sockets: Object.fromEntries(Object.entries(sockets).map(([name, path]) => [socketInside(name), path])),
    temporaryBytes: limits.temporaryBytes,
    files: Object.fromEntries(Object.keys(files).map((path, index) => [path, fdOf(index)])),
    infoFd,
    seccompFd: filter === null ? null : fdOf(given.length - 1),
  });
  // By a descriptor, for the environment is among them: command lines can be read by everyone on this machine.
  const child = spawn(
    sandbox.command,
    [
      '--args',
      String(argsFd),
      '--',
      ...beforeProgram(sandbox, user, limits),
      program.command,
      ...program.args,
    ],
    {
      argv0: SANDBOX_NAME,
      env: {},
      cwd: '/',
      // Ctrl-C in a terminal goes to a whole group; a running turn ends in order instead.
      detached: true,
      stdio: coverInherited([...options.stdio, 'pipe', 'pipe', ...given.map(() => 'pipe' as const)]),
    },
  );
  give(child, argsFd, args.map((argument) => `${argument}\0`).join(''));
  for (const [index, content] of given.entries()) give(child, fdOf(index), content);
  const running = walledProcess(child, child.stdio[infoFd] as Readable | null);
  return { ...running, stdio: streamsOf(child, options.stdio.length), user, limits };
}

/** What turns into the program: each sets one thing for what follows. */
function beforeProgram(sandbox: Bubblewrap, user: RunsAs, limits: SandboxLimits): string[] {
  const { uid, gid } = user;
  return [
    ...(sandbox.setpriv === null
      ? []
      : [sandbox.setpriv, `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups']),
    ...(sandbox.setpriv === null ? [] : ['--inh-caps=-all', '--bounding-set=-all', '--']),
    ...(sandbox.prlimit === null ? [] : [sandbox.prlimit, ...prlimitArguments(limits), '--']),
    // When memory runs out the kernel takes these first, and the worker comes before them when the processor is busy.
    ...['/bin/sh', '-c'],
    'echo 1000 > /proc/self/oom_score_adj; command -v nice > /dev/null && exec nice -n 5 "$@"; exec "$@"',
    'sh',
  ];
}

function give(child: ChildProcess, fd: number, content: string | Uint8Array): void {
  const pipe = child.stdio[fd] as Writable | null | undefined;
  // It ended before it had read all: its exit tells more.
  pipe?.on('error', () => {});
  pipe?.end(content);
}

function walledProcess(child: ChildProcess, info: Readable | null) {
  let killed = false;
  const first = firstProcess(info);
  const kill = (): void => {
    if (killed) return;
    killed = true;
    // Killed from within: the outermost process ends when the kernel has ended everything inside, and not before.
    void first.then((found) => {
      if (!found || !signal(found.pid)) child.kill('SIGKILL');
    });
    const overdue = setTimeout(() => child.kill('SIGKILL'), REPORT_MS);
    child.once('exit', () => clearTimeout(overdue));
  };
  const ended = endOf(child).then(async (end): Promise<SandboxEnd> => {
    const found = await first;
    // Somebody may have killed the outermost process alone. The others follow it, but not in the same moment, and not at
    // all while bubblewrap was still setting up.
    while (found && (await processStart(found.pid)) === found.start) {
      signal(found.pid);
      await sleep(LOOK_AGAIN_MS);
    }
    if (found) return end;
    await endOrphans();
    if (end.failure !== undefined || killed) return end;
    return { ...end, failure: 'bubblewrap could not set the sandbox up' };
  });
  const activity = async () => await activityInside((await first)?.pid);
  return { pid: child.pid ?? -1, first, kill, activity, ended };
}

function signal(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}
