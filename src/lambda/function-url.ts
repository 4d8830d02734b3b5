// Turns a function URL's event into a standard `Request`, and a standard `Response` into the function's answer: whole,
// or streamed piece by piece. https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html (read 2026-11-22)
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { APIGatewayProxyStructuredResultV2, LambdaFunctionURLEvent } from 'aws-lambda';

export function requestOf(event: LambdaFunctionURLEvent): Request {
  const { domainName, http } = event.requestContext;
  // Lambda itself writes this header: whatever a caller sent is gone.
  const scheme = event.headers['x-forwarded-proto'] === 'http' ? 'http' : 'https';
  const url = `${scheme}://${domainName}${event.rawPath}${event.rawQueryString ? `?${event.rawQueryString}` : ''}`;
  const headers = new Headers();
  for (const [name, value] of Object.entries(event.headers))
    if (value !== undefined) headers.set(name, value);
  if (event.cookies?.length) headers.set('cookie', event.cookies.join('; '));
  const body =
    event.body === undefined || http.method === 'GET' || http.method === 'HEAD'
      ? null
      : Buffer.from(event.body, event.isBase64Encoded ? 'base64' : 'utf8');
  return new Request(url, { method: http.method, headers, body });
}

export async function wholeAnswer(response: Response): Promise<APIGatewayProxyStructuredResultV2> {
  return {
    statusCode: response.status,
    headers: headersOf(response),
    body: Buffer.from(await response.arrayBuffer()).toString('base64'),
    isBase64Encoded: true,
  };
}

/** A part of Lambda's runtime, which provides it as the global `awslambda`. */
export interface ResponseStreams {
  from(
    stream: Writable,
    prelude: { statusCode: number; headers: Record<string, string>; cookies?: string[] },
  ): Writable;
}

/** Resolves when everything is written. When the client has gone, the body is cancelled and the function goes on. */
export async function streamAnswer(
  response: Response,
  stream: Writable,
  streams: ResponseStreams,
): Promise<void> {
  const { 'set-cookie': _, ...headers } = headersOf(response);
  const cookies = response.headers.getSetCookie();
  const prelude = { statusCode: response.status, headers, ...(cookies.length > 0 && { cookies }) };
  const out = streams.from(stream, prelude);
  // Lambda sends the status and headers with the first write, so an empty body needs a write, too.
  out.write('');
  const reader = response.body?.getReader();
  try {
    for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
      if (!out.write(next.value)) await drained(out);
    }
  } finally {
    await reader?.cancel();
    out.end();
  }
  await finished(out as never).catch(() => {});
}

async function drained(stream: Writable): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      stream.off('drain', done);
      stream.off('close', done);
      stream.off('error', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
    stream.on('error', done);
  });
}

function headersOf(response: Response): Record<string, string> {
  return Object.fromEntries(response.headers);
}
