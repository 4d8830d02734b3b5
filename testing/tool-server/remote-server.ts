// A real MCP server at a URL on loopback, with sessions, over both transports, for tests: remembers every request as it came,
// and refuses those that do not show what it wants to see.
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface RemoteToolServer {
  /** Of the streamable transport; the older one is at `/sse` beside it. */
  readonly url: string;
  readonly origin: string;
  readonly requests: readonly SeenRequest[];
  close(): Promise<void>;
}

export interface RemoteToolServerOptions {
  /** null: accepted. Else what is answered in the place of a server's answer. */
  readonly admit?: (request: SeenRequest) => Refusal | null;
  /** Before the server itself sees the request; true when it was answered here. */
  readonly first?: (request: IncomingMessage, response: ServerResponse) => Promise<boolean>;
}

export interface Refusal {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** For `admit`: only with this header. */
export function wantsBearer(token: string): (request: SeenRequest) => Refusal | null {
  return ({ headers }) =>
    headers.authorization === `Bearer ${token}`
      ? null
      : { status: 401, body: `{"error":"invalid token ${String(headers.authorization)}"}` };
}

export async function startRemoteToolServer(
  options: RemoteToolServerOptions = {},
): Promise<RemoteToolServer> {
  const requests: SeenRequest[] = [];
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  const streams = new Map<string, SSEServerTransport>();

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (await options.first?.(request, response)) return;
    const { method = '', url = '', headers } = request;
    const seen = { method, url, headers: { ...headers } };
    requests.push(seen);
    const refusal = options.admit?.(seen);
    if (refusal) {
      response.writeHead(refusal.status, { 'content-type': 'application/json', ...refusal.headers });
      response.end(refusal.body ?? '{}');
      return;
    }
    const { pathname, searchParams } = new URL(url, 'http://server');
    if (pathname === '/sse' && method === 'GET') {
      const transport = new SSEServerTransport('/messages', response);
      streams.set(transport.sessionId, transport);
      await toolsOf(seen).connect(transport);
    } else if (pathname === '/messages') {
      const transport = streams.get(searchParams.get('sessionId') ?? '');
      if (transport) await transport.handlePostMessage(request, response);
      else response.writeHead(404).end();
    } else if (pathname === '/mcp') {
      const id = headers['mcp-session-id'];
      if (typeof id === 'string') {
        const known = sessions.get(id);
        if (known) await known.handleRequest(request, response);
        else response.writeHead(404).end();
        return;
      }
      const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
        sessionIdGenerator: () => randomUUID(),
        onsessioninitialized: (session) => void sessions.set(session, transport),
      });
      await toolsOf(seen).connect(transport as Parameters<McpServer['connect']>[0]);
      await transport.handleRequest(request, response);
    } else response.writeHead(404).end();
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `${origin}/mcp`,
    origin,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** `add`: a sum. `count`: tells its progress in pieces. `repeat`: says what it was authorized with, as careless servers do. */
function toolsOf(seen: SeenRequest): McpServer {
  const server = new McpServer({ name: 'remote', version: '1.0.0' });
  const text = (said: string) => ({ content: [{ type: 'text' as const, text: said }] });
  server.registerTool('add', { inputSchema: { a: z.number(), b: z.number() } }, async ({ a, b }) =>
    text(`sum ${a + b}`),
  );
  server.registerTool('count', { inputSchema: { to: z.number() } }, async ({ to }, extra) => {
    const progressToken = extra._meta?.progressToken;
    for (let at = 1; at <= to && progressToken !== undefined; at++) {
      await extra.sendNotification({
        method: 'notifications/progress',
        params: { progressToken, progress: at, total: to },
      });
    }
    return text(`counted to ${to}`);
  });
  server.registerTool('repeat', {}, async () =>
    text(`authorized with ${String(seen.headers.authorization)}`),
  );
  return server;
}
