// A whole installation whose agents run in a function of their own: queue -> worker (ZIP) -> agent host (tenant isolation,
// streamed) -> packs by URLs, model by the gateway's function. Only the model itself is scripted.
import { mkdtempSync, rmSync } from 'node:fs';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { answerAsDemo } from '../../src/agent/demo-model.ts';
import { lastPromptIndex } from '../../src/agent/model-messages.ts';
import { promise } from '../../src/core/promises.ts';
import { ALLOWED_USER, type Installation } from '../../testing/lambda/installation.ts';
import { createScriptedModel, type ScriptedModel } from '../../testing/model/scripted-model.ts';
import { followLink, startOAuthToolServer } from '../../testing/tool-server/oauth-server.ts';
import { startRemoteToolServer, wantsBearer } from '../../testing/tool-server/remote-server.ts';
import { bash, call, EXAMPLE, obey } from '../agent/turn-fixture.ts';
import { run } from '../cli/fixture.ts';
import { until } from '../waiting.ts';
import { startBuiltInstallation } from './built-installation.ts';

const folder = mkdtempSync(join(tmpdir(), 'hybrid-isolated-'));
const model: ScriptedModel = await createScriptedModel((request) =>
  request.messages[lastPromptIndex(request.messages)]?.text.startsWith('CALL ')
    ? obey(request)
    : answerAsDemo(request),
);
const TOOL_KEY = 'ghp_canary0123456789abcdef';
const far = await startRemoteToolServer({ admit: wantsBearer(TOOL_KEY) });
const signedIn = await startOAuthToolServer({ user: () => 'ann@example.com' });
let output = '';
let workerTimeoutMs = 900_000;

/** The example, with a tool server at a URL besides. */
async function agentFolder(): Promise<string> {
  const agent = join(folder, 'agent');
  await cp(EXAMPLE, agent, { recursive: true });
  const read = async (name: string) => JSON.parse(await readFile(join(agent, name), 'utf8'));
  const write = (name: string, value: object) => writeFile(join(agent, name), JSON.stringify(value));
  const [mcp, settings] = [await read('mcp.json'), await read('settings.json')];
  mcp.mcpServers.github = {
    type: 'http',
    url: far.url,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the word as people write it in mcp.json.
    headers: { Authorization: 'Bearer ${vault:github}' },
  };
  mcp.mcpServers.calendar = { type: 'http', url: signedIn.url, oauth: true };
  settings.tools.allow.push('mcp__github', 'mcp__calendar__add');
  await write('mcp.json', mcp);
  await write('settings.json', settings);
  return agent;
}

const started = await startBuiltInstallation({
  folder,
  agent: await agentFolder(),
  agents: 'isolated',
  workers: 2,
  modelUrl: model.url,
  workerTimeoutMs: () => workerTimeoutMs,
  onOutput: (text) => {
    output += text;
  },
});
const unavailable = 'unavailable' in started ? started.unavailable : null;
const installation = started as Installation;

beforeAll(() => {
  if (unavailable) console.warn(`Skipped: ${unavailable}`);
});
afterAll(async () => {
  if (!unavailable) await installation.close();
  await model.close();
  await far.close();
  await signedIn.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Says something in a chat by the HTTP API and returns the reply. */
async function say(chat: string, text: string): Promise<string> {
  onTestFailed(() => console.error(output.slice(-4_000)));
  const response = await api(`/v1/chats/${chat}/messages`, {
    method: 'POST',
    body: JSON.stringify({ text }),
  });
  const { reply } = (await response.json()) as { reply?: { text: string } };
  return reply?.text ?? `HTTP ${response.status}`;
}

const gatewayUrl = () => (installation.gatewayUrl ?? '').replace(/\/$/, '');

function api(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${installation.apiKey}`, 'content-type': 'application/json' };
  return fetch(`${installation.apiUrl}${path}`, { ...init, headers: { ...headers, ...init.headers } });
}

describe.skipIf(unavailable)('an installation with isolated agents', () => {
  test(`${promise('WHOLE')}: files, shell and conversation come back, also in another environment`, async () => {
    expect(
      await say(
        'one',
        'run: mkdir -p sub && cd sub && export MOOD=sunny && echo kept > note.txt; echo done-1',
      ),
    ).toContain('done-1');
    expect(await say('one', 'run: echo "mood=$MOOD"; basename "$PWD"; cat note.txt')).toMatch(
      /mood=sunny\s+sub\s+kept/,
    );
    expect(installation.agentHosts?.all).toHaveLength(1);
    for (const { environment } of installation.agentHosts?.all ?? []) await environment.kill();
    expect(await say('one', 'run: cat note.txt; echo "mood=$MOOD"')).toMatch(/kept\s+mood=sunny/);
    expect(await say('one', 'what did I say?')).toMatch(/mood=/);
  });

  test(`${promise('FORGET')} each chat has an environment of its own, with nothing of another`, async () => {
    await say('mine', 'run: echo my-secret > secret.txt; echo put');
    const look = await say(
      'theirs',
      "run: grep -rl my-'secret' / --include=secret.txt 2>/dev/null; echo looked",
    );
    expect(look.slice(look.indexOf('echo looked'))).not.toContain('secret.txt');
    const tenants = installation.agentHosts?.all.map(({ tenantId }) => tenantId) ?? [];
    expect(new Set(tenants).size).toBe(3);
    for (const tenantId of tenants) expect(tenantId).toMatch(/^[0-9a-f]{64}$/);
  });

  test(`${promise('NO-SECRETS')} the real key reaches the model from the gateway alone; the agent has none of the gateway's tokens`, async () => {
    const keys = new Set(model.requests.map(({ headers }) => headers['x-api-key']));
    expect([...keys]).toEqual(['sk-local-model-key']);
    const shown = await say(
      'keys',
      "run: for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ 2>/dev/null; done | sort -u; echo looked",
    );
    const seen = shown.slice(shown.indexOf('echo looked'));
    expect(seen).not.toMatch(/AWS_(ACCESS|SECRET|SESSION)|sk-local|LOCAL-TEST-TOKEN|control1\.|turn1\./);
    // Its own is good for the door of its host, and for nothing else.
    expect(/ANTHROPIC_BASE_URL=(\S+)/.exec(seen)?.[1]).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const token = /ANTHROPIC_API_KEY=(\S+)/.exec(seen)?.[1] ?? '';
    expect(token.length).toBeGreaterThan(20);
    const late = await fetch(`${gatewayUrl()}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': token, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'claude', max_tokens: 1, messages: [{ role: 'user', content: 'hi' }] }),
    });
    expect(late.status).toBe(401);
  });

  test(`${promise('NO-SECRETS')}: a tool server at a URL is called by the gateway, with a key that no agent has`, async () => {
    const command = ['vault', 'set', 'github', '--aws', installation.awsFile];
    const stored = await run(command, { cwd: folder, env: installation.credentials, input: TOOL_KEY });
    expect([stored.code, stored.err]).toEqual([0, '']);
    expect(installation.parameters.values.get('/local/vault/default/-/github')).toBe(TOOL_KEY);
    // What was not stored a moment ago may be remembered for some seconds.
    const sum = call({ name: 'mcp__github__add', input: { a: 40, b: 2 } });
    await until(async () => (await say('tools', sum)).includes('sum 42'));
    const shown = await say(
      'tools',
      bash(
        "for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ 2>/dev/null; done; grep -rasl ghp_canary /var/task/agent $CLAUDE_CONFIG_DIR | grep -v jsonl; echo looked",
      ),
    );
    expect(shown).toContain('looked');
    expect(shown).not.toContain(TOOL_KEY);
    expect(output).not.toContain(TOOL_KEY);
    expect(shown).not.toContain('turn1.');
    const token = /ANTHROPIC_API_KEY=(\S+)/.exec(shown)?.[1] ?? '';
    const before = far.requests.length;
    const late = await fetch(`${gatewayUrl()}/tool-servers/github`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: '{}',
    });
    expect(late.status).toBe(401);
    expect(far.requests).toHaveLength(before);
  });

  test(`${promise('NO-SECRETS')}: a person signs in to a tool server by the link of a reply, for their own messages alone`, async () => {
    const add = call({ name: 'mcp__calendar__add', input: { a: 40, b: 2 } });
    const asked = await say('signs-in', 'Hello');
    const link = /(http:\S+\/sign-in\S+)/.exec(asked)?.[1] ?? '';
    expect(asked).toContain('To use calendar for you, sign in here:');
    const { response } = await followLink(link);
    expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('Signed in')]);
    expect(await say('signs-in', add)).toContain('sum 42');
    const [used] = signedIn.requests.filter(({ headers }) => headers.authorization);
    expect(signedIn.userOf(String(used?.headers.authorization).replace('Bearer ', ''))).toBe(
      'ann@example.com',
    );
    expect(await say('does-not', add)).not.toContain('sum 42');
    // No agent and no model saw the link.
    expect(JSON.stringify(model.requests.map(({ body }) => body))).not.toContain('/sign-in');
  });

  test('a running turn is shown while it runs, and stops when the person says so', async () => {
    const accepted = await api('/v1/chats/stop/messages', {
      method: 'POST',
      headers: { prefer: 'respond-async' },
      body: JSON.stringify({ text: `slowly: ${'one two three '.repeat(500)}` }),
    });
    const { turn_id: turn } = (await accepted.json()) as { turn_id: string };
    const response = await api(`/v1/turns/${turn}/events`, { headers: { accept: 'text/event-stream' } });
    let heard = '';
    let stopped: Promise<Response> | undefined;
    for await (const piece of response.body ?? []) {
      heard += Buffer.from(piece).toString();
      if (heard.includes('two three'))
        stopped ??= api(`/v1/turns/${turn}/stop`, { method: 'POST', body: '{}' });
    }
    expect((await stopped)?.ok).toBe(true);
    expect(heard).toMatch(/"outcome":"stopped"/);
    expect(heard.length).toBeLessThan(30_000);
  });

  test(`${promise('LONG')}: at the worker's deadline the turn is saved and goes on in the next invocation`, async () => {
    const from = output.length;
    // It hands on 30 s before its end; this text takes longer than what is left.
    workerTimeoutMs = 35_000;
    installation.bot.say(ALLOWED_USER, `slowly: ${'one two three '.repeat(15)}`, { from: ALLOWED_USER });
    await until(() => output.slice(from).includes('"outcome":"continue"'), 'the first part');
    workerTimeoutMs = 900_000;
    await until(() => /"outcome":"(done|dead)"/.test(output.slice(from)), 'the end');
    expect(output.slice(from)).toContain('"outcome":"done"');
  });
});
