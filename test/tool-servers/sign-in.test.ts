// Signing in to a tool server: by a link for one speaker, with a state that is used once, tokens that are that person's alone,
// one renewal however many ask, and another link when the server ended it all.
import { createServer } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type { Person } from '../../src/core/ids.ts';
import { silentLog } from '../../src/core/log.ts';
import { promise } from '../../src/core/promises.ts';
import type { GatewayTurn } from '../../src/gateway/model-gateway.ts';
import { listen } from '../../src/local/listen.ts';
import { createMemoryVault } from '../../src/stores/memory/vault.ts';
import { createSignInPages } from '../../src/tool-servers/sign-in/sign-in-pages.ts';
import {
  followLink,
  type OAuthToolServer,
  startOAuthToolServer,
} from '../../testing/tool-server/oauth-server.ts';
import { ANN, BOB, connect, openWay, server, TENANT, type ToolTurn, textOf, type Way } from './fixture.ts';

const TOOL = 'hybrid_sessions_sign_in';
let far: OAuthToolServer;
let user = 'ann@example.com';
let way: Way;
let publicUrl: string;
let vault: ReturnType<typeof createMemoryVault>;
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  user = 'ann@example.com';
  far = await startOAuthToolServer({ user: () => user });
  vault = createMemoryVault();
  const pages = { current: null as ReturnType<typeof createSignInPages> | null };
  const served = await listen(
    async (request) => (await pages.current?.fetch(request)) ?? new Response(null, { status: 404 }),
    '127.0.0.1',
    0,
  );
  publicUrl = served.url;
  const list = { servers: [remote()], tools: ['mcp__github'], allow: [] };
  pages.current = createSignInPages({ vault, list, publicUrl, clock: systemClock, log: silentLog });
  way = await openWay({ vault, publicUrl });
  closers.push(
    () => far.close(),
    () => served.stop(),
    () => pages.current?.close(),
    () => way.close(),
  );
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const remote = () => server(far.url, { oauth: {} });

/** A turn of this person: what the agent finds, and what the reply ends with. */
async function turnOf(
  speaker: Person,
  use: (turn: ToolTurn) => Promise<unknown>,
): Promise<readonly string[]> {
  const turn = way.turn([remote()], speaker, { speakerName: speaker === ANN ? 'Ann <b>' : 'Bob' });
  try {
    await use(turn);
    return (await turn.notes()).map(({ text }) => text);
  } finally {
    await turn.close();
  }
}

const linkIn = (notes: readonly string[]): string => /(http\S+)/.exec(notes.join(' '))?.[1] ?? '';

async function toolsOf(turn: GatewayTurn): Promise<string[]> {
  const client = await connect(turn);
  try {
    return (await client.listTools()).tools.map(({ name }) => name);
  } finally {
    await client.close();
  }
}

async function use(turn: GatewayTurn, tool = 'repeat', args = {}): Promise<string> {
  const client = await connect(turn);
  try {
    return await textOf(client, tool, args);
  } finally {
    await client.close();
  }
}

async function signIn(speaker = ANN): Promise<void> {
  const link = linkIn(await turnOf(speaker, (turn) => use(turn, TOOL)));
  const { response } = await followLink(link);
  expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('Signed in')]);
}

/** The user whose token the server saw last. */
const seenUser = () => {
  const header = far.requests.findLast(({ headers }) => headers.authorization)?.headers.authorization;
  return far.userOf(String(header).replace('Bearer ', ''));
};

test('who has not signed in finds one tool; the reply carries a link once by itself, and whenever the agent asks', async () => {
  const first = await turnOf(ANN, async (turn) => expect(await toolsOf(turn)).toEqual([TOOL]));
  expect(first).toHaveLength(1);
  expect(first[0]).toContain('for Ann <b> only');
  expect(await turnOf(ANN, toolsOf)).toEqual([]);
  const asked = await turnOf(ANN, async (turn) => expect(await use(turn, TOOL)).toContain('link'));
  expect(linkIn(asked)).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/sign-in\?ticket=/);
  // The server itself was never asked on anybody's behalf.
  expect(far.requests).toEqual([]);
});

test(`${promise('NO-SECRETS')} after signing in the tools are there, with that person’s account, for nobody else`, async () => {
  await signIn(ANN);
  await turnOf(ANN, async (turn) => {
    expect(await toolsOf(turn)).toContain('add');
    const said = await use(turn);
    // The token is masked where the server repeats it.
    expect(said).toMatch(/^authorized with Bearer \*+$/);
  });
  expect(seenUser()).toBe('ann@example.com');
  expect(await turnOf(BOB, async (turn) => expect(await toolsOf(turn)).toEqual([TOOL]))).toHaveLength(1);
  user = 'bob@example.com';
  await signIn(BOB);
  await turnOf(BOB, (turn) => use(turn, 'add', { a: 1, b: 1 }));
  expect(seenUser()).toBe('bob@example.com');
  await turnOf(ANN, (turn) => use(turn, 'add', { a: 1, b: 1 }));
  expect(seenUser()).toBe('ann@example.com');
  // One registration serves everybody.
  expect(far.registered).toBe(1);
});

test('the page says who it is for, makes no page of what people are called, and cannot be framed', async () => {
  const link = linkIn(await turnOf(ANN, (turn) => use(turn, TOOL)));
  const { response, next: html } = await followLink(link, { until: 'page' });
  expect(response.status).toBe(200);
  expect(html).toContain('Ann &#60;b&#62;');
  expect(html).not.toContain('Ann <b>');
  expect(response.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
  expect(response.headers.get('referrer-policy')).toBe('no-referrer');
  // Looking at it uses nothing up: chat platforms look at links, too.
  expect(far.registered).toBe(0);
  expect((await followLink(link)).response.status).toBe(200);
});

test('a link that was changed, or is another’s signature, opens nothing', async () => {
  const link = linkIn(await turnOf(ANN, (turn) => use(turn, TOOL)));
  const url = new URL(link);
  const [body = '', tag = ''] = (url.searchParams.get('ticket') ?? '').split('.');
  const ticket = JSON.parse(Buffer.from(body, 'base64url').toString('utf8'));
  const forged = Buffer.from(JSON.stringify({ ...ticket, person: BOB })).toString('base64url');
  for (const text of ['', body, `${body}.`, `${forged}.${tag}`, `${body}.${tag}.x`]) {
    url.searchParams.set('ticket', text);
    expect((await followLink(url.href, { until: 'page' })).response.status, text).toBe(400);
  }
});

test('a state is good once, in the browser that began, and for an answer of the server that was asked', async () => {
  const link = linkIn(await turnOf(ANN, (turn) => use(turn, TOOL)));
  const once = await followLink(link);
  expect(once.response.status).toBe(200);
  // Again, with everything right.
  expect((await fetch(once.next, { headers: { cookie: once.cookie } })).status).toBe(400);
  // Somebody else's browser finishes what was begun here, or begins what another finishes.
  expect((await followLink(link, { cookies: false })).response.status).toBe(400);
  const [begun, other] = [
    await followLink(link, { until: 'back' }),
    await followLink(link, { until: 'back' }),
  ];
  expect((await fetch(begun.next, { headers: { cookie: other.cookie } })).status).toBe(400);
  far.issuer = 'https://evil.example';
  expect((await followLink(link)).response.status).toBe(400);
  far.issuer = far.origin;
  expect((await followLink(link)).response.status).toBe(200);
  const forged = new URL(once.next);
  forged.searchParams.set('state', `${'0'.repeat(32)}.x`);
  expect((await fetch(forged, { headers: { cookie: once.cookie } })).status).toBe(400);
});

test('another site cannot begin it, and another name of this machine is none of ours', async () => {
  const link = linkIn(await turnOf(ANN, (turn) => use(turn, TOOL)));
  const ticket = new URL(link).searchParams.get('ticket') ?? '';
  for (const headers of [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ] as Record<string, string>[]) {
    const response = await fetch(`${publicUrl}/sign-in`, {
      method: 'POST',
      redirect: 'manual',
      headers,
      body: new URLSearchParams({ ticket }),
    });
    expect(response.status, JSON.stringify(headers)).toBe(400);
  }
  expect((await fetch(link.replace('127.0.0.1', 'localhost'))).status).toBe(400);
  expect(far.registered).toBe(0);
});

test('a person who says no is told so, and stays as they were', async () => {
  user = 'nobody';
  const link = linkIn(await turnOf(ANN, (turn) => use(turn, TOOL)));
  const { response } = await followLink(link);
  expect(response.status).toBe(400);
  expect(await response.text()).toContain('access_denied');
  await turnOf(ANN, async (turn) => expect(await toolsOf(turn)).toEqual([TOOL]));
});

test('a token that is over is renewed by one, however many ask at once, in however many processes', async () => {
  far.lifeSec = 30;
  await signIn(ANN);
  far.lifeSec = 3_600;
  far.grants.length = 0;
  let asked = 0;
  far.beforeRefresh = async () => {
    asked++;
    await new Promise((resolve) => setImmediate(resolve));
  };
  const others = await Promise.all(Array.from({ length: 4 }, () => openWay({ vault, publicUrl })));
  try {
    const turns = others.flatMap((one) => [one.turn([remote()], ANN), one.turn([remote()], ANN)]);
    const said = await Promise.all(turns.map((turn) => use(turn, 'add', { a: 1, b: 1 })));
    expect(said).toEqual(turns.map(() => 'sum 2'));
  } finally {
    await Promise.all(others.map((one) => one.close()));
  }
  expect([asked, far.grants]).toEqual([1, ['refresh_token']]);
});

test('a token that the server ended early is renewed; when the renewal is ended, too, the person is asked again', async () => {
  await signIn(ANN);
  far.revoke('access');
  await turnOf(ANN, async (turn) => expect(await use(turn, 'add', { a: 1, b: 1 })).toBe('sum 2'));
  far.revoke('all');
  const notes = await turnOf(ANN, async (turn) => expect(await toolsOf(turn)).toEqual([TOOL]));
  expect(notes).toHaveLength(1);
  await signIn(ANN);
  await turnOf(ANN, async (turn) => expect(await use(turn, 'add', { a: 1, b: 1 })).toBe('sum 2'));
});

test('a renewal that fails for now costs nothing: the next call tries again', async () => {
  far.lifeSec = 30;
  await signIn(ANN);
  far.failing = { status: 503, error: 'temporarily_unavailable' };
  await turnOf(ANN, async (turn) => await expect(toolsOf(turn)).rejects.toThrow());
  far.failing = null;
  await turnOf(ANN, async (turn) => expect(await use(turn, 'add', { a: 1, b: 1 })).toBe('sum 2'));
});

test('tokens are good for the URL that they were made for: another URL under the same name gets none', async () => {
  await signIn(ANN);
  let seen = '';
  const thief = createServer((request, response) => {
    seen += JSON.stringify(request.headers);
    response.end();
  });
  await new Promise<void>((resolve) => thief.listen(0, '127.0.0.1', resolve));
  const { port } = thief.address() as { port: number };
  const moved = server(`http://127.0.0.1:${port}/mcp`, { oauth: {} });
  expect(await toolsOf(way.turn([moved], ANN))).toEqual([TOOL]);
  thief.close();
  expect(seen).toBe('');
});

test('what signing in left goes with its tenant, and is listed without values', async () => {
  await signIn(ANN);
  const listed = await vault.list(TENANT);
  expect(listed.map(({ person, name }) => [person, name])).toContainEqual([ANN, 'oauth/github']);
  expect(JSON.stringify(listed)).not.toMatch(/access-|refresh-/);
  for (const entry of listed) await vault.remove(entry);
  await turnOf(ANN, async (turn) => expect(await toolsOf(turn)).toEqual([TOOL]));
});
