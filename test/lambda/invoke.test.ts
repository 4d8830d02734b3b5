// The stand-in for invocations with tenant isolation, asked by the real client, with functions under the real runtime
// client: what Lambda's documentation says of environments, streams and errors.
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  InvokeCommand,
  InvokeWithResponseStreamCommand,
  LambdaClient,
  type LambdaServiceException,
} from '@aws-sdk/client-lambda';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { localAws } from '../../testing/aws/dynamodb-local.ts';
import type { StandIn } from '../../testing/aws/process.ts';
import { startInvokeServer } from '../../testing/lambda/invoke-server.ts';
import { openSandbox, type Sandbox } from '../../testing/lambda/sandbox.ts';
import {
  createTenantEnvironments,
  type TenantEnvironments,
} from '../../testing/lambda/tenant-environments.ts';
import { until } from '../waiting.ts';

const SOURCE = `
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
const environment = Math.random().toString(36).slice(2);
const tmp = process.env.TMP_FOLDER;
let calls = 0;
let ticks = 0;
setInterval(() => { ticks += 1; }, 10);
export const handler = async (event, context) => {
  calls += 1;
  if (event.spawn) spawn('/bin/sh', ['-c', 'while [ -e ' + tmp + ' ]; do echo >> ' + tmp + '/ticks; sleep 0.02; done'], { stdio: 'ignore', detached: true });
  if (event.fail) throw new RangeError('out of range');
  if (event.crash) process.exit(3);
  if (event.hang) await new Promise(() => {});
  if (event.waitMs) await new Promise((resolve) => setTimeout(resolve, event.waitMs));
  const seen = readdirSync(tmp);
  appendFileSync(tmp + '/tenants', context.tenantId + '\\n');
  return { environment, calls, ticks, tenant: context.tenantId, seen, variables: Object.keys(process.env).sort(), echo: event };
};
export const streaming = awslambda.streamifyResponse(async (event, stream) => {
  stream.write('{"n":1}\\n');
  while (event.wait && !existsSync(tmp + '/heard')) await new Promise((resolve) => setTimeout(resolve, 10));
  // What was written is on its way by then.
  if (event.crash) setTimeout(() => process.exit(3), 200);
  if (event.crash) await new Promise(() => {});
  if (event.fail) throw new RangeError('midway');
  if (event.hang) await new Promise(() => {});
  stream.write('{"n":2}\\n');
  writeFileSync(tmp + '/ended', '');
  stream.end();
});
`;

const folder = mkdtempSync(join(tmpdir(), 'hybrid-invoke-'));
const sandbox: Sandbox | null = await openSandbox(folder);
const IDLE_MS = 1_500;
const functions: Record<string, TenantEnvironments> = {};
let server: StandIn;
let client: LambdaClient;

function environments(handler: string, maxEnvironments: number, idleMs = 600_000): TenantEnvironments {
  return createTenantEnvironments({
    folder: join(folder, 'environments'),
    maxEnvironments,
    idleMs,
    describe: (writable) => ({
      name: 'probe',
      folder: join(folder, 'code'),
      handler,
      timeoutMs: 3_000,
      environment: { TMP_FOLDER: sandbox ? '/tmp' : writable },
      ...(sandbox ? { walls: { sandbox, writable: { path: writable, shownAs: '/tmp' } } } : {}),
    }),
  });
}

beforeAll(async () => {
  mkdirSync(join(folder, 'code'));
  writeFileSync(join(folder, 'code/probe.mjs'), SOURCE);
  functions.whole = environments('probe.handler', 40);
  functions.few = environments('probe.handler', 2);
  functions.brief = environments('probe.handler', 10, IDLE_MS);
  functions.streaming = environments('probe.streaming', 10);
  server = await startInvokeServer({ functions, credentials: localAws.credentials });
  client = new LambdaClient({ ...localAws, endpoint: server.endpoint, maxAttempts: 1 });
});
afterAll(async () => {
  client.destroy();
  await server.close();
  await Promise.all(Object.values(functions).map((one) => one.close()));
  rmSync(folder, { recursive: true, force: true });
});

interface Said {
  readonly environment: string;
  readonly calls: number;
  readonly ticks: number;
  readonly tenant: string;
  readonly seen: readonly string[];
  readonly variables: readonly string[];
}

async function invoke(tenantId: string, event: object = {}, name = 'whole'): Promise<Said> {
  const { Payload, FunctionError } = await client.send(
    new InvokeCommand({ FunctionName: name, TenantId: tenantId, Payload: JSON.stringify(event) }),
  );
  expect(FunctionError).toBeUndefined();
  return JSON.parse(Buffer.from(Payload ?? []).toString());
}

async function stream(tenantId: string, event: object = {}, onChunk: (text: string) => void = () => {}) {
  const { EventStream } = await client.send(
    new InvokeWithResponseStreamCommand({
      FunctionName: 'streaming',
      TenantId: tenantId,
      Payload: JSON.stringify(event),
    }),
  );
  const chunks: string[] = [];
  for await (const { PayloadChunk, InvokeComplete } of EventStream ?? []) {
    if (PayloadChunk) {
      chunks.push(Buffer.from(PayloadChunk.Payload ?? []).toString());
      onChunk(chunks.join(''));
    }
    if (InvokeComplete) return { text: chunks.join(''), complete: InvokeComplete };
  }
  throw new Error('The stream ended without InvokeComplete.');
}

const refused = (call: Promise<unknown>): Promise<LambdaServiceException> =>
  call.then(
    () => expect.fail('It was not refused.'),
    (error: LambdaServiceException) => error,
  );

describe('environments', () => {
  test("one tenant's invocations go to its environment, with what they left there", async () => {
    const first = await invoke('one');
    const second = await invoke('one');
    expect([first.calls, second.calls]).toEqual([1, 2]);
    expect(second.environment).toBe(first.environment);
    expect([first.seen, second.seen]).toEqual([[], ['tenants']]);
    expect(second.tenant).toBe('one');
  });

  test('no environment ever serves two tenants, whatever comes when', async () => {
    const calls = fc.array(
      fc.record({ tenant: fc.constantFrom('p', 'q', 'r', 's'), waitMs: fc.nat(40), together: fc.boolean() }),
      { minLength: 4, maxLength: 10 },
    );
    const served = new Map<string, Set<string>>();
    await fc.assert(
      fc.asyncProperty(calls, async (list) => {
        const running: Promise<Said>[] = [];
        for (const { tenant, waitMs, together } of list) {
          const call = invoke(tenant, { waitMs: waitMs + 1 });
          running.push(call);
          if (!together) await call;
        }
        const said = await Promise.all(running);
        said.forEach((one, i) => {
          expect(one.tenant).toBe(list[i]?.tenant);
          served.set(one.environment, (served.get(one.environment) ?? new Set()).add(one.tenant));
        });
      }),
      { numRuns: 4 },
    );
    for (const tenants of served.values()) expect(tenants.size).toBe(1);
  });

  test('a busy one is passed over: another environment of the same tenant', async () => {
    const [slow, quick] = await Promise.all([invoke('busy', { waitMs: 400 }), invoke('busy')]);
    expect(slow.environment).not.toBe(quick.environment);
    expect([slow.tenant, quick.tenant]).toEqual(['busy', 'busy']);
  });

  test('stands still between invocations, with all its processes', async () => {
    const before = await invoke('frozen', { spawn: true });
    const { writable } = functions.whole!.all.find(({ tenantId }) => tenantId === 'frozen')!;
    const sizeOf = () => statSync(join(writable, 'ticks'), { throwIfNoEntry: false })?.size ?? 0;
    const size = sizeOf();
    await sleep(500);
    expect(sizeOf()).toBe(size);
    const after = await invoke('frozen', { waitMs: 200 });
    expect(after.ticks - before.ticks).toBeLessThan(40);
    expect(sizeOf()).toBeGreaterThan(size);
  });

  test('ends when nobody has used it for a while', async () => {
    const before = await invoke('brief', {}, 'brief');
    await until(() => functions.brief?.all.length === 0, 'its end');
    const after = await invoke('brief', {}, 'brief');
    expect([after.calls, after.seen]).toEqual([1, []]);
    expect(after.environment).not.toBe(before.environment);
  });

  test('more than there may be are refused, also while the others only wait', async () => {
    await invoke('first', {}, 'few');
    await invoke('second', {}, 'few');
    const error = await refused(invoke('third', {}, 'few'));
    expect(error).toMatchObject({
      name: 'TooManyRequestsException',
      Reason: 'ConcurrentInvocationLimitExceeded',
      $metadata: { httpStatusCode: 429 },
    });
    expect((await invoke('second', {}, 'few')).calls).toBe(2);
  });

  test('has the variables of the function, and nothing of this program', async () => {
    const { variables } = await invoke('variables');
    expect(variables).toContain('TMP_FOLDER');
    const known = /^(_HANDLER|AWS_|LAMBDA_|LANG|PATH|PWD|TMP_FOLDER|TZ|NODE_|_X_AMZN|SHLVL|_|OLDPWD)/;
    expect(variables.filter((name) => !known.test(name))).toEqual([]);
    expect(variables.filter((name) => /SECRET|ACCESS_KEY|TOKEN/.test(name))).toEqual([]);
  });
});

describe('streams', () => {
  test('pieces arrive as they are written, and the invocation ends with the stream', async () => {
    const { text, complete } = await stream('pieces', { wait: true }, (heard) => {
      // The second piece is not written before this one has arrived.
      const { writable } = functions.streaming!.all.find(({ tenantId }) => tenantId === 'pieces')!;
      if (heard === '{"n":1}\n') writeFileSync(join(writable, 'heard'), '');
    });
    expect([text, complete.ErrorCode]).toEqual(['{"n":1}\n{"n":2}\n', undefined]);
  });

  test.each([
    ['an error', { fail: true }, 'RangeError'],
    ['a crash', { crash: true }, 'Runtime.ExitError'],
    ['a time-out', { hang: true }, 'Sandbox.Timedout'],
  ])('%s midway is said at the end; what was written before is there', async (_, event, code) => {
    const { text, complete } = await stream(`midway-${code}`, event);
    expect([text, complete.ErrorCode]).toEqual(['{"n":1}\n', code]);
    expect(JSON.parse(complete.ErrorDetails ?? '')).toMatchObject({ errorType: code });
    expect((await stream(`midway-${code}`)).complete.ErrorCode).toBeUndefined();
  });

  test('a caller that goes away does not end the function', async () => {
    const gone = new AbortController();
    const { EventStream } = await client.send(
      new InvokeWithResponseStreamCommand({
        FunctionName: 'streaming',
        TenantId: 'gone',
        Payload: '{"wait":true}',
      }),
      { abortSignal: gone.signal },
    );
    const events = EventStream?.[Symbol.asyncIterator]();
    await events?.next();
    gone.abort();
    await events?.return?.().catch(() => {});
    const { writable } = functions.streaming!.all.find(({ tenantId }) => tenantId === 'gone')!;
    writeFileSync(join(writable, 'heard'), '');
    await until(() => existsSync(join(writable, 'ended')), 'its end');
  });
});

describe('errors', () => {
  test("a function's own is told by a header, a crash and a time-out, too; the next invocation goes well", async () => {
    for (const [event, errorType] of [
      [{ fail: true }, 'RangeError'],
      [{ crash: true }, 'Runtime.ExitError'],
      [{ hang: true }, 'Sandbox.Timedout'],
    ] as const) {
      const { FunctionError, Payload, StatusCode } = await client.send(
        new InvokeCommand({ FunctionName: 'whole', TenantId: 'errors', Payload: JSON.stringify(event) }),
      );
      expect([StatusCode, FunctionError]).toEqual([200, 'Unhandled']);
      expect(JSON.parse(Buffer.from(Payload ?? []).toString())).toMatchObject({ errorType });
    }
    expect((await invoke('errors')).tenant).toBe('errors');
  });

  const REFUSED = {
    'a function that is not there': [{ FunctionName: 'absent', TenantId: 'x' }, 'ResourceNotFoundException'],
    'no tenant id': [{ FunctionName: 'whole' }, 'InvalidParameterValueException'],
    'a tenant id of forbidden characters': [
      { FunctionName: 'whole', TenantId: 'a;b' },
      'InvalidParameterValueException',
    ],
    'an endless tenant id': [
      { FunctionName: 'whole', TenantId: 'a'.repeat(257) },
      'InvalidParameterValueException',
    ],
    'what is no JSON': [
      { FunctionName: 'whole', TenantId: 'x', Payload: '{' },
      'InvalidRequestContentException',
    ],
    'more than 6 MB': [
      { FunctionName: 'whole', TenantId: 'x', Payload: JSON.stringify('x'.repeat(6 * 1024 * 1024)) },
      'RequestTooLargeException',
    ],
  } as const;

  test.each(Object.entries(REFUSED))('%s is refused', async (_, [input, name]) => {
    const started = functions.whole?.all.length;
    expect(await refused(client.send(new InvokeCommand(input)))).toMatchObject({ name });
    expect(await refused(client.send(new InvokeWithResponseStreamCommand(input)))).toMatchObject({ name });
    expect(functions.whole?.all.length).toBe(started);
  });

  test('who does not sign, or with another key, is refused', async () => {
    const url = `${server.endpoint}/2015-03-31/functions/whole/invocations`;
    const unsigned = await fetch(url, { method: 'POST', headers: { 'x-amz-tenant-id': 'x' }, body: '{}' });
    expect(unsigned.status).toBe(403);
    for (const credentials of [
      { ...localAws.credentials, secretAccessKey: 'another' },
      { accessKeyId: 'another', secretAccessKey: 'another' },
    ]) {
      const other = new LambdaClient({ ...localAws, credentials, endpoint: server.endpoint, maxAttempts: 1 });
      const error = await refused(other.send(new InvokeCommand({ FunctionName: 'whole', TenantId: 'x' })));
      expect(error.name).toMatch(/InvalidSignatureException|UnrecognizedClientException/);
      other.destroy();
    }
  });
});
