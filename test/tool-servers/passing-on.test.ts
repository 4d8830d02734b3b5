// An agent uses a server at a URL through its turn's gateway: both transports, sessions, streams. The key is added on the way,
// comes from the vault at each request, and is nowhere that the agent can look.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import {
  type RemoteToolServer,
  startRemoteToolServer,
  wantsBearer,
} from '../../testing/tool-server/remote-server.ts';
import {
  ANN,
  authorized,
  BOB,
  connect,
  openWay,
  server,
  TENANT,
  textOf,
  type Way,
  WITH_KEY,
} from './fixture.ts';

const KEY = 'ghp_canary0123456789';
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function remote(...given: Parameters<typeof startRemoteToolServer>): Promise<RemoteToolServer> {
  const started = await startRemoteToolServer(...given);
  closers.push(() => started.close());
  return started;
}

async function way(...given: Parameters<typeof openWay>): Promise<Way> {
  const opened = await openWay(...given);
  closers.push(() => opened.close());
  return opened;
}

const ofTenant = { tenant: TENANT, person: null, name: 'github' };

test.each(['http', 'sse'] as const)(
  `${promise('NO-SECRETS')} the tools of a server (%s) that wants a key work, and nothing shows the key`,
  async (type) => {
    const far = await remote({ admit: wantsBearer(KEY) });
    const opened = await way();
    await opened.vault.set(ofTenant, KEY);
    const url = type === 'sse' ? `${far.origin}/sse` : far.url;
    const turn = opened.turn([server(url, { type, headers: WITH_KEY })]);
    const client = await connect(turn, { type });
    closers.push(() => client.close());
    const seen: string[] = [JSON.stringify(await client.listTools())];
    expect(await textOf(client, 'add', { a: 2, b: 40 })).toBe('sum 42');
    const progress: number[] = [];
    await client.callTool({ name: 'count', arguments: { to: 5 } }, undefined, {
      onprogress: (step) => progress.push(step.progress),
    });
    // Over the older transport the SDK's client forgets whom progress is for when the result comes in the same piece.
    if (type === 'http') expect(progress).toEqual([1, 2, 3, 4, 5]);
    const repeated = await textOf(client, 'repeat');
    expect(repeated).toBe(`authorized with Bearer ${'*'.repeat(KEY.length)}`);
    seen.push(repeated, ...opened.logged);
    expect(seen.join()).not.toContain(KEY);
    // Of what the agent's side sent, the server got neither the token nor anything but the protocol's own.
    const headers = JSON.stringify(far.requests.map((request) => request.headers));
    expect(headers).not.toContain(turn.token);
    expect(far.requests.length).toBeGreaterThan(3);
    for (const request of far.requests) expect(request.headers.authorization).toBe(`Bearer ${KEY}`);
  },
);

test('a session of the server is known to the agent under another name, and ends when the agent ends it', async () => {
  const far = await remote();
  const opened = await way();
  const turn = opened.turn([server(far.url)]);
  const client = await connect(turn);
  const transport = client.transport as unknown as { sessionId: string; terminateSession(): Promise<void> };
  const real = far.requests.map(({ headers }) => headers['mcp-session-id']).find(Boolean);
  expect(real).toMatch(/^[0-9a-f-]{36}$/);
  expect(transport.sessionId).not.toContain(real);
  await transport.terminateSession();
  await client.close();
  expect(far.requests.at(-1)).toMatchObject({ method: 'DELETE', headers: { 'mcp-session-id': real } });
});

test('a person’s own key is used for their messages, the tenant’s for everybody else’s; a change holds at once', async () => {
  const far = await remote();
  const opened = await way();
  await opened.vault.set(ofTenant, 'tenants-key');
  await opened.vault.set({ ...ofTenant, person: ANN }, 'anns-key');
  const used = async (speaker = ANN) => {
    const turn = opened.turn([server(far.url, { headers: WITH_KEY })], speaker);
    const client = await connect(turn);
    await client.close();
    await turn.close();
    return far.requests.at(-1)?.headers.authorization;
  };
  expect(await used(ANN)).toBe('Bearer anns-key');
  expect(await used(BOB)).toBe('Bearer tenants-key');
  await opened.vault.set({ ...ofTenant, person: ANN }, 'anns-new-key');
  expect(await used(ANN)).toBe('Bearer anns-new-key');
  await opened.vault.remove({ ...ofTenant, person: ANN });
  expect(await used(ANN)).toBe('Bearer tenants-key');
});

test('a key that is not stored is named in the log, and nothing is sent', async () => {
  const far = await remote();
  const opened = await way();
  const turn = opened.turn([server(far.url, { headers: WITH_KEY })]);
  await expect(connect(turn)).rejects.toThrow(/"github\\?" is not stored/);
  expect(far.requests).toEqual([]);
  expect(opened.logged.join()).toContain('credential-missing');
});

test('a key that is refused is told, masked, and not as a 401, which the agent’s program would ask its person about', async () => {
  const far = await remote({ admit: wantsBearer('another') });
  const opened = await way();
  await opened.vault.set(ofTenant, KEY);
  const turn = opened.turn([server(far.url, { headers: WITH_KEY })]);
  const response = await fetch(`${turn.url}/tool-servers/github`, {
    method: 'POST',
    headers: authorized(turn),
    body: '{}',
  });
  expect(response.status).toBe(403);
  expect([...response.headers.keys()]).not.toContain('www-authenticate');
  expect(await response.text()).not.toContain(KEY);
  expect(opened.logged.join()).toContain('tool-server-refuses-credential');
  expect(opened.logged.join()).not.toContain(KEY);
});

test('pieces of an answer come as they are sent, and a key is masked wherever a piece ends', async () => {
  const far = createServer(async (request, response) => {
    await text(request);
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-own': 'x', 'set-cookie': 'a=b' });
    response.write('data: first\n\n');
    next = () => response.write(`data: ${KEY.slice(0, 7)}`);
    last = () => response.end(`${KEY.slice(7)} and ghp_other\n\n`);
  });
  let next = () => false as boolean;
  let last = () => {};
  await new Promise<void>((resolve) => far.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => far.close(() => resolve())));
  const opened = await way();
  await opened.vault.set(ofTenant, KEY);
  const url = `http://127.0.0.1:${(far.address() as AddressInfo).port}/mcp`;
  const turn = opened.turn([server(url, { headers: WITH_KEY })]);
  const response = await fetch(`${turn.url}/tool-servers/github`, {
    method: 'POST',
    headers: { ...authorized(turn), accept: 'text/event-stream' },
    body: '{}',
  });
  expect(response.headers.get('x-own')).toBeNull();
  expect(response.headers.get('set-cookie')).toBeNull();
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader.read()).value).toBe('data: first\n\n');
  next();
  expect((await reader.read()).value).toBe('data: ');
  last();
  let rest = '';
  for (let read = await reader.read(); !read.done; read = await reader.read()) rest += read.value;
  expect(rest).toBe(`${'*'.repeat(KEY.length)} and ghp_other\n\n`);
});
