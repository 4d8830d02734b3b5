// With tenants the worker's own role opens neither tables nor bucket: what a host is given is signed, and said, with the keys
// of the tenant whose turn it is.
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { expect, test, vi } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type { Tenant } from '../../src/core/ids.ts';
import { mailboxFor, presignerFor } from '../../src/lambda/isolated-hosts.ts';
import type { TenantKeys } from '../../src/lambda/tenant-stores.ts';
import { localAws } from '../../testing/aws/dynamodb-local.ts';

const options = { bucket: 'b', region: 'eu-west-1', expiresInSec: 60 };

function keysOf(tenant: Tenant): TenantKeys {
  const given = {
    accessKeyId: `KEY-OF-${tenant}`,
    secretAccessKey: 'secret',
    sessionToken: 'session',
    expiration: new Date(Date.now() + 3_600_000),
  };
  return { dynamo: new DynamoDBClient(localAws), credentials: async () => given };
}

test('URLs are signed with the keys of the tenant whose object it is, whoever came before', async () => {
  const presigner = presignerFor(options, keysOf);
  for (const tenant of ['acme', 'globex', 'acme']) {
    for (const url of [
      await presigner.read(`${tenant}/s/x.pack`),
      (await presigner.write(`${tenant}/s/y.pack`)).url,
    ]) {
      expect(new URL(url).searchParams.get('X-Amz-Credential')).toMatch(new RegExp(`^KEY-OF-${tenant}/`));
      expect(new URL(url).searchParams.get('X-Amz-Security-Token')).toBe('session');
    }
  }
});

test("a host's mailbox is written with the keys of its tenant", async () => {
  const asked: string[] = [];
  const mailbox = mailboxFor({ stateTable: 'state', clock: systemClock }, (tenant) => {
    const keys = keysOf(tenant);
    vi.spyOn(keys.dynamo, 'send').mockImplementation((async (command: { input: unknown }) => {
      asked.push(`${tenant}: ${JSON.stringify(command.input)}`);
      return { Items: [], $metadata: { attempts: 1 } };
    }) as never);
    return keys;
  });
  await mailbox.post({ tenant: 'acme' as Tenant, name: 'one' }, 1, {});
  await mailbox.read({ tenant: 'globex' as Tenant, name: 'two' }, 0, 0);
  expect(asked).toEqual([
    expect.stringMatching(/^acme: .*"acme#mailbox#one"/),
    expect.stringMatching(/^globex: .*"globex#mailbox#two"/),
  ]);
});
