// The wall around the CLI alone, where it does not run in a host (src/host/sandbox). With bubblewrap the whole CLI lives in
// its own process, mount and IPC namespaces: it sees system files read-only, its own turn's root, and nothing else
// of this machine's files. The network stays shared: the agent reaches the model gateway, the internet, and any
// service that listens on loopback.
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Sandbox } from '../host/sandbox/sandbox.ts';
import { SYSTEM_FOLDERS } from '../state/system-folders.ts';

export { detectSandbox } from '../host/sandbox/detect.ts';

/** `host`: the process that starts the CLI is in a sandbox itself. */
export type SandboxChoice = Sandbox | { readonly kind: 'host' };

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
