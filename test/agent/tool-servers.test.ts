// Tool servers that do not start or do not answer, and commands that hang, through the real CLI: each is named, none
// holds a turn up for longer than the folder's limits say.
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type AgentFolder, loadAgentFolder } from '../../src/agent/agent-folder.ts';
import { DEFAULT_TIME_LIMITS } from '../../src/agent/agent-folder-schema.ts';
import { checkModelAccess } from '../../src/agent/check-model-access.ts';
import { checkToolServers } from '../../src/agent/check-tool-servers.ts';
import { modelFinding, toolServerFinding } from '../../src/agent/findings.ts';
import { createModelServer } from '../../src/agent/model-server.ts';
import { reportSlowTools } from '../../src/agent/slow-tools.ts';
import type { TurnEvent } from '../../src/core/ports/channel.ts';
import { until } from '../waiting.ts';
import {
  bash,
  call,
  createFixture,
  EXAMPLE,
  type Fixture,
  NO_SANDBOX,
  SANDBOX,
  say,
} from './turn-fixture.ts';

const ODD = join(import.meta.dirname, '../../testing/tool-server/odd-server.mjs');
const base = await loadAgentFolder(EXAMPLE);
const server = (...args: string[]) => ({ command: process.execPath, args: [ODD, ...args] });

function folderWith(mcpServers: AgentFolder['mcpServers'], limits: object = {}): AgentFolder {
  const allow = ['Bash', ...Object.keys(mcpServers).map((name) => `mcp__${name}`)];
  const timeLimits = { ...DEFAULT_TIME_LIMITS, toolServerStartSec: 2, ...limits };
  // The sandbox shows a server only what lies in the agent folder.
  return {
    ...base,
    path: dirname(ODD),
    mcpServers,
    settings: { ...base.settings, tools: { allow }, timeLimits },
  };
}

const BROKEN = {
  sound: server(),
  exits: server('exits'),
  mute: server('never-starts'),
  absent: { command: '/no/such' },
};
let fixture: Fixture | null = null;
afterEach(async () => {
  await fixture?.close();
  fixture = null;
});

describe('a tool server that does not start', () => {
  test('is named in the reply and in the log; the others work', async () => {
    const log = vi.fn();
    fixture = await createFixture({ folder: folderWith(BROKEN), log });
    const outcome = await fixture.turn(call({ name: 'mcp__sound__echo', input: { text: 'hello' } }));
    expect(outcome.text).toMatch(/^hello\n\n/);
    for (const name of ['exits', 'mute', 'absent']) {
      expect(outcome.text).toContain(`_(The tool server “${name}” did not start`);
      expect(log).toHaveBeenCalledWith(
        'warn',
        'tool-server-not-started',
        expect.objectContaining({ server: name }),
      );
    }
    expect(outcome.text).not.toContain('“sound”');
  });

  test.each([
    ['without a sandbox', NO_SANDBOX],
    ['in the sandbox', SANDBOX],
  ])('is found beforehand, %s, and no model is asked', async (_name, sandbox) => {
    const states = await checkToolServers({ folder: folderWith(BROKEN), sandbox });
    expect(states.map(({ name, started }) => [name, started])).toEqual([
      ['sound', true],
      ['exits', false],
      ['mute', false],
      ['absent', false],
    ]);
    expect(states[0]?.tools).toBe(3);
    for (const { reason } of states.slice(1)) expect(reason).not.toBe('');
  });

  test('is a finding of doctor', async () => {
    expect(await toolServerFinding(folderWith(BROKEN), NO_SANDBOX)).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('exits does not start'),
    });
    expect(await toolServerFinding(folderWith({ sound: server() }), NO_SANDBOX)).toMatchObject({
      status: 'ok',
      found: 'sound (3 tools)',
    });
    expect(await toolServerFinding(folderWith({}), NO_SANDBOX)).toMatchObject({ status: 'ok' });
  });
});

describe('what hangs', () => {
  test('a call of a tool server ends at its limit, and the turn goes on', async () => {
    fixture = await createFixture({ folder: folderWith({ odd: server() }, { toolServerCallSec: 1 }) });
    const outcome = await fixture.turn(call({ name: 'mcp__odd__hang', input: {} }));
    expect(outcome.status).toBe('ok');
    expect(outcome.text).toMatch(/timed? ?out/i);
    expect(fixture.events).toContainEqual(
      expect.objectContaining({ name: 'mcp__odd__hang', state: 'failed' }),
    );
  });

  test('a command ends at its limit, however long a time the model names', async () => {
    const limits = { commandSec: 1, longestCommandSec: 1 };
    fixture = await createFixture({ folder: folderWith({}, limits) });
    const input = { command: 'sleep 300', description: 'test', timeout: 500_000 };
    for (const message of [bash('sleep 300'), call({ name: 'Bash', input })]) {
      const outcome = await fixture.turn(message);
      expect(outcome).toMatchObject({ status: 'ok', text: expect.stringMatching(/timed out/i) });
    }
  });

  test('is reported while it lasts, and can be stopped', async () => {
    fixture = await createFixture({ folder: folderWith({ odd: server() }) });
    const controller = new AbortController();
    const outcome = await fixture.turn(call({ name: 'mcp__odd__hang', input: {} }), {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === 'tool') controller.abort('stop');
      },
    });
    expect(outcome.status).toBe('stopped');
    const events: TurnEvent[] = [];
    const slow = reportSlowTools((event) => events.push(event), 10);
    slow.progress({ type: 'tool', id: '1', name: 'Bash', summary: 'Bash: sleep', state: 'started' });
    await until(() => events.length > 2);
    expect(events.at(-1)).toMatchObject({
      id: '1',
      state: 'started',
      summary: expect.stringMatching(/^Bash: sleep \(for \d+ s\)$/),
    });
    slow.progress({ type: 'tool', id: '1', name: 'Bash', summary: 'Bash: sleep', state: 'done' });
    const count = events.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(events.length).toBe(count);
    slow.close();
  });
});

describe('the key', () => {
  const answering = async (statusOf: (path: string) => number) => {
    const http = createServer((request, response) =>
      response.writeHead(statusOf(request.url ?? '')).end('{}'),
    );
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const { port } = http.address() as { port: number };
    return { baseUrl: `http://127.0.0.1:${port}/prefix/`, close: () => http.close() };
  };
  const model = (baseUrl: string) => ({ baseUrl, apiKey: 'sk-key', demo: false });

  test.each([
    ['taken', () => 200, 'accepted'],
    ['refused', () => 401, 'refused'],
    ['forbidden', () => 403, 'refused'],
    [
      'refused by a server without a list',
      (path: string) => (path.includes('models') ? 404 : 401),
      'refused',
    ],
    ['taken by a server without a list', (path: string) => (path.includes('models') ? 404 : 200), 'accepted'],
    ['not asked for by a server in trouble', () => 500, 'unknown'],
  ] as const)('is %s', async (_name, statusOf, kind) => {
    const upstream = await answering(statusOf);
    try {
      expect(await checkModelAccess(model(upstream.baseUrl))).toMatchObject({ kind });
    } finally {
      upstream.close();
    }
  });

  test('that is refused is told so by doctor, without the key', async () => {
    const upstream = await answering(() => 401);
    const finding = await modelFinding(model(upstream.baseUrl), 'Claude');
    expect(finding).toMatchObject({ status: 'fail', found: expect.stringContaining('the key was refused') });
    expect(JSON.stringify(finding)).not.toContain('sk-key');
    upstream.close();
    expect((await modelFinding(model(upstream.baseUrl), 'Claude')).found).toContain('does not answer');
  });

  test('no model server of ours is mistaken', async () => {
    const ours = await createModelServer({ respond: () => say('x') });
    expect(await checkModelAccess(model(ours.url))).toMatchObject({ kind: 'accepted' });
    await ours.close();
  });
});
