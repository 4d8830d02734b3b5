// Socket Mode of the fake Slack: `apps.connections.open` gives an address, and who connects there gets a hello, events and
// whatever the test sends; what is not acknowledged can be sent again.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { APP } from './fixture.ts';

export const APP_TOKEN = 'xapp-1-SECRET';

export interface SocketServer {
  readonly apiUrl: string;
  /** Connections made so far. */
  readonly connections: number;
  readonly acknowledged: readonly string[];
  /** What came along with an acknowledgement. */
  readonly answers: ReadonlyMap<string, unknown>;
  /** Sends an envelope down the newest connection. */
  send(envelopeId: string, type: 'events_api' | 'interactive' | 'slash_commands', payload: unknown): void;
  /** Ends the connection: with the notice that Slack gives beforehand, or without. */
  end(how: 'notice' | 'cut'): void;
  /** Answers of `apps.connections.open` that are still to be refused with this code. */
  refuse(error: string, times: number): void;
}

export async function startSocketServer(): Promise<SocketServer> {
  const acknowledged: string[] = [];
  const answers = new Map<string, unknown>();
  let newest: WebSocket | null = null;
  let connections = 0;
  let refusals: string[] = [];
  const answer = (response: ServerResponse, body: object) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  const server = createServer((request: IncomingMessage, response) => {
    if (request.url === '/api/auth.test') {
      return answer(response, { ok: true, team_id: APP.teamId, user_id: APP.botUserId });
    }
    const refusal = refusals.shift();
    if (refusal) return answer(response, { ok: false, error: refusal });
    if (request.headers.authorization !== `Bearer ${APP_TOKEN}`) {
      return answer(response, { ok: false, error: 'invalid_auth' });
    }
    answer(response, { ok: true, url: `ws://127.0.0.1:${port()}/link?ticket=${connections}` });
  });
  const sockets = new WebSocketServer({ server, path: '/link' });
  sockets.on('connection', (socket) => {
    connections++;
    newest = socket;
    socket.on('message', (data) => {
      const { envelope_id: id, payload } = JSON.parse(String(data));
      answers.set(id, payload);
      acknowledged.push(id);
    });
    socket.send(JSON.stringify({ type: 'hello', num_connections: 1 }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const port = () => (server.address() as AddressInfo).port;
  onTestFinished(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
    server.close();
  });
  return {
    apiUrl: `http://127.0.0.1:${port()}/api/`,
    get connections() {
      return connections;
    },
    acknowledged,
    answers,
    send(envelopeId, type, payload) {
      newest?.send(
        JSON.stringify({
          envelope_id: envelopeId,
          type,
          payload,
          accepts_response_payload: type === 'slash_commands',
        }),
      );
    },
    end(how) {
      if (how === 'cut') newest?.terminate();
      else newest?.send(JSON.stringify({ type: 'disconnect', reason: 'refresh_requested' }));
    },
    refuse(error, times) {
      refusals = Array.from({ length: times }, () => error);
    },
  };
}
