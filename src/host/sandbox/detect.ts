// Which wall this machine offers, found out by trying it: a host is started as a real one is, and looks around inside. A
// wall with a hole is none. Never throws.
import { spawnSync } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { SAFE_PATH } from '../../agent/environment.ts';
import { PACKAGE_ROOT } from '../../package-root.ts';
import { endOrphans } from './orphans.ts';
import { programPaths } from './program-paths.ts';
import type { Bubblewrap, Sandbox } from './sandbox.ts';
import { startInSandbox } from './start.ts';

export interface DetectOptions {
  /** Where to look for bubblewrap. */
  readonly path?: string;
  readonly platform?: NodeJS.Platform;
}

export async function detectSandbox(options: DetectOptions = {}): Promise<Sandbox> {
  const { path = SAFE_PATH, platform = process.platform } = options;
  if (platform === 'darwin') {
    return (await isExecutable('/usr/bin/sandbox-exec'))
      ? { kind: 'seatbelt' }
      : { kind: 'none', reason: 'sandbox-exec is missing' };
  }
  if (platform !== 'linux') return { kind: 'none', reason: `none is known on ${platform}` };
  await endOrphans();
  const command = await findProgram('bwrap', path);
  if (!command) return { kind: 'none', reason: 'bubblewrap (bwrap) is not installed' };
  const isRoot = process.getuid?.() === 0;
  const setpriv = isRoot ? await findProgram('setpriv', SAFE_PATH) : null;
  if (isRoot && setpriv === null) {
    return { kind: 'none', reason: 'it was started by root, and setpriv (util-linux) is not installed' };
  }
  const prlimit = await findProgram('prlimit', SAFE_PATH);
  const wanted = { kind: 'bubblewrap', command, prlimit, setpriv } as const;
  const extra = isRoot || !takes(command, '--disable-userns') ? [] : ['--disable-userns'];
  let reason = '';
  for (const ownNetwork of [true, false]) {
    const sandbox: Bubblewrap = { ...wanted, extra, ownNetwork };
    const fault = await tried(sandbox);
    if (fault === null) return sandbox;
    reason ||= fault;
  }
  return { kind: 'none', reason: `bubblewrap does not work here (${reason})` };
}

const PROBE_MS = 10_000;

/** Prints one line for each hole. Written for any POSIX shell. */
const LOOK_AROUND = `
[ -r /proc/self/status ] || echo "/proc cannot be read"
while read -r name value; do
  case $name in
    CapEff:|CapPrm:) [ "$value" = 0000000000000000 ] || echo "a process inside has capabilities" ;;
    NoNewPrivs:) [ "$value" = 1 ] || echo "a process inside can gain rights" ;;
  esac
done < /proc/self/status
for file in /proc/sys/kernel/core_pattern /proc/sysrq-trigger; do
  [ ! -w $file ] || echo "$file can be written"
done
for file in "$NODE" "$PACKAGE"; do
  [ -r "$file" ] || echo "the user inside may not read $file"
done
[ ! -w / ] || echo "the root can be written"
[ ! -w /usr ] || echo "system files can be written"
( : > "$PWD/here" ) || echo "the working directory cannot be written"
( : > /tmp/here ) || echo "/tmp cannot be written"
[ -n "$OUTSIDE" ] || echo "the environment did not arrive"
[ ! -e "$OUTSIDE" ] || echo "files of this machine are to be seen"
[ ! -d "/proc/$WORKER" ] || [ "$WORKER" -lt 100 ] || echo "processes of this machine are to be seen"
echo looked
`;

/** What is wrong with the wall; null for nothing. */
async function tried(sandbox: Bubblewrap): Promise<string | null> {
  let base: string | undefined;
  try {
    base = await mkdtemp(join(tmpdir(), 'hybrid-sandbox-probe-'));
    const [workspace, outside] = [join(base, 'workspace'), join(base, 'outside')];
    for (const folder of [workspace, outside]) await mkdir(folder);
    const probe = await startInSandbox({
      sandbox,
      program: { command: '/bin/sh', args: ['-c', LOOK_AROUND] },
      env: {
        PATH: SAFE_PATH,
        OUTSIDE: outside,
        WORKER: String(process.pid),
        NODE: process.execPath,
        PACKAGE: join(PACKAGE_ROOT, 'package.json'),
      },
      cwd: workspace,
      directories: { root: base, writable: [{ path: workspace }], readOnly: programPaths() },
      stdio: ['ignore', 'pipe', 'pipe'],
      network: sandbox.ownNetwork ? 'none' : 'open',
    });
    const timer = setTimeout(probe.kill, PROBE_MS);
    const [found, complaint, end] = await Promise.all([
      text(probe.stdio[1] as Readable),
      text(probe.stdio[2] as Readable),
      probe.ended,
    ]);
    clearTimeout(timer);
    const lines = found.trim().split('\n');
    if (lines.at(-1) === 'looked') return lines.length === 1 ? null : (lines[0] as string);
    return complaint.trim().split('\n').at(-1) || end.failure || 'it did not start';
  } catch (error) {
    return (error as Error).message;
  } finally {
    if (base !== undefined) await rm(base, { recursive: true, force: true });
  }
}

function takes(command: string, option: string): boolean {
  return spawnSync(command, ['--help'], { env: {}, encoding: 'utf8', timeout: 5_000 }).stdout?.includes(
    option,
  );
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
