// Over Amazon's DynamoDB Local and our S3 server.
import { randomUUID } from 'node:crypto';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, test } from 'vitest';
import { createDynamoSessionStore } from '../../src/stores/dynamodb/session-store.ts';
import { createS3ObjectStore } from '../../src/stores/s3/object-store.ts';
import { startDynamoDbLocal } from '../../testing/aws/dynamodb-local.ts';
import { startS3Server } from '../../testing/aws/s3/server.ts';
import { agentSessionStoreContract } from '../../testing/contracts/agent-session-store.ts';

const dynamo = await startDynamoDbLocal();

if ('unavailable' in dynamo) {
  test.skip(`session store on DynamoDB left out: ${dynamo.unavailable}`, () => {});
} else {
  const { endpoint, credentials, close } = await startS3Server();
  const s3 = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  afterAll(async () => {
    s3.destroy();
    await Promise.all([dynamo.close(), close()]);
  });

  agentSessionStoreContract({
    name: 'DynamoDB and S3',
    longEntries: 2_000,
    async create(clock) {
      const tables = await dynamo.createTables(randomUUID());
      const bucket = `transcripts-${randomUUID()}`;
      await s3.send(new CreateBucketCommand({ Bucket: bucket }));
      const store = createDynamoSessionStore({ client: dynamo.client(), ...tables, clock });
      return { store, objects: createS3ObjectStore({ client: s3, bucket }), close: () => store.close() };
    },
  });
}
