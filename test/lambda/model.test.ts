// The worker function's model and budgets, from its variables.
import { afterEach, expect, test, vi } from 'vitest';
import { upstreamOf } from '../../src/agent/model-access.ts';
import { Invalid } from '../../src/core/errors.ts';
import { readConfiguration, sharedHostsSchema } from '../../src/lambda/configuration.ts';
import { readModelChoice } from '../../src/lambda/model.ts';
import { VARIABLES } from '../../src/lambda/variables.ts';

afterEach(() => vi.unstubAllEnvs());

function configuration(over: Partial<Record<keyof typeof VARIABLES, string>> = {}) {
  const values = {
    installation: 'bot',
    mappingTable: 'mapping',
    stateTable: 'state',
    queueUrl: 'https://sqs.example/q',
    deadLetterQueueUrl: 'https://sqs.example/d',
    bucket: 'bucket',
    temporary: '/tmp',
    vault: '/bot/vault',
    maxWorkspaceBytes: '1000',
    modelProvider: 'bedrock',
    model: 'eu.anthropic.claude-sonnet-5',
    ...over,
  };
  const environment = Object.entries(values).map(([name, value]) => [
    VARIABLES[name as keyof typeof VARIABLES],
    value,
  ]);
  return readConfiguration(sharedHostsSchema, Object.fromEntries(environment));
}

test('Bedrock: the function’s own region and role, which the gateway signs with', async () => {
  for (const [name, value] of Object.entries({
    AWS_ACCESS_KEY_ID: 'AKIDROLE',
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_SESSION_TOKEN: 'session',
  })) {
    vi.stubEnv(name, value);
  }
  const model = await readModelChoice(configuration(), undefined, 'eu-west-1');
  expect(model).toMatchObject({ model: 'eu.anthropic.claude-sonnet-5', demo: false });
  const upstream = upstreamOf(model);
  expect(upstream).toMatchObject({ kind: 'bedrock', region: 'eu-west-1' });
  const credentials = upstream.kind === 'bedrock' ? await upstream.credentials?.() : null;
  expect(credentials).toMatchObject({ accessKeyId: 'AKIDROLE', sessionToken: 'session' });
});

test('Anthropic wants its key, and goes on to the endpoint that is named', async () => {
  const settings = configuration({ modelProvider: 'anthropic', modelBaseUrl: 'https://models.example' });
  await expect(readModelChoice(settings, undefined)).rejects.toThrow(Invalid);
  const upstream = upstreamOf(await readModelChoice(settings, 'key'));
  expect(upstream).toMatchObject({ baseUrl: 'https://models.example', apiKey: 'key' });
});

test('budgets are JSON, checked when the function starts', () => {
  expect(configuration().budgets).toEqual({});
  const budgets = { chat: { day: { usd: 5 } } };
  expect(configuration({ budgets: JSON.stringify(budgets) }).budgets).toEqual(budgets);
  for (const wrong of ['{', '[]', '{"chat":{"week":{"usd":5}}}', '{"turn":{"usd":-1}}']) {
    expect(() => configuration({ budgets: wrong }), wrong).toThrow(/HYBRID_SESSIONS_BUDGETS/);
  }
});
