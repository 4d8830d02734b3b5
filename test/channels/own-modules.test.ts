// A channel of one's own is a module that a setting names: it answers in a local system, has its settings there and in a CDK
// stack, and goes with the functions. What cannot be loaded is refused by name. Nothing here is known to the package.
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleChannels, OWN_CHANNELS_FILE } from '../../src/cdk/own-channels.ts';
import { readSettings } from '../../src/cdk/settings.ts';
import { createStack } from '../../src/cdk/stack.ts';
import type { ChannelDescriptor } from '../../src/channels/descriptor.ts';
import { CHANNELS } from '../../src/channels/index.ts';
import { locateModules } from '../../src/channels/own-channels.ts';
import { deployedChannels } from '../../src/lambda/own-channels.ts';
import { readConfiguration } from '../../src/local/configuration.ts';
import { openSystem } from '../../src/system/open-system.ts';
import { startLocalSystem } from '../../testing/local-system.ts';
import { ofType, synthesize } from '../cdk/synthesize.ts';

const root = join(import.meta.dirname, '../..');
const SECRET = 'known-to-both-sides';

let folder: string;
let desk: { readonly url: string; readonly said: Map<string, string>; close(): void };

/** A project that has the package installed, and the template as a file and as a package. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hybrid-own-modules-'));
  const installed = join(folder, 'node_modules');
  const install = async (name: string, files: Readonly<Record<string, string>>, exports: object) => {
    await mkdir(join(installed, name), { recursive: true });
    const manifest = { name, version: '1.0.0', type: 'module', exports };
    await writeFile(join(installed, name, 'package.json'), JSON.stringify(manifest));
    for (const [file, text] of Object.entries(files)) await writeFile(join(installed, name, file), text);
  };
  const source = JSON.stringify(join(root, 'src/channel.ts'));
  await install(
    'hybrid-sessions',
    { 'channel.js': `export * from ${source};` },
    { './channel': './channel.js' },
  );
  await cp(join(root, 'node_modules/zod'), join(installed, 'zod'), { recursive: true });
  await cp(join(root, 'examples/channels/template.ts'), join(folder, 'desk.ts'));
  const text = await readFile(join(folder, 'desk.ts'), 'utf8');
  const renamed = text.replace(`name: 'desk'`, `name: 'shop'`).replaceAll('DESK_', 'SHOP_');
  const { stripTypeScriptTypes } = await import('node:module');
  await install(
    'channel-shop',
    { 'index.js': stripTypeScriptTypes(renamed) },
    { '.': './index.js', './hidden': { import: './index.js' } },
  );
  const said = new Map<string, string>();
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { id, text: words } = JSON.parse(body) as { id: string; text: string };
    if (!said.has(id)) said.set(id, words);
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  desk = { url: `http://127.0.0.1:${port}`, said, close: () => void server.close() };
});
afterAll(async () => {
  desk?.close();
  await rm(folder, { recursive: true, force: true });
});

const env = () => ({ DESK_SECRET: SECRET, DESK_ANSWERS_TO: desk.url });
const settle = (settings: object) =>
  writeFile(join(folder, 'hybrid-sessions.config.json'), JSON.stringify(settings));

test('in a local system it answers, once, through worker processes that load it, too', async () => {
  await settle({ channelModules: ['./desk.ts'], desk: { people: ['ann'] } });
  const system = await startLocalSystem({ cwd: folder, env: env() });
  try {
    const post = (id: string, text: string, shown = SECRET) =>
      fetch(`${system.url}/desk`, {
        method: 'POST',
        headers: { authorization: `Bearer ${shown}` },
        body: JSON.stringify({ id, chat: 'c1', person: 'ann', text }),
      });
    expect((await post('m1', 'hello', 'guessed-by-somebody')).status).toBe(401);
    expect((await post('m1', 'run: echo own-$((40 + 2))')).status).toBe(200);
    expect((await post('m1', 'run: echo own-$((40 + 2))')).status).toBe(200);
    await expect.poll(() => [...desk.said.values()].join()).toContain('own-42');
    await post('m2', '/help');
    await expect.poll(() => desk.said.size).toBe(2);
    expect([...desk.said.keys()].map((id) => id.replace(/^turn_[0-9a-f]{32}/, ''))).toEqual(['-0', '-0']);
  } finally {
    await system.close();
  }
});

test('a program names it in openSystem, and a package is found where the program is', async () => {
  await settle({});
  const system = await openSystem({
    cwd: folder,
    dataDir: join(folder, 'data'),
    agentDir: join(root, 'examples/agent'),
    channelModules: ['channel-shop', './desk.ts'],
    workers: 1,
    env: { ...process.env, ...env(), SHOP_SECRET: SECRET, SHOP_ANSWERS_TO: desk.url },
  });
  try {
    for (const path of ['/shop', '/desk']) {
      const response = await system.fetch(new Request(`http://localhost${path}`, { method: 'POST' }));
      expect(response.status, path).toBe(401);
    }
  } finally {
    await system.close();
  }
});

describe('its settings', () => {
  test('are those of a channel: its section, its variables, what is missing', async () => {
    await settle({ channelModules: ['./desk.ts'], desk: { people: ['ann'] } });
    const read = (more: object) => readConfiguration({ cwd: folder, env: { ...more } });
    expect(read(env()).channels.desk).toEqual({ secret: SECRET, answersTo: desk.url, people: ['ann'] });
    expect(read({}).channels.desk).toBeUndefined();
    expect(() => read({ DESK_SECRET: SECRET })).toThrow(/^DESK_ANSWERS_TO is missing/);
    await settle({ desk: { people: ['ann'] } });
    expect(() => read(env())).toThrow(/desk/);
  });

  test.each([
    [['./nowhere.ts'], /no module \.\/nowhere\.ts/],
    [['not-installed'], /no module not-installed/],
    [['channel-shop/hidden'], /does not export channel-shop\/hidden under `default`/],
    [['./broken.ts'], /broken\.ts fails: .*mended/],
    [['./waits.ts'], /waits\.ts awaits at its top level/],
    [['./empty.ts'], /empty\.ts: exports no channel/],
    [['./named.ts'], /its name is no lower-case word/],
    [['./desk.ts', './desk.ts'], /desk: the name is taken/],
    [['./taken.ts'], /telegram: the name is taken/],
    [[''], /channelModules/],
    ['./desk.ts', /channelModules/],
  ])('%j is refused', async (channelModules, message) => {
    const channel = (name: string) =>
      `export const made = { name: '${name}', title: 'x', settings: {}, outgoing: async () => null };`;
    const files = {
      'broken.ts': "throw new Error('to be mended');",
      'waits.ts': `await 0; ${channel('waits')}`,
      'empty.ts': 'export const nothing = 1;',
      'named.ts': channel('Not-A-Word'),
      'taken.ts': channel('telegram'),
    };
    for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
    await settle({ channelModules });
    const failure = (() => {
      try {
        readConfiguration({ cwd: folder, env: env() });
        return null;
      } catch (error) {
        return error as Error & { code: string; advice?: string };
      }
    })();
    expect(failure?.message).toMatch(message);
    expect(failure?.advice).toBeTruthy();
  });
});

test('the errors of a module that brings its own copy of the package are known to the core', async () => {
  const [file = ''] = locateModules(['./desk.ts'], folder);
  await writeFile(join(folder, OWN_CHANNELS_FILE), bundleChannels([file]));
  const variables = { HYBRID_SESSIONS_OWN_CHANNELS: OWN_CHANNELS_FILE, LAMBDA_TASK_ROOT: folder };
  const all = await deployedChannels(CHANNELS, variables);
  expect(all.map(({ name }) => name)).toEqual([...CHANNELS.map(({ name }) => name), 'desk']);
  expect(await deployedChannels(CHANNELS, {})).toBe(CHANNELS);
  const bundled = all.at(-1) as ChannelDescriptor;
  const channel = await bundled.outgoing({
    settings: { secret: SECRET, answersTo: 'http://127.0.0.1:1' },
  } as never);
  const { Ambiguous, Refused, isHybridError } = await import('../../src/core/errors.ts');
  const context = {
    request: { turnId: 't', replyTarget: { chat: 'c' } },
    anchor: null,
    remember: async () => {},
  };
  const error: unknown = await channel
    .deliver(context as never, { outcome: 'ok', text: 'x' })
    .catch((caught: unknown) => caught);
  expect([error instanceof Ambiguous, error instanceof Refused, isHybridError(error)]).toEqual([
    true,
    false,
    true,
  ]);
});

test('in a CDK stack it is in each function’s files, and has its settings', async () => {
  const section = { secretParameter: '/own/desk', answersTo: 'https://desk.example', people: ['ann'] };
  const file = join(folder, 'deploy.json');
  await writeFile(file, JSON.stringify({ channelModules: ['./desk.ts'], desk: section, agents: 'shared' }));
  const settings = readSettings(file);
  expect(settings.channelModules).toEqual([join(folder, 'desk.ts')]);
  const stack = synthesize({}, (app, assets) => createStack(app, settings, assets));
  for (const handler of ['ingress.handler', 'stranded.handler', undefined]) {
    const found = ofType(stack, 'AWS::Lambda::Function').filter(
      ([, { Properties }]) =>
        Properties.Handler === handler &&
        JSON.stringify(Properties.Environment ?? '').includes('HYBRID_SESSIONS_DESK_SECRET_PARAMETER'),
    );
    expect(found.length, handler).toBeGreaterThan(0);
    expect(JSON.stringify(found)).toContain(`"HYBRID_SESSIONS_OWN_CHANNELS":"${OWN_CHANNELS_FILE}"`);
  }
  // In the ZIP, and in the image.
  const holding = stack.files.filter((path) => path.endsWith(OWN_CHANNELS_FILE));
  expect(holding.map((path) => /\/task\//.test(path)).sort()).toEqual([false, true]);
  expect(stack.findings).toEqual([]);
});
