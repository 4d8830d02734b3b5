// What a turn costs on top of the bare Agent SDK, measured side by side in one run: the same scripted model that
// answers at once, the same prompt, sessions of the same length. Rounds are interleaved, so that what else the
// machine does falls on all of them alike.
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { query } from '@anthropic-ai/claude-agent-sdk';
import { DEFAULT_TIME_LIMITS } from '../src/agent/agent-folder-schema.ts';
import { agentEnvironment } from '../src/agent/environment.ts';
import { newSessionId } from '../src/core/ids.ts';
import { createScriptedModel } from '../testing/model/scripted-model.ts';
import { openBenchWorker } from './bench-worker.ts';
import { median, type Row } from './table.ts';

const ROUNDS = 12;

export async function benchTurn(): Promise<Row[]> {
  const model = await createScriptedModel(() => ({ blocks: [{ type: 'text', text: 'Understood.' }] }));
  const root = await mkdtemp(join(tmpdir(), 'hybrid-bench-'));
  const times = { bare: [] as number[], live: [] as number[], direct: [] as number[], cold: [] as number[] };
  const spans = new Map<string, number[]>();
  try {
    const bare = await openBare(join(root, 'bare'), model.url);
    const live = await openBenchWorker(join(root, 'live'), model.url);
    const direct = await openBenchWorker(join(root, 'direct'), model.url, 'worker');
    const coldData = join(root, 'cold');
    await bare.turn();
    await live.turn();
    await direct.turn();
    await coldTurn(coldData, model.url);
    for (let round = 0; round < ROUNDS; round++) {
      times.bare.push(await timed(bare.turn));
      times.live.push(await timed(live.turn));
      for (const [name, ms] of live.spans()) spans.set(name, [...(spans.get(name) ?? []), ms]);
      times.direct.push(await timed(direct.turn));
      times.cold.push(await coldTurn(coldData, model.url));
    }
    await live.close();
    await direct.close();
  } finally {
    await model.close();
    await rm(root, { recursive: true, force: true });
  }
  const base = median(times.bare);
  const row = (name: string, values: number[]): Row => ({
    what: name,
    medianMs: median(values),
    ratio: median(values) / base,
  });
  return [
    row('bare SDK, query({ resume }), state on local disk', times.bare),
    row('ours, next turn on a live worker', times.live),
    row('the same without a host: the agent runs in the worker', times.direct),
    row('ours, cold: a new worker process for this turn', times.cold),
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
  const sessionId = newSessionId();
  let begun = false;
  return {
    async turn() {
      const which = begun ? { resume: sessionId } : { sessionId };
      begun = true;
      const options = {
        ...which,
        cwd: directory.workspace,
        env,
        settingSources: [],
        tools: ['Bash', 'Read'],
      };
      for await (const message of query({ prompt: 'And one more thing.', options })) {
        if (message.type === 'result' && message.subtype !== 'success') throw new Error(message.subtype);
      }
    },
  };
}

/** Starts a new worker process, runs one turn in it and ends it; returns the milliseconds. */
async function coldTurn(dataDir: string, modelUrl: string): Promise<number> {
  const file = fileURLToPath(new URL('./cold-turn.ts', import.meta.url));
  const startedAt = performance.now();
  await new Promise<void>((resolve, reject) => {
    const child = spawn(process.execPath, [file, dataDir, modelUrl], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`The cold worker ended with ${code}.`)),
    );
  });
  return performance.now() - startedAt;
}
