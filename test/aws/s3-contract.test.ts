// The object store contract over our own S3 server, and over Ceph's gateway where it is installed: the same cases,
// so that the small server cannot be laxer than the real one.
import { randomUUID } from 'node:crypto';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, test } from 'vitest';
import { createS3ObjectStore } from '../../src/stores/s3/object-store.ts';
import { startCephRgw } from '../../testing/aws/ceph-rgw.ts';
import { startS3Server } from '../../testing/aws/s3/server.ts';
import type { Credentials } from '../../testing/aws/s3/signature.ts';
import { objectStoreContract } from '../../testing/contracts/object-store.ts';

function contract(
  name: string,
  server: { endpoint: string; credentials: Credentials; close(): Promise<void> },
) {
  const { endpoint, credentials } = server;
  const client = new S3Client({
    endpoint,
    credentials,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 2,
  });
  afterAll(async () => {
    client.destroy();
    await server.close();
  });
  objectStoreContract({
    name,
    async create() {
      const bucket = `contract-${randomUUID()}`;
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
      const open = () => createS3ObjectStore({ client, bucket, prefix: 'sessions/' });
      return { store: open(), reopen: async () => open(), close: async () => {} };
    },
    async createBroken() {
      const store = createS3ObjectStore({
        client: new S3Client({
          endpoint: 'http://127.0.0.1:9',
          credentials,
          region: 'us-east-1',
          maxAttempts: 1,
        }),
        bucket: 'nowhere',
      });
      return { store, close: async () => {} };
    },
  });
}

contract('S3 (own server)', await startS3Server());

const ceph = await startCephRgw();
if ('unavailable' in ceph) test.skip(`Ceph gateway left out: ${ceph.unavailable}`, () => {});
else contract('S3 (Ceph gateway)', ceph);
