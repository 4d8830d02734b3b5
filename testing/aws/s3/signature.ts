// Signature Version 4, checked in full: in the header, or in the query of a presigned URL.
import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { denied } from './errors.ts';

const SKEW_MS = 15 * 60_000;
const MAX_EXPIRES_SEC = 604_800;

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of a session: shown with every request. */
  readonly sessionToken?: string;
}

interface Claim {
  readonly credential: string;
  readonly signedHeaders: string;
  readonly signature: string;
  readonly date: string;
  readonly payloadHash: string;
}

const sha256 = (value: string | Uint8Array) => createHash('sha256').update(value).digest('hex');
const hmac = (key: string | Buffer, value: string) => createHmac('sha256', key).update(value).digest();

function timeOf(date: string): number {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date)?.map(Number) ?? [];
  return Date.UTC(y ?? 0, (mo ?? 1) - 1, d, h, mi, s);
}

/** Whose key a request shows, in its header or in its query. */
export function accessKeyOf(request: IncomingMessage, url: URL): string {
  const header = /Credential=([^/,\s]+)\//.exec(request.headers.authorization ?? '')?.[1];
  return header ?? url.searchParams.get('X-Amz-Credential')?.split('/')[0] ?? '';
}

/**
 * Throws the 403 S3 would answer. Returns what the client said of its payload's hash. `body`: for other services than
 * S3, which do not send that hash along.
 */
export function checkSignature(
  request: IncomingMessage,
  url: URL,
  known: Credentials,
  body?: Uint8Array,
): string {
  const claim = claimOf(request, url, body);
  const [accessKeyId, day = '', region = '', service = ''] = claim.credential.split('/');
  if (accessKeyId !== known.accessKeyId) {
    throw denied('InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.');
  }
  const shown = request.headers['x-amz-security-token'] ?? url.searchParams.get('X-Amz-Security-Token');
  if (known.sessionToken !== undefined && shown !== known.sessionToken) {
    throw denied('InvalidToken', 'The provided token is malformed or otherwise invalid.');
  }
  const [path = '', rawQuery = ''] = (request.url ?? '').split('?');
  const query = rawQuery
    .split('&')
    .filter((pair) => pair !== '' && !pair.startsWith('X-Amz-Signature='))
    .map((pair) => (pair.includes('=') ? pair : `${pair}=`))
    .sort();
  const headers = claim.signedHeaders.split(';').map((name) => {
    const value = [request.headers[name] ?? ''].flat().join(',');
    return `${name}:${value.trim().replace(/ +/g, ' ')}\n`;
  });
  const canonical = [
    request.method,
    service === 's3' ? path : path.split('/').map(encodeURIComponent).join('/'),
    query.join('&'),
    headers.join(''),
    claim.signedHeaders,
    claim.payloadHash,
  ].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', claim.date, scope, sha256(canonical)].join('\n');
  const key = hmac(hmac(hmac(hmac(`AWS4${known.secretAccessKey}`, day), region), service), 'aws4_request');
  if (hmac(key, toSign).toString('hex') !== claim.signature) {
    throw denied(
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided.',
    );
  }
  return claim.payloadHash;
}

function claimOf(request: IncomingMessage, url: URL, body?: Uint8Array): Claim {
  const header = request.headers.authorization;
  if (header !== undefined) {
    const found =
      /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(header);
    const date = String(request.headers['x-amz-date'] ?? '');
    if (!found) throw denied('AccessDenied', 'The authorization header is malformed.');
    if (!(Math.abs(Date.now() - timeOf(date)) < SKEW_MS)) {
      throw denied(
        'RequestTimeTooSkewed',
        "The difference between the request time and the server's time is too large.",
      );
    }
    const named = request.headers['x-amz-content-sha256'];
    const payloadHash = body === undefined ? String(named ?? '') : sha256(body);
    return { credential: found[1]!, signedHeaders: found[2]!, signature: found[3]!, date, payloadHash };
  }
  const value = (name: string) => url.searchParams.get(name) ?? '';
  if (value('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256') throw denied('AccessDenied', 'Access Denied.');
  const date = value('X-Amz-Date');
  const expiresSec = Number(value('X-Amz-Expires'));
  if (!(expiresSec >= 1 && expiresSec <= MAX_EXPIRES_SEC)) {
    throw denied('AuthorizationQueryParametersError', 'X-Amz-Expires must be between 1 and 604800 seconds');
  }
  if (timeOf(date) > Date.now() + SKEW_MS) throw denied('AccessDenied', 'Request is not valid yet');
  if (!(Date.now() < timeOf(date) + expiresSec * 1_000)) throw denied('AccessDenied', 'Request has expired');
  const signed = value('X-Amz-SignedHeaders').split(';');
  const unsigned = Object.keys(request.headers).filter(
    (name) => (name === 'host' || name.startsWith('x-amz-')) && !signed.includes(name),
  );
  if (unsigned.length > 0) {
    throw denied('AccessDenied', 'There were headers present in the request which were not signed');
  }
  return {
    credential: value('X-Amz-Credential'),
    signedHeaders: value('X-Amz-SignedHeaders'),
    signature: value('X-Amz-Signature'),
    date,
    payloadHash: 'UNSIGNED-PAYLOAD',
  };
}
