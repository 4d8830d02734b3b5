// From a fetch handler to what Node's own servers and Express call: `server.on('request', toNodeHandler(system.fetch))`.
// Mount it before anything that reads bodies: what was read is not there to be read again.
import './node-version.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';

export function toNodeHandler(
  fetch: (request: Request) => Response | Promise<Response>,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const listener = getRequestListener(fetch, { overrideGlobalObjects: false });
  return async (request, response) => void (await listener(request, response));
}
