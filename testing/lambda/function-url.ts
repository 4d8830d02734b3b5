// A function URL: HTTP in, an event of payload format 2.0 to the function, its answer out; whole
// (`BUFFERED`) or piece by piece as the function writes it (`RESPONSE_STREAM`), as the function is configured.
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html (read 2026-11-22)
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FunctionEnvironment } from './function-environment.ts';

export interface FunctionUrl {
  readonly url: string;
  close(): Promise<void>;
}

/** The environments behind one URL; one that is busy is passed over, as Lambda scales out. */
export interface FunctionUrlOptions {
  readonly environments: readonly FunctionEnvironment[];
  readonly mode: 'BUFFERED' | 'RESPONSE_STREAM';
  /** 0 takes any free port. */
  readonly port?: number;
}

interface Prelude {
  readonly statusCode?: number;
  readonly headers?: OutgoingHttpHeaders;
  readonly cookies?: readonly string[];
}

const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';
const DELIMITER = Buffer.alloc(8);

export async function createFunctionUrl(options: FunctionUrlOptions): Promise<FunctionUrl> {
  const busy = new Map<FunctionEnvironment, number>(options.environments.map((one) => [one, 0]));
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const event = await eventOf(request);
    const [idle] = [...busy].sort((a, b) => a[1] - b[1])[0] ?? [];
    if (!idle) return void response.writeHead(502).end();
    busy.set(idle, (busy.get(idle) ?? 0) + 1);
    try {
      if (options.mode === 'BUFFERED') await answerWhole(idle, event, response);
      else await answerStreamed(idle, event, response);
    } finally {
      busy.set(idle, (busy.get(idle) ?? 1) - 1);
    }
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answerWhole(
  target: FunctionEnvironment,
  event: unknown,
  response: ServerResponse,
): Promise<void> {
  const { error, body } = await target.invoke(event);
  if (error) return void response.writeHead(502).end('Internal Server Error');
  const result = JSON.parse(body.toString('utf8')) as Prelude & { body?: string; isBase64Encoded?: boolean };
  response.writeHead(result.statusCode ?? 200, headersOf(result));
  response.end(Buffer.from(result.body ?? '', result.isBase64Encoded ? 'base64' : 'utf8'));
}

async function answerStreamed(
  target: FunctionEnvironment,
  event: unknown,
  response: ServerResponse,
): Promise<void> {
  let unread: Buffer | null = Buffer.alloc(0);
  const onChunk = (chunk: Buffer, contentType: string) => {
    if (unread === null) return void response.write(chunk);
    if (contentType !== PRELUDE_TYPE) {
      unread = null;
      response.writeHead(200, { 'content-type': contentType });
      return void response.write(chunk);
    }
    unread = Buffer.concat([unread, chunk]);
    const end = unread.indexOf(DELIMITER);
    if (end < 0) return;
    const prelude = JSON.parse(unread.subarray(0, end).toString('utf8')) as Prelude;
    const rest = unread.subarray(end + DELIMITER.length);
    unread = null;
    response.writeHead(prelude.statusCode ?? 200, headersOf(prelude));
    response.flushHeaders();
    if (rest.length > 0) response.write(rest);
  };
  const { error } = await target.invoke(event, { onChunk });
  if (error && !response.headersSent) response.writeHead(502);
  else if (error) return void response.destroy();
  response.end();
}

function headersOf(prelude: Prelude): OutgoingHttpHeaders {
  const { 'transfer-encoding': _, 'content-length': __, ...headers } = prelude.headers ?? {};
  return prelude.cookies?.length ? { ...headers, 'set-cookie': [...prelude.cookies] } : headers;
}

async function eventOf(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'function'}`);
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(',') : (value ?? ''),
    ]),
  );
  const now = new Date();
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: url.pathname,
    rawQueryString: url.search.slice(1),
    headers: { ...headers, 'x-forwarded-proto': 'http' },
    ...(url.search ? { queryStringParameters: Object.fromEntries(url.searchParams) } : {}),
    requestContext: {
      accountId: 'anonymous',
      apiId: 'local',
      domainName: request.headers.host ?? 'localhost',
      domainPrefix: 'local',
      http: {
        method: request.method,
        path: url.pathname,
        protocol: 'HTTP/1.1',
        sourceIp: request.socket.remoteAddress ?? '127.0.0.1',
        userAgent: request.headers['user-agent'] ?? '',
      },
      requestId: randomUUID(),
      routeKey: '$default',
      stage: '$default',
      time: now.toUTCString(),
      timeEpoch: now.getTime(),
    },
    ...(parts.length > 0 ? { body: Buffer.concat(parts).toString('base64') } : {}),
    isBase64Encoded: parts.length > 0,
  };
}
