// The gateway's own server, on loopback or on a unix socket. Whoever reaches it may be hostile: nothing of a request is
// read before its token is known, and what one turn can hold of this process is bounded.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import type { ToolServerCalls } from '../tool-servers/turn-tool-servers.ts';
import { type Answer, type Call, fault } from './call.ts';
import type { Route } from './model-upstream.ts';
import { toolServerIn } from './tool-server-path.ts';
import { shownToken } from './turn-token.ts';

export type Listen =
  | { readonly host: '127.0.0.1' | '::1'; readonly port?: number }
  | { readonly unixSocket: string };

export interface CallHolder {
  answer(route: Route, call: Call): Promise<Answer>;
  /** The turn's tool servers, where it has any. */
  readonly tools?: ToolServerCalls;
}

export interface ServerOptions {
  readonly listen: Listen;
  /** The turn that a token belongs to. */
  readonly find: (token: string) => CallHolder | null;
  readonly route: (method: string, url: URL) => Route | null;
  readonly maxBodyBytes: number;
}

export interface GatewayServer {
  /** `http://127.0.0.1:PORT`, or `unix:PATH`. */
  readonly url: string;
  close(): Promise<void>;
}

const HEADERS_MS = 10_000;
const REQUEST_MS = 60_000;
const MAX_CALLS_AT_ONCE = 32;
const MAX_BYTES_AT_ONCE = 96 * 1024 * 1024;

interface Work {
  readonly holder: object;
  readonly answer: (call: Call) => Promise<Answer>;
}

/** What a turn holds of this process right now. */
interface Held {
  calls: number;
  bytes: number;
}

export async function openGatewayServer(options: ServerOptions): Promise<GatewayServer> {
  const { listen, find, route, maxBodyBytes } = options;
  const holdings = new WeakMap<object, Held>();

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const headers = headersOf(request);
    const holder = find(shownToken(headers));
    if (!holder) return refuse(request, response, fault(401, 'This token is not valid (any more).'));
    const url = urlOf(request);
    const work = url && workOf(holder, request.method ?? 'GET', url);
    if (!url || !work) {
      return refuse(request, response, fault(404, 'The gateway does not serve this path.'));
    }
    const held = holdings.get(work.holder) ?? { calls: 0, bytes: 0 };
    holdings.set(work.holder, held);
    if (held.calls >= MAX_CALLS_AT_ONCE) {
      return refuse(request, response, fault(429, 'This turn has too many requests under way.'));
    }
    held.calls += 1;
    let bytes = 0;
    const take = (more: number): boolean => {
      bytes += more;
      held.bytes += more;
      return bytes <= maxBodyBytes && held.bytes <= MAX_BYTES_AT_ONCE;
    };
    response.once('close', () => {
      held.calls -= 1;
      held.bytes -= bytes;
    });
    const body = await bodyOf(request, take);
    if (!body) return refuse(request, response, fault(413, 'The request is too large.'));
    const gone = new AbortController();
    response.once('close', () => {
      if (!response.writableFinished) gone.abort();
    });
    if (response.destroyed) return;
    const call = { method: request.method ?? 'GET', url, headers, body, signal: gone.signal };
    write(response, await work.answer(call));
  }

  /** Calls of models and of tool servers are counted apart: neither takes the other's places. */
  function workOf(holder: CallHolder, method: string, url: URL): Work | null {
    const { tools } = holder;
    const server = toolServerIn(url);
    if (server !== null)
      return tools ? { holder: tools, answer: (call) => tools.answer(server, call) } : null;
    const wanted = route(method, url);
    return wanted && { holder, answer: (call) => holder.answer(wanted, call) };
  }

  const server = createServer(
    { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, connectionsCheckingInterval: 5_000 },
    (request, response) => {
      handle(request, response).catch(() => response.destroy());
    },
  );
  await start(server, listen);
  // Its maker's other work decides how long the process lives.
  server.unref();
  return {
    url:
      'unixSocket' in listen
        ? `unix:${listen.unixSocket}`
        : `http://${listen.host === '::1' ? '[::1]' : listen.host}:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function start(server: Server, listen: Listen): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const listening = (): void => {
      server.off('error', reject);
      resolve();
    };
    if ('unixSocket' in listen) server.listen(listen.unixSocket, listening);
    else server.listen(listen.port ?? 0, listen.host, listening);
  });
}

/** A header that came twice is joined by the parser; a list of tokens is no token. */
function headersOf(request: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(request.headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
    ),
  );
}

/** Path and query only: a whole address in the request line names no other server. */
function urlOf(request: IncomingMessage): URL | null {
  const target = request.url ?? '/';
  if (!target.startsWith('/') || target.startsWith('//')) return null;
  return URL.canParse(target, 'http://gateway') ? new URL(target, 'http://gateway') : null;
}

/** null when it is too large; the rest is read and dropped, so that the sender gets to read why. */
function bodyOf(request: IncomingMessage, take: (bytes: number) => boolean): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    let pieces: Buffer[] | null = [];
    request.on('data', (piece: Buffer) => {
      if (!pieces) return;
      if (take(piece.length)) pieces.push(piece);
      else {
        pieces = null;
        resolve(null);
      }
    });
    request.on('end', () => resolve(pieces && Buffer.concat(pieces)));
    request.on('error', reject);
    request.on('close', () => reject(new Error('The request broke off.')));
  });
}

/** What is left of the request is dropped; the server's time limit for requests bounds that. */
function refuse(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  request.resume();
  write(response, answer);
}

function write(response: ServerResponse, { status, headers, body }: Answer): void {
  if (response.destroyed) {
    if (typeof body !== 'string') body.destroy();
    return;
  }
  response.writeHead(status, headers);
  if (typeof body === 'string') return void response.end(body);
  response.flushHeaders();
  pipeline(body, response, () => {});
}
