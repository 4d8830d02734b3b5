// Settings: what each source says, and that the reference page has every one of them.
import { glob, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { z } from 'zod';
import type { ChannelDescriptor } from '../../src/channels/descriptor.ts';
import { CHANNELS } from '../../src/channels/index.ts';
import { RETENTION_SEC } from '../../src/core/defaults.ts';
import { configFileSchema, readConfiguration } from '../../src/local/configuration.ts';
import { modelFrom } from '../../src/local/model-choice.ts';

const read = (env: Record<string, string> = {}) => readConfiguration({ env, cwd: '/nowhere' });

test('without any setting: loopback, demo model, the example agent', () => {
  const configuration = read();
  expect(configuration).toMatchObject({
    host: '127.0.0.1',
    port: 8787,
    dataDir: '/nowhere/.hybrid-sessions',
    workers: 2,
    retentionSec: RETENTION_SEC,
    keepGenerations: 10,
    checkpointEveryMs: 60_000,
    model: { kind: 'demo' },
    channels: { http: {} },
    apiKeys: [],
  });
  expect(configuration.agentDir).toMatch(/examples.agent$/);
});

test('the command line wins over the environment', () => {
  const overrides = { port: 0, host: '::1', dataDir: 'here', agentDir: 'there', workers: 7 };
  const env = { PORT: '1', HOST: '127.0.0.2', HYBRID_SESSIONS_DIR: 'x', HYBRID_SESSIONS_AGENT: 'y' };
  expect(readConfiguration({ env, cwd: '/nowhere', overrides })).toMatchObject({
    ...overrides,
    dataDir: '/nowhere/here',
    agentDir: '/nowhere/there',
  });
});

test.each([
  [{}, 'demo'],
  [{ ANTHROPIC_API_KEY: 'k' }, 'anthropic'],
  [{ ANTHROPIC_AUTH_TOKEN: 't' }, 'anthropic'],
  [{ ANTHROPIC_BASE_URL: 'http://localhost:1' }, 'anthropic'],
  [{ CLAUDE_CODE_USE_BEDROCK: '1', AWS_BEARER_TOKEN_BEDROCK: 'b', ANTHROPIC_API_KEY: 'k' }, 'bedrock'],
  [{ CLAUDE_CODE_USE_ANTHROPIC_AWS: '1', ANTHROPIC_AWS_WORKSPACE_ID: 'wrkspc_1' }, 'claude-platform'],
  [{ ANTHROPIC_API_KEY: 'k', ANTHROPIC_MODEL: 'demo' }, 'demo'],
])('%o is %s', (env, kind) => {
  expect(modelFrom(env as Record<string, string>).kind).toBe(kind);
});

test('a gateway before Bedrock that is named without credentials signs by itself', () => {
  const choice = modelFrom({
    CLAUDE_CODE_USE_BEDROCK: '1',
    ANTHROPIC_BEDROCK_BASE_URL: 'http://localhost:1',
  });
  expect(choice).toMatchObject({
    variables: { ANTHROPIC_BEDROCK_BASE_URL: 'http://localhost:1', AWS_REGION: 'us-east-1' },
    lookUp: null,
  });
});

test('without stated credentials the AWS SDK looks for them, by the variables it knows and no others', () => {
  const env = { AWS_PROFILE: 'team', HOME: '/home/ann', OTHER_SECRET: 's', AWS_REGION: 'eu-west-1' };
  const expected = { region: 'eu-west-1', lookUp: { AWS_PROFILE: 'team' } };
  expect(modelFrom({ ...env, CLAUDE_CODE_USE_BEDROCK: '1' })).toMatchObject(expected);
  const platform = { ...env, CLAUDE_CODE_USE_ANTHROPIC_AWS: '1', ANTHROPIC_AWS_WORKSPACE_ID: 'wrkspc_1' };
  expect(modelFrom(platform)).toMatchObject(expected);
  expect(modelFrom({ ...platform, ANTHROPIC_AWS_API_KEY: 'k' })).toMatchObject({ apiKey: 'k', lookUp: null });
  const { ANTHROPIC_AWS_WORKSPACE_ID: _, ...unfinished } = platform;
  expect(() => modelFrom(unfinished)).toThrow(/no workspace/);
  const stated = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 's' };
  expect(modelFrom({ ...env, ...stated, CLAUDE_CODE_USE_BEDROCK: '1' })).toMatchObject({ lookUp: null });
});

test('docs/configuration.md has every variable and field, and every default', async () => {
  const page = await readFile('docs/configuration.md', 'utf8');
  const variables = await variablesRead();
  for (const name of ['PORT', 'NO_COLOR', 'HTTPS_PROXY', 'AWS_REGION']) expect(variables).toContain(name);
  for (const name of variables) expect(page, name).toContain(`\`${name}\``);
  const fields = leaves(z.toJSONSchema(configFileSchema([]), { io: 'input' }) as Schema);
  expect(fields.map(([name]) => name)).toContain('limits.workspaceBytes');
  for (const [name, fallback] of fields) expect(page, name).toContain(row(name, fallback));
});

test.each(
  (CHANNELS as readonly ChannelDescriptor[])
    .filter(({ settings }) => Object.keys(settings).length > 0)
    .map((channel) => [channel.name, channel] as const),
)('docs/%s.md has every variable and field of the channel, with its default', async (name, channel) => {
  const page = await readFile(`docs/${name}.md`, 'utf8');
  const variables = Object.values(channel.settings).flatMap(({ env }) => env ?? []);
  expect(variables).not.toEqual([]);
  for (const variable of variables) {
    expect(page, variable).toContain(`| \`${variable}\` |`);
  }
  const own = leaves(z.toJSONSchema(configFileSchema([channel]), { io: 'input' }) as Schema).filter(
    ([field]) => field.startsWith(`${name}.`),
  );
  for (const [field, fallback] of own) expect(page, field).toContain(row(field, fallback));
});

function row(name: string, fallback: unknown): string {
  return `| \`${name}\` | ${fallback === undefined ? 'none' : `\`${JSON.stringify(fallback)}\``} |`;
}

/** Every environment variable that a program on a person's own machine reads, found in its source; those of channels are data. */
async function variablesRead(): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  const families = 'ANTHROPIC|AWS|CLAUDE_CODE|HYBRID_SESSIONS|HTTPS?_PROXY|NO_PROXY';
  const read = new RegExp(`\\benv\\.([A-Z][A-Z_]+)\\b|'((?:${families})[A-Z_]*)'`, 'g');
  for await (const file of glob('src/{local,cli}/**/*.ts')) {
    for (const [, dotted, quoted] of (await readFile(file, 'utf8')).matchAll(read)) {
      names.add(dotted ?? quoted ?? '');
    }
  }
  return names;
}

interface Schema {
  readonly properties?: Record<string, Schema>;
  readonly default?: unknown;
}

function leaves(schema: Schema, path = ''): [string, unknown][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) =>
    field.properties
      ? leaves(field, `${path}${name}.`)
      : [[`${path}${name}`, field.default] as [string, unknown]],
  );
}
