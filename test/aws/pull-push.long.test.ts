// Over Amazon's DynamoDB Local and our S3 server, as an installation on AWS that a file names.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, test, vi } from 'vitest';
import { writeInstallation } from '../../src/aws/installation.ts';
import { localAws, startDynamoDbLocal } from '../../testing/aws/dynamodb-local.ts';
import { startS3Server } from '../../testing/aws/s3/server.ts';
import { pullPushCases } from '../cli/pull-push-cases.ts';

const dynamo = await startDynamoDbLocal();

if ('unavailable' in dynamo) {
  test.skip(`pull and push on AWS left out: ${dynamo.unavailable}`, () => {});
} else {
  const s3 = await startS3Server();
  const { endpoint, credentials } = s3;
  const client = new S3Client({ endpoint, credentials, region: localAws.region, forcePathStyle: true });
  const keys = {
    AWS_ACCESS_KEY_ID: localAws.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: localAws.credentials.secretAccessKey,
  };
  for (const [name, value] of Object.entries(keys)) vi.stubEnv(name, value);
  afterAll(async () => {
    vi.unstubAllEnvs();
    client.destroy();
    await Promise.all([dynamo.close(), s3.close()]);
  });

  pullPushCases('AWS', async (folder) => {
    const bucket = `sessions-${randomUUID()}`;
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    const file = join(folder, 'installation.json');
    // No command here sends a message.
    const queueUrl = 'http://127.0.0.1:1/turns.fifo';
    writeInstallation(file, {
      region: localAws.region,
      ...(await dynamo.createTables(randomUUID())),
      bucket,
      queueUrl,
      deadLetterQueueUrl: queueUrl,
      endpoints: { dynamodb: dynamo.endpoint, s3: endpoint },
    });
    return { env: { ...keys, HYBRID_SESSIONS_AWS: file } };
  });
}
