// Amazon Bedrock on loopback, as much of it as the CLI uses: it checks every signature or bearer token and answers with
// the events of a Messages API server behind it, in Amazon's event stream.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import { type KnownKey, signatureFault } from '../aws/verify-signature.ts';

export interface BedrockRequest {
  readonly model: string;
  readonly action: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Readonly<Record<string, unknown>>;
}

export interface BedrockServer {
  readonly url: string;
  readonly requests: readonly BedrockRequest[];
  /** Why requests were turned away. */
  readonly faults: readonly string[];
  close(): Promise<void>;
}

export interface BedrockServerOptions {
  /** Base URL of a server that speaks the Messages API. */
  readonly modelUrl: string;
  readonly region: string;
  readonly right: { readonly key: KnownKey } | { readonly bearerToken: string };
}

export async function createBedrockServer(options: BedrockServerOptions): Promise<BedrockServer> {
  const requests: BedrockRequest[] = [];
  const faults: string[] = [];
  const server = createServer((request, response) => {
    void serve(request, response, options, requests, faults).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    faults,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { modelUrl, region, right }: BedrockServerOptions,
  requests: BedrockRequest[],
  faults: string[],
): Promise<void> {
  const body = await buffer(request);
  const { method = '', url: target = '', headers } = request;
  const received = { method, target, headers, body };
  const fault =
    'key' in right
      ? signatureFault(received, right.key, { region, service: 'bedrock', nowMs: Date.now() })
      : headers.authorization === `Bearer ${right.bearerToken}`
        ? null
        : 'wrong bearer token';
  if (fault !== null) {
    faults.push(`${target}: ${fault}`);
    return answerJson(response, 403, { message: fault });
  }
  const [, id = '', action = ''] = /^\/model\/([^/]+)\/([a-z-]+)$/.exec(target) ?? [];
  if (action !== 'invoke' && action !== 'invoke-with-response-stream') {
    return answerJson(response, 404, { message: 'UnknownOperationException' });
  }
  const model = decodeURIComponent(id);
  const fields = JSON.parse(body.toString('utf8')) as Record<string, unknown>;
  requests.push({ model, action, headers, body: fields });
  const { anthropic_version: _, anthropic_beta: __, ...rest } = fields;
  const stream = action === 'invoke-with-response-stream';
  const answer = await fetch(`${modelUrl}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...rest, model, stream }),
  });
  if (!answer.ok || !stream) return answerJson(response, answer.status, await answer.json());
  response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' });
  for (const line of (await answer.text()).split('\n')) {
    if (line.startsWith('data:')) response.write(eventFrame(line.slice(5).trim()));
  }
  response.end();
}

function answerJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

/** One `chunk` event: length, length of headers, checksum, headers, payload, checksum. */
export function eventFrame(event: string): Buffer {
  const payload = Buffer.from(
    JSON.stringify({ bytes: Buffer.from(event).toString('base64'), p: 'abcdefgh' }),
  );
  const headers = Buffer.concat([
    headerOf(':event-type', 'chunk'),
    headerOf(':content-type', 'application/json'),
    headerOf(':message-type', 'event'),
  ]);
  const prelude = Buffer.alloc(8);
  prelude.writeUInt32BE(16 + headers.length + payload.length, 0);
  prelude.writeUInt32BE(headers.length, 4);
  const start = Buffer.concat([prelude, checksum(prelude), headers, payload]);
  return Buffer.concat([start, checksum(start)]);
}

const STRING = 7;

function headerOf(name: string, value: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(Buffer.byteLength(value));
  return Buffer.concat([
    Buffer.from([Buffer.byteLength(name)]),
    Buffer.from(name),
    Buffer.from([STRING]),
    length,
    Buffer.from(value),
  ]);
}

function checksum(data: Buffer): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(crc32(data));
  return out;
}
