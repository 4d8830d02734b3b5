// Checks a Signature Version 4 the way a service does: from the request as it came over the wire, by the published
// steps, with none of the code that signs. https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export interface ReceivedRequest {
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Uint8Array;
}

export interface KnownKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

const SKEW_MS = 5 * 60_000;
const MUST_BE_SIGNED = ['host', 'x-amz-date'];

/** null when the signature holds; otherwise what is wrong with it. */
export function signatureFault(
  request: ReceivedRequest,
  key: KnownKey,
  expected: { readonly region: string; readonly service: string; readonly nowMs: number },
): string | null {
  const header = (name: string): string => {
    const value = request.headers[name];
    return Array.isArray(value) ? value.join(',') : (value ?? '');
  };
  const form =
    /^AWS4-HMAC-SHA256 Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/.exec(
      header('authorization'),
    );
  if (!form) return 'no signature of this form';
  const [, credential = '', list = '', signature = ''] = form;
  const [keyId, day, region, service, end] = credential.split('/');
  if (keyId !== key.accessKeyId) return 'unknown key';
  if (region !== expected.region || service !== expected.service || end !== 'aws4_request')
    return 'wrong scope';

  const moment = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(header('x-amz-date'));
  if (!moment || !header('x-amz-date').startsWith(day ?? ' ')) return 'no date';
  const [, year, month, date, hour, minute, second] = moment;
  const signedAtMs = Date.parse(`${year}-${month}-${date}T${hour}:${minute}:${second}Z`);
  if (Math.abs(signedAtMs - expected.nowMs) > SKEW_MS) return 'too old';

  const names = list.split(';');
  const missing = [
    ...MUST_BE_SIGNED,
    ...Object.keys(request.headers).filter((name) => name.startsWith('x-amz-')),
  ];
  if (missing.some((name) => !names.includes(name))) return 'a header that must be signed is not';
  if (key.sessionToken !== undefined && header('x-amz-security-token') !== key.sessionToken)
    return 'wrong session';
  if (names.join() !== [...names].sort().join()) return 'headers out of order';

  const [path = '', query = ''] = request.target.split('?', 2);
  const bodyHash = sha256(request.body);
  if (header('x-amz-content-sha256') !== '' && header('x-amz-content-sha256') !== bodyHash)
    return 'wrong body hash';
  const canonical = [
    request.method,
    // Every segment is encoded once more than it is on the wire.
    path.split('/').map(encoded).join('/'),
    canonicalQuery(query),
    ...names.map((name) => `${name}:${header(name).trim().replace(/\s+/g, ' ')}`),
    '',
    list,
    bodyHash,
  ].join('\n');
  const scope = [day, region, service, end].join('/');
  const toSign = ['AWS4-HMAC-SHA256', header('x-amz-date'), scope, sha256(canonical)].join('\n');
  const signingKey = [day, region, service, end].reduce<string | Buffer>(
    (secret, part) =>
      createHmac('sha256', secret)
        .update(part ?? '')
        .digest(),
    `AWS4${key.secretAccessKey}`,
  );
  const right = createHmac('sha256', signingKey).update(toSign).digest();
  return timingSafeEqual(right, Buffer.from(signature, 'hex')) ? null : 'the signature does not match';
}

function canonicalQuery(query: string): string {
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [name = '', value = ''] = pair.split('=', 2);
      return `${encoded(decodeURIComponent(name))}=${encoded(decodeURIComponent(value))}`;
    })
    .sort()
    .join('&');
}

/** All but `A-Z a-z 0-9 - . _ ~`. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
