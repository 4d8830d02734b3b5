// The walls of one execution environment, as far as this machine has them: process, mount and IPC namespaces of its own
// under bubblewrap, Lambda's paths (/var/task, /var/runtime, /var/lang), one writable folder, a plain user without
// capabilities, and a Node that may be executed but not read, as in the image. The network stays the machine's own.
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { detectSandbox } from '../../src/host/sandbox/index.ts';
import { SYSTEM_FOLDERS } from '../../src/state/system-folders.ts';

/** The user of environments where this program runs as root. */
const PLAIN_USER = 65_534;

export interface Sandbox {
  /** bubblewrap. */
  readonly command: string;
  /** A copy of Node with mode 0111. */
  readonly node: string;
}

/** Where an environment may write: a folder of this machine, and what its processes see it as. */
export interface WritableFolder {
  readonly path: string;
  readonly shownAs: string;
}

/** null where there is no bubblewrap that works. `folder` keeps the copy of Node. */
export async function openSandbox(folder: string): Promise<Sandbox | null> {
  const found = await detectSandbox();
  if (found.kind !== 'bubblewrap') return null;
  const node = join(folder, 'execute-only', 'node');
  if (!existsSync(node)) {
    mkdirSync(dirname(node), { recursive: true });
    copyFileSync(process.execPath, node);
    chmodSync(node, 0o111);
  }
  return { command: found.command, node };
}

const TASK = '/var/task';
const RUNTIME = '/var/runtime';
const NODE = '/var/lang/bin/node';
const RUNTIME_CLIENT = fileURLToPath(import.meta.resolve('aws-lambda-ric'));
const ADDON = join(import.meta.dirname, 'rapid-client.cjs');

export interface EnvironmentCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** LAMBDA_TASK_ROOT. */
  readonly taskRoot: string;
}

/** The runtime client over `folder`, on this machine as it is. */
export function plainCommand(folder: string, handler: string): EnvironmentCommand {
  return {
    command: process.execPath,
    args: ['--require', ADDON, RUNTIME_CLIENT, handler],
    taskRoot: folder,
  };
}

/** The same inside the sandbox. The writable folder is given to the environment's user. */
export function sandboxedCommand(
  sandbox: Sandbox,
  folder: string,
  handler: string,
  writable: WritableFolder,
): EnvironmentCommand {
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(writable.path, PLAIN_USER, PLAIN_USER);
  const system = [...SYSTEM_FOLDERS, '/etc'].flatMap((path) => ['--ro-bind-try', path, path]);
  const shown = [
    ['--ro-bind', folder, TASK],
    ['--ro-bind', sandbox.node, NODE],
    ['--ro-bind', dirname(RUNTIME_CLIENT), join(RUNTIME, 'aws-lambda-ric')],
    ['--ro-bind', ADDON, join(RUNTIME, 'rapid-client.cjs')],
    ['--bind', writable.path, writable.shownAs],
  ] as const;
  const walls = [
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--die-with-parent', '--new-session'],
    ...['--proc', '/proc', '--ro-bind', '/proc/sys', '/proc/sys', '--dev', '/dev', '--remount-ro', '/dev'],
    ...system,
    // Made by bubblewrap itself they would be root's alone.
    ...shown.flatMap(([, , at]) => foldersAbove(at).flatMap((above) => ['--perms', '0755', '--dir', above])),
    ...shown.flat(),
    ...['--remount-ro', '/', '--chdir', TASK, '--'],
  ];
  const asUser = isRoot
    ? ['/usr/bin/setpriv', `--reuid=${PLAIN_USER}`, `--regid=${PLAIN_USER}`, '--clear-groups', ...NO_RIGHTS]
    : [];
  const runtime = [
    NODE,
    '--require',
    join(RUNTIME, 'rapid-client.cjs'),
    join(RUNTIME, 'aws-lambda-ric/index.mjs'),
  ];
  return {
    command: sandbox.command,
    args: [...walls, ...asUser, '/bin/sh', '-c', WITH_VARIABLES, 'sh', ...runtime, handler],
    taskRoot: TASK,
  };
}

/** Outermost first. */
function foldersAbove(path: string): string[] {
  const above = dirname(path);
  return above === '/' ? [] : [...foldersAbove(above), above];
}

const NO_RIGHTS = ['--inh-caps=-all', '--bounding-set=-all', '--no-new-privs'];

/**
 * The variables come through a pipe, so that only the runtime client ever has them, and not what keeps the walls up.
 * And Node is started by a program without rights: whoever may read every file would make its process readable.
 */
const WITH_VARIABLES = 'set -a; eval "$(cat <&3)"; set +a; exec 3<&-; exec "$@"';

/** What goes through that pipe. */
export function asShellVariables(variables: Readonly<Record<string, string>>): string {
  const quoted = (value: string) => `'${value.replaceAll("'", "'\\''")}'`;
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${quoted(value)}\n`)
    .join('');
}
