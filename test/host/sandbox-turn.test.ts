// The real CLI and its tools run in the sandbox as a whole, under its limits and its filter, with no network but the model.
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect, createServer as createSocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type NetworkSetting,
  programPaths,
  type SandboxNotice,
  startInSandbox,
} from '../../src/host/sandbox/index.ts';
import { createScriptedModel, type ScriptedModel } from '../../testing/model/scripted-model.ts';
import { bash, EXAMPLE, obey, SANDBOX } from '../agent/turn-fixture.ts';

const TURN = join(import.meta.dirname, 'turn-inside.ts');
let base: string;
let model: ScriptedModel;
const service = createServer((_request, response) => response.end('a service of this machine'));
let port: number;
beforeAll(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), 'hybrid-sandbox-turn-')));
  model = await createScriptedModel(obey);
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  port = (service.address() as { port: number }).port;
});
afterAll(async () => {
  service.close();
  await model.close();
  await rm(base, { recursive: true, force: true });
});

let turns = 0;
async function inside(args: readonly string[], network: NetworkSetting = 'none') {
  const root = join(base, `session-${++turns}`);
  const folders = ['config', 'workspace', 'home', 'tmp'].map((name) => join(root, name));
  for (const folder of folders) await mkdir(folder, { recursive: true });
  // What the gateway is to a worker: the model's port, on a socket.
  const socketPath = join(base, `model-${turns}.sock`);
  const { hostname, port: modelPort } = new URL(model.url);
  const gateway = createSocketServer((near) => {
    const far = connect(Number(modelPort), hostname);
    near.on('error', () => far.destroy()).pipe(far);
    far.on('error', () => near.destroy()).pipe(near);
  });
  await new Promise<void>((resolve) => gateway.listen(socketPath, resolve));
  const notices: SandboxNotice[] = [];
  const host = await startInSandbox({
    sandbox: SANDBOX,
    program: { command: process.execPath, args },
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: folders[2]!, TMPDIR: folders[3]! },
    cwd: folders[1]!,
    directories: {
      root,
      writable: folders.map((path) => ({ path })),
      readOnly: [...programPaths(), EXAMPLE, ...TEST_CODE],
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    network,
    sockets: { model: socketPath },
    onNotice: (notice) => notices.push(notice),
  });
  const [out, err, end] = await Promise.all([
    text(host.stdio[1] as Readable),
    text(host.stdio[2] as Readable),
    host.ended,
  ]);
  gateway.close();
  expect({ err, end }).toMatchObject({ end: { code: 0 } });
  return { out, notices };
}

const TEST_CODE = ['test', 'testing'].map((name) => join(import.meta.dirname, '../..', name));

test('a turn with a tool server and commands', async () => {
  const many = 'seq 300 | xargs -P 40 -I{} true && node -e "console.log(6*7)" && git init -q . && id -un';
  const command = bash(`${many}; curl -s -m 2 http://127.0.0.1:${port}/ || echo no network`);
  const { out } = await inside([TURN, command]);
  expect(JSON.parse(out)).toMatchObject({ status: 'ok', text: '42\nagent\nno network' });
});

test('a command in a turn reaches a host that is allowed, this machine under its own name', async () => {
  const url = `http://host.internal:${port}/`;
  const fetching = `node -e "fetch('${url}').then((r) => r.text()).then(console.log)"`;
  const command = bash(`curl -s -m 5 ${url}; echo; ${fetching}; curl -s -m 5 http://other.example/`);
  const { out, notices } = await inside([TURN, command], { allow: [`host.internal:${port}`] });
  expect(JSON.parse(out)).toMatchObject({
    status: 'ok',
    text: expect.stringMatching(
      /^a service of this machine\na service of this machine\nother\.example:80 is not among the hosts/,
    ),
  });
  expect(notices).toHaveLength(1);
});

/** What a host program does, then two programs of an agent: one that knows proxies, and one that goes straight. */
const REACH = `
import { execFile } from 'node:child_process';
import { openForwards, SOCKETS_VARIABLE } from '${join(import.meta.dirname, '../../src/host/sandbox/index.ts')}';
const forwards = await openForwards(process.env[SOCKETS_VARIABLE]);
const env = { ...process.env, ...forwards.proxyEnvironment, NO_PROXY: '', no_proxy: '' };
const curl = (args, env) => new Promise((resolve) => {
  const child = execFile('curl', ['-s', '-m', '5', ...args], { env }, (_error, out) => resolve([child.exitCode, out]));
});
for (const url of process.argv.slice(1)) {
  console.log(JSON.stringify([await curl(['-p', url], env), await curl([url], { PATH: env.PATH })]));
}
process.exit(0);
`;

test('of the hosts, only those that are allowed, by the proxy only', async () => {
  const allowed = `http://127.0.0.1:${port}/`;
  const refused = `http://localhost:${port}/`;
  const args = ['--input-type=module', '-e', REACH, '--', allowed, refused];
  const { out, notices } = await inside(args, { allow: [`127.0.0.1:${port}`] });
  const [first, second] = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown[]);
  expect(first).toEqual([
    [0, 'a service of this machine'],
    [7, ''],
  ]);
  expect(second).toEqual([
    [56, ''],
    [7, ''],
  ]);
  expect(notices).toEqual([
    { type: 'refused-host', host: 'localhost', port, reason: expect.stringContaining('not among the hosts') },
  ]);
});

test('open: this machine answers', async () => {
  const script = `console.log(await (await fetch('http://127.0.0.1:${port}/')).text())`;
  expect((await inside(['--input-type=module', '-e', script], 'open')).out).toBe(
    'a service of this machine\n',
  );
});
