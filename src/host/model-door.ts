// The address at which a host's CLI finds the model: one for the host's whole life, so that a CLI may live longer than a
// turn. It is open only while a turn runs, and then leads to the gateway with that turn's token in the place of the CLI's own,
// which is good for nothing else. Between two turns, and to everybody who shows another token, it says no.
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, request as requestHttp, type ServerResponse } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import type { ModelEndpoint } from '../agent/environment.ts';

export interface ModelDoor {
  readonly url: string;
  /** What the CLI shows. */
  readonly token: string;
  /** Leads there from now on. */
  open(target: { readonly url: string; readonly token: string }): void;
  /** Breaks off what is under way. */
  shut(): void;
  close(): Promise<void>;
}

/** Of one connection only, or of the way between two. */
const OF_THE_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'host',
]);

export async function openModelDoor(): Promise<ModelDoor> {
  const own = randomBytes(24).toString('base64url');
  let target: { readonly url: URL; readonly token: string } | null = null;
  let turn = new AbortController();

  function pass(asked: IncomingMessage, answer: ServerResponse): void {
    const headers = { ...asked.headers };
    const shown = headers['x-api-key'] ?? headers.authorization?.replace(/^Bearer\s+/i, '');
    // A connection that outlives its turn would be found dead by a CLI that slept.
    answer.setHeader('connection', 'close');
    if (!target || shown !== own) {
      asked.resume();
      answer.writeHead(401, { 'content-type': 'application/json' });
      const error = { type: 'authentication_error', message: 'No turn runs, or this token is not valid.' };
      answer.end(JSON.stringify({ type: 'error', error }));
      return;
    }
    const { url, token } = target;
    if (headers['x-api-key'] !== undefined) headers['x-api-key'] = token;
    if (headers.authorization !== undefined) headers.authorization = `Bearer ${token}`;
    const path = `${url.pathname.replace(/\/+$/, '')}${asked.url ?? '/'}`;
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    const sent = send(
      { protocol: url.protocol, hostname: hostOf(url), port: url.port, path, method: asked.method },
      (got) => {
        answer.writeHead(got.statusCode ?? 502, passed(got.headers));
        answer.flushHeaders();
        pipeline(got, answer, () => {});
      },
    );
    for (const [name, value] of Object.entries(passed(headers))) {
      if (value !== undefined) sent.setHeader(name, value);
    }
    const breakOff = () => sent.destroy();
    turn.signal.addEventListener('abort', breakOff, { once: true });
    answer.once('close', () => {
      turn.signal.removeEventListener('abort', breakOff);
      if (!answer.writableFinished) sent.destroy();
    });
    // As a connection that breaks: the CLI tries again as it would without this door.
    sent.on('error', () => answer.destroy());
    pipeline(asked, sent, () => {});
  }

  const server = createServer(pass);
  server.on('clientError', (_error, socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  // What else runs decides how long this process lives.
  server.unref();
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token: own,
    open({ url, token }) {
      turn = new AbortController();
      target = { url: new URL(url), token };
    },
    shut() {
      target = null;
      turn.abort();
    },
    close: () =>
      new Promise((resolve) => {
        turn.abort();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The endpoint as the CLI is to see it for as long as it lives; the door now leads to `endpoint`. */
export function throughDoor(door: ModelDoor, endpoint: ModelEndpoint): ModelEndpoint {
  const { bedrock } = endpoint;
  const url = bedrock ? bedrock.ANTHROPIC_BEDROCK_BASE_URL : endpoint.baseUrl;
  const token = bedrock ? bedrock.AWS_BEARER_TOKEN_BEDROCK : endpoint.apiKey;
  if (url === undefined || token === undefined) return endpoint;
  door.open({ url, token });
  if (!bedrock) return { ...endpoint, baseUrl: door.url, apiKey: door.token };
  const own = { ANTHROPIC_BEDROCK_BASE_URL: door.url, AWS_BEARER_TOKEN_BEDROCK: door.token };
  return { ...endpoint, bedrock: { ...bedrock, ...own } };
}

function passed(headers: IncomingMessage['headers']): IncomingMessage['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_THE_CONNECTION.has(name)));
}

const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, '$1');
