// One turn's session brought and saved in three ways, over the same distance to S3: ours; the SDK's `sessionStore` with one
// object per append; and all files down and up, one object each, as the first implementation of this idea did. By turns
// of history and by files of the workspace. Times are the distance's and this machine's; the agent is not in them.
// Beside it: a restore from this machine's disk and `tar` of the same files, interleaved.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { SessionId, SessionKey, Tenant } from '../src/core/ids.ts';
import type { ExecutionDirectory } from '../src/core/ports/execution.ts';
import type { ObjectStore } from '../src/core/ports/objects.ts';
import type { SessionHead } from '../src/core/records.ts';
import { createSessionState } from '../src/state/session-state.ts';
import { createFilesystemObjectStore } from '../src/stores/filesystem/object-store.ts';
import { asFarAsS3, noTraffic, type ObjectTraffic } from './latencies.ts';
import { median } from './table.ts';

export interface WayRow {
  readonly case: string;
  readonly way: 'ours' | 'session-store' | 'whole-files';
  readonly restoreMs: number;
  readonly saveMs: number;
  readonly reads: number;
  readonly writes: number;
  /** Down and up, by one turn on a worker that has nothing of the session. */
  readonly bytes: number;
}

export interface TarRow {
  readonly case: string;
  readonly restoreMs: number;
  readonly tarMs: number;
  readonly ratio: number;
}

export interface Workspace {
  readonly files: number;
  readonly bytesEach: number;
}

export interface ThreeWaysOptions {
  readonly history?: readonly number[];
  readonly workspaces?: readonly Workspace[];
  readonly rounds?: number;
}

const HISTORY = [1, 100, 1_000, 10_000];
const WORKSPACES: readonly Workspace[] = [
  { files: 1_000, bytesEach: 10_000 },
  { files: 20_000, bytesEach: 10_000 },
];
const ROUNDS = 3;
/** A person's message, a call of a tool, its result, the answer. */
const ENTRIES_PER_TURN = 4;
/** As many connections as an S3 client has. */
const AT_ONCE = 50;
/** How S3 lists: each page is a request. */
const KEYS_PER_PAGE = 1_000;
/** Checkpoints of long histories are made in steps: what is compared is the last turn. */
const STEPS = 200;

export async function benchThreeWays(
  options: ThreeWaysOptions = {},
): Promise<{ readonly ways: readonly WayRow[]; readonly tar: readonly TarRow[] }> {
  const { history = HISTORY, workspaces = WORKSPACES, rounds = ROUNDS } = options;
  const ways: WayRow[] = [];
  const tar: TarRow[] = [];
  for (const turns of history) {
    const label = `${turns.toLocaleString('en-US')} ${turns === 1 ? 'turn' : 'turns'} of history`;
    const bench = await openCase(turns, { files: 0, bytesEach: 0 });
    try {
      ways.push(...(await measured(label, bench, ['ours', 'session-store', 'whole-files'], rounds)));
    } finally {
      bench.close();
    }
  }
  for (const workspace of workspaces) {
    const label = `${workspace.files.toLocaleString('en-US')} files, ${Math.round((workspace.files * workspace.bytesEach) / 1e6)} MB`;
    const bench = await openCase(1, workspace);
    try {
      // The SDK's store keeps conversations and no files.
      ways.push(...(await measured(label, bench, ['ours', 'whole-files'], rounds)));
      tar.push(await againstTar(label, bench, rounds));
    } finally {
      bench.close();
    }
  }
  return { ways, tar };
}

interface Case {
  readonly root: string;
  readonly directory: ExecutionDirectory;
  readonly nearby: ObjectStore;
  head(): SessionHead;
  /** What one more turn writes. */
  more(): readonly string[];
  save(objects: ObjectStore): Promise<void>;
  readonly entries: () => readonly string[];
  close(): void;
}

/** A session of so many turns, saved by us. */
async function openCase(turns: number, workspace: Workspace): Promise<Case> {
  const root = mkdtempSync(join(tmpdir(), 'bench-ways-'));
  const directory = directoryAt(join(root, 'live'));
  const nearby = createFilesystemObjectStore({ root: join(root, 'objects') });
  const entries: string[] = [];
  let head = newHead();
  let baseline: unknown = null;
  let turn = 0;

  function more(): readonly string[] {
    const added = Array.from({ length: ENTRIES_PER_TURN }, (_, at) => entryOf(turn, at));
    appendFileSync(transcriptOf(directory), added.map((line) => `${line}\n`).join(''));
    writeFileSync(join(directory.workspace, 'notes.txt'), `turn ${turn}`);
    turn++;
    entries.push(...added);
    return added;
  }
  async function save(objects: ObjectStore): Promise<void> {
    const state = stateOver(objects, root);
    const generation = head.generation + 1;
    const saved = await state.checkpoint({ head, generation, fence: generation, baseline, directory });
    baseline = saved.baseline;
    head = { ...head, generation, state: saved.state };
    if (!saved.compactionDue) return;
    // After the reply, and by whoever has time: nobody waits for it.
    const merged = await stateOver(nearby, root).compact(head, generation);
    if (merged === null) return;
    head = { ...head, state: merged.state };
    await state.collect(merged.garbage);
  }

  for (let i = 0; i < workspace.files; i++) {
    const folder = join(directory.workspace, `folder-${Math.floor(i / 100)}`);
    if (i % 100 === 0) mkdirSync(folder);
    writeFileSync(join(folder, `file-${i}.js`), sourceText(i, workspace.bytesEach));
  }
  const step = Math.max(1, Math.ceil(turns / STEPS));
  while (turn < turns) {
    for (let i = 0; i < step && turn < turns; i++) more();
    await save(nearby);
  }
  return {
    root,
    directory,
    nearby,
    head: () => head,
    more,
    save,
    entries: () => entries,
    close: () => rmSync(root, { recursive: true, force: true }),
  };
}

interface Way {
  restore(): Promise<void>;
  save(added: readonly string[]): Promise<void>;
  readonly traffic: ObjectTraffic;
}

async function measured(
  label: string,
  bench: Case,
  wanted: readonly WayRow['way'][],
  rounds: number,
): Promise<WayRow[]> {
  const open = { ours, 'session-store': sessionStore, 'whole-files': wholeFiles };
  const ways = await Promise.all(
    wanted.map(async (name) => ({
      name,
      way: await open[name](bench),
      restores: [] as number[],
      saves: [] as number[],
    })),
  );
  const seen = new Map<string, ObjectTraffic>();
  for (let round = 0; round < rounds; round++) {
    for (const { way, restores } of ways) restores.push(await timed(way.restore));
    const added = bench.more();
    for (const { name, way, saves } of ways) {
      saves.push(await timed(() => way.save(added)));
      seen.set(name, { ...way.traffic });
      Object.assign(way.traffic, noTraffic());
    }
  }
  return ways.map(({ name, restores, saves }) => {
    const { gets, puts, downBytes, upBytes } = seen.get(name)!;
    const [restoreMs, saveMs] = [median(restores), median(saves)];
    return {
      case: label,
      way: name,
      restoreMs,
      saveMs,
      reads: gets,
      writes: puts,
      bytes: downBytes + upBytes,
    };
  });
}

async function ours(bench: Case): Promise<Way> {
  const traffic = noTraffic();
  const far = asFarAsS3(bench.nearby, traffic);
  let restored = 0;
  return {
    traffic,
    async restore() {
      const target = directoryAt(join(bench.root, `ours-${++restored}`));
      await stateOver(far, bench.root).restore(bench.head(), target);
      // Removed when nobody waits: its time is no part of a turn.
      removals.push(target.root);
    },
    save: () => bench.save(far),
  };
}

/** One object per append, named in order; to resume, all are listed and read. */
async function sessionStore(bench: Case): Promise<Way> {
  const traffic = noTraffic();
  const near = createFilesystemObjectStore({ root: join(bench.root, 'appends') });
  const far = asFarAsS3(near, traffic);
  let count = 0;
  const keyOf = (number: number) => `appends/${String(number).padStart(9, '0')}`;
  await inParallel(bench.entries(), async (line) => void (await near.put(keyOf(count++), Buffer.from(line))));
  return {
    traffic,
    async restore() {
      const keys: string[] = [];
      for await (const { key } of near.list('appends/')) keys.push(key);
      for (let page = 0; page < keys.length; page += KEYS_PER_PAGE) for await (const _ of far.list('none/'));
      const parts = await inParallel(keys, (key) => far.get(key));
      const file = join(bench.root, 'resumed.jsonl');
      await writeFile(file, Buffer.concat(parts));
    },
    // One after the other: each is durable before the next.
    async save(added) {
      for (const line of added) await far.put(keyOf(count++), Buffer.from(line));
    },
  };
}

/** Every file is an object; all come down before a turn and go up after it. */
async function wholeFiles(bench: Case): Promise<Way> {
  const traffic = noTraffic();
  let version = 0;
  const openAt = () => createFilesystemObjectStore({ root: join(bench.root, `whole-${version}`) });
  let near = openAt();
  const { root } = bench.directory;
  const putAll = (store: ObjectStore) =>
    inParallel(
      filesBelow(root),
      async (name) => void (await store.put(name, await readFile(join(root, name)))),
    );
  await putAll(near);
  let restored = 0;
  return {
    traffic,
    async restore() {
      const target = join(bench.root, `whole-restored-${++restored}`);
      const keys: string[] = [];
      for await (const { key } of near.list('')) keys.push(key);
      const far = asFarAsS3(near, traffic);
      for (let page = 0; page < keys.length; page += KEYS_PER_PAGE) for await (const _ of far.list('none/'));
      await inParallel(keys, async (key) => {
        const path = join(target, key);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, await far.get(key));
      });
      removals.push(target);
    },
    async save() {
      removals.push(join(bench.root, `whole-${version}`));
      version++;
      near = openAt();
      await putAll(asFarAsS3(near, traffic));
    },
  };
}

/** Folders that a way left; removed between measures. */
const removals: string[] = [];

async function againstTar(label: string, bench: Case, rounds: number): Promise<TarRow> {
  const archive = join(bench.root, 'session.tar');
  execFileSync('tar', ['-cf', archive, '-C', bench.directory.root, '.']);
  const times = { restore: [] as number[], tar: [] as number[] };
  const state = stateOver(bench.nearby, bench.root);
  for (let round = 0; round <= rounds; round++) {
    const target = directoryAt(join(bench.root, `disk-${round}`));
    const restoreMs = await timed(async () => void (await state.restore(bench.head(), target)));
    const unpacked = join(bench.root, `tar-${round}`);
    mkdirSync(unpacked);
    const tarMs = await timed(async () => void execFileSync('tar', ['-xf', archive, '-C', unpacked]));
    for (const path of [target.root, unpacked]) rmSync(path, { recursive: true, force: true });
    // The first round fills caches.
    if (round === 0) continue;
    times.restore.push(restoreMs);
    times.tar.push(tarMs);
  }
  const [restoreMs, tarMs] = [median(times.restore), median(times.tar)];
  return { case: label, restoreMs, tarMs, ratio: restoreMs / tarMs };
}

async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at]!);
    }),
  );
  return results;
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  for (const path of removals.splice(0)) rmSync(path, { recursive: true, force: true });
  const startedAt = performance.now();
  await run();
  return performance.now() - startedAt;
}

function stateOver(objects: ObjectStore, temporaryDirectory: string) {
  const limits = { maxWorkspaceBytes: 1e12, maxWorkspaceFiles: 1e7 };
  return createSessionState({ objects, limits, temporaryDirectory });
}

function directoryAt(root: string): ExecutionDirectory {
  const directory = { root, config: join(root, 'config'), workspace: join(root, 'workspace') };
  mkdirSync(directory.config, { recursive: true });
  mkdirSync(directory.workspace);
  return directory;
}

const transcriptOf = ({ config }: ExecutionDirectory): string => join(config, 'session.jsonl');

/** About 1 kB, with as little to compress as prose has. */
function entryOf(turn: number, at: number): string {
  const words = Array.from({ length: 100 }, (_, i) =>
    (((turn * 400 + at * 100 + i) * 2_654_435_761) % 30_011).toString(36),
  );
  const message = { role: at % 2 === 0 ? 'user' : 'assistant', content: words.join(' ') };
  return JSON.stringify({ type: message.role, uuid: crypto.randomUUID(), message });
}

function sourceText(number: number, bytes: number): string {
  let text = '';
  for (let line = 0; text.length < bytes; line++) {
    text += `export const value${line} = ${((number * 7_919 + line) * 2_654_435_761) % 1_000_003};\n`;
  }
  return text.slice(0, bytes);
}

function filesBelow(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(root, name)).isFile(),
  );
}

function newHead(): SessionHead {
  return {
    tenant: 'bench' as Tenant,
    sessionId: 'session' as SessionId,
    sessionKey: 'bench/http/bot/chat/-' as SessionKey,
    generation: 0,
    fence: 0,
    state: null,
    createdAtMs: 0,
    updatedAtMs: 0,
    expiresAtSec: 0,
  };
}

const WAYS: Readonly<Record<WayRow['way'], string>> = {
  ours: 'ours',
  'session-store': 'SDK `sessionStore`, an object per append',
  'whole-files': 'whole files down and up',
};

/** GitHub Markdown. */
export function waysTable(rows: readonly WayRow[]): string {
  const cells = rows.map(({ case: label, way, restoreMs, saveMs, reads, writes, bytes }) => {
    const mine = rows.find((row) => row.case === label && row.way === 'ours');
    const times = (value: number, of: number | undefined) => (of ? (value / of).toFixed(1) : '-');
    return [
      label,
      WAYS[way],
      `${restoreMs.toFixed(0)} ms`,
      times(restoreMs, mine?.restoreMs),
      `${saveMs.toFixed(0)} ms`,
      String(reads),
      String(writes),
      `${(bytes / 1_000).toFixed(1)} kB`,
      times(bytes, mine?.bytes),
    ];
  });
  const head = ['session', 'way', 'brought', 'times ours', 'saved', 'reads', 'writes', 'bytes', 'times ours'];
  return markdown(head, cells, 2);
}

export function tarTable(rows: readonly TarRow[]): string {
  const cells = rows.map(({ case: label, restoreMs, tarMs, ratio }) => [
    label,
    `${restoreMs.toFixed(0)} ms`,
    `${tarMs.toFixed(0)} ms`,
    ratio.toFixed(2),
  ]);
  return markdown(['workspace', 'restore', '`tar -xf`', 'ratio'], cells, 1);
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[], texts: number): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i < texts ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

if (import.meta.main) {
  const { ways, tar } = await benchThreeWays();
  console.info(`${waysTable(ways)}\n\n${tarTable(tar)}`);
}
