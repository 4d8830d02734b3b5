// Tenants on one machine, each with its own agent: folder, model, tools, network, room and budget as the registry says, through
// a whole system with worker processes. They speak by their keys of the HTTP API.
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tenantId } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { type TenantName, tenantSettingsSchema } from '../../src/core/tenants.ts';
import { detectSandbox } from '../../src/host/sandbox/index.ts';
import { readConfiguration } from '../../src/local/configuration.ts';
import { type LocalStores, openStores } from '../../src/local/stores.ts';
import { withNewKey } from '../../src/tenants/api-keys.ts';
import { DIRECTORY_MS } from '../../src/tenants/directory.ts';
import { serveLoopback } from '../../testing/aws/loopback.ts';
import type { StandIn } from '../../testing/aws/process.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import { bash, obey } from '../agent/turn-fixture.ts';

const hasSandbox = (await detectSandbox()).kind === 'bubblewrap';
let folder: string;
let system: TestSystem;
let stores: LocalStores;
let web: StandIn;
const keys: Record<string, string> = {};

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'hybrid-tenant-agents-')));
  web = await serveLoopback(async (_request, response) => void response.end('reached'));
  await agentFolder('agent', 'You are the agent of the installation.', { network: 'open' });
  await agentFolder('agents/support', 'You are the support agent.', { network: 'open' });
  const tenants = { agentFolders: 'agents', models: ['claude-fable-5'] };
  await writeFile(join(folder, 'hybrid-sessions.config.json'), JSON.stringify({ tenants }));
  const dataDir = join(folder, 'data');
  system = await startLocalSystem({ respond: obey, cwd: folder, dataDir });
  stores = await openStores(readConfiguration({ env: {}, cwd: folder, overrides: { dataDir } }), {
    create: false,
  });
  for (const name of ['acme', 'globex']) {
    const record = await stores.tenants.add(name as TenantName, tenantSettingsSchema.parse({}), 'test');
    const { settings, key } = withNewKey(record.name, record.settings, Date.now());
    await stores.tenants.set(record.tenant, { settings }, record.version, 'test');
    keys[name] = key;
  }
});
afterAll(async () => {
  await system?.close();
  await stores?.close();
  await web?.close();
  await rm(folder, { recursive: true, force: true });
});

async function agentFolder(path: string, prompt: string, settings: object): Promise<void> {
  await mkdir(join(folder, path), { recursive: true });
  await writeFile(join(folder, path, 'system_prompt.md'), prompt);
  const tools = { allow: ['Bash', 'Read', 'Write'] };
  const own = hasSandbox ? {} : { sandbox: 'off' };
  await writeFile(join(folder, path, 'settings.json'), JSON.stringify({ tools, ...own, ...settings }));
}

/** Settings besides the defaults; in force when this resolves. */
async function set(name: string, over: object): Promise<void> {
  const { tenant, version, settings } = (await stores.tenants.get(tenantId(name)))!;
  const changed = tenantSettingsSchema.parse({ ...over, apiKeys: settings.apiKeys });
  await stores.tenants.set(tenant, { settings: changed }, version, 'test');
  await sleep(DIRECTORY_MS + 200);
}

async function say(name: string, text: string): Promise<string> {
  const response = await fetch(`${system.url}/v1/chats/chat/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${keys[name]}`, 'content-type': 'application/json' },
    body: JSON.stringify({ text }),
  });
  const { reply, detail } = (await response.json()) as { reply?: { text: string }; detail?: string };
  return reply?.text ?? `HTTP ${response.status}: ${detail}`;
}

interface Asked {
  readonly model?: string;
  readonly system?: unknown;
}
const asked = () => (system.model?.requests ?? []).map(({ body }) => body as Asked | null);
const promptsWith = (text: string) =>
  asked().filter((one) => JSON.stringify(one?.system ?? '').includes(text));

test('a tenant has the folder that it was set to; others have the installation’s', async () => {
  await set('acme', { agentFolder: 'support' });
  await say('acme', 'hello');
  const heard = promptsWith('the support agent').length;
  expect(heard).toBeGreaterThan(0);
  await say('globex', 'hello');
  await system.say('chat', 'hello');
  expect(promptsWith('the support agent')).toHaveLength(heard);
  expect(promptsWith('the agent of the installation').length).toBeGreaterThan(1);
});

test(`${promise('TENANT')} files and chats of one name stay apart`, async () => {
  await set('acme', {});
  expect(await say('acme', bash('echo of-acme > note.txt; ls'))).toContain('note.txt');
  expect(await say('globex', bash('ls | wc -l'))).toBe('0');
  expect((await system.say('chat', bash('ls | wc -l'))).reply.text).toBe('0');
  expect(await say('acme', bash('cat note.txt'))).toBe('of-acme');
});

test('a model that tenants may have is used, and its token opens it; another one is refused with words', async () => {
  await set('acme', { model: 'claude-fable-5' });
  await say('acme', 'hello');
  expect(asked().map((one) => one?.model)).toContain('claude-fable-5');
  await set('acme', { model: 'claude-most-expensive' });
  const before = asked().length;
  expect(await say('acme', 'hello')).toMatch(/installation does not have/);
  expect(asked()).toHaveLength(before);
});

test('tools are narrowed, and never widened', async () => {
  await set('acme', { tools: { allow: null, deny: ['Bash'] } });
  expect(await say('acme', bash('echo ran'))).not.toBe('ran');
  await set('acme', { tools: { allow: ['Read', 'WebFetch'], deny: [] } });
  expect(await say('acme', bash('echo ran'))).not.toBe('ran');
  await set('acme', { tools: { allow: ['Bash'], deny: [] } });
  expect(await say('acme', bash('echo ran'))).toBe('ran');
});

test('the network is narrowed where there is a wall; without one a tenant that asks for it is not served', async () => {
  const get = () => bash(`curl -s -m 5 ${web.endpoint} || echo refused`);
  await set('acme', {});
  expect(await say('acme', get())).toBe('reached');
  await set('acme', { network: 'none' });
  if (hasSandbox) expect(await say('acme', get())).toBe('refused');
  else expect(await say('acme', get())).toMatch(/installation does not have/);
  await set('acme', { network: 'open' });
  expect(await say('acme', get())).toBe('reached');
});

test('room and budget are the tenant’s own', async () => {
  await set('acme', { limits: { workspaceBytes: 1_000_000 } });
  expect(await say('acme', bash('head -c 2000000 /dev/zero > large; echo made'))).toMatch(/not kept/);
  await set('acme', { limits: { budgetUsd: { turn: 0 } }, model: 'claude-fable-5' });
  expect(await say('acme', 'hello')).toMatch(/used up/);
  expect(await say('globex', 'hello')).toMatch(/^seen/);
});
