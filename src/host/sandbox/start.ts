// Starts a program in the sandbox as a whole, or without one where there is none. Promises, with bubblewrap: the program
// and all it starts see only what `StartOptions` names; when it ends, is killed, or this process dies in any way, everything
// in it ends; `ended` resolves when that has happened. Without a sandbox the end is best effort (see processes.ts).
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { processStart } from '../../agent/process-identity.ts';
import { endProcesses, ROOT_MARKER } from '../../agent/processes.ts';
import { Invalid } from '../../core/errors.ts';
import { bubblewrapArguments, socketInside } from './bubblewrap.ts';
import { writtenOfEtc } from './etc.ts';
import { SOCKETS_VARIABLE } from './forward.ts';
import { coverInherited } from './inherited-descriptors.ts';
import { handOver, handOverSocket, letRead, type RunsAs, runsAs } from './inside-user.ts';
import { DEFAULT_LIMITS, prlimitArguments, type SandboxLimits } from './limits.ts';
import type { Bubblewrap, SandboxEnd, SandboxedProcess, StartOptions } from './sandbox.ts';
import { seccompFilter } from './seccomp.ts';

/** After its first process was killed, the outermost one reports that at once. */
const REPORT_MS = 2_000;
const LOOK_AGAIN_MS = 5;

export async function startInSandbox(options: StartOptions): Promise<SandboxedProcess> {
  return options.sandbox.kind === 'bubblewrap'
    ? await startWalled(options, options.sandbox)
    : startBare(options);
}

async function startWalled(options: StartOptions, sandbox: Bubblewrap): Promise<SandboxedProcess> {
  const { directories, sockets = {} } = options;
  const sharesNetwork = options.network === 'open';
  if (!sharesNetwork && !sandbox.ownNetwork) {
    throw new Invalid('no-own-network', 'This machine gives a sandbox no network of its own.', {
      advice: 'Set "network": "open" in settings.json if the agent may reach whatever this machine reaches.',
    });
  }
  const user = runsAs(sandbox);
  await handOver(
    directories.writable.map(({ path }) => path),
    user,
  );
  for (const path of Object.values(sockets)) await handOverSocket(path, user);
  for (const { path } of directories.incoming ?? []) await letRead(path, user);

  const limits = { ...DEFAULT_LIMITS, ...options.limits };
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
    directories,
    sockets: Object.fromEntries(Object.entries(sockets).map(([name, path]) => [socketInside(name), path])),
    temporaryBytes: limits.temporaryBytes,
    files: Object.fromEntries(Object.keys(files).map((path, index) => [path, fdOf(index)])),
    infoFd,
    seccompFd: filter === null ? null : fdOf(given.length - 1),
  });
  // By a descriptor, for the environment is among them: command lines can be read by everyone on this machine.
  const child = spawn(
    sandbox.command,
    ['--args', String(argsFd), '--', ...beforeProgram(sandbox, user, limits), ...programOf(options)],
    {
      env: {},
      cwd: '/',
      stdio: coverInherited([...options.stdio, 'pipe', 'pipe', ...given.map(() => 'pipe' as const)]),
    },
  );
  give(child, argsFd, args.map((argument) => `${argument}\0`).join(''));
  for (const [index, content] of given.entries()) give(child, fdOf(index), content);
  return walledProcess(child, options.stdio.length, infoFd);
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

const programOf = ({ program }: StartOptions): string[] => [program.command, ...program.args];

function give(child: ChildProcess, fd: number, content: string | Uint8Array): void {
  const pipe = child.stdio[fd] as Writable | null | undefined;
  // It ended before it had read all: its exit tells more.
  pipe?.on('error', () => {});
  pipe?.end(content);
}

function walledProcess(child: ChildProcess, ownStreams: number, infoFd: number): SandboxedProcess {
  let killed = false;
  /** The namespace's first process; when it is gone, so is every other. Known a moment after the start. */
  const first = firstProcess(child.stdio[infoFd] as Readable | null);
  const kill = (): void => {
    if (killed) return;
    killed = true;
    // Killed from within: the outermost process ends when the kernel has ended everything inside, and not before.
    void first.then(async (found) => {
      if (!found || !signal(found.pid)) return void child.kill('SIGKILL');
      await sleep(REPORT_MS, undefined, { ref: false });
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    });
  };
  return {
    pid: child.pid ?? -1,
    stdio: streamsOf(child, ownStreams),
    kill,
    ended: endOf(child).then(async (end) => {
      const found = await first;
      // Somebody may have killed the outermost process alone; the others follow it, but not in the same moment.
      while (found && (await processStart(found.pid)) === found.start) await sleep(LOOK_AGAIN_MS);
      if (found || end.failure !== undefined || killed) return end;
      return { ...end, failure: 'bubblewrap could not set the sandbox up' };
    }),
  };
}

interface FirstProcess {
  readonly pid: number;
  readonly start: string;
}

async function firstProcess(info: Readable | null): Promise<FirstProcess | null> {
  let text = '';
  try {
    for await (const piece of info ?? []) {
      text += String(piece);
      const pid = Number(/"child-pid":\s*(\d+)\D/.exec(text)?.[1]);
      if (!pid) continue;
      const start = await processStart(pid);
      return start === null ? null : { pid, start };
    }
  } catch {
    // It ended before it had a first process.
  }
  return null;
}

function startBare(options: StartOptions): SandboxedProcess {
  const { program, directories, sockets = {} } = options;
  const { root } = directories;
  const child = spawn(program.command, program.args, {
    env: { ...options.env, [ROOT_MARKER]: root, [SOCKETS_VARIABLE]: JSON.stringify(sockets) },
    cwd: options.cwd,
    stdio: [...options.stdio],
    detached: true,
  });
  const pids = child.pid === undefined ? [] : [child.pid];
  return {
    pid: child.pid ?? -1,
    stdio: streamsOf(child, options.stdio.length),
    kill: () => void child.kill('SIGKILL'),
    ended: endOf(child).then(async (end) => {
      await endProcesses(root, pids).catch(() => {});
      return end;
    }),
  };
}

function streamsOf(child: ChildProcess, count: number): (Readable | Writable | null)[] {
  return child.stdio.slice(0, count).map((stream) => stream ?? null);
}

function endOf(child: ChildProcess): Promise<SandboxEnd> {
  return new Promise((resolve) => {
    child.once('exit', (code, signalName) => resolve({ code, signal: signalName }));
    child.once('error', (error) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, failure: error.message });
    });
  });
}

function signal(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}
