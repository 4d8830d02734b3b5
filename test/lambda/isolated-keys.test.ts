// With tenants the worker's own role opens neither tables nor bucket: what a host is given is signed, and said, with the keys
// of the tenant whose turn it is.
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { expect, test, vi } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type { Tenant, TurnId } from '../../src/core/ids.ts';
import { mailboxFor, presignerFor } from '../../src/lambda/isolated-hosts.ts';
import type { TenantKeys } from '../../src/lambda/tenant-stores.ts';
import { createDynamoEventLog } from '../../src/stores/dynamodb/event-log.ts';
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

test('what is shown of a turn is kept for as long as its tenant says', async () => {
  const { dynamo } = keysOf('acme' as Tenant);
  const endings: Record<string, number> = {};
  vi.spyOn(dynamo, 'send').mockImplementation((async (command: {
    input: { Item?: Record<string, { S?: string; N?: string }> };
  }) => {
    const { pk, ttl } = command.input.Item ?? {};
    if (pk?.S) endings[pk.S.split('#')[0] ?? ''] = Number(ttl?.N);
    return { $metadata: { attempts: 1 } };
  }) as never);
  const days: Readonly<Record<string, number>> = { acme: 2 };
  const events = createDynamoEventLog({
    client: dynamo,
    stateTable: 'state',
    clock: systemClock,
    retentionSec: 30 * 86_400,
    retentionOf: async (tenant) => (days[tenant] === undefined ? null : days[tenant] * 86_400),
  });
  const nowSec = Date.now() / 1_000;
  for (const tenant of ['acme', 'globex']) {
    await events.append(tenant as Tenant, 'turn_1' as TurnId, [{ type: 'status', status: 'running' }]);
  }
  expect((endings.acme! - nowSec) / 86_400).toBeCloseTo(2, 1);
  expect((endings.globex! - nowSec) / 86_400).toBeCloseTo(30, 1);
});
