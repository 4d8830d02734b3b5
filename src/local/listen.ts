// Serves a fetch handler on a port of this machine. Errors such as a taken port become messages that say what to do. What
// a client sends is bounded in size and time; what it is sent is not, so that an event stream lasts as long as its turn.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { serve } from '@hono/node-server';
import { Invalid } from '../core/errors.ts';

export interface Listening {
  readonly url: string;
  stop(): Promise<void>;
}

/** Times count from the first byte of a request and end with its last one. */
const INCOMING = {
  headersTimeout: 10_000,
  /** Above the API's own limit for a body, which answers in words; this one also ends what no route reads. */
  requestTimeout: 30_000,
  /** For the bytes of a file: 50 MB over a slow line. */
  uploadTimeout: 15 * 60_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16 * 1024,
};

/** What the API takes files at (src/api/files.ts). */
const UPLOAD = /^\/v1\/chats\/[^/]+\/files\//;

export function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  host: string,
  port: number,
  incoming: Partial<typeof INCOMING> = {},
): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const { uploadTimeout, requestTimeout, ...times } = { ...INCOMING, ...incoming };
    // Node has one limit for all requests of a server.
    const serverOptions = { ...times, requestTimeout: Math.max(uploadTimeout, requestTimeout) };
    const server = serve({ fetch, hostname: host, port, serverOptions }, (address) => {
      const name = host.includes(':') ? `[${host}]` : host;
      resolve({
        url: `http://${name}:${address.port}`,
        stop: () =>
          new Promise((closed) => {
            server.close(() => closed());
            // Event streams of turns that go on would keep the server open. Clients resume by Last-Event-ID.
            if ('closeAllConnections' in server) server.closeAllConnections();
          }),
      });
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      if (request.method === 'PUT' && UPLOAD.test(request.url ?? '')) return;
      // Answered, and still sending: what a route reads has the API's own limit, and an answer may last.
      const end = () => {
        if (!request.complete) request.destroy();
      };
      const timer = setTimeout(() => {
        if (response.writableFinished) end();
        else response.once('finish', end);
      }, requestTimeout).unref();
      request.once('close', () => clearTimeout(timer));
    });
    // Node drops headers above a number in silence; the size bounds them, and the API refuses too many.
    if ('maxHeadersCount' in server) server.maxHeadersCount = 0;
    server.on('error', (cause: NodeJS.ErrnoException) => reject(listenError(cause, host, port)));
  });
}

function listenError(cause: NodeJS.ErrnoException, host: string, port: number): unknown {
  if (cause.code === 'EADDRINUSE') {
    return new Invalid('port-in-use', `Port ${port} is in use.`, {
      cause,
      advice: 'Stop what runs there, or set PORT to another one (0 takes any free one).',
    });
  }
  if (cause.code === 'EACCES') {
    return new Invalid('port-refused', `This user may not listen on port ${port}.`, {
      cause,
      advice: 'Set PORT to one above 1023.',
    });
  }
  if (cause.code === 'EADDRNOTAVAIL' || cause.code === 'ENOTFOUND') {
    return new Invalid('bad-host', `${host} is not an address of this machine.`, {
      cause,
      advice: 'Set HOST to 127.0.0.1, or to an address that this machine has.',
    });
  }
  return cause;
}
