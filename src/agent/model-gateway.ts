// The one way from the agent's process to a model, for the length of one turn: a loopback server that knows the turn's
// token, puts the real credential in its place and passes everything else through as it comes, in both directions,
// without waiting for the end of anything. The CLI, its shell and its children never hold the real key.
// It also knows when the model is away: it asks once or a few times, remembers the time the server names, and tells the
// CLI not to go on trying by itself, for the turn's own waiting is one that people and operators can see.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  createServer,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { writeFault } from './model-wire.ts';

export interface ModelUpstream {
  /** `ANTHROPIC_BASE_URL` or the public API; a path prefix is kept. */
  readonly baseUrl: string;
  /** Sent as `x-api-key`. */
  readonly apiKey?: string;
  /** Sent as `authorization: Bearer`. */
  readonly authToken?: string;
}

export interface ModelGateway {
  readonly url: string;
  /** What the CLI shows instead of a key; worthless after `close`. */
  readonly token: string;
  /** Why the last request to the model got no answer of use; null when it got one. */
  failure(): ModelFailure | null;
  close(): Promise<void>;
}

export interface ModelFailure {
  /** null without an answer. */
  readonly status: number | null;
  /** What `retry-after` named. */
  readonly retryAfterMs?: number;
  /** That the request named. */
  readonly model?: string;
}

/** Connections to the model that outlive a turn, so that the next one needs no new handshake. */
export interface UpstreamConnections {
  readonly kept: { readonly http: HttpAgent; readonly https: HttpsAgent };
  /** Never used before: for what got no answer on a kept one, which the network may have dropped. */
  readonly fresh: { readonly http: HttpAgent; readonly https: HttpsAgent };
}

/** `proxy`: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` where the way out leads through one. */
export function createUpstreamConnections(proxy?: Readonly<Record<string, string>>): UpstreamConnections {
  const way = proxy === undefined ? {} : { proxyEnv: { ...proxy } };
  const kept = { ...way, keepAlive: true, timeout: MAX_IDLE_MS };
  return {
    kept: { http: new HttpAgent(kept), https: new HttpsAgent(kept) },
    fresh: { http: new HttpAgent(way), https: new HttpsAgent(way) },
  };
}

/** A kept connection is dropped by then: networks forget quiet ones, and say nothing. */
const MAX_IDLE_MS = 60_000;
const CONNECT_MS = 10_000;
/** A kept connection without an answer by then is taken for dead; the request is sent once more on a fresh one. */
const DEAD_AFTER_MS = 20_000;
/** After this long without an answer the person is told. */
const SILENT_AFTER_MS = 20_000;
/** Without a byte for so long the model is away. */
const GIVE_UP_MS = 300_000;
/** The CLI may wait this long by itself, twice. Longer waits are left to the queue. */
const SHORT_WAIT_MS = 5_000;

/** What a session needs of the API. The real key can do more; the turn's token cannot. */
const PATHS = /^\/v1\/(?:messages(?:\/count_tokens)?|models(?:\/[\w.@:-]+)?)\/?$/;

/** Between one hop and the next, or ours to set. */
const NOT_FORWARDED = new Set([
  'authorization',
  'connection',
  'cookie',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-api-key',
]);

export interface ModelGatewayOptions {
  readonly upstream: ModelUpstream;
  readonly connections?: UpstreamConnections;
  /** True when the model was away before: then one failed request is enough. */
  readonly once?: boolean;
  /** Called when the model has said nothing for a while, and when it speaks again. */
  readonly onSilence?: (silent: boolean) => void;
}

export async function createModelGateway(options: ModelGatewayOptions): Promise<ModelGateway> {
  const token = `turn-${randomBytes(32).toString('base64url')}`;
  const connections = options.connections ?? createUpstreamConnections();
  let failure: ModelFailure | null = null;
  const server = createServer((request, response) => {
    if (!presents(request.headers, token)) {
      return writeFault(response, 401, 'This token is not valid (any more).');
    }
    const url = new URL(request.url ?? '/', 'http://gateway');
    if (!PATHS.test(url.pathname)) return writeFault(response, 404, 'The gateway does not serve this path.');
    const isMessage = /\/messages\/?$/.test(url.pathname);
    void bodyOf(request).then(
      (body) =>
        pass({
          ...options,
          request,
          response,
          url,
          body,
          connections,
          onAnswer: (seen) => {
            if (isMessage) failure = seen && { ...seen, ...modelOf(body) };
          },
        }),
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token,
    failure: () => failure,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        if (!options.connections) {
          for (const { http, https } of [connections.kept, connections.fresh]) {
            http.destroy();
            https.destroy();
          }
        }
      }),
  };
}

/** Compares digests, so that neither content nor length of the token shows in the time it takes. */
function presents(headers: IncomingHttpHeaders, token: string): boolean {
  const shown = headers['x-api-key'] ?? headers.authorization?.replace(/^Bearer\s+/i, '') ?? '';
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(String(shown)), digest(token));
}

interface Passing extends ModelGatewayOptions {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly body: Buffer;
  readonly connections: UpstreamConnections;
  readonly onAnswer: (failure: ModelFailure | null) => void;
}

function pass(passing: Passing, isFresh = false): void {
  const { request, response, url, body, upstream, connections, onAnswer, once = false } = passing;
  if (response.destroyed) return;
  const base = new URL(upstream.baseUrl);
  const secure = base.protocol === 'https:';
  const target = new URL(base.pathname.replace(/\/+$/, '') + url.pathname + url.search, base);
  const agents = isFresh ? connections.fresh : connections.kept;
  const onward = (secure ? httpsRequest : httpRequest)(target, {
    method: request.method ?? 'GET',
    headers: {
      ...forwarded(request.headers),
      ...credentialOf(upstream),
      host: base.host,
      ...(body.length > 0 ? { 'content-length': body.length } : {}),
    },
    agent: secure ? agents.https : agents.http,
  });
  const silence = watchSilence(passing, onward);
  let answered = false;
  let again = false;
  const dead = setTimeout(() => {
    if (!onward.reusedSocket || answered) return;
    again = true;
    onward.destroy();
  }, DEAD_AFTER_MS);
  onward.on('socket', (socket) => {
    if (!socket.connecting) return;
    const connecting = setTimeout(() => onward.destroy(), CONNECT_MS);
    const connected = () => clearTimeout(connecting);
    socket.once('connect', connected).once('close', connected);
  });
  onward.on('response', (answer) => {
    answered = true;
    clearTimeout(dead);
    const status = answer.statusCode ?? 502;
    const failure = isOutage(status) ? { status, ...retryAfter(answer.headers) } : null;
    onAnswer(failure);
    if (failure && (once || (failure.retryAfterMs ?? 0) > SHORT_WAIT_MS)) {
      answer.resume();
      return refuseForNow(response, `The model's server answers HTTP ${status} right now.`);
    }
    response.writeHead(status, forwarded(answer.headers));
    response.flushHeaders();
    answer.on('data', silence.heard);
    answer.pipe(response);
    answer.on('error', () => response.destroy());
  });
  onward.on('error', () => {
    // A kept connection may have been closed just now, before the server saw anything.
    if (again || (onward.reusedSocket && !answered)) return pass(passing, true);
    if (!answered) onAnswer({ status: null });
    if (response.headersSent) response.destroy();
    else if (once) refuseForNow(response, "The model's server cannot be reached.");
    else writeFault(response, 502, "The model's server cannot be reached.");
  });
  onward.on('close', () => {
    clearTimeout(dead);
    silence.end();
  });
  response.on('close', () => onward.destroy());
  onward.end(body);
}

/** Says when nothing has come for a while, and gives up when nothing comes at all. */
function watchSilence(
  { onSilence }: ModelGatewayOptions,
  onward: { destroy(error: Error): void },
): { heard(): void; end(): void } {
  let silent = false;
  const tell = (now: boolean): void => {
    if (silent !== now) onSilence?.(now);
    silent = now;
  };
  const says = setTimeout(() => tell(true), SILENT_AFTER_MS);
  const ends = setTimeout(() => onward.destroy(new Error('No answer.')), GIVE_UP_MS);
  return {
    heard() {
      tell(false);
      says.refresh();
      ends.refresh();
    },
    end() {
      clearTimeout(says);
      clearTimeout(ends);
    },
  };
}

/** Nothing wrong with the request: the same one may go well later. */
function isOutage(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/** A form of refusal after which the CLI ends its turn instead of trying again by itself. */
function refuseForNow(response: ServerResponse, message: string): void {
  response.setHeader('x-should-retry', 'false');
  writeFault(response, 503, message);
}

/** In seconds or as a date, by RFC 9110; `retry-after-ms` is more exact. */
function retryAfter(headers: IncomingHttpHeaders): { readonly retryAfterMs?: number } {
  const exact = Number(headers['retry-after-ms'] ?? Number.NaN);
  if (exact >= 0) return { retryAfterMs: exact };
  const text = headers['retry-after'];
  if (text === undefined) return {};
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? { retryAfterMs: Math.max(0, Math.round(ms)) } : {};
}

function modelOf(body: Buffer): { readonly model?: string } {
  try {
    const { model } = JSON.parse(body.toString('utf8')) as { model?: unknown };
    return typeof model === 'string' ? { model } : {};
  } catch {
    return {};
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

function credentialOf(upstream: ModelUpstream): OutgoingHttpHeaders {
  return {
    ...(upstream.apiKey === undefined ? {} : { 'x-api-key': upstream.apiKey }),
    ...(upstream.authToken === undefined ? {} : { authorization: `Bearer ${upstream.authToken}` }),
  };
}

function forwarded(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !NOT_FORWARDED.has(name)));
}
