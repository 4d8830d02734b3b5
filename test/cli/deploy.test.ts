// What `deploy` finds before AWS does: each fault is one line that names what is wrong and what to do, without a stack.
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { copyAgentFiles, listAgentFiles } from '../../src/cdk/agent-files.ts';
import { EXIT } from '../../src/cli/failure.ts';
import { startParameterStore } from '../../testing/lambda/parameter-store.ts';
import { emptyFolder, run } from './fixture.ts';

const BOOTSTRAPPED = '/cdk-bootstrap/hnb659fds/version';
const parameters = await startParameterStore();
afterAll(() => parameters.close());

const SETTINGS = {
  region: 'eu-central-1',
  alarmEmail: 'ops@example.org',
  agentFolder: './agent',
  model: { provider: 'anthropic', keyParameter: '/bot/key' },
  telegram: { tokenParameter: '/bot/token', allowedUsers: [1] },
};

type Files = Readonly<Record<string, string>>;
const PROJECT: Files = {
  'hybrid-sessions.deploy.json': JSON.stringify(SETTINGS),
  'agent/system_prompt.md': 'You help.',
};

function write(folder: string, files: Files): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

interface Given {
  readonly files?: Files;
  readonly prepare?: (cwd: string) => void;
  readonly there?: readonly string[];
  readonly env?: Record<string, string>;
  readonly args?: readonly string[];
}

async function deploy({ files = {}, prepare, there = [], env = {}, args = [] }: Given) {
  const cwd = await emptyFolder();
  write(cwd, { ...PROJECT, ...files });
  prepare?.(cwd);
  parameters.values.clear();
  for (const name of there) parameters.values.set(name, 'value');
  return await run(['deploy', ...args], {
    cwd,
    env: {
      // No Docker: where everything else is right, that is said.
      PATH: cwd,
      AWS_ACCESS_KEY_ID: 'AKIDTEST',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_ENDPOINT_URL_SSM: parameters.endpoint,
      ...env,
    },
  });
}

const ALL = ['/bot/key', '/bot/token', BOOTSTRAPPED];
const settings = (change: object) => ({
  'hybrid-sessions.deploy.json': JSON.stringify({ ...SETTINGS, ...change }),
});

describe('before anything is deployed', () => {
  test.each<[string, Given, RegExp]>([
    [
      'settings that are no JSON',
      { files: { 'hybrid-sessions.deploy.json': '{"stack": ' } },
      /deploy\.json: not JSON/,
    ],
    ['a key that nobody knows', { files: settings({ regoin: 'x' }) }, /deploy\.json: regoin: no such field/],
    [
      'one inside a section',
      { files: settings({ worker: { timeout: 5 } }) },
      /worker\.timeout: no such field/,
    ],
    ['a wrong value', { files: settings({ retentionDays: 0 }) }, /retentionDays: /],
    [
      'a channel without its allow-list',
      { files: settings({ telegram: { tokenParameter: '/t' } }) },
      /telegram\.allowedUsers/,
    ],
    ['an agent folder that is not there', { files: settings({ agentFolder: './agnet' }) }, /agnet/],
    ['an agent without a prompt', { files: { 'agent/system_prompt.md': '' } }, /system_prompt\.md: empty/],
    [
      'an agent with a wrong setting',
      { files: { 'agent/settings.json': '{"tools": {"allow": []}, "tool": 1}' } },
      /settings\.json: tool: no such field/,
    ],
    ['an agent with broken JSON', { files: { 'agent/mcp.json': '{' } }, /mcp\.json: line 1: not JSON/],
    [
      'a file that cannot be read',
      { files: { 'agent/notes/a.md': 'x' }, prepare: (cwd) => chmodSync(join(cwd, 'agent/notes/a.md'), 0) },
      /notes\/a\.md: cannot be read.*chmod/,
    ],
    [
      'a link out of the folder',
      { prepare: (cwd) => symlinkSync('/etc/hosts', join(cwd, 'agent/hosts')) },
      /hosts: a link to something that is not in the agent folder/,
    ],
    [
      'parameters that are not there',
      { there: [BOOTSTRAPPED, '/bot/key'] },
      /no \/bot\/token in eu-central-1.*put-parameter --region eu-central-1/,
    ],
    [
      'a region without CDK, account known',
      { files: settings({ account: '123456789012' }), there: ['/bot/key', '/bot/token'] },
      /Run: npx cdk bootstrap aws:\/\/123456789012\/eu-central-1$/m,
    ],
    [
      'a region without CDK, account not known',
      { there: ['/bot/key', '/bot/token'] },
      /npx cdk bootstrap aws:\/\/ACCOUNT\/eu-central-1 .*get-caller-identity/,
    ],
    ['nothing but Docker missing', { there: ALL }, /Docker does not answer/],
  ])('%s', async (_name, given, said) => {
    const { code, err, out } = await deploy(given);
    const lines = err.trimEnd().split('\n');
    expect(lines, err).toHaveLength(1);
    expect(lines[0]).toMatch(said);
    expect(lines[0]).toMatch(/^error: /);
    expect(err + out).not.toMatch(/\n\s+at /);
    expect(code).toBe(EXIT.configuration);
  });

  test.each<[string, Given, RegExp]>([
    [
      'without credentials',
      { env: { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' } },
      /no credentials were found/,
    ],
    ['without a region', { files: settings({ region: undefined }) }, /no region is set/],
    [
      'without an answer',
      { env: { AWS_ENDPOINT_URL_SSM: 'http://127.0.0.1:9' } },
      /Parameter Store refused to say/,
    ],
  ])('%s it says that it could not look, and goes on', async (_name, given, said) => {
    const { err } = await deploy(given);
    expect(err).toMatch(said);
    expect(err).toMatch(/Docker does not answer/);
  });

  test('what stays out of the image is named', async () => {
    const { err } = await deploy({ files: { 'agent/.env': 'KEY=1' }, there: ALL });
    expect(err).toContain('Not part of the image: .env.');
  });
});

describe('the files of the image', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hybrid-agent-files-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('hold no secrets that people usually keep beside them, at any depth, and can be read by everybody', () => {
    const secret = [
      ...[
        '.env',
        '.env.local',
        '.env.production',
        '.envrc',
        '.npmrc',
        '.netrc',
        '.git/config',
        '.aws/credentials',
      ],
      ...[
        '.ssh/id_ed25519',
        'server.pem',
        'private.KEY',
        'id_rsa',
        'cert.p12',
        '.hybrid-sessions/db',
        'cdk.out/x',
      ],
    ];
    const kept = [
      'system_prompt.md',
      'skills/a/SKILL.md',
      '.env.example',
      'environment.md',
      'keys.md',
      'bin/run.sh',
    ];
    const deep = (paths: readonly string[]) => [...paths, ...paths.map((path) => `skills/deep/${path}`)];
    const from = join(folder, 'from');
    const to = join(folder, 'to');
    write(from, Object.fromEntries(deep([...secret, ...kept]).map((path) => [path, path])));
    chmodSync(join(from, 'system_prompt.md'), 0o600);
    chmodSync(join(from, 'bin/run.sh'), 0o700);
    symlinkSync('system_prompt.md', join(from, 'AGENT.md'));
    copyAgentFiles(from, to);

    const copied = readdirSync(to, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(to.length + 1));
    expect(copied.sort()).toEqual([...deep(kept), 'AGENT.md'].sort());
    expect(listAgentFiles(from).leftOut.length).toBe(deep(secret).length);
    expect(statSync(join(to, 'system_prompt.md')).mode & 0o777).toBe(0o644);
    expect(statSync(join(to, 'bin/run.sh')).mode & 0o777).toBe(0o755);
    expect(readFileSync(join(to, 'AGENT.md'), 'utf8')).toBe('system_prompt.md');
  });
});

test('the bootstrap command in the docs names account and region: outside of an app `cdk` wants both', () => {
  const page = readFileSync('docs/deploy-aws.md', 'utf8');
  const commands = [...page.matchAll(/^npx cdk bootstrap.*$/gm)].map(([line]) => line);
  expect(commands).toHaveLength(1);
  expect(commands[0]).toMatch(/^npx cdk bootstrap aws:\/\/\d{12}\/[a-z]+-[a-z]+-\d/);
});
