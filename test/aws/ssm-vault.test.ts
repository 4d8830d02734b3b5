// The vault in Parameter Store under the contract of its port, over a stand-in, and what it asks for.
import { type PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { expect, test } from 'vitest';
import { tenantId } from '../../src/core/ids.ts';
import { createSsmVault } from '../../src/stores/ssm/vault.ts';
import { vaultContract } from '../../testing/contracts/vault.ts';
import { startParameterStore } from '../../testing/lambda/parameter-store.ts';

const PREFIX = '/hybrid-sessions/test/vault';

function clientAt(endpoint: string): SSMClient {
  const credentials = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'example' };
  return new SSMClient({ region: 'eu-central-1', endpoint, credentials });
}

vaultContract({
  name: 'ssm',
  async create() {
    const server = await startParameterStore();
    const open = () => createSsmVault({ prefix: PREFIX, client: clientAt(server.endpoint) });
    return { vault: open(), reopen: open, close: () => server.close() };
  },
});

test('an entry is a SecureString below the prefix, with the key of its tenant', async () => {
  const server = await startParameterStore();
  const client = clientAt(server.endpoint);
  const sent: unknown[] = [];
  client.middlewareStack.add(
    (next) => async (args) => {
      if ('Value' in args.input) sent.push(args.input);
      return await next(args);
    },
    { step: 'initialize' },
  );
  const key = 'arn:aws:kms:eu-central-1:123456789012:key/1';
  const vault = createSsmVault({
    prefix: PREFIX,
    client,
    keyOf: async (tenant) => (tenant === tenantId('acme') ? key : null),
  });
  await vault.set({ tenant: tenantId('acme'), person: null, name: 'github' }, 'one');
  await vault.set({ tenant: tenantId('other'), person: null, name: 'github' }, 'two');
  expect(sent).toMatchObject([
    { Name: `${PREFIX}/acme/-/github`, Type: 'SecureString', KeyId: key },
    { Name: `${PREFIX}/other/-/github`, Type: 'SecureString' },
  ] satisfies Partial<PutParameterCommand['input']>[]);
  expect(sent[1]).not.toHaveProperty('KeyId');
  await server.close();
});
