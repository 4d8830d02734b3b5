// What a URL that we sign for an agent host is good for, and what it is not: over our own S3 server, and over Ceph's gateway
// where it is installed.
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPresignedObjects } from '../../src/host/lambda/presigned-objects.ts';
import { createS3FileTransfers } from '../../src/stores/s3/file-transfers.ts';
import { createS3ObjectStore } from '../../src/stores/s3/object-store.ts';
import { createS3Presigner, type S3PresignerOptions } from '../../src/stores/s3/presigner.ts';
import { startCephRgw } from '../../testing/aws/ceph-rgw.ts';
import { startS3Server } from '../../testing/aws/s3/server.ts';
import type { Credentials } from '../../testing/aws/s3/signature.ts';

const NAME = '0000000001-2-0a1b2c3d';
const KEY = `tenant/session/${NAME}.pack`;
const OTHER = 'tenant/other-session/0000000001-2-0a1b2c3d.pack';
const ONCE = { 'if-none-match': '*' };

function signedFor(
  name: string,
  server: { endpoint: string; credentials: Credentials; close(): Promise<void> },
): void {
  const bucket = 'presigned';
  const connection = {
    endpoint: server.endpoint,
    credentials: server.credentials,
    region: 'us-east-1',
    forcePathStyle: true,
  };
  const client = new S3Client({ ...connection, maxAttempts: 2 });
  const objects = createS3ObjectStore({ client, bucket });
  const presignerFor = (options: Partial<S3PresignerOptions> = {}) => {
    const made = createS3Presigner({ ...connection, bucket, expiresInSec: 60, ...options });
    return { read: made.read, write: async (key: string) => (await made.write(key)).url, whole: made.write };
  };
  const presigner = presignerFor();
  const send = async (url: string, method: string, headers = {}, body: string | null = null) =>
    (await fetch(url, { method, headers, body })).status;
  const textOf = async (key: string) => Buffer.from(await objects.get(key)).toString();

  describe(`a URL for one object (${name})`, () => {
    beforeAll(async () => {
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
      await objects.put(OTHER, Buffer.from('other'));
    });
    afterAll(async () => {
      client.destroy();
      await server.close();
    });

    test('to write: puts the object once, if it is absent; nothing can be exchanged afterwards', async () => {
      const url = await presigner.write(KEY);
      // The condition is part of what was signed.
      expect(await send(url, 'PUT', {}, 'unconditional')).toBe(403);
      expect(await send(url, 'PUT', { 'if-none-match': '"x"' }, 'another condition')).toBe(403);
      expect(await send(url, 'PUT', ONCE, 'first')).toBe(200);
      expect(await send(url, 'PUT', ONCE, 'second')).toBe(412);
      expect(await send(await presigner.write(KEY), 'PUT', ONCE, 'third')).toBe(412);
      expect(await textOf(KEY)).toBe('first');
    });

    test('for a file of a person: takes exactly the announced bytes once, and gives them to be saved', async () => {
      const made = createS3Presigner({ ...connection, bucket, expiresInSec: 60 });
      const transfers = createS3FileTransfers({ presigner: made, expiresInSec: 60, now: () => 1_000 });
      const key = `tenant/files/turn_${'a'.repeat(32)}/up-1`;
      const { url, headers, expiresAtMs } = await transfers.uploadTo!(key, 5);
      expect(expiresAtMs).toBe(61_000);
      expect(await send(url, 'PUT', headers, 'longer')).toBe(403);
      expect(await send(url, 'PUT', headers, 'less')).toBe(403);
      expect(await send(url, 'PUT', headers, 'bytes')).toBe(200);
      expect(await send(url, 'PUT', headers, 'other')).toBe(412);
      const said = {
        disposition: `attachment; filename="a.txt"; filename*=UTF-8''%C3%A4.txt`,
        type: 'text/plain',
      };
      const answer = await fetch(await transfers.downloadFrom!(key, said));
      expect(answer.headers.get('content-disposition')).toBe(said.disposition);
      expect(answer.headers.get('content-type')).toBe('text/plain');
      expect(await answer.text()).toBe('bytes');
      const html = (await transfers.downloadFrom!(key, said)).replace('text%2Fplain', 'text%2Fhtml');
      expect(await send(html, 'GET')).toBe(403);
    });

    test('is good for no other object, method or condition', async () => {
      const [read, write] = [await presigner.read(KEY), await presigner.write(`${KEY}2`)];
      expect(await (await fetch(read)).text()).toBe('first');
      for (const url of [read, write]) {
        const elsewhere = new URL(url);
        elsewhere.pathname = `/${bucket}/${OTHER}`;
        expect(await send(elsewhere.href, url === read ? 'GET' : 'PUT', url === read ? {} : ONCE)).toBe(403);
        expect(await send(url, 'DELETE')).toBe(403);
        const whole = new URL(url);
        whole.pathname = `/${bucket}`;
        expect(await send(whole.href, 'GET')).toBe(403);
      }
      expect(await send(read, 'PUT', ONCE, 'x')).toBe(403);
      expect(await send(write, 'GET')).toBe(403);
      expect(await textOf(OTHER)).toBe('other');
      await expect(client.send(new GetObjectCommand({ Bucket: bucket, Key: `${KEY}2` }))).rejects.toThrow();
    });

    test('ends when it says, and cannot be made to last longer', async () => {
      const brief = presignerFor({ expiresInSec: 1 });
      const [read, write] = [await brief.read(KEY), await brief.write(`${KEY}3`)];
      await sleep(2_100);
      const longer = (url: string) => url.replace('X-Amz-Expires=1&', 'X-Amz-Expires=900&');
      for (const url of [read, longer(read)]) expect(await send(url, 'GET')).toBe(403);
      for (const url of [write, longer(write)]) expect(await send(url, 'PUT', ONCE, 'late')).toBe(403);
    });

    test("is what a host's objects are: those it was given, and no other", async () => {
      const packs = createPresignedObjects();
      const fresh = '0000000002-2-0a1b2c3d';
      const writes = { [fresh]: await presigner.whole(`tenant/session/${fresh}.pack`) };
      packs.allow({ reads: { [NAME]: await presigner.read(KEY) }, writes });
      const pieces: Uint8Array[] = [];
      for await (const piece of packs.stream(`${NAME}.pack`)) pieces.push(piece);
      expect(Buffer.concat(pieces).toString()).toBe('first');
      expect(await packs.put(`${fresh}.pack`, Buffer.from('mine'))).toBe('created');
      expect(await packs.put(`${fresh}.pack`, Buffer.from('again'))).toBe('exists');
      expect(await textOf(`tenant/session/${fresh}.pack`)).toBe('mine');
      await expect(packs.put('0000000003-2-0a1b2c3d.pack', Buffer.from('x'))).rejects.toThrow('no place');
      const absent = packs.stream('0000000003-2-0a1b2c3d.pack')[Symbol.asyncIterator]();
      await expect(absent.next()).rejects.toThrow('no such pack');
    });
  });
}

signedFor('own server', await startS3Server());

const ceph = await startCephRgw();
if ('unavailable' in ceph) test.skip(`Ceph gateway left out: ${ceph.unavailable}`, () => {});
else signedFor('Ceph gateway', ceph);

test('our server refuses headers that were not signed, and times that no URL may have', async () => {
  const server = await startS3Server();
  server.bucket('b');
  const connection = { endpoint: server.endpoint, credentials: server.credentials, region: 'us-east-1' };
  const presigner = createS3Presigner({ ...connection, bucket: 'b', forcePathStyle: true, expiresInSec: 60 });
  const { url } = await presigner.write('k');
  const put = async (address: string, headers = {}) =>
    (await fetch(address, { method: 'PUT', headers: { ...ONCE, ...headers }, body: 'x' })).status;
  expect(await put(url, { 'x-amz-meta-planted': 'x' })).toBe(403);
  expect(await put(url.replace('X-Amz-Expires=60', 'X-Amz-Expires=604801'))).toBe(403);
  expect(await put(url.replace(/X-Amz-Date=\d{4}/, 'X-Amz-Date=2999'))).toBe(403);
  expect(await put(url)).toBe(200);
  await server.close();
});
