// What goes into the ZIP and into the image.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildFunctions, compressedBytes } from '../../scripts/functions.mjs';
import { assembleContext } from '../../scripts/image.mjs';
import { CHANNELS } from '../../src/channels/index.ts';

let folder: string;
let functions: Awaited<ReturnType<typeof buildFunctions>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hybrid-bundles-'));
  functions = await buildFunctions(join(folder, 'functions'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const KB = 1000;
/** Ways to the model, and the demo model, are the gateway's; why a live agent ended is a list of words. */
const RUNS_AN_AGENT =
  /@anthropic-ai|src\/cdk\/|src\/agent\/(?!demo|model-|turn-models|continuation|cli-ends)/;

describe('the ZIP', () => {
  test('is smaller than 780 KB with all functions and the page; none reads much more than 1 MB at its start', () => {
    expect(compressedBytes(join(folder, 'functions'))).toBeLessThan(780 * KB);
    for (const [name, { bytes }] of Object.entries(functions)) expect(bytes, name).toBeLessThan(1260 * KB);
    expect(functions.ingress?.bytes).toBeLessThan(800 * KB);
  });

  test('no function in it holds the Agent SDK or the code that runs an agent', () => {
    for (const [name, { modules, later }] of Object.entries(functions)) {
      expect(modules.length, name).toBeGreaterThan(50);
      expect(
        [...modules, ...later].filter((path) => RUNS_AN_AGENT.test(path)),
        name,
      ).toEqual([]);
    }
  });

  test('ingress holds neither the object store nor, when it starts, a way to send: it needs no token', () => {
    const { modules = [], later = [] } = functions.ingress ?? {};
    // What a head says of its packs is no way to them: limits on stored bytes go by it.
    const ofState = [...modules, ...later].filter((path) => /client-s3|src\/state\//.test(path));
    expect(ofState).toEqual(['src/state/record.ts']);
    expect(modules.filter((path) => /grammy/.test(path))).toEqual([]);
    expect(later).toContain('src/channels/telegram/webhook.ts');
  });

  test('the list of channels makes no function heavier: of each channel it loads the descriptor, and the rest when needed', () => {
    const ofChannels = (functions.stranded?.modules ?? []).filter((path) =>
      /src\/channels\/\w+\//.test(path),
    );
    const names = CHANNELS.map(({ name }) => name);
    expect(ofChannels.map((path) => path.split('/')[2])).toEqual(expect.arrayContaining(names));
    for (const { modules } of Object.values(functions)) {
      expect(modules.filter((path) => /grammy|src\/channels\/\w+\/(api|channel)\.ts/.test(path))).toEqual([]);
    }
  });

  test('the page lies beside the functions, with the libraries it loads', () => {
    for (const path of ['web/index.html', 'node_modules/marked/package.json', 'api.json']) {
      expect(existsSync(join(folder, 'functions', path)), path).toBe(true);
    }
  });
});

describe("the image's context", () => {
  test('has the worker, pins the agent SDK it was built against, and no agent of ours', async () => {
    const { modules } = await assembleContext(join(folder, 'image'));
    expect(modules).toContain('src/agent/runner.ts');
    const manifest = JSON.parse(readFileSync(join(folder, 'image/task/package.json'), 'utf8'));
    const installed = JSON.parse(
      readFileSync(
        join(import.meta.dirname, '../../node_modules/@anthropic-ai/claude-agent-sdk/package.json'),
        'utf8',
      ),
    );
    expect(manifest.dependencies).toEqual({ '@anthropic-ai/claude-agent-sdk': installed.version });
    expect(existsSync(join(folder, 'image/task/agent'))).toBe(false);
    expect(existsSync(join(folder, 'image/Dockerfile'))).toBe(true);
  });
});

test('npm compiles nothing when this repository is installed', () => {
  const lock = JSON.parse(readFileSync(join(import.meta.dirname, '../../package-lock.json'), 'utf8'));
  // npm goes by this flag. The runtime client's own addon wants cmake and two minutes; tests put four lines of
  // JavaScript in its place (testing/lambda/rapid-client.cjs).
  expect(lock.packages['node_modules/aws-lambda-ric'].hasInstallScript).toBeUndefined();
  const { allowScripts } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'));
  expect(allowScripts['aws-lambda-ric']).toBe(false);
});
