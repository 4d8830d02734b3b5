// Which wall this machine offers around the agent, found out by trying it. With bubblewrap the whole CLI lives in
// its own process, mount and IPC namespaces: it sees system files read-only, its own turn's root, and nothing else
// of this machine's files. The network stays shared: the agent reaches the model gateway, the internet, and any
// service that listens on loopback.
import { execFile } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { SYSTEM_FOLDERS } from '../state/system-folders.ts';
import { SAFE_PATH } from './environment.ts';

export type SandboxChoice =
  | { readonly kind: 'bubblewrap'; readonly command: string }
  /** The process that starts the CLI is in one itself. */
  | { readonly kind: 'host' }
  /** macOS: the SDK's own sandbox, around shell commands only. */
  | { readonly kind: 'seatbelt' }
  | { readonly kind: 'none'; readonly reason: string };

const run = promisify(execFile);

/** Tries what the machine has; never throws. `path` is where to look for programs. */
export async function detectSandbox(options: { readonly path?: string } = {}): Promise<SandboxChoice> {
  if (process.platform === 'darwin') {
    return (await isExecutable('/usr/bin/sandbox-exec'))
      ? { kind: 'seatbelt' }
      : { kind: 'none', reason: 'sandbox-exec is missing' };
  }
  if (process.platform !== 'linux') return { kind: 'none', reason: `none is known on ${process.platform}` };
  const command = await findProgram('bwrap', options.path ?? SAFE_PATH);
  if (!command) return { kind: 'none', reason: 'bubblewrap (bwrap) is not installed' };
  try {
    await run(command, [...bubblewrapArguments({ readOnly: [] }), '--', '/bin/sh', '-c', 'true'], {
      timeout: 10_000,
      env: {},
    });
    return { kind: 'bubblewrap', command };
  } catch (error) {
    const line = String((error as { stderr?: string }).stderr ?? '')
      .trim()
      .split('\n')
      .at(-1);
    return { kind: 'none', reason: `bubblewrap does not work here${line ? ` (${line})` : ''}` };
  }
}

/** Folders of a turn's root that its processes may write to. */
const WRITABLE = ['config', 'workspace', 'home', 'tmp'];

const ETC = [
  'alternatives',
  'bash.bashrc',
  'ca-certificates',
  'ca-certificates.conf',
  'crypto-policies',
  'gai.conf',
  'group',
  'host.conf',
  'hosts',
  'inputrc',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'locale.alias',
  'locale.conf',
  'localtime',
  'magic',
  'mime.types',
  'nsswitch.conf',
  'passwd',
  'pki',
  'profile',
  'profile.d',
  'protocols',
  'resolv.conf',
  'services',
  'shells',
  'ssl',
  'terminfo',
  'timezone',
];

/**
 * Everything before `--`. The session's folders below `root` are the only writable places besides a private, empty /tmp.
 * Each is a mount of its own and `root` is read-only, so none can be replaced by a link that we would follow afterwards.
 */
export function bubblewrapArguments(options: {
  readonly root?: string;
  readonly cwd?: string;
  /** Absolute paths to show read-only, where they exist. */
  readonly readOnly: readonly string[];
}): string[] {
  const shown = [...SYSTEM_FOLDERS, ...ETC.map((name) => `/etc/${name}`)];
  const args = [
    '--unshare-pid',
    '--unshare-ipc',
    '--unshare-uts',
    '--unshare-cgroup-try',
    '--die-with-parent',
  ];
  args.push('--new-session', '--cap-drop', 'ALL', '--dev', '/dev', '--proc', '/proc', '--tmpfs', '/tmp');
  // Started by root, a process could set the machine's kernel parameters here, and so run programs outside.
  args.push('--ro-bind', '/proc/sys', '/proc/sys');
  for (const path of shown) args.push('--ro-bind-try', path, path);
  // Before the root, so that a shown folder that happens to contain the root does not cover it.
  for (const path of withTargets(options.readOnly)) args.push('--ro-bind-try', path, path);
  if (options.root !== undefined) {
    args.push('--ro-bind', options.root, options.root);
    for (const name of WRITABLE) {
      const folder = join(options.root, name);
      args.push('--bind', folder, folder);
    }
  }
  args.push('--remount-ro', '/');
  if (options.cwd !== undefined) args.push('--chdir', options.cwd);
  return args;
}

/** A path that goes through links is shown under both names: as it was given and as it is. */
function withTargets(paths: readonly string[]): string[] {
  const all = new Set(paths);
  for (const path of paths) {
    try {
      all.add(realpathSync(path));
    } catch {
      // Not there: `--ro-bind-try` passes over it, too.
    }
  }
  return [...all];
}

async function findProgram(name: string, path: string): Promise<string | null> {
  for (const folder of path.split(delimiter)) {
    if (folder.startsWith('/') && (await isExecutable(join(folder, name)))) return join(folder, name);
  }
  return null;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** The paths that must be visible so that our own `node` runs: the program, and npm when it is in the same tree. */
export function nodePaths(execPath: string): string[] {
  const prefix = dirname(dirname(execPath));
  try {
    realpathSync(join(prefix, 'lib', 'node_modules', 'npm'));
    return [execPath, join(prefix, 'lib', 'node_modules'), join(prefix, 'bin')];
  } catch {
    return [execPath];
  }
}
