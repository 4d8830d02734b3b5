// The Runtime API server of these tests, judged by the real runtime client.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FunctionEnvironment, startFunction } from '../../testing/lambda/function-environment.ts';
import { createFunctionUrl, type FunctionUrl } from '../../testing/lambda/function-url.ts';

const SOURCE = `
import { existsSync } from 'node:fs';
let calls = 0;
export const handler = async (event, context) => {
  calls += 1;
  if (event.crash) process.exit(3);
  if (event.fail) throw new RangeError('out of range');
  if (event.hang) console.log('working');
  if (event.hang) await new Promise(() => setInterval(() => {}, 60_000));
  return { echo: event, calls, leftMs: context.getRemainingTimeInMillis(), secret: process.env.HOME ?? null };
};
export const streaming = awslambda.streamifyResponse(async (event, stream) => {
  const status = Number(event.rawPath.slice(1));
  const out = awslambda.HttpResponseStream.from(stream, { statusCode: status, headers: { 'x-kind': 'stream' } });
  out.write('');
  if (status === 200) {
    out.write('one,');
    while (!existsSync(import.meta.dirname + '/heard')) await new Promise((resolve) => setTimeout(resolve, 10));
    out.write('two');
  }
  if (status === 500) throw new Error('midway');
  out.end();
});
`;

let folder: string;
const environments: FunctionEnvironment[] = [];

async function start(
  handler: string,
  timeoutMs: number | (() => number) = 900_000,
  onOutput: (text: string) => void = () => {},
): Promise<FunctionEnvironment> {
  const options = { name: 'probe', folder, handler, timeoutMs, environment: {}, onOutput };
  const environment = await startFunction(options);
  environments.push(environment);
  return environment;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hybrid-runtime-'));
  writeFileSync(join(folder, 'probe.mjs'), SOURCE);
});

afterAll(async () => {
  await Promise.all(environments.map((one) => one.stop()));
  rmSync(folder, { recursive: true, force: true });
});

describe('one environment', () => {
  test('answers, stays warm, reports errors, and starts anew after a crash or a timeout', async () => {
    let timeoutMs = 900_000;
    const probe = await start('probe.handler', () => timeoutMs);
    const first = await probe.invoke({ n: 1 });
    expect(JSON.parse(first.body.toString())).toMatchObject({ echo: { n: 1 }, calls: 1, secret: null });
    const pid = probe.pid;
    const second = JSON.parse((await probe.invoke({})).body.toString());
    expect(second.calls).toBe(2);
    expect(second.leftMs).toBeLessThanOrEqual(900_000);

    const failed = await probe.invoke({ fail: true });
    expect(failed.error).toEqual({ errorType: 'RangeError', errorMessage: 'out of range' });
    expect(probe.pid).toBe(pid);

    const crashed = await probe.invoke({ crash: true });
    expect(crashed.error?.errorType).toBe('Runtime.ExitError');
    timeoutMs = 1_500;
    const hung = await probe.invoke({ hang: true });
    timeoutMs = 900_000;
    expect(hung.error).toMatchObject({ errorType: 'Sandbox.Timedout' });
    expect(JSON.parse((await probe.invoke({})).body.toString()).calls).toBe(1);
  });

  test('a killed process fails what it was doing, and says how it ended', async () => {
    const working = Promise.withResolvers<void>();
    const probe = await start('probe.handler', 900_000, () => working.resolve());
    const cut = probe.invoke({ hang: true });
    await working.promise;
    await probe.kill();
    expect((await cut).error?.errorMessage).toContain('SIGKILL');
  });

  test('a module that cannot be loaded fails the invocation with its reason', async () => {
    const broken = await start('absent.handler');
    const { error } = await broken.invoke({});
    expect(error?.errorType).toContain('ImportModuleError');
  });
});

describe('a function URL that streams', () => {
  let url: FunctionUrl;

  beforeAll(async () => {
    url = await createFunctionUrl({
      environments: [await start('probe.streaming')],
      mode: 'RESPONSE_STREAM',
    });
  });
  afterAll(() => url.close());

  test('status, headers and pieces arrive as written', async () => {
    const response = await fetch(`${url.url}/200`);
    expect(response.headers.get('x-kind')).toBe('stream');
    let heard = '';
    for await (const piece of response.body ?? []) {
      heard += Buffer.from(piece).toString();
      // The second piece is not written before this one has arrived.
      if (heard === 'one,') writeFileSync(join(folder, 'heard'), '');
    }
    expect(heard).toBe('one,two');
  });

  test('an empty body still has its status', async () => {
    const response = await fetch(`${url.url}/204`);
    expect([response.status, await response.text()]).toEqual([204, '']);
  });

  test('an error midway breaks the connection: half an answer is never taken for a whole one', async () => {
    const response = await fetch(`${url.url}/500`);
    await expect(response.text()).rejects.toThrow();
  });
});
