// Starts the product's command again and again, one alone or two at once on one data folder, and ends it in different
// ways: asked to, killed at any moment of its start, with a worker killed under it, with a turn in its middle. A start that
// was not killed must become ready and end only when it is asked to.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createRandom, type Random } from './random.ts';

export interface StartsOptions {
  readonly starts: number;
  readonly seed: number;
  /** The command to start. */
  readonly launcher: string;
  readonly signal?: AbortSignal;
  /** Called after every start with the number of those done. */
  readonly watch?: (done: number) => void;
}

export interface StartsResult {
  readonly starts: number;
  /** Became ready. The others were killed before. */
  readonly ready: number;
  readonly inPairs: number;
  readonly killed: number;
  readonly workersKilled: number;
  readonly turns: number;
  /** What must not happen, in words; with what the process said. */
  readonly failures: readonly string[];
  /** From the start of the process to ready, sorted. */
  readonly readyMs: readonly number[];
  readonly tookMs: number;
}

const API_KEY = 'a-key-of-the-starts-0123456789';

/** How one start ends. */
type Fate = 'asked' | 'killed' | 'worker-killed' | 'turn';

/** In turn; the first three come in five starts, whatever chance makes of them. */
const FATES: readonly Fate[] = ['asked', 'turn', 'killed', 'worker-killed'];
/** Longer than a start takes on a machine that does much else. */
const READY_WITHIN_MS = 120_000;
const ENDS_WITHIN_MS = 60_000;
/** A kill falls into the start or soon after it. */
const KILLED_WITHIN_MS = 2_500;
/** Then a data folder gives way to a new one. */
const STARTS_PER_FOLDER = 10;

interface Started {
  readonly child: ChildProcess;
  readonly said: () => string;
  /** The address, or null when it ended first. */
  readonly ready: Promise<string | null>;
  readonly ended: Promise<string>;
}

export async function startOften(options: StartsOptions): Promise<StartsResult> {
  const { starts, seed, signal, watch } = options;
  const random = createRandom(seed).fork('starts');
  const startedAtMs = performance.now();
  const failures: string[] = [];
  const readyMs: number[] = [];
  const counts = { ready: 0, inPairs: 0, killed: 0, workersKilled: 0, turns: 0 };
  const running = new Set<ChildProcess>();
  const folders: string[] = [];
  let home = '';
  let done = 0;

  async function one(fate: Fate, name: string): Promise<void> {
    const beganMs = performance.now();
    const started = launch(options.launcher, home);
    running.add(started.child);
    const fail = (what: string) => failures.push(`${name}, ${fate}: ${what}\n${started.said()}`);
    try {
      if (fate === 'killed') {
        await pause(random.between(0, KILLED_WITHIN_MS));
        started.child.kill('SIGKILL');
        counts.killed++;
        const how = await started.ended;
        if (how !== 'SIGKILL') fail(`ended by itself with ${how}`);
        return;
      }
      if (fate === 'worker-killed' && (await killWorker(started, random))) counts.workersKilled++;
      const url = await within(started.ready, READY_WITHIN_MS);
      if (url === null) return void fail(`was never ready (${await within(started.ended, 1)})`);
      counts.ready++;
      if (fate !== 'worker-killed') readyMs.push(performance.now() - beganMs);
      if (fate === 'turn') {
        const text = await say(url);
        if (!text.includes('"outcome":"ok"')) fail(`did not answer: ${text}`);
        counts.turns++;
      }
      started.child.kill('SIGTERM');
      const how = await within(started.ended, ENDS_WITHIN_MS);
      if (how !== '0') fail(`ended with ${how}`);
    } finally {
      started.child.kill('SIGKILL');
      await started.ended;
      running.delete(started.child);
    }
  }

  try {
    for (let round = 0; done < starts && !signal?.aborted; round++) {
      if (round % STARTS_PER_FOLDER === 0) {
        home = mkdtempSync(join(tmpdir(), 'hybrid-starts-'));
        folders.push(home);
      }
      // The first two of a folder race to make it.
      const together = done + 2 <= starts && (round % STARTS_PER_FOLDER === 0 || random.chance(0.25)) ? 2 : 1;
      const fates = Array.from({ length: together }, (_, index) =>
        index === 0 ? (FATES[round % FATES.length] ?? 'asked') : random.pick(FATES),
      );
      if (together === 2) counts.inPairs += 2;
      await Promise.all(fates.map((fate, index) => one(fate, `start ${done + index + 1}`)));
      done += together;
      watch?.(done);
      if (folders.length > 1 && round % STARTS_PER_FOLDER === 0) await remove(folders.shift());
    }
  } finally {
    for (const child of running) child.kill('SIGKILL');
    for (const folder of folders) await remove(folder);
  }
  readyMs.sort((a, b) => a - b);
  return { starts: done, ...counts, failures, readyMs, tookMs: performance.now() - startedAtMs };
}

function launch(launcher: string, home: string): Started {
  const { PATH = '', NODE_COMPILE_CACHE } = process.env;
  const child = spawn(process.execPath, [launcher, 'start', '--port', '0', '--data', join(home, 'data')], {
    cwd: home,
    env: {
      PATH,
      HOME: home,
      TMPDIR: home,
      ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }),
      HYBRID_SESSIONS_LOG: 'warn',
      HYBRID_SESSIONS_API_KEY: API_KEY,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const ready = Promise.withResolvers<string | null>();
  const hear = (piece: unknown) => {
    said += piece;
    const address = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0];
    if (address && said.includes('Ctrl-C')) ready.resolve(address);
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const ended = new Promise<string>((resolve) => {
    const end = (how: string) => {
      ready.resolve(null);
      resolve(how);
    };
    child.once('error', (error) => end(error.message));
    child.once('exit', (code, by) => end(by ?? String(code)));
  });
  return { child, said: () => said, ready: ready.promise, ended };
}

/** Kills one worker as soon as there is one, or a moment later: it may be in the middle of its own start. */
async function killWorker({ child, ready }: Started, random: Random): Promise<boolean> {
  let isReady = false;
  void ready.then(() => {
    isReady = true;
  });
  for (;;) {
    const [worker] = childrenOf(child.pid);
    if (worker !== undefined) {
      await pause(random.between(0, 600));
      return childrenOf(child.pid).includes(worker) && process.kill(worker, 'SIGKILL');
    }
    if (isReady) return false;
    await pause(10);
  }
}

function childrenOf(pid: number | undefined): number[] {
  try {
    const listed = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return listed.split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

async function say(url: string): Promise<string> {
  const response = await fetch(`${url}/v1/chats/starts/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${API_KEY}` },
    body: JSON.stringify({ text: 'hello' }),
  });
  return await response.text();
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  const over = new AbortController();
  const late = pause(ms, null, { signal: over.signal }).catch(() => null);
  const first = await Promise.race([promise, late]);
  over.abort();
  return first;
}

/** Workers of a killed server end by themselves a moment later, and may still write. */
async function remove(folder: string | undefined): Promise<void> {
  if (folder !== undefined)
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 500 });
}
