// A small, strict S3 in this process: signatures and digests checked, conditions exact, parts, ranges, listings.
// Path-style addresses only. It keeps everything in memory and knows no versions, tags, policies or lifecycles; what
// it does not know it refuses. It passes the same contract as Ceph's gateway.
import '../../../src/node-version.ts';

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IamRequest } from '../iam/evaluate.ts';
import type { Keyring } from '../iam/keyring.ts';
import { bodyOf, serveLoopback } from '../loopback.ts';
import type { StandIn } from '../process.ts';
import { type Bucket, createBucket, type StoredObject } from './bucket.ts';
import { badRequest, denied, failedCondition, noSuchBucket, S3Error } from './errors.ts';
import { readPayload } from './payload.ts';
import { accessKeyOf, type Credentials, checkSignature } from './signature.ts';
import { contentsOf, document, element, textOf, unescapeXml } from './xml.ts';

const MAX_KEY_BYTES = 1_024;
const MAX_KEYS = 1_000;

export interface S3Server extends StandIn {
  readonly credentials: Credentials;
  /** A bucket's contents without a network; made if it is not there. */
  bucket(name: string): Bucket;
  /** GetObject calls answered so far. */
  readonly objectReads: number;
}

interface Call {
  readonly request: IncomingMessage;
  readonly query: URLSearchParams;
  readonly bucketName: string;
  readonly key: string;
  readonly payloadHash: string;
  readonly raw: Buffer;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface S3ServerOptions {
  readonly credentials?: Credentials;
  /** Besides the credentials, which may do everything: keys with the rights of their policies. */
  readonly iam?: { readonly keyring: Keyring; readonly bucketArn: (name: string) => string };
  readonly port?: number;
}

export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const credentials = options.credentials ?? { accessKeyId: 'test', secretAccessKey: 'test' };
  const buckets = new Map<string, Bucket>();
  let objectReads = 0;

  function find(name: string): Bucket {
    const bucket = buckets.get(name);
    if (!bucket) throw noSuchBucket();
    return bucket;
  }

  function onBucket({ request, query, bucketName, raw, payloadHash }: Call): Answer {
    const unknown = ['versioning', 'lifecycle', 'tagging', 'policy', 'acl', 'encryption'].find((name) =>
      query.has(name),
    );
    if (unknown) throw new S3Error(501, 'NotImplemented', `This stand-in has no ${unknown}.`);
    switch (request.method) {
      case 'PUT':
        if (!buckets.has(bucketName)) buckets.set(bucketName, createBucket());
        return { status: 200, headers: { location: `/${bucketName}` } };
      case 'HEAD':
        find(bucketName);
        return { status: 200 };
      case 'DELETE':
        if (find(bucketName).objects.size > 0)
          throw new S3Error(409, 'BucketNotEmpty', 'The bucket you tried to delete is not empty');
        buckets.delete(bucketName);
        return { status: 204 };
      case 'GET':
        return query.has('uploads')
          ? listUploads(find(bucketName))
          : listObjects(find(bucketName), bucketName, query);
      case 'POST':
        if (query.has('delete'))
          return deleteObjects(find(bucketName), readPayload(raw, request.headers, payloadHash).body);
    }
    throw new S3Error(405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.');
  }

  function onObject(call: Call): Answer {
    const { request, query, key } = call;
    const bucket = find(call.bucketName);
    if (Buffer.byteLength(key) > MAX_KEY_BYTES)
      throw new S3Error(400, 'KeyTooLongError', 'Your key is too long');
    if (query.has('tagging') || query.has('acl'))
      throw new S3Error(501, 'NotImplemented', 'This stand-in has no tags.');
    const uploadId = query.get('uploadId');
    switch (request.method) {
      case 'GET':
        if (uploadId !== null) return listParts(bucket, uploadId);
        objectReads += 1;
        return getObject(bucket.find(key), request, query);
      case 'HEAD':
        return { ...getObject(bucket.find(key), request, query), body: '' };
      case 'DELETE':
        if (uploadId === null) bucket.remove(key, header(request, 'if-match'));
        else bucket.abort(uploadId);
        return { status: 204 };
      case 'PUT':
        return uploadId === null ? putObject(bucket, call) : putPart(bucket, uploadId, call);
      case 'POST':
        if (query.has('uploads')) return createUpload(bucket, call);
        if (uploadId !== null) return completeUpload(bucket, uploadId, call);
    }
    throw new S3Error(405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.');
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    // Read first, whatever the answer: a client that is still sending would see a broken connection instead.
    const raw = await bodyOf(request);
    let answer: Answer;
    try {
      const principal = options.iam?.keyring.find(accessKeyOf(request, url));
      const payloadHash = checkSignature(request, url, principal ?? credentials);
      const [bucketName = '', ...rest] = (request.url ?? '/').split('?')[0]!.slice(1).split('/');
      const key = decodeURIComponent(rest.join('/'));
      const call = {
        request,
        query: url.searchParams,
        bucketName: decodeURIComponent(bucketName),
        key,
        payloadHash,
        raw,
      };
      if (options.iam && principal) {
        const bucketArn = options.iam.bucketArn(call.bucketName);
        const stored = buckets.get(call.bucketName)?.objects.get(call.key);
        const asked = [...askedOf(call, bucketArn), ...askedOfKms(call, stored)];
        if (!asked.every((one) => principal.allows(one))) {
          throw denied('AccessDenied', 'Access Denied');
        }
      }
      answer = key === '' ? onBucket(call) : onObject(call);
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      const headers = { 'content-type': 'application/xml' };
      answer = { status: error.status, headers, body: error.status === 304 ? '' : error.body() };
    }
    const body = answer.body ?? '';
    const length = request.method === 'HEAD' ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    response.writeHead(answer.status, { 'x-amz-request-id': 'local', ...length, ...answer.headers });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  const server = await serveLoopback(handle, options.port);
  return {
    ...server,
    credentials,
    get objectReads() {
      return objectReads;
    },
    bucket(name) {
      const there = buckets.get(name) ?? createBucket();
      buckets.set(name, there);
      return there;
    },
  };
}

/** What IAM is asked for by a call. */
function askedOf({ request, query, key, raw, payloadHash }: Call, bucketArn: string): readonly IamRequest[] {
  if (key !== '') {
    const verb = query.has('uploadId') && request.method === 'DELETE' ? 'AbortMultipartUpload' : undefined;
    const plain = {
      GET: 'GetObject',
      HEAD: 'GetObject',
      PUT: 'PutObject',
      POST: 'PutObject',
      DELETE: 'DeleteObject',
    };
    const action = verb ?? plain[request.method as keyof typeof plain] ?? String(request.method);
    return [{ action: `s3:${action}`, resource: `${bucketArn}/${key}` }];
  }
  if (request.method === 'POST' && query.has('delete')) {
    const asked = readPayload(raw, request.headers, payloadHash).body.toString('utf8');
    return contentsOf(asked, 'Object').map((object) => ({
      action: 's3:DeleteObject',
      resource: `${bucketArn}/${textOf(object, 'Key') ?? ''}`,
    }));
  }
  const prefix = query.get('prefix');
  const context = prefix === null ? {} : { context: { 's3:prefix': [prefix] } };
  return [
    {
      action: request.method === 'GET' ? 's3:ListBucket' : `s3:${request.method}Bucket`,
      resource: bucketArn,
      ...context,
    },
  ];
}

const ENCRYPTION = 'x-amz-server-side-encryption';

/** What KMS is asked for in the caller's name, to write or read an object under a key of somebody's own. */
function askedOfKms({ request, query }: Call, stored: StoredObject | undefined): readonly IamRequest[] {
  const isWrite = request.method === 'PUT' || (request.method === 'POST' && query.has('uploads'));
  const from = isWrite ? request.headers : request.method === 'GET' ? (stored?.metadata ?? {}) : {};
  if (from[ENCRYPTION] !== 'aws:kms') return [];
  const pairs = JSON.parse(
    Buffer.from(String(from[`${ENCRYPTION}-context`] ?? 'e30='), 'base64').toString(),
  ) as Record<string, string>;
  const context = Object.entries(pairs).map(([name, value]) => [`kms:EncryptionContext:${name}`, [value]]);
  return [
    {
      action: isWrite ? 'kms:GenerateDataKey' : 'kms:Decrypt',
      resource: String(from[`${ENCRYPTION}-aws-kms-key-id`]),
      context: { ...Object.fromEntries(context), 'kms:ViaService': ['s3.eu-central-1.amazonaws.com'] },
    },
  ];
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function metadataOf(request: IncomingMessage): Record<string, string> {
  // How it is encrypted is told with every answer, as what the writer noted about it is.
  const entries = Object.entries(request.headers).filter(([name]) =>
    /^x-amz-(meta-|server-side-encryption)/.test(name),
  );
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}

function conditionsOf(request: IncomingMessage) {
  return { ifNoneMatch: header(request, 'if-none-match'), ifMatch: header(request, 'if-match') };
}

const xml = (body: string): Answer => ({ status: 200, headers: { 'content-type': 'application/xml' }, body });

function putObject(bucket: Bucket, { request, key, raw, payloadHash }: Call): Answer {
  if (header(request, 'x-amz-copy-source') !== undefined)
    throw new S3Error(501, 'NotImplemented', 'This stand-in does not copy.');
  const { body, checksum } = readPayload(raw, request.headers, payloadHash);
  const contentType = header(request, 'content-type') ?? 'application/octet-stream';
  const value = { body, checksum, contentType, metadata: metadataOf(request) };
  const stored = bucket.put(key, value, conditionsOf(request));
  const sum = checksum ? { [`x-amz-checksum-${checksum.name}`]: checksum.value } : {};
  return { status: 200, headers: { etag: stored.etag, ...sum } };
}

/** Start and end (exclusive) of a range of `size` bytes; null when the header asks for the whole. */
function rangeOf(range: string | undefined, size: number): { start: number; end: number } | null {
  const found = /^bytes=(\d*)-(\d*)$/.exec(range ?? '');
  if (!found || (found[1] === '' && found[2] === '')) return null;
  const start = found[1] === '' ? Math.max(0, size - Number(found[2])) : Number(found[1]);
  const end = found[1] === '' || found[2] === '' ? size : Math.min(size, Number(found[2]) + 1);
  if (start >= size || end <= start)
    throw new S3Error(416, 'InvalidRange', 'The requested range is not satisfiable');
  return { start, end };
}

/** A reader may say how the answer describes the object; S3 takes that from signed requests only. */
function saidOf(query: URLSearchParams): Record<string, string> {
  const names = ['content-type', 'content-disposition'];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = query.get(`response-${name}`);
      return value === null ? [] : [[name, value]];
    }),
  );
}

function getObject(object: StoredObject, request: IncomingMessage, query: URLSearchParams): Answer {
  const match = header(request, 'if-match');
  if (match !== undefined && match !== object.etag) throw failedCondition();
  if (header(request, 'if-none-match') === object.etag) throw new S3Error(304, 'NotModified', '');
  const range = rangeOf(header(request, 'range'), object.body.length);
  const { start, end } = range ?? { start: 0, end: object.body.length };
  const { checksum } = object;
  const wanted = checksum && !range && header(request, 'x-amz-checksum-mode') === 'ENABLED';
  return {
    status: range ? 206 : 200,
    headers: {
      etag: object.etag,
      'content-type': object.contentType,
      'content-length': String(end - start),
      'last-modified': new Date(object.modifiedAtMs).toUTCString(),
      'accept-ranges': 'bytes',
      ...object.metadata,
      ...saidOf(query),
      ...(range && { 'content-range': `bytes ${start}-${end - 1}/${object.body.length}` }),
      ...(wanted && {
        [`x-amz-checksum-${checksum.name}`]: checksum.value,
        'x-amz-checksum-type': checksum.value.includes('-') ? 'COMPOSITE' : 'FULL_OBJECT',
      }),
    },
    body: object.body.subarray(start, end),
  };
}

function listObjects(bucket: Bucket, name: string, query: URLSearchParams): Answer {
  if (query.get('list-type') !== '2')
    throw new S3Error(501, 'NotImplemented', 'This stand-in has only version 2 listings.');
  const encode = (value: string) =>
    query.get('encoding-type') === 'url' ? encodeURIComponent(value).replaceAll('%2F', '/') : value;
  const token = query.get('continuation-token');
  const prefix = query.get('prefix') ?? '';
  const max = Math.min(Number(query.get('max-keys') ?? MAX_KEYS), MAX_KEYS);
  const after =
    token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64url').toString();
  const page = bucket.list({ prefix, after, max, delimiter: query.get('delimiter') ?? '' });
  return xml(
    document('ListBucketResult', [
      element('Name', name),
      element('Prefix', encode(prefix)),
      element('KeyCount', page.contents.length + page.prefixes.length),
      element('MaxKeys', max),
      element('IsTruncated', page.next !== null),
      ...(page.next === null
        ? []
        : [element('NextContinuationToken', Buffer.from(page.next).toString('base64url'))]),
      ...page.contents.map(({ key, object }) =>
        element('Contents', [
          element('Key', encode(key)),
          element('LastModified', new Date(object.modifiedAtMs).toISOString()),
          element('ETag', object.etag),
          element('Size', object.body.length),
          element('StorageClass', 'STANDARD'),
        ]),
      ),
      ...page.prefixes.map((common) => element('CommonPrefixes', [element('Prefix', encode(common))])),
    ]),
  );
}

function deleteObjects(bucket: Bucket, body: Buffer): Answer {
  const asked = body.toString('utf8');
  const keys = contentsOf(asked, 'Object').map((object) => textOf(object, 'Key') ?? '');
  if (keys.length === 0 || keys.length > MAX_KEYS)
    throw new S3Error(400, 'MalformedXML', 'Between 1 and 1000 keys can be deleted at once.');
  for (const key of keys) bucket.remove(key);
  const quiet = textOf(asked, 'Quiet') === 'true';
  return xml(
    document('DeleteResult', quiet ? [] : keys.map((key) => element('Deleted', [element('Key', key)]))),
  );
}

function createUpload(bucket: Bucket, { request, key, bucketName }: Call): Answer {
  const contentType = header(request, 'content-type') ?? 'application/octet-stream';
  const { id } = bucket.createUpload(key, contentType, metadataOf(request));
  const ids = [element('Bucket', bucketName), element('Key', key), element('UploadId', id)];
  return xml(document('InitiateMultipartUploadResult', ids));
}

function putPart(bucket: Bucket, uploadId: string, { request, query, raw, payloadHash }: Call): Answer {
  const number = Number(query.get('partNumber'));
  if (!(number >= 1 && number <= 10_000))
    throw badRequest('Part number must be an integer between 1 and 10000.');
  const { body, checksum } = readPayload(raw, request.headers, payloadHash);
  const part = bucket.putPart(uploadId, number, body, checksum);
  const sum = checksum ? { [`x-amz-checksum-${checksum.name}`]: checksum.value } : {};
  return { status: 200, headers: { etag: part.etag, ...sum } };
}

function completeUpload(bucket: Bucket, uploadId: string, { request, bucketName, raw }: Call): Answer {
  const named = contentsOf(raw.toString('utf8'), 'Part').map((part) => ({
    number: Number(textOf(part, 'PartNumber')),
    etag: unescapeXml(textOf(part, 'ETag') ?? ''),
    checksum: textOf(part, 'ChecksumCRC32') ?? textOf(part, 'ChecksumSHA256') ?? textOf(part, 'ChecksumSHA1'),
  }));
  const { key, stored } = bucket.complete(uploadId, named, conditionsOf(request));
  const about = [element('Bucket', bucketName), element('Key', key), element('ETag', stored.etag)];
  return xml(document('CompleteMultipartUploadResult', about));
}

function listParts(bucket: Bucket, uploadId: string): Answer {
  const parts = [...bucket.upload(uploadId).parts.values()].sort((a, b) => a.number - b.number);
  return xml(
    document('ListPartsResult', [
      element('UploadId', uploadId),
      ...parts.map((part) =>
        element('Part', [
          element('PartNumber', part.number),
          element('ETag', part.etag),
          element('Size', part.body.length),
        ]),
      ),
    ]),
  );
}

function listUploads(bucket: Bucket): Answer {
  const uploads = [...bucket.uploads.values()];
  return xml(
    document(
      'ListMultipartUploadsResult',
      uploads.map(({ id, key }) => element('Upload', [element('Key', key), element('UploadId', id)])),
    ),
  );
}
