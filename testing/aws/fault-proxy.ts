// A loopback proxy between an AWS client and a server that injects faults on demand: it answers in the server's place,
// or lets the server carry the request out and loses the answer.
import { request as send } from 'node:http';
import { bodyOf, serveLoopback } from './loopback.ts';
import type { StandIn } from './process.ts';

export interface ProxiedRequest {
  readonly method: string;
  readonly path: string;
  /** The operation's name where the protocol has one (DynamoDB, SQS): `PutItem`. */
  readonly operation: string;
  readonly body: string;
}

export type Fault =
  /** The server never sees the request. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body: string;
    }
  /** The server carries the request out; the client sees the connection break. */
  | { readonly kind: 'lose-answer' }
  /** The server never sees the request, and the connection breaks. */
  | { readonly kind: 'break' }
  /** The server carries the request out; half of its answer arrives, then nothing more. */
  | { readonly kind: 'stall' }
  /** The server sees the request only when this is done. */
  | { readonly kind: 'hold'; readonly until: Promise<unknown> };

export interface FaultProxy extends StandIn {
  /** Asked for each request; undefined lets it pass. */
  onRequest: (request: ProxiedRequest) => Fault | undefined;
  readonly seen: ProxiedRequest[];
}

export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(target);
  const proxy = { onRequest: (): Fault | undefined => undefined, seen: [] } as Pick<
    FaultProxy,
    'onRequest' | 'seen'
  >;
  const server = await serveLoopback(async (request, response) => {
    const body = await bodyOf(request);
    const asked: ProxiedRequest = {
      method: request.method ?? '',
      path: request.url ?? '',
      operation: String(request.headers['x-amz-target'] ?? '').replace(/^.*\./, ''),
      body: body.toString('utf8'),
    };
    proxy.seen.push(asked);
    const fault = proxy.onRequest(asked);
    if (fault?.kind === 'break') return void request.socket.destroy();
    if (fault?.kind === 'answer') {
      response.writeHead(fault.status, fault.headers);
      return void response.end(fault.body);
    }
    if (fault?.kind === 'hold') await fault.until;
    await new Promise<void>((resolve, reject) => {
      const options = { hostname, port, method: request.method, path: request.url, headers: request.headers };
      const onward = send(options, (answer) => {
        if (fault?.kind === 'lose-answer') {
          answer.resume();
          answer.once('end', () => {
            request.socket.destroy();
            resolve();
          });
          return;
        }
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        if (fault?.kind === 'stall') {
          answer.once('data', (piece: Buffer) => response.write(piece.subarray(0, piece.length / 2)));
          answer.once('end', resolve);
          return;
        }
        answer.pipe(response);
        answer.once('end', resolve);
        answer.once('error', reject);
      });
      onward.once('error', reject);
      onward.end(body);
    });
  });
  return Object.assign(proxy, server);
}

export const dynamoThrottled: Fault = {
  kind: 'answer',
  status: 400,
  headers: { 'content-type': 'application/x-amz-json-1.0' },
  body: JSON.stringify({
    __type: 'com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException',
    message: 'The level of configured provisioned throughput for the table was exceeded.',
  }),
};

export const s3SlowDown: Fault = {
  kind: 'answer',
  status: 503,
  headers: { 'content-type': 'application/xml' },
  body: '<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>',
};
