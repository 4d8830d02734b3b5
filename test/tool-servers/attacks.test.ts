// What an agent may try with its turn's token, and what a server may try with the service: other servers, paths, hosts, people
// and times; redirects, private addresses, floods.
import type { LookupAddress } from 'node:dns';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect as connectTo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import type { GatewayTurn } from '../../src/gateway/model-gateway.ts';
import { startRemoteToolServer } from '../../testing/tool-server/remote-server.ts';
import { until } from '../waiting.ts';
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
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function remote(...given: Parameters<typeof startRemoteToolServer>) {
  const started = await startRemoteToolServer(...given);
  closers.push(() => started.close());
  return started;
}

async function way(...given: Parameters<typeof openWay>): Promise<Way> {
  const opened = await openWay(...given);
  closers.push(() => opened.close());
  await opened.vault.set({ tenant: TENANT, person: null, name: 'github' }, KEY);
  return opened;
}

async function plain(handle: Parameters<typeof createServer>[1]): Promise<string> {
  const listening: Server = createServer(handle as never);
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  closers.push(
    () =>
      new Promise((resolve) => {
        listening.close(resolve);
        listening.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
}

const post = (turn: Pick<GatewayTurn, 'url' | 'token'>, path: string, init: RequestInit = {}) =>
  fetch(`${turn.url}${path}`, {
    method: 'POST',
    body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    ...init,
    headers: { ...authorized(turn as GatewayTurn), 'content-type': 'application/json', ...init.headers },
  });

describe(`${promise('NO-SECRETS')} the token of a turn`, () => {
  test('is good for the servers of its agent folder and no other', async () => {
    const [mine, other] = [await remote(), await remote()];
    const opened = await way();
    const turn = opened.turn([server(mine.url, { headers: WITH_KEY })]);
    const elsewhere = opened.turn([server(other.url, { name: 'other', headers: WITH_KEY })]);
    expect((await post(turn, '/tool-servers/other')).status).toBe(404);
    expect((await post(elsewhere, '/tool-servers/github')).status).toBe(404);
    const without = opened.turn([]);
    expect((await post(without, '/tool-servers/github')).status).toBe(404);
    expect([...mine.requests, ...other.requests]).toEqual([]);
  });

  test.each([
    '/tool-servers/',
    '/tool-servers/github/',
    '/tool-servers/github/admin',
    '/tool-servers/github/../other',
    '/tool-servers/github%2Fadmin',
    '/tool-servers/..%2F..',
    '/tool-servers/GITHUB',
    '//tool-servers/github',
  ])('reaches no other path: %s', async (path) => {
    const far = await remote();
    const opened = await way();
    const turn = opened.turn([server(far.url, { headers: WITH_KEY })]);
    const { port } = new URL(turn.url);
    const socket = connectTo(Number(port), '127.0.0.1');
    socket.end(
      `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${turn.token}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}`,
    );
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 404/);
    expect(far.requests).toEqual([]);
  });

  test('changes neither query, host nor rights of the request that goes out', async () => {
    const far = await remote();
    const opened = await way();
    const turn = opened.turn([server(`${far.url}?tenant=mine`, { headers: WITH_KEY })]);
    const headers = {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      'x-api-key': turn.token,
      authorization: 'Bearer mine',
      cookie: 'a=b',
      'x-github-admin': '1',
      connection: 'x-github-admin',
    };
    await post(turn, '/tool-servers/github?tenant=other&to=%2Fadmin', { headers });
    expect(far.requests).toHaveLength(1);
    const [seen] = far.requests;
    expect(seen?.url).toBe('/mcp?tenant=mine');
    expect(seen?.headers.authorization).toBe(`Bearer ${KEY}`);
    expect(seen?.headers.host).toBe(new URL(far.origin).host);
    for (const name of ['cookie', 'x-github-admin', 'x-api-key', 'x-forwarded-host']) {
      expect(seen?.headers).not.toHaveProperty(name);
    }
  });

  test('is dead when the turn ends, and what it had under way ends with it', async () => {
    let open = 0;
    const url = await plain((_request, response) => {
      open++;
      response.on('close', () => open--);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(': open\n\n');
    });
    const opened = await way();
    const turn = opened.turn([server(url, { headers: WITH_KEY })]);
    const stream = await post(turn, '/tool-servers/github', { method: 'GET', body: null });
    expect(stream.status).toBe(200);
    expect(open).toBe(1);
    await turn.close();
    await expect(stream.text()).rejects.toThrow();
    await until(() => open === 0);
    expect((await post(turn, '/tool-servers/github')).status).toBe(401);
  });

  test('opens neither another speaker’s session nor one of another chat or server', async () => {
    const far = await remote();
    const opened = await way();
    const servers = [server(far.url, { headers: WITH_KEY }), server(far.url, { name: 'second' })];
    const client = await connect(opened.turn(servers, ANN));
    closers.push(() => client.close());
    const session = (client.transport as unknown as { sessionId: string }).sessionId;
    const real = String(
      far.requests.find(({ headers }) => headers['mcp-session-id'])?.headers['mcp-session-id'],
    );
    // Beside these the client opens a stream of its own, when it gets to it.
    const posts = () => far.requests.filter(({ method }) => method === 'POST').length;
    const before = posts();
    const status = async (turn: GatewayTurn, id: string, path = '/tool-servers/github') =>
      (
        await post(turn, path, {
          headers: { 'mcp-session-id': id, accept: 'application/json, text/event-stream' },
        })
      ).status;
    const bobs = opened.turn(servers, BOB);
    expect(await status(bobs, session)).toBe(404);
    expect(await status(bobs, real)).toBe(404);
    expect(await status(bobs, session, '/tool-servers/second')).toBe(404);
    const otherChat = opened.turn(servers, ANN, { sessionId: 'other' as never });
    expect(await status(otherChat, session)).toBe(404);
    expect(posts()).toBe(before);
    // The same person, the same chat, a later turn: it goes on.
    expect(await status(opened.turn(servers, ANN), session)).toBe(200);
  });

  test('posts, over the older transport, only to the address that the server announced to this speaker', async () => {
    const far = await remote();
    const opened = await way();
    const servers = [server(`${far.origin}/sse`, { type: 'sse', headers: WITH_KEY })];
    const turn = opened.turn(servers, ANN);
    const stream = await post(turn, '/tool-servers/github', { method: 'GET', body: null });
    const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
    const announced = /data: (\S+)/.exec((await reader.read()).value ?? '')?.[1] ?? '';
    expect(announced).toMatch(/^\?to=/);
    expect(announced).not.toContain('sessionId');
    const sealed = new URLSearchParams(announced).get('to') ?? '';
    const [body = '', tag = ''] = sealed.split('.');
    const other = Buffer.from('/admin').toString('base64url');
    const before = far.requests.length;
    for (const to of ['', '/admin', `${other}.${tag}`, `${body}.`, `${body}.${tag}.x`, `${body}x.${tag}`]) {
      const path = `/tool-servers/github?to=${encodeURIComponent(to)}`;
      expect((await post(turn, path)).status, to).toBe(404);
    }
    expect((await post(opened.turn(servers, BOB), `/tool-servers/github${announced}`)).status).toBe(404);
    expect(far.requests).toHaveLength(before);
    expect((await post(turn, `/tool-servers/github${announced}`)).status).toBe(202);
    await reader.cancel();
  });

  test('sends no more than it may, and holds no more than it may', async () => {
    let held = 0;
    const url = await plain((_request, response) => {
      held++;
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': open\n\n');
    });
    const opened = await way();
    const turn = opened.turn([server(url)]);
    const large = await post(turn, '/tool-servers/github', { body: 'x'.repeat(33 * 1024 * 1024) });
    expect(large.status).toBe(413);
    expect(held).toBe(0);
    const many = await Promise.all(
      Array.from({ length: 40 }, () => post(turn, '/tool-servers/github', { method: 'GET', body: null })),
    );
    expect(many.filter(({ status }) => status === 429)).toHaveLength(8);
    // Models are asked all the same.
    expect((await post(turn, '/v1/messages')).status).not.toBe(429);
    await turn.close();
  });

  test.each(['PUT', 'PATCH', 'OPTIONS', 'HEAD'])('may not %s', async (method) => {
    const far = await remote();
    const opened = await way();
    const turn = opened.turn([server(far.url)]);
    expect((await post(turn, '/tool-servers/github', { method, body: null })).status).toBe(405);
    expect(far.requests).toEqual([]);
  });
});

describe('a server', () => {
  test.each([301, 302, 303, 307, 308])(
    'that redirects (%i) is not followed: the key goes nowhere else',
    async (status) => {
      let stolen = 0;
      const thief = await plain((_request, response) => {
        stolen++;
        response.end();
      });
      const url = await plain((_request, response) => {
        response.writeHead(status, { location: `${thief}/?q=secret` }).end();
      });
      const opened = await way();
      const answer = await post(opened.turn([server(url, { headers: WITH_KEY })]), '/tool-servers/github');
      expect(answer.status).toBe(502);
      expect(await answer.text()).not.toContain(thief);
      expect(stolen).toBe(0);
      // The owner reads where it wants to go.
      expect(opened.logged.join()).toContain(`"to":"${thief}/"`);
    },
  );

  test('that announces an address on another server gets nothing posted there', async () => {
    let stolen = 0;
    const thief = await plain((_request, response) => {
      stolen++;
      response.end();
    });
    const url = await plain((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`event: endpoint\ndata: ${thief}/messages\n\n`);
    });
    const opened = await way();
    const turn = opened.turn([server(`${url}/sse`, { type: 'sse', headers: WITH_KEY })]);
    const stream = await post(turn, '/tool-servers/github', { method: 'GET', body: null });
    const shown = await stream.text().catch(() => '');
    expect(shown).not.toContain(thief);
    expect(stolen).toBe(0);
  });

  test('that never stops is cut off', async () => {
    const url = await plain((request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'application/json' });
      const piece = Buffer.alloc(1024 * 1024, 'x');
      const more = (): void => {
        while (!response.destroyed && response.write(piece));
      };
      response.on('drain', more);
      more();
    });
    const opened = await way();
    const turn = opened.turn([server(url)]);
    const answer = await post(turn, '/tool-servers/github');
    let bytes = 0;
    const ended = await (async () => {
      for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) bytes += piece.length;
      return 'whole';
    })().catch(() => 'cut');
    expect(ended).toBe('cut');
    expect(bytes).toBeLessThanOrEqual(64 * 1024 * 1024);
  });
});

describe('an address that is not on the internet', () => {
  const resolvesTo = (address: string) => async (): Promise<LookupAddress[]> => [{ address, family: 4 }];

  test.each(['127.0.0.1', '10.0.0.1', '169.254.169.254', '192.168.1.1', '0.0.0.0'])(
    'is not connected to because a name leads there: %s',
    async (address) => {
      let reached = 0;
      const url = new URL(
        await plain((_request, response) => {
          reached++;
          response.end();
        }),
      );
      const opened = await way({ resolve: resolvesTo(address) });
      const named = `http://rebinding.example:${url.port}/mcp`;
      expect((await post(opened.turn([server(named)]), '/tool-servers/github')).status).toBe(502);
      expect(reached).toBe(0);
      expect(opened.logged.join()).toContain('not on the internet');
    },
  );

  test('is, where the owner wrote it: as the server’s own address, as localhost, or in the list of the network', async () => {
    const far = await remote();
    const { port } = new URL(far.origin);
    const opened = await way({ resolve: resolvesTo('127.0.0.1') });
    const sum = async (url: string, allow: string[] = []) => {
      const turn = opened.turn([server(url)], ANN, { allow });
      const client = await connect(turn);
      try {
        return await textOf(client, 'add', { a: 1, b: 1 });
      } finally {
        await client.close();
      }
    };
    expect(await sum(far.url)).toBe('sum 2');
    expect(await sum(`http://localhost:${port}/mcp`)).toBe('sum 2');
    expect(await sum(`http://host.internal:${port}/mcp`)).toBe('sum 2');
    expect(await sum(`http://wiki.example:${port}/mcp`, [`127.0.0.1:${port}`])).toBe('sum 2');
    await expect(sum(`http://wiki.example:${port}/mcp`, ['*', `wiki.example:${port}`])).rejects.toThrow();
    await expect(sum(`http://wiki.example:${port}/mcp`, ['127.0.0.1:1'])).rejects.toThrow();
  });
});
