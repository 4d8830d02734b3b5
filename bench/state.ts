// The state layer alone: checkpoint and restore, by turns of history and by number of files. Objects in a folder on
// this machine's disk, so times hold for the disk, not for S3. Ratios are to the first row of the same group.
// Alone: `node bench/state.ts`.
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionId, SessionKey, Tenant } from '../src/core/ids.ts';
import type { ExecutionDirectory } from '../src/core/ports/execution.ts';
import type { ObjectStore } from '../src/core/ports/objects.ts';
import type { SessionHead } from '../src/core/records.ts';
import { createSessionState } from '../src/state/session-state.ts';
import { createFilesystemObjectStore } from '../src/stores/filesystem/object-store.ts';

export interface StateBenchRow {
  readonly case: string;
  readonly checkpointMs: number;
  readonly checkpointBytes: number;
  readonly restoreMs: number;
  readonly restoreBytes: number;
  readonly restoreReads: number;
  /** All bytes ever put, compaction included, per turn; null where the history was laid in larger steps. */
  readonly bytesPerTurn: number | null;
  /** Against the first row of the group. */
  readonly checkpointRatio: number;
  readonly restoreRatio: number;
}

const HISTORY = [1, 100, 1_000, 10_000];
const FILES = [0, 1_000, 20_000];
const REPEATS = 5;
/** After this many turns the history is made in larger steps: nine thousand single checkpoints take ten minutes. */
const SINGLE_TURNS = 1_000;
const LARGE_STEP = 20;

interface Bench {
  readonly root: string;
  readonly directory: ExecutionDirectory;
  turn(): Promise<{ ms: number; bytes: number }>;
  restore(): Promise<{ ms: number; bytes: number; reads: number }>;
  putBytes(): number;
}

function createBench(): Bench {
  const root = mkdtempSync(join(tmpdir(), 'bench-state-'));
  let putBytes = 0;
  const inner = createFilesystemObjectStore({ root: join(root, 'objects') });
  const objects: ObjectStore = {
    ...inner,
    put(key, body) {
      putBytes += body instanceof Uint8Array ? body.length : body.bytes;
      return inner.put(key, body);
    },
  };
  const state = createSessionState({
    objects,
    limits: { maxWorkspaceBytes: 1e12, maxWorkspaceFiles: 1e7 },
    temporaryDirectory: root,
  });
  const directoryAt = (name: string): ExecutionDirectory => {
    const base = join(root, name);
    mkdirSync(join(base, 'config'), { recursive: true });
    mkdirSync(join(base, 'workspace'));
    return { root: base, config: join(base, 'config'), workspace: join(base, 'workspace') };
  };
  const directory = directoryAt('live');
  let head: SessionHead = {
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
  let baseline: unknown = null;
  let restores = 0;
  return {
    root,
    directory,
    putBytes: () => putBytes,
    async turn() {
      const generation = head.generation + 1;
      const started = performance.now();
      const result = await state.checkpoint({ head, generation, fence: generation, baseline, directory });
      const ms = performance.now() - started;
      baseline = result.baseline;
      head = { ...head, generation, state: result.state };
      if (result.compactionDue) {
        const compacted = await state.compact(head, generation);
        if (compacted !== null) {
          head = { ...head, state: compacted.state };
          await state.collect(compacted.garbage);
        }
      }
      return { ms, bytes: result.bytesWritten };
    },
    async restore() {
      const target = directoryAt(`restored-${++restores}`);
      const started = performance.now();
      const { bytesRead, objectsRead } = await state.restore(head, target);
      const ms = performance.now() - started;
      rmSync(target.root, { recursive: true });
      return { ms, bytes: bytesRead, reads: objectsRead };
    },
  };
}

/** What a small turn adds: about 4 KB of transcript, and one file touched. */
function oneTurn({ config, workspace }: ExecutionDirectory, turn: number): void {
  let lines = '';
  for (let i = 0; lines.length < 4_000; i++) {
    const message = {
      content: `turn ${turn} step ${i}: read a file, wrote another, told the user what was done`,
    };
    lines += `${JSON.stringify({ type: 'assistant', uuid: crypto.randomUUID(), message })}\n`;
  }
  appendFileSync(join(config, 'session.jsonl'), lines);
  writeFileSync(join(workspace, 'notes.txt'), `turn ${turn}`);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

async function measured(bench: Bench, label: string, fromTurn: number): Promise<StateBenchRow> {
  const turns: { ms: number; bytes: number }[] = [];
  const restores: { ms: number; bytes: number; reads: number }[] = [];
  for (let i = 0; i < REPEATS; i++) {
    oneTurn(bench.directory, fromTurn + i);
    turns.push(await bench.turn());
    restores.push(await bench.restore());
  }
  return {
    case: label,
    checkpointMs: median(turns.map((turn) => turn.ms)),
    checkpointBytes: median(turns.map((turn) => turn.bytes)),
    restoreMs: median(restores.map((restore) => restore.ms)),
    restoreBytes: median(restores.map((restore) => restore.bytes)),
    restoreReads: Math.max(...restores.map((restore) => restore.reads)),
    bytesPerTurn: bench.putBytes() / (fromTurn + REPEATS),
    checkpointRatio: 1,
    restoreRatio: 1,
  };
}

function withRatios(rows: readonly StateBenchRow[]): readonly StateBenchRow[] {
  const first = rows[0]!;
  return rows.map((row) => ({
    ...row,
    checkpointRatio: row.checkpointMs / first.checkpointMs,
    restoreRatio: row.restoreMs / first.restoreMs,
  }));
}

/** Every measure of this file; takes a minute or two. */
export async function benchState(
  options: { readonly history?: readonly number[]; readonly files?: readonly number[] } = {},
): Promise<readonly StateBenchRow[]> {
  const byHistory: StateBenchRow[] = [];
  const aged = createBench();
  try {
    let turn = 0;
    for (const turns of options.history ?? HISTORY) {
      while (turn < turns) {
        const until = turn < SINGLE_TURNS ? turn + 1 : Math.min(turns, turn + LARGE_STEP);
        for (; turn < until; turn++) oneTurn(aged.directory, turn);
        await aged.turn();
      }
      const row = await measured(
        aged,
        `${turns.toLocaleString('en-US')} ${turns === 1 ? 'turn' : 'turns'} of history`,
        turn,
      );
      byHistory.push(turns > SINGLE_TURNS + REPEATS ? { ...row, bytesPerTurn: null } : row);
      turn += REPEATS;
    }
  } finally {
    rmSync(aged.root, { recursive: true, force: true });
  }
  const byFiles: StateBenchRow[] = [];
  for (const files of options.files ?? FILES) {
    const bench = createBench();
    try {
      for (let i = 0; i < files; i++) {
        const folder = join(bench.directory.workspace, `folder-${Math.floor(i / 100)}`);
        if (i % 100 === 0) mkdirSync(folder);
        writeFileSync(
          join(folder, `file-${i}.js`),
          `export const value${i} = ${Math.random()};\n`.repeat(1 + (i % 40)),
        );
      }
      oneTurn(bench.directory, 0);
      const first = await bench.turn();
      const label = `${files.toLocaleString('en-US')} files`;
      const row = await measured(bench, `${label}, one touched`, 1);
      byFiles.push(row);
      if (files === Math.max(...FILES)) {
        byFiles.push({
          ...row,
          case: `${label}, all new`,
          checkpointMs: first.ms,
          checkpointBytes: first.bytes,
        });
      }
    } finally {
      rmSync(bench.root, { recursive: true, force: true });
    }
  }
  return [...withRatios(byHistory), ...withRatios(byFiles)];
}

/** The rows as a GitHub Markdown table. */
export function stateBenchTable(rows: readonly StateBenchRow[]): string {
  const head = [
    'state layer',
    'checkpoint',
    'ratio',
    'uploaded',
    'per turn, merges included',
    'restore',
    'ratio',
    'read',
    'objects',
  ];
  const kb = (bytes: number) => `${(bytes / 1_000).toFixed(1)} kB`;
  const lines = rows.map((row) => [
    row.case,
    `${row.checkpointMs.toFixed(1)} ms`,
    row.checkpointRatio.toFixed(2),
    kb(row.checkpointBytes),
    row.bytesPerTurn === null ? '-' : kb(row.bytesPerTurn),
    `${row.restoreMs.toFixed(1)} ms`,
    row.restoreRatio.toFixed(2),
    kb(row.restoreBytes),
    String(row.restoreReads),
  ]);
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...lines.map(line)].join('\n');
}

if (import.meta.main) console.info(stateBenchTable(await benchState()));
