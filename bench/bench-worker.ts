// A worker for benches: the real adapters over a folder, one message at a time, with the time of each step.
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadAgentFolder } from '../src/agent/agent-folder.ts';
import { createHttpChannel } from '../src/channels/http/channel.ts';
import { systemClock } from '../src/core/clock.ts';
import { silentLog } from '../src/core/log.ts';
import { turnRequest } from '../src/core/messages.ts';
import type { TurnPoint } from '../src/core/running-turn.ts';
import { processMessage } from '../src/core/worker.ts';
import type { Sandbox } from '../src/host/sandbox/index.ts';
import { openWorkerHosts } from '../src/local/hosts.ts';
import { openStores } from '../src/local/stores.ts';
import { asFarAsDynamo, asFarAsS3 } from './latencies.ts';

/** Each span ends at its point and begins at the one before. */
const SPANS: ReadonlyMap<TurnPoint, string> = new Map([
  ['after-lease', 'lease and ledger'],
  ['after-restore', 'directory and restore'],
  ['after-agent', 'agent (CLI start, model, end)'],
  ['after-pack', 'checkpoint'],
  ['after-commit', 'commit, directory removed'],
  ['after-send', 'deliver'],
  ['after-mark', 'settle'],
]);

const HOT = { sessions: 1, memoryBytes: 2e9, idleMs: 600_000 };

export interface BenchWorker {
  turn(): Promise<void>;
  /** Milliseconds of each step of the last turn. */
  spans(): ReadonlyMap<string, number>;
  close(): Promise<void>;
}

export interface BenchWorkerOptions {
  /** The agent stays for the next turn. */
  readonly hot?: boolean;
  /** The stores are as far away as S3 and DynamoDB. */
  readonly far?: boolean;
  /** As the server found it; none, for comparison. */
  readonly sandbox: Sandbox;
}

export async function openBenchWorker(
  dataDir: string,
  modelUrl: string,
  { hot = false, far = false, sandbox }: BenchWorkerOptions,
): Promise<BenchWorker> {
  await mkdir(dataDir, { recursive: true });
  const limits = { maxWorkspaceBytes: 1e9, maxWorkspaceFiles: 1e5 };
  const near = await openStores(
    { dataDir, retentionSec: 86_400, keepGenerations: 10, limits },
    { create: true },
  );
  const stores = far ? { ...near, objects: asFarAsS3(near.objects), store: asFarAsDynamo(near.store) } : near;
  const folder = await loadAgentFolder(await plainAgent(join(dataDir, 'agent')));
  const model = { baseUrl: modelUrl, demo: false };
  const opened = await openWorkerHosts(
    { dataDir, limits, proxy: {}, publicUrl: null, prices: {}, budgets: {}, ...(hot && { hot: HOT }) },
    stores,
    folder,
    model,
    silentLog,
    sandbox,
  );
  const http = createHttpChannel({ events: stores.events, log: silentLog });
  const spans = new Map<string, number>();
  let last = 0;
  const deps = {
    ...stores,
    hosts: opened.hosts,
    channels: new Map([[http.name, http]]),
    clock: systemClock,
    log: silentLog,
    timing: { leaseMs: 15_000, heartbeatMs: 1_000, checkpointEveryMs: 0 },
    retentionSec: 3_600,
    maxAttempts: 1,
    visibilityMs: 15_000,
    at(point: TurnPoint) {
      const now = performance.now();
      const name = SPANS.get(point);
      if (name) spans.set(name, now - last);
      if (name || point === 'before-lease') last = now;
    },
  };
  return {
    async turn() {
      const request = benchRequest(randomUUID());
      await stores.store.accept(request, deps.retentionSec);
      await stores.queue.send(request);
      const [delivery] = await stores.queue.receive({
        max: 1,
        waitMs: 1_000,
        visibilityMs: deps.visibilityMs,
      });
      if (!delivery) throw new Error('The queue gave nothing.');
      const outcome = await processMessage(deps, delivery, new AbortController().signal);
      const turn = await stores.store.getTurn(request.sessionKey.split('/')[0] as never, request.turnId);
      if (outcome.kind !== 'done' || turn?.reply?.outcome !== 'ok') {
        const why = 'reason' in outcome ? outcome.reason : turn?.reply?.text;
        throw new Error(`The turn ended ${outcome.kind}: ${why}`);
      }
    },
    spans: () => spans,
    async close() {
      await opened.close();
      await stores.close();
    },
  };
}

/** As little as the bare SDK gets: a system prompt and two tools. A tool server's start would be compared with nothing. */
async function plainAgent(path: string): Promise<string> {
  await mkdir(path, { recursive: true });
  await writeFile(join(path, 'system_prompt.md'), 'You answer briefly.');
  await writeFile(join(path, 'settings.json'), JSON.stringify({ tools: { allow: ['Bash', 'Read'] } }));
  return path;
}

function benchRequest(id: string): ReturnType<typeof turnRequest> {
  return turnRequest({
    conversation: { tenant: 'bench', channel: 'http', bot: 'bench', chat: 'bench', thread: null },
    dedupeId: id,
    text: 'And one more thing.',
    receivedAtMs: Date.now(),
  });
}
