// A request's body: taken out of `aws-chunked` framing where it is in one, and checked against every digest the
// client gave. What does not match is refused before anything is stored.
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { crc32 } from 'node:zlib';
import { badDigest, badRequest, S3Error } from './errors.ts';

export interface Checksum {
  /** As in the header: `crc32`, `sha256`, `sha1`. */
  readonly name: string;
  readonly value: string;
}

const ALGORITHMS: Readonly<Record<string, (body: Uint8Array) => Buffer>> = {
  crc32: (body) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(crc32(body));
    return bytes;
  },
  sha256: (body) => createHash('sha256').update(body).digest(),
  sha1: (body) => createHash('sha1').update(body).digest(),
};

export function checksum(name: string, body: Uint8Array): string {
  const algorithm = ALGORITHMS[name];
  if (!algorithm) throw new S3Error(501, 'NotImplemented', `This stand-in does not know ${name}.`);
  return algorithm(body).toString('base64');
}

/** The composite checksum of a multipart object: over its parts' checksums. */
export function compositeChecksum(name: string, parts: readonly string[]): string {
  const all = Buffer.concat(parts.map((part) => Buffer.from(part, 'base64')));
  return `${checksum(name, all)}-${parts.length}`;
}

export function readPayload(
  raw: Buffer,
  headers: IncomingHttpHeaders,
  payloadHash: string,
): { body: Buffer; checksum: Checksum | null } {
  const streaming = payloadHash.startsWith('STREAMING-');
  const { body, trailers } = streaming ? unchunk(raw) : { body: raw, trailers: {} };
  const decoded = headers['x-amz-decoded-content-length'];
  if (decoded !== undefined && Number(decoded) !== body.length) {
    throw new S3Error(400, 'IncompleteBody', 'The body is not as long as announced.');
  }
  if (!streaming && /^[0-9a-f]{64}$/.test(payloadHash)) {
    if (createHash('sha256').update(body).digest('hex') !== payloadHash) {
      throw new S3Error(
        400,
        'XAmzContentSHA256Mismatch',
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
      );
    }
  }
  const md5 = headers['content-md5'];
  if (md5 !== undefined && createHash('md5').update(body).digest('base64') !== md5)
    throw badDigest('Content-MD5');
  let found: Checksum | null = null;
  for (const [header, value] of Object.entries({ ...headers, ...trailers })) {
    const name = /^x-amz-checksum-(crc32|crc32c|crc64nvme|sha1|sha256)$/.exec(header)?.[1];
    if (name === undefined) continue;
    if (checksum(name, body) !== value) throw badDigest(name.toUpperCase());
    found = { name, value: String(value) };
  }
  return { body, checksum: found };
}

/** `size[;signature]\r\n data \r\n ... 0\r\n name:value\r\n \r\n` */
function unchunk(raw: Buffer): { body: Buffer; trailers: Record<string, string> } {
  const parts: Buffer[] = [];
  let at = 0;
  const line = () => {
    const end = raw.indexOf('\r\n', at);
    if (end < 0) throw badRequest('The chunked body is cut off.');
    const text = raw.toString('latin1', at, end);
    at = end + 2;
    return text;
  };
  for (;;) {
    const size = Number.parseInt(line(), 16);
    if (!(size >= 0)) throw badRequest('The chunked body is malformed.');
    if (size === 0) break;
    parts.push(raw.subarray(at, at + size));
    at += size + 2;
  }
  const trailers: Record<string, string> = {};
  while (at < raw.length) {
    const text = line();
    const colon = text.indexOf(':');
    if (colon > 0) trailers[text.slice(0, colon).trim().toLowerCase()] = text.slice(colon + 1).trim();
  }
  return { body: Buffer.concat(parts), trailers };
}
