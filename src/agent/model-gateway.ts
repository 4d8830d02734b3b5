// The one way from the agent's process to a model, for the length of one turn: a loopback server that knows the turn's
// token, puts the real credential in its place and passes everything else through as it comes, in both directions,
// without waiting for the end of anything. The CLI, its shell and its children never hold the real key.
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
  close(): Promise<void>;
}

/** Connections to the model that outlive a turn, so that the next one needs no new handshake. */
export interface UpstreamConnections {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

/** `proxy`: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` where the way out leads through one. */
export function createUpstreamConnections(proxy?: Readonly<Record<string, string>>): UpstreamConnections {
  const options = { keepAlive: true, ...(proxy === undefined ? {} : { proxyEnv: { ...proxy } }) };
  return { http: new HttpAgent(options), https: new HttpsAgent(options) };
}

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

export async function createModelGateway(options: {
  readonly upstream: ModelUpstream;
  readonly connections?: UpstreamConnections;
}): Promise<ModelGateway> {
  const token = `turn-${randomBytes(32).toString('base64url')}`;
  const connections = options.connections ?? createUpstreamConnections();
  const server = createServer((request, response) => {
    if (!presents(request.headers, token)) {
      return writeFault(response, 401, 'This token is not valid (any more).');
    }
    const url = new URL(request.url ?? '/', 'http://gateway');
    if (!PATHS.test(url.pathname)) return writeFault(response, 404, 'The gateway does not serve this path.');
    pass(request, response, url, options.upstream, connections);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        if (!options.connections) {
          connections.http.destroy();
          connections.https.destroy();
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

function pass(
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  upstream: ModelUpstream,
  connections: UpstreamConnections,
): void {
  const base = new URL(upstream.baseUrl);
  const secure = base.protocol === 'https:';
  const target = new URL(base.pathname.replace(/\/+$/, '') + url.pathname + url.search, base);
  const onward = (secure ? httpsRequest : httpRequest)(target, {
    method: request.method ?? 'GET',
    headers: { ...forwarded(request.headers), ...credentialOf(upstream), host: base.host },
    agent: secure ? connections.https : connections.http,
  });
  onward.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, forwarded(answer.headers));
    response.flushHeaders();
    answer.pipe(response);
    answer.on('error', () => response.destroy());
  });
  onward.on('error', () => {
    if (response.headersSent) response.destroy();
    else writeFault(response, 502, "The model's server cannot be reached.");
  });
  response.on('close', () => onward.destroy());
  request.pipe(onward);
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
