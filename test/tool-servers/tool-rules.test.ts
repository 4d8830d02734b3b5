// Which calls of tools pass on the worker's side, whoever writes them: an agent that was taken over has its turn's token and
// speaks to its tool server directly.
import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { createStatelessGateway } from '../../src/gateway/stateless-gateway.ts';
import { signTurnToken } from '../../src/gateway/turn-token.ts';
import { createMemoryVault } from '../../src/stores/memory/vault.ts';
import { judgeCall, mayCall, type ToolRules } from '../../src/tool-servers/tool-rules.ts';
import { createToolServers } from '../../src/tool-servers/tool-servers.ts';
import type { ToolServersOfTurn } from '../../src/tool-servers/turn-tool-servers.ts';
import { startRemoteToolServer } from '../../testing/tool-server/remote-server.ts';
import { grantOf } from '../gateway/fixture.ts';
import { ANN, authorized, openWay, server } from './fixture.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const FOLDER = ['Read', 'mcp__github__search', 'mcp__github__comment'];
const call = (name: unknown, more = '') =>
  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":${JSON.stringify(name)},"arguments":{}}${more}}`;

async function sent(body: string, over: Partial<ToolServersOfTurn> = {}) {
  const bodies: string[] = [];
  const far = await startRemoteToolServer({
    async first(request, response) {
      bodies.push(await text(request));
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      return true;
    },
  });
  const way = await openWay();
  closers.push(far.close, way.close);
  const turn = way.turn([server(far.url)], ANN, { tools: FOLDER, ...over });
  const response = await fetch(`${turn.url}/tool-servers/github`, {
    method: 'POST',
    body,
    headers: { ...authorized(turn), 'content-type': 'application/json' },
  });
  return { status: response.status, said: await response.text(), bodies };
}

describe(`${promise('TENANT')} a turn calls`, () => {
  test.each<[string, string, Partial<ToolServersOfTurn>?]>([
    ['a tool that its folder does not name', call('delete')],
    ['one among others', `[${call('search')},${call('delete')}]`],
    ['a tool without a name', call(7)],
    ['a tool that another server has', call('__search'), { tools: ['mcp__other__search'] }],
    [
      'what its tenant denies',
      call('comment'),
      { narrowing: { allow: null, deny: ['mcp__github__comment'] } },
    ],
    [
      'a server that its tenant denies',
      call('search'),
      { narrowing: { allow: null, deny: ['mcp__github'] } },
    ],
    [
      'what its tenant does not allow',
      call('comment'),
      { narrowing: { allow: ['mcp__github__search'], deny: [] } },
    ],
    ['anything where the tenant has no tools', call('search'), { narrowing: { allow: [], deny: [] } }],
    ['what is no JSON', `${call('search')}${call('delete')}`],
    ['nothing', ''],
  ])('not: %s', async (_what, body, over) => {
    const { status, bodies } = await sent(body, over);
    expect([400, 403]).toContain(status);
    expect(bodies).toEqual([]);
  });

  test('what it may, and is told the name of what it may not', async () => {
    expect(await sent(call('search'))).toMatchObject({ status: 200, bodies: [call('search')] });
    expect((await sent(call('delete'))).said).toContain('This turn may not use the tool \\"delete\\".');
  });

  test('only what was read: a name given twice goes on once', async () => {
    const twice = call('delete')
      .replace('"name"', '"name":"delete","name"')
      .replace('"delete","arg', '"search","arg');
    const { status, bodies } = await sent(twice);
    expect(status).toBe(200);
    expect(bodies).toEqual([call('search')]);
  });
});

test(`${promise('TENANT')} what a signed token narrows holds where nothing else is known of the turn`, async () => {
  const far = await startRemoteToolServer();
  const toolServers = createToolServers({ vault: createMemoryVault() });
  closers.push(far.close, async () => toolServers.close());
  const secret = randomBytes(32);
  const gateway = createStatelessGateway({
    secrets: [secret],
    upstream: { baseUrl: 'http://127.0.0.1:9' },
    toolsOf: ({ person = ANN, ...grant }) =>
      toolServers.openTurn({
        ...grant,
        ...{ speaker: person, speakerName: 'you', servers: [server(far.url)], tools: FOLDER, allow: [] },
      }),
  });
  const statusOf = async (over: Parameters<typeof grantOf>[0]): Promise<number> => {
    const token = signTurnToken(secret, { grant: grantOf(over), expiresAtMs: Date.now() + 60_000 });
    const request = new Request('http://gateway.test/tool-servers/github', {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
      },
      body: call('comment'),
    });
    return (await gateway.handle(request)).status;
  };
  expect(await statusOf({ narrowing: { allow: null, deny: ['mcp__github__comment'] } })).toBe(403);
  expect(far.requests).toEqual([]);
  expect(await statusOf({})).not.toBe(403);
  expect(far.requests).toHaveLength(1);
});

test('headers that name another call than the message are left out', () => {
  const rules: ToolRules = { allow: [FOLDER], deny: [] };
  const given = (headers: Record<string, string>) => ({
    method: 'POST',
    url: new URL('http://gateway/tool-servers/github'),
    headers: { accept: '*/*', ...headers },
    body: Buffer.from(call('search')),
    signal: new AbortController().signal,
  });
  const headersOf = (headers: Record<string, string>) => judgeCall('github', given(headers), rules);
  const honest = { 'mcp-method': 'tools/call', 'mcp-name': 'search' };
  expect(headersOf(honest)).toMatchObject({ call: { headers: { accept: '*/*', ...honest } } });
  expect(headersOf({ 'mcp-method': 'ping', 'mcp-name': 'delete' })).toMatchObject({
    call: { headers: { accept: '*/*' } },
  });
});

test('a list narrows and never widens', () => {
  const names = fc.constantFrom('mcp__a', 'mcp__a__x', 'mcp__a__y', 'mcp__b', 'mcp__b__x', 'Read');
  const tools = fc.constantFrom('mcp__a__x', 'mcp__a__y', 'mcp__b__x', 'mcp__c__x');
  fc.assert(
    fc.property(tools, fc.array(names), fc.array(names), fc.array(names), (tool, folder, allow, deny) => {
      const narrow = mayCall(tool, { allow: [folder, allow], deny });
      const plain = mayCall(tool, { allow: [folder], deny: [] });
      expect(narrow && !plain).toBe(false);
      expect(narrow && mayCall(tool, { allow: [deny], deny: [] })).toBe(false);
    }),
  );
});
