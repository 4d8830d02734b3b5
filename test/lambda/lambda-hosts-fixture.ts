// Agent hosts as invocations of a function with tenant isolation: the real function under the real runtime client, the real
// agent, packs by presigned URLs that the stand-in for S3 checks. The mailbox is in memory; the model is the caller's.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { assembleTree } from '../../scripts/image.mjs';
import { systemClock } from '../../src/core/clock.ts';
import { WORKSPACE_LIMITS } from '../../src/core/defaults.ts';
import type { LogFields } from '../../src/core/log.ts';
import type { ObjectStore } from '../../src/core/ports/objects.ts';
import type { HotLimits } from '../../src/host/hot-hosts.ts';
import { createControlEndpoint } from '../../src/host/lambda/control-endpoint.ts';
import { createLambdaHosts } from '../../src/host/lambda/lambda-hosts.ts';
import type { Mailbox } from '../../src/host/lambda/mailbox.ts';
import { createProcessHosts, type ProcessHosts } from '../../src/host/process-hosts.ts';
import { VARIABLES } from '../../src/lambda/variables.ts';
import { createSessionState, type StoredState } from '../../src/state/session-state.ts';
import { createS3ObjectStore } from '../../src/stores/s3/object-store.ts';
import { createS3Presigner } from '../../src/stores/s3/presigner.ts';
import { localAws } from '../../testing/aws/dynamodb-local.ts';
import { serveLoopback } from '../../testing/aws/loopback.ts';
import type { StandIn } from '../../testing/aws/process.ts';
import { startS3Server } from '../../testing/aws/s3/server.ts';
import { startInvokeServer } from '../../testing/lambda/invoke-server.ts';
import { openSandbox } from '../../testing/lambda/sandbox.ts';
import {
  createTenantEnvironments,
  type TenantEnvironments,
} from '../../testing/lambda/tenant-environments.ts';

const SECRET = new Uint8Array(32).fill(7);
const FUNCTION = 'agent-host';
export const MAX_WORKSPACE_BYTES = 10_000_000;
const limits = { ...WORKSPACE_LIMITS, maxWorkspaceBytes: MAX_WORKSPACE_BYTES };

export interface LambdaHostsFixture {
  readonly hosts: ProcessHosts;
  readonly objects: ObjectStore;
  readonly environments: TenantEnvironments;
  /** Walls around the environments; without, every process of this machine can be seen. */
  readonly hasWalls: boolean;
  /** The image's folder, as the function sees it. */
  readonly image: string;
  readonly state: StoredState;
  /** How turns began and why hosts ended, in order: `hot`, `cold first`, `ended memory-limit`. */
  readonly told: string[];
  /** Time passes for the workers. */
  sleep(ms: number): void;
  output(): string;
  close(): Promise<void>;
}

export async function startLambdaHosts(options: {
  /** Address of a Messages API. */
  readonly modelUrl: string;
  readonly maxEnvironments: number;
  /** Agents may stay. */
  readonly hot?: HotLimits;
}): Promise<LambdaHostsFixture> {
  const folder = mkdtempSync(join(tmpdir(), 'hybrid-lambda-hosts-'));
  const sandbox = await openSandbox(folder);
  let output = '';
  const s3 = await startS3Server();
  s3.bucket('packs');
  const image = join(folder, 'image');
  await assembleTree(image);
  const environments = createTenantEnvironments({
    folder: join(folder, 'environments'),
    maxEnvironments: options.maxEnvironments,
    idleMs: 600_000,
    describe: (writable) => ({
      name: FUNCTION,
      folder: image,
      handler: 'agent-host.handler',
      timeoutMs: 120_000,
      environment: {
        [VARIABLES.installation]: 'test',
        [VARIABLES.temporary]: sandbox ? '/tmp' : writable,
        [VARIABLES.maxWorkspaceBytes]: String(MAX_WORKSPACE_BYTES),
        [VARIABLES.soleUser]: String(sandbox !== null),
      },
      onOutput: (text) => {
        output += text;
      },
      ...(sandbox ? { walls: { sandbox, writable: { path: writable, shownAs: '/tmp' } } } : {}),
    }),
  });
  const server = await startInvokeServer({
    functions: { [FUNCTION]: environments },
    credentials: localAws.credentials,
  });
  const mailbox = memoryMailbox();
  const control = await serveControl(mailbox);
  const bucket = { ...localAws, bucket: 'packs', endpoint: s3.endpoint, forcePathStyle: true };
  const objects = createS3ObjectStore(bucket);
  const state = createSessionState({ objects, limits });
  const client = new LambdaClient({ ...localAws, endpoint: server.endpoint, maxAttempts: 1 });
  const told: string[] = [];
  let sleptMs = 0;
  const clock = { ...systemClock, now: () => Date.now() + sleptMs };
  const log = (_level: string, event: string, fields: LogFields = {}) => {
    if (event === 'agent-started') told.push([fields.start, fields.why].filter(Boolean).join(' '));
    if (event === 'hot-ended') told.push(`ended ${fields.why}`);
    output += `${event} ${JSON.stringify(fields)}\n`;
  };
  const hosts = createProcessHosts({
    start: createLambdaHosts({
      client,
      functionName: FUNCTION,
      presigner: createS3Presigner({ ...bucket, expiresInSec: 900 }),
      objects,
      mailbox,
      control: { url: control.endpoint, secret: SECRET },
      clock: systemClock,
      log,
    }),
    objects,
    state,
    limits,
    access: {
      during: (_, work) =>
        work({
          folder: { settings: {} },
          model: { baseUrl: options.modelUrl, apiKey: 'token-of-the-turn', demo: false },
          away: () => null,
        }),
      answersAgain: async () => false,
    },
    spares: 0,
    ...(options.hot && { hot: options.hot }),
    clock,
    log,
  });
  return {
    hosts,
    objects,
    environments,
    hasWalls: sandbox !== null,
    image,
    state,
    told,
    sleep(ms) {
      sleptMs += ms;
    },
    output: () => output,
    async close() {
      await hosts.close();
      await server.close();
      await environments.close();
      await control.close();
      await s3.close();
      client.destroy();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function memoryMailbox(): Mailbox {
  const boxes = new Map<string, { number: number; message: object }[]>();
  return {
    async post({ name }, number, message) {
      boxes.set(name, [...(boxes.get(name) ?? []), { number, message }]);
    },
    async read({ name }, after, waitMs) {
      const until = Date.now() + waitMs;
      for (;;) {
        const news = (boxes.get(name) ?? []).filter(({ number }) => number > after);
        if (news.length > 0 || Date.now() >= until) return news;
        await sleep(10);
      }
    },
  };
}

async function serveControl(mailbox: Mailbox): Promise<StandIn> {
  const answer = createControlEndpoint({ mailbox, secrets: [SECRET], clock: systemClock });
  return await serveLoopback(async (request, response) => {
    const headers = new Headers(request.headers as Record<string, string>);
    const url = new URL(request.url ?? '/', 'http://control');
    const said = await answer(new Request(url, { method: request.method ?? 'GET', headers }));
    response.writeHead(said?.status ?? 404).end(await said?.text());
  });
}
