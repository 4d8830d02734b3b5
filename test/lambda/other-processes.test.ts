// When a function may end every process of its user, and that it then does. Runs in an environment of its own, as a
// function of the real runtime client: nothing of this machine is within its reach.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { VARIABLES } from '../../src/lambda/variables.ts';
import { type FunctionEnvironment, startFunction } from '../../testing/lambda/function-environment.ts';
import { openSandbox, type Sandbox } from '../../testing/lambda/sandbox.ts';

const SOURCE = `
import { spawn } from 'node:child_process';
import { isOpenToOthers, takeOtherProcesses } from ${JSON.stringify(join(import.meta.dirname, '../../src/lambda/other-processes.ts'))};
const start = () => spawn('sleep', ['60'], { env: {}, stdio: 'ignore', detached: true });
if (process.env.BYSTANDER) start();
const others = takeOtherProcesses(process.env);
export const handler = async ({ leave = 0 }) => {
  const left = Array.from({ length: leave }, start);
  const gone = Promise.all(left.map((child) => new Promise((resolve) => child.on('exit', (_, signal) => resolve(signal)))));
  if (others.kind === 'ours') await others.end();
  return { kind: others.kind, fault: others.fault ?? null, open: isOpenToOthers(), signals: others.kind === 'ours' ? await gone : [] };
};
`;

const folder = mkdtempSync(join(tmpdir(), 'hybrid-others-'));
const sandbox = await openSandbox(folder);
const environments: FunctionEnvironment[] = [];
let bystander: ChildProcess;

beforeAll(async () => {
  mkdirSync(join(folder, 'code'));
  writeFileSync(join(folder, 'probe.ts'), SOURCE);
  await build({
    entryPoints: [join(folder, 'probe.ts')],
    outfile: join(folder, 'code/probe.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
  });
  bystander = spawn('sleep', ['120'], { stdio: 'ignore' });
});
afterAll(async () => {
  await Promise.all(environments.map((one) => one.stop()));
  bystander.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

async function ask(
  variables: Record<string, string>,
  walls: Sandbox | null,
  event: object = {},
): Promise<Record<string, unknown>> {
  const path = mkdtempSync(join(folder, 'tmp-'));
  const probe = await startFunction({
    name: 'probe',
    folder: join(folder, 'code'),
    handler: 'probe.handler',
    timeoutMs: 60_000,
    environment: variables,
    ...(walls ? { walls: { sandbox: walls, writable: { path, shownAs: '/tmp' } } } : {}),
  });
  environments.push(probe);
  const { error, body } = await probe.invoke(event);
  expect(error).toBeNull();
  return JSON.parse(body.toString());
}

const SOLE = { [VARIABLES.soleUser]: 'true' };

test('on a machine that others use it touches nothing, whatever its variables say', async () => {
  const { kind, fault } = await ask(SOLE, null, { leave: 1 });
  expect([kind, fault]).toEqual(['not-ours', expect.stringMatching(/root|other processes/)]);
  expect([bystander.exitCode, bystander.signalCode]).toEqual([null, null]);
});

test('outside Lambda, and without the variable, it touches nothing', async () => {
  const { takeOtherProcesses } = await import('../../src/lambda/other-processes.ts');
  expect(takeOtherProcesses(SOLE)).toMatchObject({ kind: 'not-ours', fault: 'this is not Lambda' });
  expect(takeOtherProcesses({ AWS_LAMBDA_RUNTIME_API: 'x' })).toEqual({ kind: 'not-ours', fault: null });
});

describe.skipIf(!sandbox)('in an environment of its own', () => {
  test('it ends every process, and nobody of its user can look into it', async () => {
    expect(await ask(SOLE, sandbox, { leave: 5 })).toEqual({
      kind: 'ours',
      fault: null,
      open: false,
      signals: Array(5).fill('SIGKILL'),
    });
  });

  test('it touches nothing when something else of its user runs there from the start', async () => {
    const { kind, fault } = await ask({ ...SOLE, BYSTANDER: '1' }, sandbox);
    expect([kind, fault]).toEqual(['not-ours', '1 other processes of this user run already']);
  });

  test('a Node that can be read leaves the process open, which is seen', async () => {
    const readable = { ...(sandbox as Sandbox), node: process.execPath };
    expect(await ask(SOLE, readable)).toMatchObject({ kind: 'ours', open: true });
  });
});
