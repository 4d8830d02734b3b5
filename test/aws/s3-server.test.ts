// Our S3 stand-in held to what S3 does: signatures, digests, conditions, ranges, parts. Where Ceph is installed the
// contract suite runs over both; this is what the contract cannot see.

import { Readable } from 'node:stream';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, expect, test } from 'vitest';
import { localAws } from '../../testing/aws/dynamodb-local.ts';
import { startS3Server } from '../../testing/aws/s3/server.ts';

const server = await startS3Server();
const connection = { ...localAws, endpoint: server.endpoint, forcePathStyle: true, maxAttempts: 1 };
const client = new S3Client(connection);
const Bucket = 'b';
const bucket = server.bucket(Bucket);

afterAll(async () => {
  client.destroy();
  await server.close();
});

/** `name/status` of the error, or `ok`. */
async function answer(asked: Promise<unknown>): Promise<string> {
  try {
    await asked;
    return 'ok';
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } };
    return `${name}/${$metadata?.httpStatusCode}`;
  }
}

const put = (Key: string, Body: string, more: object = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const get = (Key: string, more: object = {}) => client.send(new GetObjectCommand({ Bucket, Key, ...more }));

test('a wrong secret, an unknown key and no signature are turned away', async () => {
  await put('k', 'x');
  const asked = async (accessKeyId: string, secretAccessKey: string) => {
    const other = new S3Client({ ...connection, credentials: { accessKeyId, secretAccessKey } });
    return answer(other.send(new GetObjectCommand({ Bucket, Key: 'k' }))).finally(() => other.destroy());
  };
  expect(await asked('test', 'wrong')).toBe('SignatureDoesNotMatch/403');
  expect(await asked('nobody', 'test')).toBe('InvalidAccessKeyId/403');
  expect((await fetch(`${server.endpoint}/b/k`)).status).toBe(403);
});

test('digests: kept and given back, wrong ones refused, also behind a streamed body', async () => {
  const stored = await put('sum', 'hello');
  expect(stored.ChecksumCRC32).toBe('NhCmhg==');
  expect((await get('sum', { ChecksumMode: 'ENABLED' })).ChecksumCRC32).toBe('NhCmhg==');
  expect(await answer(put('wrong', 'hello', { ChecksumCRC32: 'AAAAAA==' }))).toBe('BadDigest/400');
  expect(await answer(get('wrong'))).toBe('NoSuchKey/404');
  const Body = Readable.from([Buffer.from('hel'), Buffer.from('lo')]);
  await client.send(new PutObjectCommand({ Bucket, Key: 'stream', Body, ContentLength: 5 }));
  expect(bucket.find('stream').checksum).toEqual({ name: 'crc32', value: 'NhCmhg==' });
});

test('conditions on writes and reads', async () => {
  const first = await put('c', '1', { IfNoneMatch: '*' });
  expect(await answer(put('c', '2', { IfNoneMatch: '*' }))).toBe('PreconditionFailed/412');
  expect(await answer(put('c', '2', { IfMatch: first.ETag }))).toBe('ok');
  expect(await answer(put('c', '3', { IfMatch: first.ETag }))).toBe('PreconditionFailed/412');
  expect(await answer(put('none', '3', { IfMatch: first.ETag }))).toBe('NoSuchKey/404');
  expect(await answer(get('c', { IfMatch: first.ETag }))).toBe('PreconditionFailed/412');
  const { ETag } = await client.send(new HeadObjectCommand({ Bucket, Key: 'c' }));
  expect(await answer(get('c', { IfNoneMatch: ETag }))).toMatch(/\/304$/);
});

test('ranges', async () => {
  await put('r', '0123456789');
  const read = async (Range: string) => {
    const found = await get('r', { Range });
    return [await found.Body?.transformToString(), found.ContentRange];
  };
  expect(await read('bytes=1-3')).toEqual(['123', 'bytes 1-3/10']);
  expect(await read('bytes=8-99')).toEqual(['89', 'bytes 8-9/10']);
  expect(await read('bytes=-2')).toEqual(['89', 'bytes 8-9/10']);
  expect(await answer(get('r', { Range: 'bytes=10-11' }))).toBe('InvalidRange/416');
});

test('uploads in parts: small parts and wrong parts refused, the condition looked at on completion', async () => {
  const start = async (Key: string) => {
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    return { Bucket, Key, UploadId };
  };
  const part = async (at: Awaited<ReturnType<typeof start>>, PartNumber: number, Body: string) => {
    const { ETag } = await client.send(new UploadPartCommand({ ...at, PartNumber, Body }));
    return { PartNumber, ETag };
  };
  const complete = (at: object, Parts: object[], more: object = {}) =>
    answer(
      client.send(
        new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts }, ...more } as never),
      ),
    );
  const small = await start('small');
  const parts = [await part(small, 1, 'a'), await part(small, 2, 'b')];
  expect(await complete(small, parts)).toBe('EntityTooSmall/400');
  expect(await complete(small, [...parts].reverse())).toBe('InvalidPartOrder/400');
  expect(await complete(small, [{ PartNumber: 1, ETag: '"nope"' }])).toBe('InvalidPart/400');
  expect(await complete(small, parts.slice(0, 1), { IfNoneMatch: '*' })).toBe('ok');
  const again = await start('small');
  expect(await complete(again, [await part(again, 1, 'c')], { IfNoneMatch: '*' })).toBe(
    'PreconditionFailed/412',
  );
  expect(bucket.find('small').body.toString()).toBe('a');
});

test('listings: byte order, pages, delimiter, absent bucket', async () => {
  for (const key of ['l/b', 'l/a/1', 'l/a/2', 'l/é', 'l/Z']) await put(key, 'x');
  const list = (more: object) => client.send(new ListObjectsV2Command({ Bucket, Prefix: 'l/', ...more }));
  const keys: (string | undefined)[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await list({ MaxKeys: 2, ...(ContinuationToken && { ContinuationToken }) });
    keys.push(...(page.Contents ?? []).map(({ Key }) => Key));
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken);
  expect(keys).toEqual(['l/Z', 'l/a/1', 'l/a/2', 'l/b', 'l/é']);
  const folders = await list({ Delimiter: '/' });
  expect(folders.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(['l/a/']);
  expect(await answer(client.send(new ListObjectsV2Command({ Bucket: 'none' })))).toBe('NoSuchBucket/404');
});
