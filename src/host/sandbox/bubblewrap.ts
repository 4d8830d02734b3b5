// Bubblewrap's arguments for one host. Everything lives in namespaces of its own: processes (its end ends all of them),
// mounts, IPC, host name, users where we are not root, and the network unless it is `open`. The root is an empty,
// read-only folder in memory into which system files and what the host needs are mounted read-only. Only the session's
// folders, /tmp and /dev/shm can be written to.
import { existsSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { SYSTEM_FOLDERS } from '../../state/system-folders.ts';
import { HIDDEN, shownOfEtc } from './etc.ts';
import type { RunsAs } from './inside-user.ts';
import type { Bubblewrap, StartOptions } from './sandbox.ts';

/** Where sockets of ours are inside. */
const SOCKETS = '/run/hybrid-sessions';

/** Parts of /proc that change the machine when written to. A process of root could, without any capability. */
const KERNEL_FILES = ['/proc/sys', '/proc/sysrq-trigger', '/proc/irq', '/proc/bus', '/proc/fs', '/proc/acpi'];

export interface Wall {
  readonly sandbox: Bubblewrap;
  readonly user: RunsAs;
  readonly sharesNetwork: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly directories: StartOptions['directories'];
  /** Paths outside by paths inside. */
  readonly sockets: Readonly<Record<string, string>>;
  readonly temporaryBytes: number;
  /** Number of the descriptor that a file's content comes from, by path. */
  readonly files: Readonly<Record<string, number>>;
  readonly infoFd: number;
  readonly seccompFd: number | null;
}

export function bubblewrapArguments(wall: Wall): string[] {
  const { sandbox, user, directories } = wall;
  const args = [
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try', '--hostname', 'agent'],
    ...(wall.sharesNetwork ? [] : ['--unshare-net']),
    ...(user.isOther ? [] : ['--unshare-user', '--uid', String(user.uid), '--gid', String(user.gid)]),
    ...sandbox.extra,
    ...['--die-with-parent', '--new-session'],
    ...['--cap-drop', 'ALL'],
    // To become another user; that step gives them up (see start.ts).
    ...(user.isOther
      ? ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP'].flatMap((name) => ['--cap-add', name])
      : []),
    ...['--info-fd', String(wall.infoFd)],
    ...(wall.seccompFd === null ? [] : ['--seccomp', String(wall.seccompFd)]),
    '--clearenv',
    ...Object.entries(wall.env).flatMap(([name, value]) => ['--setenv', name, value]),
  ];
  const mounts = createMounts();
  mounts.add('/proc', '--proc', '/proc');
  for (const path of KERNEL_FILES) mounts.add(path, '--ro-bind-try', path, path);
  mounts.add('/dev', '--dev', '/dev');
  const temporary = ['--perms', '1777', '--size', String(wall.temporaryBytes), '--tmpfs'];
  mounts.add('/dev/shm', ...temporary, '/dev/shm');
  // The folder of devices is in memory, too, and has no limit of its own.
  mounts.close('/dev');
  mounts.add('/tmp', ...temporary, '/tmp');
  for (const path of [...SYSTEM_FOLDERS, ...shownOfEtc(wall.sharesNetwork)]) {
    mounts.add(path, '--ro-bind-try', path, path);
  }
  for (const path of HIDDEN.filter((folder) => existsSync(folder))) {
    mounts.add(path, '--tmpfs', path);
    mounts.close(path);
  }
  for (const [path, fd] of Object.entries(wall.files)) {
    mounts.add(path, '--perms', '0444', '--ro-bind-data', String(fd), path);
  }
  // Before the session's folders, so that a shown folder that happens to contain them does not cover them.
  for (const path of withTargets(directories.readOnly)) mounts.add(path, '--ro-bind-try', path, path);
  for (const [inside, outside] of Object.entries(wall.sockets)) {
    mounts.add(inside, '--ro-bind', outside, inside);
  }
  const isTemporary = directories.root === '/tmp';
  if (!isTemporary) mounts.add(directories.root, '--tmpfs', directories.root);
  for (const { path, at = path } of directories.writable) mounts.add(at, '--bind', path, at);
  for (const { path, at = path } of directories.incoming ?? []) {
    const inside = typeof at === 'string' ? at : at(user.uid);
    mounts.add(inside, '--ro-bind', path, inside);
  }
  if (!isTemporary) mounts.close(directories.root);
  mounts.close('/');
  return [...args, ...mounts.args, '--chdir', wall.cwd];
}

/** Collects mounts. Folders above them are made for everybody to pass: bubblewrap makes some for their owner only. */
function createMounts() {
  const args: string[] = [];
  const there = new Set(['/']);
  return {
    args,
    add(path: string, ...mount: readonly string[]): void {
      const above: string[] = [];
      for (let folder = dirname(path); !there.has(folder); folder = dirname(folder)) above.unshift(folder);
      for (const folder of above) {
        there.add(folder);
        args.push('--perms', '0755', '--dir', folder);
      }
      there.add(path);
      args.push(...mount);
    },
    /** Nothing new can be made in it from here on; what is mounted below stays as it is. */
    close: (path: string): void => void args.push('--remount-ro', path),
  };
}

/** By name: where a socket is inside. */
export function socketInside(name: string): string {
  return `${SOCKETS}/${name}.sock`;
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
