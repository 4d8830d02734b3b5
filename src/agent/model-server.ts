// A loopback server that speaks the Messages API (streamed and whole answers, count_tokens): the core under the
// demo model and under the scripted model of tests. What it answers is the responder's business; every request is
// shown to `onRequest`. It checks no credentials and keeps nothing.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ModelRequest, parseModelRequest } from './model-messages.ts';
import type { ModelReply } from './model-reply.ts';
import { writeFault, writeStreamed, writeWhole } from './model-wire.ts';

/** Something other than an answer. `cut` ends the connection after that many events; `hang` never answers. */
export type ModelFault =
  | {
      readonly fault: 'status';
      readonly status: number;
      readonly message?: string;
      readonly retryAfterSec?: number;
    }
  | { readonly fault: 'cut'; readonly afterEvents: number; readonly reply: ModelReply }
  | { readonly fault: 'hang' };

export type Responder = (request: ModelRequest) => ModelReply | ModelFault | Promise<ModelReply | ModelFault>;

export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

export interface ModelServer {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 64 * 1024 * 1024;

export async function createModelServer(options: {
  readonly respond: Responder;
  readonly onRequest?: (request: LoggedRequest) => void;
  /** 0 takes any free port. */
  readonly port?: number;
}): Promise<ModelServer> {
  const server = createServer((request, response) => {
    answer(request, response, options).catch((error: unknown) => {
      if (!response.headersSent) writeFault(response, 500, String(error));
      else response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const port = (server.address() as AddressInfo).port;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: { readonly respond: Responder; readonly onRequest?: (request: LoggedRequest) => void },
): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://model').pathname;
  const text = await readBody(request);
  let body: unknown = null;
  try {
    body = text === '' ? null : JSON.parse(text);
  } catch {
    return writeFault(response, 400, 'The body is not JSON.');
  }
  options.onRequest?.({ method: request.method ?? 'GET', path, headers: request.headers, body });
  if (request.method === 'HEAD') return void response.writeHead(200).end();
  if (path.endsWith('/v1/messages/count_tokens')) {
    response.writeHead(200, { 'content-type': 'application/json' });
    return void response.end(JSON.stringify({ input_tokens: tokensOf(text) }));
  }
  if (request.method !== 'POST' || !path.endsWith('/v1/messages')) {
    return writeFault(response, 404, 'Only POST /v1/messages and /v1/messages/count_tokens are served here.');
  }
  const parsed = parseModelRequest(body);
  if (!parsed) return writeFault(response, 400, 'The body is not a Messages API request.');
  const reply = await options.respond(parsed);
  if ('fault' in reply && reply.fault === 'hang') return;
  if ('fault' in reply && reply.fault === 'status') {
    return writeFault(response, reply.status, reply.message, reply.retryAfterSec);
  }
  const cutAfter = 'fault' in reply ? reply.afterEvents : Number.POSITIVE_INFINITY;
  const content = 'fault' in reply ? reply.reply : reply;
  const inputTokens = content.usage?.inputTokens ?? tokensOf(text);
  if (parsed.stream) await writeStreamed(response, parsed.model, content, inputTokens, cutAfter);
  else writeWhole(response, parsed.model, content, inputTokens);
}

/** A rough count, four characters to a token: enough for a model that bills nobody. */
export function tokensOf(text: string): number {
  return Math.ceil(text.length / 4);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES) throw new Error('The request body is too large.');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
