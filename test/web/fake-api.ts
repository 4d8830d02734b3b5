// A small server that speaks the HTTP API as the page needs it, with its files and the real server's strict content
// policy. The test decides when each event happens; no clock, no model. Not a model of the real server's inside.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const WEB = fileURLToPath(new URL('../../web/', import.meta.url));
const VENDOR: Record<string, string> = {
  'marked.js': fileURLToPath(import.meta.resolve('marked')),
  'dompurify.js': fileURLToPath(import.meta.resolve('dompurify')),
};
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** As strict as the real server's. */
const POLICY = [
  "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'",
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
].join('; ');

export interface FakeReply {
  text: string;
  outcome: 'ok' | 'stopped' | 'failed';
  code?: string;
  demo?: boolean;
  asked?: readonly FakeQuestion[];
  answered?: readonly FakeQuestion[];
}

export interface FakeQuestion {
  readonly id: string;
  readonly kind: 'approval' | 'choice';
  readonly title: string;
  readonly covers: 'call' | 'tool';
  readonly options: readonly { readonly label: string; readonly description: string }[];
  readonly multiple: boolean;
  readonly answer: { readonly decision: string } | null;
}

/** One turn, and the hand that drives it. */
export interface FakeTurn {
  readonly id: string;
  readonly chat: string;
  readonly kind: 'message' | 'answer' | 'new';
  readonly text: string;
  readonly key: string;
  status: 'queued' | 'running' | 'delivered';
  stopRequested: boolean;
  reply: FakeReply | null;
  readonly atMs: number;
  readonly events: { type: string; data: unknown }[];
  readonly watchers: Set<() => void>;
  run(): void;
  say(text: string): void;
  tool(
    id: string,
    name: string,
    summary: string,
    state: 'started' | 'done' | 'failed',
    detail?: { input?: string; result?: string; diff?: string },
  ): void;
  emit(type: string, data: unknown): void;
  finish(reply?: Partial<FakeReply>): void;
}

export interface FakeApi {
  readonly url: string;
  readonly turns: FakeTurn[];
  /** Every request to the API: "POST /v1/chats/x/messages". */
  readonly requests: { line: string; headers: IncomingMessage['headers'] }[];
  /** What a turn does by itself once accepted; the default waits for the test. */
  auto: (turn: FakeTurn) => void;
  /** Refuses to delete a chat while a turn of it runs, as the real server does. */
  refuseRunning: boolean;
  /** When chats expire. */
  expiresAt: string;
  /** Accepts the next message but cuts the line before the answer. */
  dropAfterAccept: boolean;
  /** What every request is refused with while it is set. */
  trouble: { readonly status: number; readonly detail: string } | null;
  /** Cuts every connection, and refuses new ones while true. */
  down(refusing: boolean): void;
  add(
    chat: string,
    text: string,
    options?: { kind?: FakeTurn['kind']; atMs?: number; key?: string },
  ): FakeTurn;
  /** The turn of a text, waiting until it arrives. */
  turnOf(text: string): Promise<FakeTurn>;
  close(): Promise<void>;
}

export async function createFakeApi(
  options: { key?: string; demo?: boolean; notice?: string } = {},
): Promise<FakeApi> {
  const turns: FakeTurn[] = [];
  const requests: FakeApi['requests'] = [];
  const arrivals = new Set<() => void>();
  let refusing = false;

  const server = createServer((request, response) => {
    if (refusing) return request.socket.destroy();
    handle(request, response).catch((error) => {
      if (error instanceof Problem) return problem(response, error.status, error.message);
      response.destroy(error);
    });
  });

  const api: FakeApi = {
    url: '',
    turns,
    requests,
    auto: () => {},
    refuseRunning: true,
    expiresAt: new Date(Date.now() + 30 * 86_400_000).toISOString(),
    dropAfterAccept: false,
    trouble: null,
    down(now) {
      refusing = now;
      server.closeAllConnections();
    },
    add(chat, text, { kind = 'message', atMs = Date.now(), key = randomUUID() } = {}) {
      const turn = fakeTurn(chat, kind, text, key, atMs);
      turns.push(turn);
      for (const arrived of [...arrivals]) arrived();
      return turn;
    },
    async turnOf(text) {
      for (;;) {
        const turn = turns.findLast((known) => known.text === text);
        if (turn) return turn;
        await new Promise<void>((resolve) => {
          const arrived = () => {
            arrivals.delete(arrived);
            resolve();
          };
          arrivals.add(arrived);
        });
      }
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (!url.pathname.startsWith('/v1/')) return serveFile(url.pathname, response);
    const line = `${request.method} ${url.pathname}`;
    requests.push({ line, headers: request.headers });
    if (options.key && request.headers.authorization !== `Bearer ${options.key}`) {
      return problem(response, 401, 'A bearer key is required.');
    }
    if (api.trouble) return problem(response, api.trouble.status, api.trouble.detail);
    if (request.method === 'POST' && request.headers['content-type'] !== 'application/json') {
      return problem(response, 415, 'Send a JSON body with content-type: application/json.');
    }
    const [, resource, id = '', action] = url.pathname.split('/').slice(1).map(decodeURIComponent);
    const route = `${request.method} ${resource}${id ? '/x' : ''}${action ? `/${action}` : ''}`;
    if (route === 'GET info') {
      const model = { demo: options.demo ?? false, name: 'claude-sonnet' };
      const { notice } = options;
      return json(response, 200, { name: 'hybrid-sessions', version: '0.1.0', model, notice });
    }
    if (route === 'GET chats') return json(response, 200, page(chatViews(), url, 'chats'));
    if (route === 'GET chats/x') {
      const own = turns.filter((turn) => turn.chat === id);
      if (own.length === 0) throw new Problem(404, 'There is no such chat.');
      const { turns: newestFirst, cursor } = page(own.map(turnView).reverse(), url, 'turns');
      return json(response, 200, {
        chat: id,
        session_id: 's',
        generation: 1,
        expires_at: api.expiresAt,
        turns: newestFirst.reverse(),
        cursor,
      });
    }
    if (route === 'DELETE chats/x') {
      if (!turns.some((turn) => turn.chat === id)) throw new Problem(404, 'There is no such chat.');
      if (api.refuseRunning && turns.some((turn) => turn.chat === id && turn.status === 'running'))
        throw new Problem(409, 'A turn of this chat is running. Stop it first, then erase.');
      turns.splice(0, turns.length, ...turns.filter((turn) => turn.chat !== id));
      response.writeHead(204).end();
      return;
    }
    if (route === 'POST chats/x/messages' || route === 'POST chats/x/new') {
      const kind = action === 'new' ? 'new' : 'message';
      const { text } = kind === 'new' ? { text: '' } : JSON.parse(await bodyOf(request));
      const key = String(request.headers['idempotency-key'] ?? randomUUID());
      const known = turns.find((turn) => turn.key === key);
      if (known && known.text !== text) throw new Problem(422, 'This key was used for another message.');
      if (text.includes('[refuse]')) throw new Problem(400, 'The message was not to its liking.');
      const turn = known ?? api.add(id, text, { kind, key });
      if (!known) api.auto(turn);
      if (api.dropAfterAccept) {
        api.dropAfterAccept = false;
        request.socket.destroy();
        return;
      }
      return json(response, 202, { turn_id: turn.id, status: turn.status });
    }
    if (route === 'POST chats/x/questions') {
      const { decision, text } = JSON.parse(await bodyOf(request)) as { decision: string; text?: string };
      const key = String(request.headers['idempotency-key'] ?? randomUUID());
      const about = url.pathname.split('/').at(-1);
      const known = turns.find((turn) => turn.key === key);
      const answer = `${about} ${decision} ${text ?? ''}`.trim();
      const turn = known ?? api.add(id, answer, { kind: 'answer', key });
      if (!known) api.auto(turn);
      return json(response, 202, { turn_id: turn.id, status: turn.status });
    }
    const turn = turns.find((known) => known.id === id);
    if (!turn || resource !== 'turns') throw new Problem(404, 'There is no such turn.');
    if (route === 'GET turns/x/events') return streamEvents(turn, request, response);
    if (route === 'POST turns/x/stop') {
      turn.stopRequested = true;
      turn.emit('status', { status: 'stopping' });
      return json(response, 202, turnView(turn));
    }
    return json(response, 200, turnView(turn));
  }

  function chatViews() {
    const chats = new Map<string, ReturnType<typeof chatView>>();
    for (const turn of turns) chats.set(turn.chat, chatView(turn, chats.get(turn.chat)?.title ?? turn.text));
    return [...chats.values()].sort((one, other) => (one.updated_at < other.updated_at ? 1 : -1));
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(api, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

function fakeTurn(chat: string, kind: FakeTurn['kind'], text: string, key: string, atMs: number): FakeTurn {
  const turn: FakeTurn = {
    ...{ id: randomUUID(), chat, kind, text, key, status: 'queued', stopRequested: false, reply: null, atMs },
    events: [],
    watchers: new Set(),
    emit(type, data) {
      turn.events.push({ type, data });
      for (const watcher of [...turn.watchers]) watcher();
    },
    run() {
      turn.status = 'running';
      turn.emit('status', { status: 'running' });
    },
    say: (part) => turn.emit('text', { text: part }),
    tool: (id, name, summary, state, detail = {}) =>
      turn.emit('tool', { id, name, summary, state, ...detail }),
    finish(reply = {}) {
      const said = turn.events
        .filter(({ type }) => type === 'text')
        .map(({ data }) => (data as { text?: string } | null)?.text ?? '');
      turn.reply = { text: said.join(''), outcome: 'ok', ...reply };
      turn.status = 'delivered';
      turn.emit('final', { turn_id: turn.id, session_id: 's', generation: 1, reply: turn.reply });
    },
  };
  return turn;
}

function streamEvents(turn: FakeTurn, request: IncomingMessage, response: ServerResponse): void {
  let next = Number(request.headers['last-event-id'] ?? 0);
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  response.write(': open\n\n');
  const send = () => {
    for (; next < turn.events.length; next += 1) {
      const { type, data } = turn.events[next]!;
      response.write(`id: ${next + 1}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
      if (type === 'final') response.end();
    }
  };
  turn.watchers.add(send);
  response.on('close', () => turn.watchers.delete(send));
  send();
}

function turnView(turn: FakeTurn) {
  const at = new Date(turn.atMs).toISOString();
  const { id, chat, kind, text, status, stopRequested, reply } = turn;
  return {
    ...{
      turn_id: id,
      chat,
      kind,
      text,
      status,
      stop_requested: stopRequested,
      session_id: 's',
      generation: 1,
    },
    ...{ reply, received_at: at, updated_at: at },
  };
}

function chatView(turn: FakeTurn, title: string) {
  const at = new Date(turn.atMs).toISOString();
  return {
    chat: turn.chat,
    channel: 'http',
    title,
    session_id: 's',
    created_at: at,
    updated_at: at,
    expires_at: at,
  };
}

/** One page by `cursor` (a plain offset here) and `limit`. */
function page<T, Name extends string>(items: T[], url: URL, name: Name) {
  const start = Number(url.searchParams.get('cursor') ?? 0);
  const end = start + Number(url.searchParams.get('limit') ?? 50);
  const cursor = end < items.length ? String(end) : null;
  return { [name]: items.slice(start, end), cursor } as Record<Name, T[]> & { cursor: string | null };
}

class Problem extends Error {
  readonly status: number;
  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

function problem(response: ServerResponse, status: number, detail: string): void {
  response.writeHead(status, { 'Content-Type': 'application/problem+json' });
  response.end(JSON.stringify({ type: 'about:blank', title: 'Problem', status, detail, code: 'problem' }));
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

async function serveFile(path: string, response: ServerResponse): Promise<void> {
  const vendor = VENDOR[path.replace(/^\/assets\/vendor\//, '')];
  const file = vendor ?? join(WEB, path === '/' ? 'index.html' : normalize(path.replace(/^\/assets\//, '/')));
  const body = await readFile(file).catch(() => null);
  if (body === null) return problem(response, 404, 'There is no such file.');
  response.writeHead(200, {
    'Content-Type': vendor ? TYPES['.js'] : (TYPES[extname(file)] ?? 'application/octet-stream'),
    'Content-Security-Policy': POLICY,
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(body);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
