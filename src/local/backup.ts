// Makes and restores backups of a data folder, also while it is in use. The database is copied as of one moment, with
// every object that it names, although turns go on meanwhile and may delete old objects. The backup gets its final name
// only when it is complete.
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, link, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Gone, Invalid, Refused } from '../core/errors.ts';
import type { SessionHead } from '../core/records.ts';
import { packKey, packsOf } from '../state/record.ts';
import { pathOfKey } from '../stores/filesystem/object-path.ts';
import { createFilesystemObjectStore } from '../stores/filesystem/object-store.ts';
import { openDatabase } from '../stores/sqlite/database.ts';
import { snapshotDatabase } from '../stores/sqlite/snapshot.ts';
import { type DataFolder, dataFolder } from './data-folder.ts';

export interface BackupResult {
  readonly sessions: number;
  readonly objects: number;
  readonly bytes: number;
}

/** A try fails only when a session runs ten turns, and so drops a generation, while its objects are being copied. */
const MAX_TRIES = 10;

/** Copies the data folder to `to`, a new folder. May run while servers use it. */
export async function backUp(source: DataFolder, to: string): Promise<BackupResult> {
  requireData(
    source,
    'no-data',
    'Name the folder with --data, or run this where `hybrid-sessions start` runs.',
  );
  return await asNewFolder(to, async (draft) => {
    const target = dataFolder(draft);
    await copyObjects(source, target);
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      await rm(target.database, { force: true });
      const heads = snapshotDatabase(source.database, target.database);
      await copyObjects(source, target);
      if (!(await lacksObjects(target, heads))) return await summary(target, heads);
    }
    throw new Refused('too-busy', 'The sessions change faster than they can be copied.', {
      advice: 'Try again when there are fewer turns.',
    });
  });
}

/** Copies a backup to `to`, a data folder that does not exist yet. */
export async function restoreBackup(backup: string, to: string): Promise<BackupResult> {
  const source = dataFolder(backup);
  requireData(source, 'no-backup', 'Name a folder that `hybrid-sessions backup create` has written.');
  return await asNewFolder(to, async (draft) => {
    const target = dataFolder(draft);
    await copyObjects(source, target);
    const heads = snapshotDatabase(source.database, target.database);
    if (await lacksObjects(target, heads)) {
      throw new Invalid('backup-incomplete', `Files of sessions are missing in ${backup}.`, {
        advice: 'Take another backup; this one was changed after it was written.',
      });
    }
    return await summary(target, heads);
  });
}

function requireData(folder: DataFolder, code: string, advice: string): void {
  if (existsSync(folder.database) && existsSync(folder.objects)) return;
  throw new Gone(code, `There are no sessions in ${folder.path}.`, { advice });
}

async function asNewFolder<T>(path: string, fill: (draft: string) => Promise<T>): Promise<T> {
  if (existsSync(path) && (!(await stat(path)).isDirectory() || (await readdir(path)).length > 0)) {
    throw new Invalid('exists', `${path} is there already and not empty.`, { advice: 'Name a new folder.' });
  }
  const draft = `${path}.${randomUUID().slice(0, 8)}.partial`;
  await mkdir(draft, { recursive: true, mode: 0o700 });
  try {
    const result = await fill(draft);
    await rename(draft, path);
    return result;
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

/** Copies objects that are not in the target yet; objects never change. One that is deleted meanwhile is skipped. */
async function copyObjects(source: DataFolder, target: DataFolder): Promise<void> {
  createFilesystemObjectStore({ root: target.objects });
  for await (const { key } of createFilesystemObjectStore({ root: source.objects }).list('')) {
    const to = join(target.objects, ...pathOfKey(key));
    if (existsSync(to)) continue;
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    await copyObject(join(source.objects, ...pathOfKey(key)), to);
  }
}

async function copyObject(from: string, to: string): Promise<void> {
  const draft = `${to}.${randomUUID().slice(0, 8)}`;
  try {
    await copyFile(from, draft);
    await chmod(draft, 0o600);
    await link(draft, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function lacksObjects(folder: DataFolder, heads: readonly SessionHead[]): Promise<boolean> {
  for (const head of heads) {
    for (const pack of packsOf(head.state).values()) {
      const path = join(folder.objects, ...pathOfKey(packKey(head, pack.name)));
      const found = await stat(path).catch(() => null);
      if (found?.size !== pack.bytes) return true;
    }
  }
  return false;
}

async function summary(folder: DataFolder, heads: readonly SessionHead[]): Promise<BackupResult> {
  // Closing merges the database's write-ahead log, so that one file remains: a copy of the folder cannot miss the log.
  openDatabase(folder.database).close();
  let objects = 0;
  let bytes = 0;
  for await (const object of createFilesystemObjectStore({ root: folder.objects }).list('')) {
    objects += 1;
    bytes += object.bytes;
  }
  return { sessions: heads.length, objects, bytes };
}
