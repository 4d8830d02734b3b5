// Stands before DynamoDB Local, which checks neither signatures nor rights: what the caller's policies do not allow is refused
// as DynamoDB refuses it, and the rest is passed on.
import { bodyOf, serveLoopback } from '../loopback.ts';
import type { StandIn } from '../process.ts';
import { signatureFault } from '../verify-signature.ts';
import type { Keyring } from './keyring.ts';
import { type IamNames, iamRequestsOf } from './requests.ts';

export interface DynamoDbGateOptions {
  readonly target: string;
  readonly keyring: Keyring;
  readonly names: IamNames;
  readonly region: string;
  /** The key that the server behind it keeps the tables under. */
  readonly accessKeyId: string;
}

const KEY_ID = /Credential=([^/,\s]+)\//;

export async function startDynamoDbGate(options: DynamoDbGateOptions): Promise<StandIn> {
  const { target, keyring, names, region, accessKeyId } = options;
  return await serveLoopback(async (request, response) => {
    const body = await bodyOf(request);
    const refuse = (type: string, message: string) =>
      response
        .writeHead(400, { 'content-type': 'application/x-amz-json-1.0' })
        .end(JSON.stringify({ __type: `com.amazon.coral.service#${type}`, message }));
    const authorization = String(request.headers.authorization ?? '');
    const principal = keyring.find(KEY_ID.exec(authorization)?.[1] ?? '');
    if (!principal) return void refuse('UnrecognizedClientException', 'The security token is invalid.');
    const received = {
      method: request.method ?? '',
      target: request.url ?? '/',
      headers: request.headers,
      body,
    };
    const fault = signatureFault(received, principal, { region, service: 'dynamodb', nowMs: Date.now() });
    if (fault !== null) return void refuse('InvalidSignatureException', fault);
    const operation = String(request.headers['x-amz-target'] ?? '').replace(/^.*\./, '');
    const asked = iamRequestsOf(`${operation}Command`, JSON.parse(body.toString('utf8')), names);
    if (!asked.every((one) => principal.allows(one))) {
      return void refuse(
        'AccessDeniedException',
        `${principal.name} is not authorized to perform ${operation}`,
      );
    }
    const answer = await fetch(new URL(request.url ?? '/', target), {
      method: request.method ?? 'POST',
      headers: {
        'content-type': String(request.headers['content-type'] ?? ''),
        'x-amz-target': String(request.headers['x-amz-target'] ?? ''),
        'x-amz-date': String(request.headers['x-amz-date'] ?? ''),
        authorization: authorization.replace(KEY_ID, `Credential=${accessKeyId}/`),
      },
      body,
    });
    const { status } = answer;
    const type = answer.headers.get('content-type') ?? 'application/x-amz-json-1.0';
    const sum = answer.headers.get('x-amz-crc32');
    response.writeHead(status, { 'content-type': type, ...(sum === null ? {} : { 'x-amz-crc32': sum }) });
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
}
