// Agent hosts as invocations of a function with tenant isolation: the real function under the real runtime client, the real
// agent, packs by presigned URLs that the stand-in for S3 checks. Only the model is scripted, and the mailbox is in memory.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { assembleTree } from '../../scripts/image.mjs';
import { answerAsDemo } from '../../src/agent/demo-model.ts';
import { systemClock } from '../../src/core/clock.ts';
import { WORKSPACE_LIMITS } from '../../src/core/defaults.ts';
import { newSessionId, sessionKeyOf, tenantOf } from '../../src/core/ids.ts';
import type { LogFields } from '../../src/core/log.ts';
import { turnRequest } from '../../src/core/messages.ts';
import type { TurnEvent } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import type { Lease, SessionHead } from '../../src/core/records.ts';
import { createControlEndpoint } from '../../src/host/lambda/control-endpoint.ts';
import { createLambdaHosts, tenantIdOf } from '../../src/host/lambda/lambda-hosts.ts';
import type { Mailbox } from '../../src/host/lambda/mailbox.ts';
import { createProcessHosts, type ProcessHosts } from '../../src/host/process-hosts.ts';
import { VARIABLES } from '../../src/lambda/variables.ts';
import { createSessionState, type StoredState } from '../../src/state/session-state.ts';
import { createS3ObjectStore } from '../../src/stores/s3/object-store.ts';
import { createS3Presigner } from '../../src/stores/s3/presigner.ts';
import { localAws } from '../../testing/aws/dynamodb-local.ts';
import { serveLoopback } from '../../testing/aws/loopback.ts';
import type { StandIn } from '../../testing/aws/process.ts';
import { type S3Server, startS3Server } from '../../testing/aws/s3/server.ts';
import { startInvokeServer } from '../../testing/lambda/invoke-server.ts';
import { openSandbox } from '../../testing/lambda/sandbox.ts';
import {
  createTenantEnvironments,
  type TenantEnvironments,
} from '../../testing/lambda/tenant-environments.ts';
import { createScriptedModel, type ScriptedModel } from '../../testing/model/scripted-model.ts';
import { conversation } from './one-turn.ts';

const folder = mkdtempSync(join(tmpdir(), 'hybrid-lambda-hosts-'));
const SECRET = new Uint8Array(32).fill(7);
const FUNCTION = 'agent-host';
const MAX_ENVIRONMENTS = 6;
const sandbox = await openSandbox(folder);
const limits = { ...WORKSPACE_LIMITS, maxWorkspaceBytes: 10_000_000 };
const closing: (() => Promise<unknown>)[] = [];
let output = '';
let model: ScriptedModel;
let s3: S3Server;
let environments: TenantEnvironments;
let state: StoredState;
let hosts: ProcessHosts;

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

beforeAll(async () => {
  model = await createScriptedModel(answerAsDemo);
  s3 = await startS3Server();
  s3.bucket('packs');
  const image = join(folder, 'image');
  await assembleTree(image);
  environments = createTenantEnvironments({
    folder: join(folder, 'environments'),
    maxEnvironments: MAX_ENVIRONMENTS,
    idleMs: 600_000,
    describe: (writable) => ({
      name: FUNCTION,
      folder: image,
      handler: 'agent-host.handler',
      timeoutMs: 120_000,
      environment: {
        [VARIABLES.installation]: 'test',
        [VARIABLES.temporary]: sandbox ? '/tmp' : writable,
        [VARIABLES.maxWorkspaceBytes]: '10000000',
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
  state = createSessionState({ objects, limits });
  const client = new LambdaClient({ ...localAws, endpoint: server.endpoint, maxAttempts: 1 });
  const log = (_level: string, event: string, fields?: LogFields) => {
    output += `${event} ${JSON.stringify(fields)}\n`;
  };
  hosts = createProcessHosts({
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
          model: { baseUrl: model.url, apiKey: 'token-of-the-turn', demo: false },
          away: () => null,
        }),
      answersAgain: async () => false,
    },
    spares: 0,
    log,
  });
  closing.push(
    () => hosts.close(),
    () => server.close(),
    () => environments.close(),
    () => control.close(),
    () => s3.close(),
    () => model.close(),
    async () => client.destroy(),
  );
});
afterAll(async () => {
  for (const close of closing) await close();
  rmSync(folder, { recursive: true, force: true });
});

function newHead(chat: string): SessionHead {
  const sessionKey = sessionKeyOf(conversation(chat));
  return {
    tenant: tenantOf(sessionKey),
    sessionId: newSessionId(),
    sessionKey,
    generation: 0,
    fence: 1,
    state: null,
    createdAtMs: 0,
    updatedAtMs: 0,
    expiresAtSec: 2 ** 31,
  };
}

interface Taken {
  readonly head: SessionHead;
  readonly text: string;
  readonly status: string;
}

/** One turn on a host of its own, saved. */
async function turn(
  head: SessionHead,
  text: string,
  { signal = new AbortController().signal, progress = (_: TurnEvent) => {} } = {},
): Promise<Taken> {
  onTestFailed(() => console.error(output.slice(-4_000)));
  const lease: Lease = { ...head, owner: randomUUID(), fence: head.fence + 1 };
  const host = await hosts.open(lease, head);
  try {
    const request = turnRequest({
      conversation: conversation('hosts'),
      dedupeId: randomUUID(),
      text,
      receivedAtMs: Date.now(),
    });
    const { sessionId } = head;
    const outcome = await host.run({
      sessionId,
      resume: head.generation > 0,
      continuing: false,
      request,
      progress,
      tries: 1,
      signal,
    });
    const generation = head.generation + 1;
    const saved = await host.save({ head, generation, running: false });
    return {
      head: { ...head, fence: lease.fence, generation, state: saved.state },
      text: outcome.failure ? `${outcome.failure.code}: ${outcome.failure.message}` : outcome.text,
      status: outcome.status,
    };
  } finally {
    await host.close({ keep: false });
    await hosts.close();
  }
}

const environmentOf = (head: SessionHead) =>
  environments.all.find(({ tenantId }) => tenantId === tenantIdOf(head));

describe('a session', () => {
  test('runs, is saved by presigned URLs, and comes back in its own environment and in a new one', async () => {
    const first = await turn(newHead('a'), 'run: mkdir -p sub && echo kept > sub/note.txt && echo done-1');
    expect(first).toMatchObject({ status: 'ok', text: expect.stringContaining('done-1') });
    const before = environmentOf(first.head);
    const second = await turn(first.head, 'run: cat sub/note.txt; echo more >> sub/note.txt');
    expect(second.text).toContain('kept');
    expect(environmentOf(second.head)?.environment).toBe(before?.environment);
    await before?.environment.kill();
    const third = await turn(second.head, 'run: cat sub/note.txt');
    expect(third.text).toMatch(/kept\s+more/);
    expect(await turn(third.head, 'what did I say?')).toMatchObject({ text: expect.stringMatching(/note/) });
  });

  test('shows what happens while it happens, and can be stopped', async () => {
    const stop = new AbortController();
    const seen: TurnEvent[] = [];
    const stopped = await turn(newHead('stop'), `slowly: ${'one two three '.repeat(400)}`, {
      signal: stop.signal,
      progress: (event) => {
        seen.push(event);
        if (event.type === 'text') stop.abort('stop');
      },
    });
    expect(stopped.status).toBe('stopped');
    expect(seen.length).toBeGreaterThan(0);
  });

  test('a host that dies in the middle is an outcome, and the state stays', async () => {
    const first = await turn(newHead('dies'), 'run: echo kept > note.txt');
    const lease: Lease = { ...first.head, owner: 'other', fence: first.head.fence + 1 };
    const host = await hosts.open(lease, first.head);
    const request = turnRequest({
      conversation: conversation('dies'),
      dedupeId: randomUUID(),
      text: `slowly: ${'one two three '.repeat(400)}`,
      receivedAtMs: Date.now(),
    });
    const { sessionId } = first.head;
    const outcome = await host.run({
      sessionId,
      resume: true,
      continuing: false,
      request,
      tries: 1,
      signal: new AbortController().signal,
      progress: (event) => {
        if (event.type === 'text') void environmentOf(first.head)?.environment.kill();
      },
    });
    expect(outcome).toMatchObject({ status: 'failed', failure: { code: 'agent-crashed' } });
    await host.close({ keep: false });
    const next = { ...first.head, fence: lease.fence };
    expect((await turn(next, 'run: cat note.txt')).text).toContain('kept');
  });

  test(`${promise('FORGET', 'NO-SECRETS')} its agent has no credential, no key, and nothing of another session`, async () => {
    await turn(newHead('victim'), 'run: echo the-text-of-a-victim > secret.txt');
    const look = `run: for f in /proc/[0-9]*/environ; do tr '\\0' '\\n' < $f 2>/dev/null; done | grep -c -E 'AWS_SECRET|AWS_SESSION|control1' ; grep -rl the-text-of-a-''victim / --include=secret.txt 2>/dev/null | head -1; echo looked`;
    const { text } = await turn(newHead('a'), look);
    expect(text).toMatch(/(^|\n)\W*0\s+looked/);
    expect(text).not.toContain('secret.txt:');
  });

  test('more sessions than there may be environments are for later, which is no failure', async () => {
    for (let i = environments.all.length; i < MAX_ENVIRONMENTS; i++)
      await turn(newHead(`fill-${i}`), 'hello');
    const error = await turn(newHead('one too many'), 'hello').catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'Refused', code: 'workplace-busy' });
    expect((error as { retryAfterMs: number }).retryAfterMs).toBeGreaterThanOrEqual(10_000);
  });
});
