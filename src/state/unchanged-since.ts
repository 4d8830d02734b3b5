// Decides, without asking the store, whether a directory is exactly what a restore of a head would write. The baseline
// of the directory's last checkpoint must have the head's content (merged packs have the same content). The disk must
// still have the same names, kinds, modes, times (in whole milliseconds) and link targets, and no file may have another
// stamp. Like a checkpoint, it reads names and attributes but no content. In doubt the answer is no.
import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { ExecutionDirectory } from '../core/ports/execution.ts';
import type { SessionHead } from '../core/records.ts';
import { type Baseline, isBaseline } from './baseline.ts';
import { codeOf } from './disk-errors.ts';
import { isExcluded } from './excluded.ts';
import { wholeMs } from './file-time.ts';
import { parentOf, ROOTS, type RootName } from './paths.ts';
import { newest, parseRecord, type StoredGeneration } from './record.ts';
import { targetOf } from './restore.ts';
import { diskPath, sameStamp, stampOf } from './scan.ts';
import type { Entry } from './table.ts';

const ENTRIES_PER_STEP = 1_000;

/** `baseline` is what the checkpoint returned. Excluded names must be gone by now. Throws Corrupt for a bad head. */
export async function isUnchangedSince(
  head: Pick<SessionHead, 'state'>,
  directory: ExecutionDirectory,
  baseline: unknown,
): Promise<boolean> {
  const record = parseRecord(head.state);
  return record !== null && (await isStill(newest(record), directory, baseline, () => false));
}

/** The same for a directory in which excluded names may lie: a CLI that stays uses them. */
export async function isUnchangedAround(
  stored: Pick<StoredGeneration, 'content'>,
  directory: ExecutionDirectory,
  baseline: unknown,
): Promise<boolean> {
  return await isStill(stored, directory, baseline, (name) => isExcluded(`config/${name}`));
}

async function isStill(
  stored: Pick<StoredGeneration, 'content'>,
  directory: ExecutionDirectory,
  baseline: unknown,
  isLeftOut: (nameInConfig: string) => boolean,
): Promise<boolean> {
  if (!isBaseline(baseline) || stored.content !== baseline.content) return false;
  try {
    return await compare(directory, baseline, isLeftOut);
  } catch (error) {
    // An entry is missing, may not be read or is no folder: it differs from what was stored.
    if (codeOf(error) === undefined) throw error;
    return false;
  }
}

async function compare(
  directory: ExecutionDirectory,
  baseline: Baseline,
  isLeftOut: (nameInConfig: string) => boolean,
): Promise<boolean> {
  const place = (path: string) => diskPath(directory[path.slice(0, path.indexOf('/')) as RootName], path);
  const names = new Map<string, Set<string>>(ROOTS.map((root) => [root, new Set()]));
  for (const [path, entry] of baseline.table) {
    if (isExcluded(path)) return false;
    if (entry.kind === 'directory') names.set(path, new Set());
    names.get(parentOf(path))?.add(path.slice(path.lastIndexOf('/') + 1));
  }
  for (const root of ROOTS) if (!lstatSync(directory[root]).isDirectory()) return false;
  let steps = 0;
  for (const [path, entry] of baseline.table) {
    if (++steps % ENTRIES_PER_STEP === 0) await setImmediate();
    const onDisk = place(path);
    const stats = lstatSync(onDisk);
    if (!isSame(entry, stats)) return false;
    if (entry.kind === 'link' && readlinkSync(onDisk) !== targetOf(entry, path, directory)) return false;
    const stamp = baseline.stamps.get(path);
    if (stamp !== undefined && !sameStamp(stamp, stampOf(stats))) return false;
  }
  for (const [folder, expected] of names) {
    if (++steps % ENTRIES_PER_STEP === 0) await setImmediate();
    const all = readdirSync(folder.includes('/') ? place(folder) : directory[folder as RootName]);
    const found = folder === 'config' ? all.filter((name) => !isLeftOut(name)) : all;
    if (found.length !== expected.size || !found.every((name) => expected.has(name))) return false;
  }
  return true;
}

function isSame(entry: Entry, stats: Stats): boolean {
  if (wholeMs(stats.mtimeMs) !== entry.mtimeMs) return false;
  if (entry.kind === 'link') return stats.isSymbolicLink();
  // A restore sets no set-id or sticky bits, and makes two files where two hard links were: such an entry differs.
  if ((stats.mode & 0o7777) !== entry.mode) return false;
  if (entry.kind === 'directory') return stats.isDirectory();
  return stats.isFile() && stats.nlink === 1 && stats.size === entry.bytes;
}
