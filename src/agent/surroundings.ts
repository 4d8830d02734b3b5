// What lies around a session's state where its CLI stays between two turns: the laid-in configuration, what the CLI keeps for
// itself, home and temporary files. A CLI that is started anew finds none of what a turn left there. So it is recorded
// before the agent can do anything; afterwards what came is removed, and a changed file is a reason to start anew.
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { ExecutionDirectory } from '../core/ports/execution.ts';
import { removeTree } from './remove-tree.ts';
import { NOT_SESSION } from './static-config.ts';

/** What the CLI notes in its settings by itself, also late: when it began, what it has shown, which plugins were used. */
const OWN_NOTES: ReadonlySet<string> = new Set([
  'firstStartTime',
  'firstStartVersion',
  'hasResetAutoModeOptInForDefaultOffer',
  'machineID',
  'migrationVersion',
  'opusProMigrationComplete',
  'pluginUsage',
  'seenNotifications',
  'skillUsage',
  'userID',
]);
const OWN_SETTINGS = '.claude.json';
const MAX_SETTINGS_BYTES = 1_000_000;

/** Stamps by path. */
export type Surroundings = ReadonlyMap<string, string>;

/** In memory, and of this host alone where it has its own file systems. */
const SHARED_MEMORY = '/dev/shm';
/** The CLI made it for the first command; each later command begins with it. */
const SNAPSHOTS = 'shell-snapshots';

export interface Place {
  readonly directory: ExecutionDirectory;
  /** True where everything that can be seen belongs to this session. */
  readonly alone: boolean;
  /** Paths under the root that are the host's own: it empties them itself. */
  readonly ofHost?: readonly string[];
}

export async function recordSurroundings(place: Place): Promise<Surroundings> {
  const found = new Map<string, string>();
  for (const root of await rootsOf(place)) await walk(root, found);
  const settings = join(place.directory.config, OWN_SETTINGS);
  if (found.has(settings) && (await holdsOwnNotesOnly(settings))) found.set(settings, 'its own notes');
  return found;
}

async function holdsOwnNotesOnly(settings: string): Promise<boolean> {
  try {
    const info = await lstat(settings);
    if (!info.isFile() || info.size > MAX_SETTINGS_BYTES) return false;
    const value: unknown = JSON.parse(await readFile(settings, 'utf8'));
    return (
      typeof value === 'object' && value !== null && Object.keys(value).every((name) => OWN_NOTES.has(name))
    );
  } catch {
    return false;
  }
}

/**
 * Removes what came since `before`, and says what is to be compared with next time; or which entry was changed or is gone.
 * Nothing of the session may run meanwhile.
 */
export async function tidySurroundings(
  place: Place,
  before: Surroundings,
): Promise<{ readonly now: Surroundings } | { readonly changed: string }> {
  const { directory } = place;
  const now = await recordSurroundings(place);
  for (const [path, stamp] of before) {
    const found = now.get(path);
    const isSame = found === undefined ? isProbe(path) : found === stamp || changesByItself(path, directory);
    if (!isSame) return { changed: path };
  }
  const snapshots = join(directory.config, SNAPSHOTS);
  const hadSnapshot = [...before.keys()].some((path) => path !== snapshots && isIn(path, snapshots));
  const kept = new Map([...before].filter(([path]) => now.has(path)));
  for (const [path, stamp] of now) {
    if (before.has(path) || isBelowGone(path, kept, now, before)) continue;
    if (!hadSnapshot && isIn(path, snapshots)) kept.set(path, stamp);
    else await removeTree(path);
  }
  return { now: kept };
}

async function rootsOf({ directory, alone, ofHost = [] }: Place): Promise<string[]> {
  const { root, config, workspace } = directory;
  const beside = (await readdir(root)).map((name) => join(root, name));
  return [
    ...beside.filter((path) => path !== config && path !== workspace && !ofHost.includes(path)),
    ...NOT_SESSION.map((name) => join(config, name)),
    ...(alone ? await childrenOf(SHARED_MEMORY) : []),
  ];
}

async function childrenOf(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((): string[] => []);
  return names.map((name) => join(folder, name));
}

async function walk(path: string, found: Map<string, string>): Promise<void> {
  const stats = await lstat(path).catch(() => null);
  if (!stats) return;
  const { ino, mode, size, mtimeMs, ctimeMs } = stats;
  if (stats.isDirectory()) {
    found.set(path, `${ino} ${mode}`);
    for (const child of await childrenOf(path)) await walk(child, found);
  } else if (stats.isSymbolicLink()) {
    found.set(path, `${ino} ${await readlink(path)}`);
  } else {
    found.set(path, `${ino} ${mode} ${size} ${mtimeMs} ${ctimeMs}`);
  }
}

/** The CLI notes there that it is busy or idle, and what tool servers said. Nothing reads either at a start. */
function changesByItself(path: string, { root, config }: ExecutionDirectory): boolean {
  return (
    isIn(path, join(config, 'sessions')) || isIn(path, join(root, 'home', '.cache', 'claude-cli-nodejs'))
  );
}

/** The CLI tries for a moment whether it hears of changed files. */
function isProbe(path: string): boolean {
  return path.split(sep).some((name) => name.startsWith('fswatch-probe-'));
}

/** A folder that came is removed as a whole. */
function isBelowGone(path: string, kept: Surroundings, now: Surroundings, before: Surroundings): boolean {
  for (let end = path.lastIndexOf(sep); end > 0; end = path.lastIndexOf(sep, end - 1)) {
    const above = path.slice(0, end);
    if (now.has(above) && !before.has(above) && !kept.has(above)) return true;
  }
  return false;
}

function isIn(path: string, folder: string): boolean {
  const below = relative(folder, path);
  return below === '' || !(below === '..' || below.startsWith(`..${sep}`));
}
