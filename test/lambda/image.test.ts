// The image without Docker: the files of its task folder, started as the image starts them.
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assembleTree, handlerOfImage, SAMPLE } from '../../scripts/image.mjs';
import { VARIABLES } from '../../src/lambda/variables.ts';
import { type FunctionEnvironment, startFunction } from '../../testing/lambda/function-environment.ts';

let folder: string;
let worker: FunctionEnvironment | undefined;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hybrid-image-'));
  mkdirSync(join(folder, 'tmp'));
  await assembleTree(join(folder, 'task'));
});
afterAll(async () => {
  await worker?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(environment: Record<string, string>): Promise<FunctionEnvironment> {
  await worker?.stop();
  worker = await startFunction({
    name: 'image',
    folder: join(folder, 'task'),
    handler: handlerOfImage(),
    timeoutMs: 900_000,
    environment,
  });
  return worker;
}

test('its task folder starts from its own entry point and answers an empty batch', async () => {
  const image = await start({ ...SAMPLE, [VARIABLES.temporary]: join(folder, 'tmp') });
  const { error, body } = await image.invoke({ Records: [] });
  expect(error).toBeNull();
  expect(body.toString()).toBe('{"batchItemFailures":[]}');
});

test("it holds the agent's folder and the native program for this processor", () => {
  expect(readdirSync(join(folder, 'task')).sort()).toEqual(
    expect.arrayContaining(['agent', 'node_modules', 'package.json', 'worker.mjs']),
  );
  const packages = readdirSync(join(folder, 'task/node_modules/@anthropic-ai'));
  expect(packages).toContain(`claude-agent-sdk-${process.platform}-${process.arch}`);
});

test('without its variables it does not start, and says which are missing', async () => {
  const { [VARIABLES.bucket]: _, ...rest } = SAMPLE;
  const image = await start(rest);
  const { error } = await image.invoke({ Records: [] });
  expect(error?.errorMessage).toContain(VARIABLES.bucket);
});
