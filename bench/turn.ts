// What a turn costs on top of the bare Agent SDK, measured side by side in one run: the same scripted model that
// answers at once, the same prompt, sessions of the same length. Rounds are interleaved, so that what else the
// machine does falls on all of them alike.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { query } from '@anthropic-ai/claude-agent-sdk';
import { DEFAULT_TIME_LIMITS } from '../src/agent/agent-folder-schema.ts';
import { agentEnvironment } from '../src/agent/environment.ts';
import { newSessionId } from '../src/core/ids.ts';
import { silentLog } from '../src/core/log.ts';
import { detectSandbox, type Sandbox } from '../src/host/sandbox/index.ts';
import { openCompileCache } from '../src/local/compile-cache.ts';
import { PACKAGE_ROOT, programFile } from '../src/package-root.ts';
import { createScriptedModel } from '../testing/model/scripted-model.ts';
import { openBenchWorker } from './bench-worker.ts';
import { median, type Row } from './table.ts';

const ROUNDS = 12;
const NO_SANDBOX: Sandbox = { kind: 'none', reason: 'for comparison', accepted: true };

export async function benchTurn(rounds = ROUNDS): Promise<Row[]> {
  const model = await createScriptedModel(() => ({ blocks: [{ type: 'text', text: 'Understood.' }] }));
  const root = await mkdtemp(join(tmpdir(), 'hybrid-bench-'));
  const times = {
    bare: [] as number[],
    alive: [] as number[],
    hot: [] as number[],
    hotFar: [] as number[],
    live: [] as number[],
    liveFar: [] as number[],
    unwalled: [] as number[],
    cold: [] as number[],
  };
  const spans = new Map<string, number[]>();
  const sandbox = await detectSandbox();
  try {
    const bare = await openBare(join(root, 'bare'), model.url);
    const alive = await openBareAlive(join(root, 'alive'), model.url);
    const hot = await openBenchWorker(join(root, 'hot'), model.url, { sandbox, hot: true });
    const live = await openBenchWorker(join(root, 'live'), model.url, { sandbox });
    const hotFar = await openBenchWorker(join(root, 'hot-far'), model.url, { sandbox, hot: true, far: true });
    const liveFar = await openBenchWorker(join(root, 'live-far'), model.url, { sandbox, far: true });
    const unwalled = await openBenchWorker(join(root, 'unwalled'), model.url, { sandbox: NO_SANDBOX });
    const coldData = join(root, 'cold');
    await bare.turn();
    await alive.turn();
    await hot.turn();
    await live.turn();
    await hotFar.turn();
    await liveFar.turn();
    await unwalled.turn();
    const coldTurn = await openCold(coldData, model.url, sandbox);
    await coldTurn();
    for (let round = 0; round < rounds; round++) {
      times.bare.push(await timed(bare.turn));
      times.alive.push(await timed(alive.turn));
      times.hot.push(await timed(hot.turn));
      times.live.push(await timed(live.turn));
      times.hotFar.push(await timed(hotFar.turn));
      times.liveFar.push(await timed(liveFar.turn));
      for (const [name, ms] of live.spans()) spans.set(name, [...(spans.get(name) ?? []), ms]);
      times.unwalled.push(await timed(unwalled.turn));
      times.cold.push(await coldTurn());
    }
    await alive.close();
    await hot.close();
    await live.close();
    await hotFar.close();
    await liveFar.close();
    await unwalled.close();
  } finally {
    await model.close();
    await rm(root, { recursive: true, force: true });
  }
  const base = median(times.bare);
  const row = (name: string, values: number[], key?: keyof typeof times): Row => ({
    key,
    what: name,
    medianMs: median(values),
    ratio: median(values) / base,
  });
  return [
    row('bare SDK, query({ resume }), state on local disk', times.bare, 'bare'),
    row('bare SDK, a live process that a dedicated server would keep', times.alive, 'alive'),
    row('ours, hot: the agent of the turn before serves this one', times.hot, 'hot'),
    row('ours, next turn on a live worker', times.live, 'live'),
    row('the same without a sandbox around the host', times.unwalled, 'unwalled'),
    row('ours, hot, stores as far as S3 and DynamoDB', times.hotFar, 'hotFar'),
    row('ours, next turn on a live worker, stores as far', times.liveFar, 'liveFar'),
    row('ours, cold: a new worker process for this turn', times.cold, 'cold'),
    ...[...spans].map(([name, values]) => row(`  of the live turn: ${name}`, values)),
  ];
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return performance.now() - startedAt;
}

/** What turns are compared with: the bare SDK in one permanent directory, with a new CLI process per turn. */
async function openBare(root: string, modelUrl: string): Promise<{ turn(): Promise<void> }> {
  const plain = await bareOptions(root, modelUrl);
  const sessionId = newSessionId();
  let begun = false;
  return {
    async turn() {
      const which = begun ? { resume: sessionId } : { sessionId };
      begun = true;
      for await (const message of query({ prompt: 'And one more thing.', options: { ...which, ...plain } })) {
        if (message.type === 'result' && message.subtype !== 'success') throw new Error(message.subtype);
      }
    },
  };
}

/** The physical limit: one process for all turns. */
async function openBareAlive(
  root: string,
  modelUrl: string,
): Promise<{ turn(): Promise<void>; close(): Promise<void> }> {
  const lines = new PassThrough({ objectMode: true });
  const messages = query({ prompt: lines, options: await bareOptions(root, modelUrl) });
  return {
    async turn() {
      const message = { role: 'user', content: 'And one more thing.' };
      lines.write({ type: 'user', message, parent_tool_use_id: null });
      for (let next = await messages.next(); !next.done; next = await messages.next()) {
        if (next.value.type !== 'result') continue;
        if (next.value.subtype !== 'success') throw new Error(next.value.subtype);
        return;
      }
    },
    async close() {
      lines.end();
      for await (const _ of messages);
    },
  };
}

async function bareOptions(root: string, modelUrl: string) {
  const directory = { root, config: join(root, 'config'), workspace: join(root, 'workspace') };
  for (const folder of ['config', 'workspace', 'home', 'tmp']) {
    await mkdir(join(root, folder), { recursive: true });
  }
  const env = agentEnvironment({
    directory,
    model: { baseUrl: modelUrl, apiKey: 'none', demo: false },
    shellPrefix: '',
    timezone: 'UTC',
    limits: DEFAULT_TIME_LIMITS,
  });
  return { cwd: directory.workspace, env, settingSources: [], tools: ['Bash', 'Read'] };
}

/** Starts a new worker process and runs one turn in it; returns the milliseconds from the start to the settled turn. */
async function openCold(dataDir: string, modelUrl: string, sandbox: Sandbox): Promise<() => Promise<number>> {
  await mkdir(dataDir);
  const compiled = await openCompileCache({ dataDir, program: programFile('agent-host'), log: silentLog });
  await compiled.fill();
  const program = join(PACKAGE_ROOT, 'dist/programs/cold-turn.mjs');
  return async () => {
    const startedAt = performance.now();
    const child = spawn(process.execPath, [program, dataDir, modelUrl, JSON.stringify(sandbox)], {
      env: { ...process.env, ...compiled.environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    await Promise.race([once(child.stdout, 'data'), exited]);
    const tookMs = performance.now() - startedAt;
    const [code] = await exited;
    if (code !== 0) throw new Error(`The cold worker ended with ${code}.`);
    return tookMs;
  };
}
