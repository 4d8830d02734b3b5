// The Lambda Runtime API (2018-06-01) of one execution environment: a function's process asks for the next
// event here and posts its answer, whole or streamed. One invocation at a time, as on Lambda.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html (read 2026-11-22)
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FunctionError {
  readonly errorType: string;
  readonly errorMessage: string;
}

export interface InvocationResult {
  readonly error: FunctionError | null;
  /** The answer's bytes; those streamed before it failed, too. */
  readonly body: Buffer;
  readonly contentType: string;
}

export interface InvokeOptions {
  readonly timeoutMs: number;
  /** Of a function with tenant isolation. */
  readonly tenantId?: string;
  /** Gets the answer's pieces as they come. */
  readonly onChunk?: (chunk: Buffer, contentType: string) => void;
}

export interface RuntimeApi {
  /** host:port, for AWS_LAMBDA_RUNTIME_API. */
  readonly address: string;
  /** Hands one event to the function. Never rejects: what goes wrong is in the result. */
  invoke(event: unknown, options: InvokeOptions): Promise<InvocationResult>;
  /**
   * The process died: what it was doing ends with this error, and what waits, too, if it never asked for an event.
   * Returns how many wait for the next process.
   */
  fail(error: FunctionError): number;
  /** Resolves when nothing runs and the process asks for its next event, or when it has ended. */
  idle(): Promise<void>;
  /** When the process first asked for an event. */
  readonly readyAtMs: number | null;
  close(): Promise<void>;
}

interface Invocation {
  readonly id: string;
  readonly payload: string;
  readonly options: InvokeOptions;
  readonly chunks: Buffer[];
  contentType: string;
  deadlineMs: number;
  finish: (error: FunctionError | null) => void;
}

const PREFIX = '/2018-06-01/runtime';

export async function createRuntimeApi(options: {
  readonly functionName: string;
  readonly onTimeout: () => void;
}): Promise<RuntimeApi> {
  const queued: Invocation[] = [];
  let running: Invocation | null = null;
  let asking: ServerResponse | null = null;
  let readyAtMs: number | null = null;
  let asked = false;
  const idleWaiters: (() => void)[] = [];

  const handOver = () => {
    if (!asking || running) return;
    const next = queued.shift();
    if (!next) {
      for (const resolve of idleWaiters.splice(0)) resolve();
      return;
    }
    const response = asking;
    asking = null;
    running = next;
    next.deadlineMs = Date.now() + next.options.timeoutMs;
    const timer = setTimeout(() => {
      const seconds = (next.options.timeoutMs / 1000).toFixed(2);
      next.finish({ errorType: 'Sandbox.Timedout', errorMessage: `Task timed out after ${seconds} seconds` });
      options.onTimeout();
    }, next.options.timeoutMs);
    const finish = next.finish;
    next.finish = (error) => {
      clearTimeout(timer);
      if (running === next) running = null;
      finish(error);
      handOver();
    };
    render(next, response);
  };

  const render = (invocation: Invocation, response: ServerResponse) => {
    const { tenantId } = invocation.options;
    response.writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': invocation.id,
      'lambda-runtime-deadline-ms': String(invocation.deadlineMs),
      'lambda-runtime-invoked-function-arn': `arn:aws:lambda:us-east-1:000000000000:function:${options.functionName}`,
      'lambda-runtime-trace-id': 'Root=1-00000000-000000000000000000000000;Sampled=0',
      ...(tenantId === undefined ? {} : { 'lambda-runtime-aws-tenant-id': tenantId }),
    });
    response.end(invocation.payload);
  };

  const fail = (error: FunctionError): number => {
    asking = null;
    running?.finish(error);
    for (const resolve of idleWaiters.splice(0)) resolve();
    if (!asked) for (const waiting of queued.splice(0)) waiting.finish(error);
    asked = false;
    return queued.length;
  };

  const server = createServer((request, response) => {
    const path = (request.url ?? '').replace(PREFIX, '');
    if (request.method === 'GET' && path === '/invocation/next') {
      readyAtMs ??= Date.now();
      asked = true;
      // Whoever asks while one runs gets that one again.
      if (running) return render(running, response);
      asking = response;
      response.on('close', () => {
        if (asking === response) asking = null;
      });
      return handOver();
    }
    const answer = /^\/invocation\/([^/]+)\/(response|error)$/.exec(path);
    if (request.method === 'POST' && answer) {
      return void takeAnswer(request, response, running?.id === answer[1] ? running : null, answer[2] ?? '');
    }
    if (request.method === 'POST' && path === '/init/error') {
      return void bodyOf(request).then((body) => {
        response.writeHead(202).end('{}');
        const error = errorOf(body.toString('utf8'), 'Runtime.InitError');
        for (const waiting of queued.splice(0)) waiting.finish(error);
      });
    }
    request.resume();
    response.writeHead(404).end();
  });
  // A process waits for its next event for as long as it takes.
  server.requestTimeout = 0;
  // The client keeps its connection while an event is worked on, and does not expect it to be closed.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get readyAtMs() {
      return readyAtMs;
    },
    fail,
    idle: () =>
      new Promise((resolve) => {
        idleWaiters.push(resolve);
        handOver();
      }),
    invoke: (event, invokeOptions) =>
      new Promise((resolve) => {
        const invocation: Invocation = {
          id: randomUUID(),
          payload: JSON.stringify(event),
          options: invokeOptions,
          chunks: [],
          contentType: 'application/json',
          deadlineMs: 0,
          finish: (error) =>
            resolve({ error, body: Buffer.concat(invocation.chunks), contentType: invocation.contentType }),
        };
        queued.push(invocation);
        handOver();
      }),
    async close() {
      const gone = { errorType: 'Runtime.Closed', errorMessage: 'The environment was shut down.' };
      fail(gone);
      for (const waiting of queued.splice(0)) waiting.finish(gone);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function takeAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  invocation: Invocation | null,
  kind: string,
): Promise<void> {
  if (!invocation) {
    request.resume();
    response.writeHead(400).end('{"errorType":"InvalidRequestID"}');
    return;
  }
  invocation.contentType = request.headers['content-type'] ?? 'application/octet-stream';
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      invocation.chunks.push(chunk);
      if (kind === 'response') invocation.options.onChunk?.(chunk, invocation.contentType);
    }
  } catch {
    // The process died while it answered; its exit is reported by whoever watches the process.
    return;
  }
  response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"OK"}');
  const trailer = request.trailers['lambda-runtime-function-error-type'];
  if (kind === 'error') {
    invocation.finish(errorOf(Buffer.concat(invocation.chunks.splice(0)).toString('utf8'), 'Unhandled'));
  } else if (trailer) {
    const encoded = request.trailers['lambda-runtime-function-error-body'] ?? '';
    invocation.finish(errorOf(Buffer.from(encoded, 'base64').toString('utf8'), trailer));
  } else invocation.finish(null);
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}

function errorOf(text: string, type: string): FunctionError {
  try {
    const { errorType, errorMessage } = JSON.parse(text) as Partial<FunctionError>;
    return { errorType: errorType ?? type, errorMessage: errorMessage ?? '' };
  } catch {
    return { errorType: type, errorMessage: text };
  }
}
