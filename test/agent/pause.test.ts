// A checkpoint in mid-turn against processes that never stop writing: several writers, each of which changes its files
// in a fixed order, over and over. What a power cut could leave is a state in which no file is ahead of one before it,
// and none is more than one round behind. File after file would not be that.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { endProcesses, pauseProcesses, ROOT_MARKER } from '../../src/agent/processes.ts';
import type { ExecutionDirectory } from '../../src/core/ports/execution.ts';
import { promise } from '../../src/core/promises.ts';
import { freshDirectory, testSession } from '../state/fixture.ts';
import { until } from '../waiting.ts';

const FILES = 60;
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
});

/** Writes round after round into the first half of the files; tells its child, of a group of its own, to write the rest. */
const WRITER = `
  import { openSync, writeSync, readSync } from 'node:fs';
  import { spawn } from 'node:child_process';
  const [folder, first, count] = process.argv.slice(1).map((part, i) => (i === 0 ? part : Number(part)));
  const half = count > 1 ? Math.ceil(count / 2) : count;
  const files = Array.from({ length: half }, (_, i) => openSync(folder + '/' + String(first + i).padStart(3, '0'), 'w'));
  const write = (round) => { for (const fd of files) writeSync(fd, String(round).padStart(12, '0'), 0); };
  if (process.argv[4] === 'follow') {
    const pipe = Buffer.alloc(12);
    for (;;) {
      if (readSync(0, pipe) === 0) process.exit();
      write(Number(pipe));
      writeSync(1, pipe);
    }
  }
  const child = spawn(process.execPath, ['--input-type=module', '-e', process.env.WRITER, folder, first + half, 1, 'follow'],
    { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  for (let round = 1; ; round++) {
    write(round);
    const answered = new Promise((resolve) => child.stdout.once('data', resolve));
    child.stdin.write(String(round).padStart(12, '0'));
    await answered;
  }
`;

function startWriter(directory: ExecutionDirectory, name: string): string {
  const folder = join(directory.workspace, name);
  mkdirSync(folder);
  const child = spawn(process.execPath, ['--input-type=module', '-e', WRITER, folder, '0', String(FILES)], {
    env: { ...process.env, WRITER, [ROOT_MARKER]: directory.root },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.push(child);
  return folder;
}

function roundsIn(folder: string, files: readonly string[]): number[] {
  return files.map((file) => Number(readFileSync(join(folder, file), 'utf8')));
}
const names = Array.from({ length: FILES / 2 + 1 }, (_, i) => String(i).padStart(3, '0'));

function isOneMoment(rounds: readonly number[]): boolean {
  const first = rounds[0]!;
  return rounds.every((round, i) => round <= (rounds[i - 1] ?? first) && round >= first - 1);
}

const writing = (folder: string) => () => {
  try {
    return Number(readFileSync(join(folder, names.at(-1)!), 'utf8')) > 0;
  } catch {
    return false;
  }
};

test(`${promise('MOMENT')} a checkpoint between a pause and its end holds one moment of every writer`, async () => {
  const session = testSession();
  const directory = freshDirectory();
  const folders = ['one', 'two', 'three'].map((name) => startWriter(directory, name));
  for (const folder of folders) await until(writing(folder));
  let baseline: unknown;
  for (let save = 0; save < 15; save++) {
    const before = folders.map((folder) => roundsIn(folder, names).at(0)!);
    await sleep(Math.random() * 30);
    const paused = await pauseProcesses(directory.root, 30_000);
    expect(paused).not.toBeNull();
    ({ baseline } = await session.commit(directory, baseline));
    paused!.resume();
    const restored = (await session.restore()).directory;
    for (const name of ['one', 'two', 'three']) {
      const rounds = roundsIn(join(restored.workspace, name), names);
      expect(isOneMoment(rounds), rounds.join(' ')).toBe(true);
    }
    // They go on afterwards: else the next save would prove nothing.
    for (const [i, folder] of folders.entries())
      await until(() => roundsIn(folder, [names[0]!])[0]! > before[i]!);
  }
  await endProcesses(directory.root);
});

test('without a pause the same writers are caught in the middle', async () => {
  const directory = freshDirectory();
  const folder = startWriter(directory, 'one');
  await until(writing(folder));
  let torn = 0;
  for (let tries = 0; tries < 5_000 && torn === 0; tries++) {
    if (!isOneMoment(roundsIn(folder, names))) torn++;
    await sleep(1);
  }
  expect(torn).toBe(1);
  await endProcesses(directory.root);
});

test('what stood still before goes on standing still, and a second pause stops what the first let go', async () => {
  const directory = freshDirectory();
  const folder = startWriter(directory, 'one');
  await until(writing(folder));
  const child = children[0]!;
  child.kill('SIGSTOP');
  await sleep(50);
  const paused = await pauseProcesses(directory.root, 30_000);
  paused!.resume();
  const round = roundsIn(folder, names)[0];
  await sleep(100);
  expect(roundsIn(folder, names)[0]).toBe(round);
  child.kill('SIGCONT');
  await until(() => roundsIn(folder, names)[0]! > round!);
  await endProcesses(directory.root);
});

test('a worker that is killed in a pause leaves no process standing still', async () => {
  const directory = freshDirectory();
  const folder = startWriter(directory, 'one');
  await until(writing(folder));
  const program = `
    const { pauseProcesses } = await import(${JSON.stringify(new URL('../../src/agent/processes.ts', import.meta.url).href)});
    await pauseProcesses(${JSON.stringify(directory.root)}, 30_000);
    console.log('paused');
    setInterval(() => {}, 1_000);
  `;
  const worker = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(worker);
  await new Promise((resolve) => worker.stdout.once('data', resolve));
  const round = roundsIn(folder, names)[0]!;
  worker.kill('SIGKILL');
  await until(() => roundsIn(folder, names)[0]! > round, 'the writer to go on');
  await endProcesses(directory.root);
});

test('nothing to pause is a moment, too', async () => {
  const directory = freshDirectory();
  writeFileSync(join(directory.workspace, 'file'), 'x');
  const paused = await pauseProcesses(directory.root);
  expect(paused).not.toBeNull();
  paused!.resume();
  expect(statSync(join(directory.workspace, 'file')).size).toBe(1);
});
