// Writes a generation's files to the disk. It reads at most eight packs at once, each one once, from start to end. It
// creates folders, streams chunks into files, and creates links last, so that nothing is ever written through a link.
// Every path and chunk is checked. If anything is wrong it throws, and the half-filled directory must not be used.
import { chmodSync, lutimesSync, mkdirSync, symlinkSync, utimesSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { ExecutionDirectory } from '../core/ports/execution.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import { type Baseline, makeBaseline } from './baseline.ts';
import { diskError } from './disk-errors.ts';
import { isExcluded } from './excluded.ts';
import { createFileFiller } from './file-filler.ts';
import { fsTime } from './file-time.ts';
import { assembleGeneration, type ChunkPlace } from './generation.ts';
import { chunksOf, closePacks, type OpenPack, openPacks } from './pack-reader.ts';
import { fsPath, ROOTS, type RootName } from './paths.ts';
import type { Progress } from './progress.ts';
import type { StateScope, StoredGeneration } from './record.ts';
import { diskPath, type Stamp } from './scan.ts';
import type { Entry, LinkEntry, Table } from './table.ts';

export interface RestoreInput {
  readonly objects: ObjectStore;
  readonly scope: StateScope;
  readonly stored: StoredGeneration;
  readonly directory: ExecutionDirectory;
  readonly progress: Progress;
}

export interface RestoreOutput {
  readonly baseline: Baseline;
  readonly bytesRead: number;
  readonly files: number;
}

const ENTRIES_PER_STEP = 500;

export async function restoreGeneration(input: RestoreInput): Promise<RestoreOutput> {
  const { stored } = input;
  const packs = await openPacks(input.objects, input.scope, stored.packs);
  try {
    const generation = assembleGeneration(input.scope, packs);
    const wanted = new Map([...generation.table].filter(([path]) => !isExcluded(path)));
    const stamps = await layOut(input, packs, wanted, generation.chunks).catch((error: unknown) => {
      throw diskError(error, 'restoring the session');
    });
    let files = 0;
    for (const entry of wanted.values()) if (entry.kind !== 'directory') files++;
    let bytesRead = 0;
    for (const pack of packs) bytesRead += pack.bytesRead();
    // Excluded entries stay in the baseline's table, so that the next checkpoint records that they are gone.
    return { baseline: makeBaseline(generation, stored, stamps, Date.now()), bytesRead, files };
  } finally {
    await closePacks(packs);
  }
}

async function layOut(
  input: RestoreInput,
  packs: readonly OpenPack[],
  table: Table,
  chunks: ReadonlyMap<string, ChunkPlace>,
): Promise<Map<string, Stamp>> {
  const { directory, progress } = input;
  const place = (path: string) => diskPath(directory[path.slice(0, path.indexOf('/')) as RootName], path);
  const ofKind = <K extends Entry['kind']>(kind: K) =>
    [...table].filter((item): item is [string, Extract<Entry, { kind: K }>] => item[1].kind === kind);
  const folders = ofKind('directory').sort(([a], [b]) => (a < b ? -1 : 1));

  for (const root of ROOTS) mkdirSync(directory[root], { recursive: true, mode: 0o700 });
  let steps = 0;
  const step = async () => {
    if (++steps % ENTRIES_PER_STEP === 0) await setImmediate();
  };
  for (const [path] of folders) {
    mkdirSync(place(path), { mode: 0o700 });
    await step();
  }

  const filler = createFileFiller(place, (hash) => chunks.get(hash)?.bytes ?? 0);
  try {
    for (const [path, entry] of ofKind('file')) {
      filler.expect(path, entry);
      await step();
    }
    const totalBytes = packs.reduce((sum, pack) => sum + pack.entry.bytes, 0);
    let doneBytes = 0;
    await allOrFirstError(
      packs.map(async (pack) => {
        doneBytes += pack.entry.headerBytes;
        for (let next = await pack.nextBlock(); next !== null; next = await pack.nextBlock()) {
          const { block, stored } = next;
          for (const chunk of chunksOf(pack.key, block, stored, filler.wants, filler.fileOf)) {
            filler.fill(chunk.hash, chunk.bytes);
          }
          doneBytes += stored.length;
          progress({ phase: 'restore', doneBytes, totalBytes });
          await setImmediate();
        }
      }),
      () => closePacks(packs),
    );
    filler.finish();
  } finally {
    filler.close();
  }

  for (const [path, link] of ofKind('link')) {
    const onDisk = place(path);
    symlinkSync(targetOf(link, path, directory), onDisk);
    lutimesSync(onDisk, fsTime(link.mtimeMs), fsTime(link.mtimeMs));
    await step();
  }
  // Children before parents: changing a child changes its parent's time, and a parent may have no write permission.
  for (const [path, entry] of folders.reverse()) {
    const onDisk = place(path);
    utimesSync(onDisk, fsTime(entry.mtimeMs), fsTime(entry.mtimeMs));
    chmodSync(onDisk, entry.mode);
    await step();
  }
  return filler.stamps;
}

export function targetOf(link: LinkEntry, path: string, directory: ExecutionDirectory): string | Buffer {
  if (!link.rooted) return fsPath(link.target);
  const base = directory[path.slice(0, path.indexOf('/')) as RootName];
  return link.target === '' ? base : fsPath(`${base}/${link.target}`);
}

/** Waits for all, so that nothing still writes after it has returned; throws the first error. */
async function allOrFirstError(work: readonly Promise<void>[], stop: () => Promise<void>): Promise<void> {
  let failed = false;
  const results = await Promise.allSettled(
    work.map((item) =>
      item.catch(async (error: unknown) => {
        if (!failed) {
          failed = true;
          await stop();
        }
        throw error;
      }),
    ),
  );
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
