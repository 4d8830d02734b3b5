// S3 when it is slow or its answers get lost, and the conditions and digests that the contract cannot see.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { Gone, Refused } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import { createS3Client, createS3ObjectStore } from '../../src/stores/s3/object-store.ts';
import { localAws } from '../../testing/aws/dynamodb-local.ts';
import { type Fault, s3SlowDown, startFaultProxy } from '../../testing/aws/fault-proxy.ts';
import { startS3Server } from '../../testing/aws/s3/server.ts';
import { expectFailure, failure } from '../../testing/contracts/contract.ts';

const MIB = 1024 * 1024;
const server = await startS3Server();
const proxy = await startFaultProxy(server.endpoint);
const client = createS3Client({ ...localAws, endpoint: proxy.endpoint, forcePathStyle: true });
const store = createS3ObjectStore({ client, bucket: 'packs', prefix: 'p/' });
let bucket = server.bucket('packs');

beforeEach(() => {
  bucket = server.bucket('packs');
  bucket.objects.clear();
  proxy.seen.length = 0;
});
afterEach(() => {
  proxy.onRequest = () => undefined;
});
afterAll(async () => {
  client.destroy();
  await proxy.close();
  await server.close();
});

function inject(method: string, fault: Fault, times = 1, path = /./): void {
  let left = times;
  proxy.onRequest = (request) =>
    request.method === method && path.test(request.path) && left-- > 0 ? fault : undefined;
}

const conditionalConflict: Fault = {
  kind: 'answer',
  status: 409,
  headers: { 'content-type': 'application/xml' },
  body: '<Error><Code>ConditionalRequestConflict</Code><Message>A conflicting operation occurred.</Message></Error>',
};

test('a server that asks to slow down is asked again', async () => {
  inject('PUT', s3SlowDown);
  expect(await store.put('a', Buffer.from('x'))).toBe('created');
  inject('GET', s3SlowDown);
  expect(await store.get('a')).toHaveLength(1);
});

test(`${promise('NO-AMNESIA')} one that keeps asking is Refused, never Gone`, async () => {
  await store.put('a', Buffer.from('x'));
  proxy.onRequest = () => s3SlowDown;
  await expectFailure(store.get('a'), Refused, 'throttled');
  await expectFailure(store.put('b', Buffer.from('x')), Refused, 'throttled');
  await expectFailure(store.delete(['a']), Refused, 'throttled');
});

test(`${promise('NO-AMNESIA')} a bucket that is not there is not an absent object`, async () => {
  const elsewhere = createS3ObjectStore({ client, bucket: 'none' });
  await expectFailure(elsewhere.get('a'), Refused, 'store-not-set-up');
  await expectFailure(store.get('a'), Gone, 'no-object');
});

test('a put going on elsewhere (409) is asked again', async () => {
  inject('PUT', conditionalConflict, 2);
  expect(await store.put('a', Buffer.from('x'))).toBe('created');
});

test(`${promise('ATOMIC')} a put that happened, its answer lost, is "created", and by another "exists"`, async () => {
  inject('PUT', { kind: 'lose-answer' });
  expect(await store.put('a', Buffer.from('mine'))).toBe('created');
  expect(await store.put('a', Buffer.from('theirs'))).toBe('exists');
  inject('PUT', { kind: 'break' });
  expect(await store.put('a', Buffer.from('theirs'))).toBe('exists');
});

test('bytes that changed in the store are noticed', async () => {
  await store.put('a', Buffer.from('hello'));
  const stored = bucket.find('p/a');
  bucket.objects.set('p/a', { ...stored, body: Buffer.from('hellO') });
  expect(await failure(store.get('a'))).toBeInstanceOf(Refused);
});

test('a file in parts: created once, whatever gets lost, and no upload is left behind', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hs-s3-'));
  try {
    const body = randomBytes(20 * MIB + 17);
    const file = join(folder, 'pack');
    await writeFile(file, body);
    const source = { file, bytes: body.length };
    inject('POST', { kind: 'lose-answer' }, 1, /uploadId=/);
    expect(await store.put('big', source)).toBe('created');
    expect(bucket.find('p/big').body.equals(body)).toBe(true);
    expect(bucket.find('p/big').etag).toMatch(/-3"$/);
    expect(Buffer.from(await store.get('big')).equals(body)).toBe(true);
    expect(await store.put('big', source)).toBe('exists');
    inject('PUT', s3SlowDown, 100, /partNumber=2/);
    await expectFailure(store.put('other', source), Refused, 'throttled');
    expect(bucket.uploads.size).toBe(0);
    expect([...bucket.objects.keys()]).toEqual(['p/big']);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test(`${promise('ATOMIC')} of two uploads in parts at once one creates the object`, async () => {
  const bodies = [randomBytes(17 * MIB), randomBytes(17 * MIB)];
  const results = await Promise.all(bodies.map((body) => store.put('race', body)));
  expect([...results].sort()).toEqual(['created', 'exists']);
  expect(bucket.find('p/race').body.equals(bodies[results.indexOf('created')]!)).toBe(true);
  expect(bucket.uploads.size).toBe(0);
});

test('a stream goes on after a piece broke off, in order, and never asks far ahead', async () => {
  const body = randomBytes(41 * MIB);
  await store.put('long', body);
  inject('GET', { kind: 'break' }, 2, /long/);
  let at = 0;
  for await (const piece of store.stream('long')) {
    expect(Buffer.from(piece).equals(body.subarray(at, at + piece.length))).toBe(true);
    at += piece.length;
    const asked = proxy.seen.filter(({ method, path }) => method === 'GET' && path.includes('long')).length;
    // Pieces read, at most four ahead, and the two that broke.
    expect(asked).toBeLessThanOrEqual(Math.ceil(at / (8 * MIB)) + 4 + 2);
  }
  expect(at).toBe(body.length);
});

test('an answer that stops in the middle is given up and asked for again', async () => {
  const body = randomBytes(MIB);
  await store.put('stalls', body);
  inject('GET', { kind: 'stall' });
  expect(Buffer.from(await store.get('stalls')).equals(body)).toBe(true);
});

/** To credentials that may list a part of the bucket only, what is not there is forbidden. */
const forbidden: Fault = {
  kind: 'answer',
  status: 403,
  headers: { 'content-type': 'application/xml' },
  body: '<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>',
};

test(`${promise('NO-AMNESIA')} a missing object is told from a forbidden one where S3 itself does not`, async () => {
  await store.put('there', Buffer.from('x'));
  await store.put('missing-but-longer', Buffer.from('x'));
  proxy.onRequest = ({ method, path }) =>
    (method === 'GET' || method === 'HEAD') && path.includes('/p/') && !path.includes('list-type')
      ? forbidden
      : undefined;
  await expectFailure(store.get('missing'), Gone, 'no-object');
  await expectFailure(listed(store.stream('missing')), Gone, 'no-object');
  await expectFailure(store.get('there'), Refused, 'store-not-set-up');
  // Large ones are looked for before they are sent.
  expect(await store.put('missing', Buffer.alloc(12 * MIB))).toBe('created');
  // Who may not even list that much is refused.
  proxy.onRequest = () => forbidden;
  await expectFailure(store.get('missing'), Refused, 'store-not-set-up');
});

async function listed(pieces: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}
