// A gateway with one turn open, servers to stand behind it, and requests as an agent would send them.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';
import { newSessionId, sessionKeyOf, tenantId, turnIdOf } from '../../src/core/ids.ts';
import {
  createModelGateway,
  type GatewayTurn,
  type ModelGateway,
  type ModelGatewayOptions,
  type OpenTurn,
} from '../../src/gateway/model-gateway.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

/** Closes it when the test ends. */
export function closing<T extends { close(): unknown }>(thing: T): T {
  open.push(thing);
  return thing;
}

const key = sessionKeyOf({ tenant: 'acme', channel: 'http', bot: 'main', chat: 'chat', thread: null });
let turns = 0;

export function grantOf(over: Partial<OpenTurn> = {}): OpenTurn {
  turns += 1;
  return {
    tenant: tenantId('acme'),
    sessionId: newSessionId(),
    turnId: turnIdOf(key, `message-${turns}`),
    sessionKey: key,
    models: ['m'],
    ...over,
  };
}

export async function openGateway(options: ModelGatewayOptions): Promise<ModelGateway> {
  return closing(await createModelGateway(options));
}

export async function openTurn(
  options: ModelGatewayOptions,
  turn: Partial<OpenTurn> = {},
): Promise<GatewayTurn> {
  return (await openGateway(options)).openTurn(grantOf(turn));
}

/** A server on loopback; resolves with its address. */
export async function serve(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing({
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export const messageBody = (over: object = {}): string =>
  JSON.stringify({ model: 'm', max_tokens: 1, messages: [{ role: 'user', content: 'hi' }], ...over });

export function post(
  { url, token }: Pick<GatewayTurn, 'url' | 'token'>,
  over: { readonly path?: string; readonly body?: string; readonly headers?: Record<string, string> } = {},
): Promise<Response> {
  return fetch(url + (over.path ?? '/v1/messages'), {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': token, ...over.headers },
    body: over.body ?? messageBody(),
  });
}
