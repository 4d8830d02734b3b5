// Lambda's own API as far as functions with tenant isolation are invoked: `Invoke` and `InvokeWithResponseStream`,
// signed requests only. What a function writes arrives as it is written. As on AWS a caller that goes away does not end
// the function. It knows no versions, and no asynchronous invocations.
// https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html (read 2026-11-22)
import type { IncomingMessage, ServerResponse } from 'node:http';
import { EventStreamCodec, type MessageHeaders } from '@smithy/core/event-streams';
import type { Keyring } from '../aws/iam/keyring.ts';
import { bodyOf, serveLoopback } from '../aws/loopback.ts';
import type { StandIn } from '../aws/process.ts';
import { S3Error } from '../aws/s3/errors.ts';
import { accessKeyOf, type Credentials, checkSignature } from '../aws/s3/signature.ts';
import type { FunctionError } from './runtime-api.ts';
import { type TenantEnvironments, TooManyEnvironments } from './tenant-environments.ts';

export interface InvokeServerOptions {
  readonly functions: Readonly<Record<string, TenantEnvironments>>;
  readonly credentials: Credentials;
  /** Besides the credentials: keys with the rights of their policies. */
  readonly iam?: { readonly keyring: Keyring; readonly functionArn: (name: string) => string };
  readonly port?: number;
}

const ROUTE =
  /^\/(?:2015-03-31\/functions\/([^/]+)\/invocations|2021-11-15\/functions\/([^/]+)\/response-streaming-invocations)$/;
const MAX_PAYLOAD_BYTES = 6 * 1024 * 1024;
const TENANT_ID = /^[a-zA-Z0-9._:/=+\-@ ]{1,256}$/;

/** An error as its documented status, header and body. */
class Refusal extends Error {
  readonly status: number;
  readonly type: string;
  readonly more: Readonly<Record<string, string>>;
  constructor(status: number, type: string, message: string, more: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.type = type;
    this.more = more;
  }
}

interface Call {
  readonly environments: TenantEnvironments;
  readonly tenantId: string;
  readonly event: unknown;
}

export async function startInvokeServer(options: InvokeServerOptions): Promise<StandIn> {
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // Read first, whatever the answer: a client that is still sending would see a broken connection instead.
    const body = await bodyOf(request);
    try {
      const { call, streams, isTrial } = read(options, request, body);
      if (isTrial) response.writeHead(204, VERSION).end();
      else if (streams) await answerStreamed(call, response);
      else await answerWhole(call, response);
    } catch (error) {
      refuse(response, refusalOf(error));
    }
  };
  return await serveLoopback(handle, options.port);
}

const VERSION = { 'x-amz-executed-version': '$LATEST' };

function read(
  { functions, credentials, iam }: InvokeServerOptions,
  request: IncomingMessage,
  body: Buffer,
): { readonly call: Call; readonly streams: boolean; readonly isTrial: boolean } {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const principal = iam?.keyring.find(accessKeyOf(request, url));
  checkSignature(request, url, principal ?? credentials, body);
  const [, whole, streamed] = ROUTE.exec(url.pathname) ?? [];
  const name = decodeURIComponent(whole ?? streamed ?? '').replace(/^arn:aws:lambda:[^:]*:\d*:function:/, '');
  const environments = functions[name];
  if (request.method !== 'POST' || !environments) {
    throw new Refusal(404, 'ResourceNotFoundException', `Function not found: ${name}`);
  }
  const asked = { action: 'lambda:InvokeFunction', resource: iam?.functionArn(name) ?? '' };
  if (principal && !principal.allows(asked)) {
    throw new Refusal(403, 'AccessDeniedException', `${principal.name} may not invoke ${name}`);
  }
  if (body.length > MAX_PAYLOAD_BYTES) {
    throw new Refusal(413, 'RequestTooLargeException', `${body.length} bytes exceed ${MAX_PAYLOAD_BYTES}.`);
  }
  const type = request.headers['x-amz-invocation-type'] ?? 'RequestResponse';
  if (type !== 'RequestResponse' && type !== 'DryRun') {
    throw new Refusal(400, 'InvalidParameterValueException', `This stand-in has no invocations as ${type}.`);
  }
  const tenantId = String(request.headers['x-amz-tenant-id'] ?? '');
  if (!TENANT_ID.test(tenantId)) {
    throw new Refusal(
      400,
      'InvalidParameterValueException',
      'The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request.',
    );
  }
  let event: unknown;
  try {
    event = body.length === 0 ? {} : JSON.parse(body.toString('utf8'));
  } catch {
    throw new Refusal(400, 'InvalidRequestContentException', 'Could not parse request body into json.');
  }
  return {
    call: { environments, tenantId, event },
    streams: streamed !== undefined,
    isTrial: type === 'DryRun',
  };
}

async function answerWhole({ environments, tenantId, event }: Call, response: ServerResponse): Promise<void> {
  const { error, body } = await environments.invoke(tenantId, event);
  response.writeHead(200, {
    ...VERSION,
    'content-type': 'application/json',
    ...(error ? { 'x-amz-function-error': 'Unhandled' } : {}),
  });
  response.end(error ? JSON.stringify(error) : body);
}

async function answerStreamed(
  { environments, tenantId, event }: Call,
  response: ServerResponse,
): Promise<void> {
  // The status is known once there is an environment: before that an error still has one of its own.
  const begin = () => {
    if (response.headersSent) return;
    response.writeHead(200, { ...VERSION, 'content-type': 'application/vnd.amazon.eventstream' });
  };
  const { error } = await environments.invoke(tenantId, event, (chunk) => {
    begin();
    response.write(eventOf('PayloadChunk', 'application/octet-stream', chunk));
  });
  begin();
  response.end(eventOf('InvokeComplete', 'application/json', Buffer.from(JSON.stringify(completion(error)))));
}

function completion(error: FunctionError | null): object {
  return error ? { ErrorCode: error.errorType, ErrorDetails: JSON.stringify(error) } : {};
}

const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
  (text) => Buffer.from(text, 'utf8'),
);

function eventOf(type: string, contentType: string, body: Uint8Array): Uint8Array {
  const headers: MessageHeaders = {
    ':message-type': { type: 'string', value: 'event' },
    ':event-type': { type: 'string', value: type },
    ':content-type': { type: 'string', value: contentType },
  };
  return codec.encode({ headers, body });
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof S3Error) {
    const type =
      error.code === 'InvalidAccessKeyId' ? 'UnrecognizedClientException' : 'InvalidSignatureException';
    return new Refusal(403, type, error.message);
  }
  if (error instanceof TooManyEnvironments) {
    return new Refusal(429, 'TooManyRequestsException', 'Rate Exceeded.', {
      Reason: 'ConcurrentInvocationLimitExceeded',
      Type: 'User',
    });
  }
  throw error;
}

function refuse(response: ServerResponse, { status, type, message, more }: Refusal): void {
  response.writeHead(status, { 'content-type': 'application/json', 'x-amzn-errortype': type });
  response.end(JSON.stringify({ message, ...more }));
}
