// An installation whose agents run apart: what each of its functions may do, and that the one with the agents may do nothing.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Stack } from 'aws-cdk-lib';
import { beforeAll, describe, expect, test } from 'vitest';
import { HybridSessions } from '../../src/cdk/index.ts';
import { settingsSchema } from '../../src/cdk/settings.ts';
import { ISOLATED_WORKERS } from '../../src/core/defaults.ts';
import { VARIABLES } from '../../src/lambda/variables.ts';
import { FULL, ofType, type Resource, type Synthesized, synthesize, target } from './synthesize.ts';

let isolated: Synthesized;
beforeAll(() => {
  isolated = synthesize({ ...FULL, agents: 'isolated' });
});

interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
}

function functionNamed(part: string): [string, Resource] {
  const found = ofType(isolated, 'AWS::Lambda::Function').filter(([id]) => id.includes(part));
  expect(found, part).toHaveLength(1);
  return found[0]!;
}

/** Every statement of a function's role. */
function statementsOf([, { Properties }]: [string, Resource]): Statement[] {
  const role = target(Properties.Role);
  return ofType(isolated, 'AWS::IAM::Policy')
    .filter(([, policy]) => (policy.Properties.Roles as unknown[]).map(target).includes(role))
    .flatMap(([, policy]) => (policy.Properties.PolicyDocument as { Statement: Statement[] }).Statement);
}

const actionsOf = (one: [string, Resource]) => statementsOf(one).flatMap(({ Action }) => Action);
const variablesOf = ([, { Properties }]: [string, Resource]) =>
  (Properties.Environment as { Variables: Record<string, unknown> }).Variables;

test('an agent may stay for as long as the settings say', () => {
  const worker = (more: object) => synthesize({ ...FULL, agents: 'isolated', worker: more });
  const variables = (one: Synthesized) =>
    ofType(one, 'AWS::Lambda::Function').flatMap(([id, resource]) =>
      id.includes('IsolatedWorker') ? [variablesOf([id, resource])[VARIABLES.hotIdleMinutes]] : [],
    );
  expect(variables(worker({ hotIdleMinutes: 0 }))).toEqual(['0']);
  expect(variables(isolated)).toEqual([undefined]);
});

describe('the function with the agents', () => {
  test('keeps its environments apart by tenant id, and is an image', () => {
    const [, { Properties }] = functionNamed('AgentHost');
    expect(Properties).toMatchObject({
      PackageType: 'Image',
      TenancyConfig: { TenantIsolationMode: 'PER_TENANT' },
      EphemeralStorage: { Size: 2048 },
      Timeout: 900,
    });
  });

  test('may write its log, and nothing else; no variable of it names a secret, a store or a queue', () => {
    const host = functionNamed('AgentHost');
    expect(new Set(actionsOf(host))).toEqual(new Set(['logs:CreateLogStream', 'logs:PutLogEvents']));
    for (const { Resource } of statementsOf(host))
      expect(JSON.stringify(Resource)).toContain('AgentHostLogs');
    expect(Object.keys(variablesOf(host)).sort()).toEqual(
      [VARIABLES.installation, VARIABLES.maxWorkspaceBytes, VARIABLES.soleUser, VARIABLES.temporary].sort(),
    );
  });

  test('has neither a URL nor a queue, and only the worker may invoke it', () => {
    const [id] = functionNamed('AgentHost');
    for (const type of ['AWS::Lambda::Url', 'AWS::Lambda::EventSourceMapping', 'AWS::Lambda::Permission']) {
      const names = ofType(isolated, type).map(([, { Properties }]) =>
        target(Properties.TargetFunctionArn ?? Properties.FunctionName),
      );
      expect(names, type).not.toContain(id);
    }
    const invoking = ofType(isolated, 'AWS::Lambda::Function').filter((one) =>
      actionsOf(one).includes('lambda:InvokeFunction'),
    );
    expect(invoking.map(([name]) => name)).toEqual([functionNamed('IsolatedWorker')[0]]);
    const [statement] = statementsOf(invoking[0]!).filter(({ Action }) => Action === 'lambda:InvokeFunction');
    expect(target(statement?.Resource)).toBe(id);
  });
});

describe('the worker', () => {
  test('is small, waits, and cannot read the key of the model', () => {
    const worker = functionNamed('IsolatedWorker');
    expect(worker[1].Properties).toMatchObject({
      Handler: 'isolated-worker.handler',
      MemorySize: 256,
      Timeout: 900,
      RecursiveLoop: 'Allow',
    });
    expect(JSON.stringify(statementsOf(worker))).not.toContain('anthropic-key');
    expect(variablesOf(worker)).not.toHaveProperty(VARIABLES.modelKeyParameter);
    expect(actionsOf(worker).filter((action) => action.startsWith('bedrock:'))).toEqual([]);
  });

  test('turns, hosts and model calls fit into the ten executions of a new account', () => {
    const mapping = ofType(isolated, 'AWS::Lambda::EventSourceMapping').find(
      ([, { Properties }]) => target(Properties.FunctionName) === functionNamed('IsolatedWorker')[0],
    );
    expect(mapping?.[1].Properties.ScalingConfig).toEqual({ MaximumConcurrency: ISOLATED_WORKERS });
    expect(ISOLATED_WORKERS * 4).toBeLessThan(10);
  });
});

describe('the gateway', () => {
  test('reads the key of the model; of the tables it reaches usage, words for hosts and turns, and no session', () => {
    const gateway = functionNamed('Gateway');
    expect(JSON.stringify(statementsOf(gateway))).toContain('parameter/bots/anthropic-key');
    const ofTables = statementsOf(gateway).filter(({ Action }) =>
      JSON.stringify(Action).includes('dynamodb:'),
    );
    expect(ofTables).toHaveLength(1);
    expect(ofTables[0]).toMatchObject({
      Condition: {
        'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['*#usage#*', '*#mailbox#*', '*#turn#*'] },
        Null: { 'dynamodb:LeadingKeys': 'false' },
      },
    });
    expect(
      actionsOf(gateway).filter((action) => /s3:|sqs:|lambda:|PutItem|DeleteItem|Scan/.test(action)),
    ).toEqual([]);
  });

  test('reads credentials of tools below the name of this installation, and has the list of tool servers with its code', () => {
    const gateway = functionNamed('Gateway');
    const reading = statementsOf(gateway).filter(({ Action }) => JSON.stringify(Action).includes('ssm:'));
    const vault = String(variablesOf(gateway)[VARIABLES.vault]);
    expect(vault).toMatch(/^\/hybrid-sessions\/[^*]+\/vault$/);
    expect(reading.map(({ Resource }) => JSON.stringify(Resource)).join()).toContain(`${vault.slice(1)}/*`);
    for (const name of ['IsolatedWorker', 'AgentHost', 'Ingress']) {
      expect(JSON.stringify(statementsOf(functionNamed(name))), name).not.toContain(`${vault.slice(1)}/`);
    }
    // A list of its own in the same ZIP: the others' code is another asset.
    const codeOf = (name: string) =>
      JSON.stringify((functionNamed(name)[1].Properties.Code as { S3Key: unknown }).S3Key);
    expect(codeOf('Gateway')).not.toBe(codeOf('IsolatedWorker'));
  });

  test('streams at a public address, and signs its tokens with a secret that is made at deployment', () => {
    const [id] = functionNamed('Gateway');
    const url = ofType(isolated, 'AWS::Lambda::Url').find(
      ([, { Properties }]) => target(Properties.TargetFunctionArn) === id,
    );
    expect(url?.[1].Properties).toMatchObject({ AuthType: 'NONE', InvokeMode: 'RESPONSE_STREAM' });
    const name = variablesOf(functionNamed('Gateway'))[VARIABLES.gatewaySecretParameter];
    expect(variablesOf(functionNamed('IsolatedWorker'))[VARIABLES.gatewaySecretParameter]).toBe(name);
    const [, prepared] =
      ofType(isolated, 'Custom::HybridSessionsSetup').find(
        ([, { Properties }]) => Properties.step === 'prepare',
      ) ?? [];
    expect(prepared?.Properties.secrets).toContain(name);
  });

  test('with Bedrock it alone may call models', () => {
    const bedrock = synthesize({
      ...FULL,
      model: { provider: 'bedrock', model: 'eu.anthropic.claude-sonnet-5' },
      agents: 'isolated',
    });
    const allowed = ofType(bedrock, 'AWS::IAM::Policy').filter(([, policy]) =>
      JSON.stringify(policy).includes('bedrock:InvokeModel'),
    );
    expect(allowed.map(([id]) => id)).toEqual([expect.stringContaining('Gateway')]);
    expect(bedrock.findings).toEqual([]);
  });
});

test("the worker knows the models of the agent folder, which its tokens allow; of somebody's own image those of the folder named", () => {
  const folder = mkdtempSync(join(tmpdir(), 'hybrid-agent-'));
  try {
    writeFileSync(join(folder, 'system_prompt.md'), 'You help.');
    const settings = { tools: { allow: [] }, model: 'claude-sonnet-5', fallbackModel: 'claude-opus-5' };
    writeFileSync(join(folder, 'settings.json'), JSON.stringify(settings));
    const agents = { a: { description: 'x', prompt: 'x', model: 'haiku' } };
    writeFileSync(join(folder, 'agents.json'), JSON.stringify(agents));
    mkdirSync(join(folder, 'skills/s'), { recursive: true });
    writeFileSync(
      join(folder, 'skills/s/SKILL.md'),
      '---\nname: s\ndescription: x\nmodel: claude-fable-5\n---\n',
    );
    const modelsOf = (synthesized: Synthesized) => {
      const found = ofType(synthesized, 'AWS::Lambda::Function').find(([id]) =>
        id.includes('IsolatedWorker'),
      );
      const { Variables } = found![1].Properties.Environment as { Variables: Record<string, string> };
      return JSON.parse(Variables[VARIABLES.agentModels] ?? 'null') as unknown;
    };
    expect(modelsOf(synthesize({ ...FULL, agents: 'isolated', agentFolder: folder }))).toEqual({
      '': { model: 'claude-sonnet-5', fallbackModel: 'claude-opus-5', others: ['haiku', 'claude-fable-5'] },
    });
    expect(modelsOf(isolated)).toEqual({ '': { others: [] } });
    writeFileSync(join(folder, 'settings.json'), '{"tools":{"allow":[]},"modell":"x"}');
    expect(() => synthesize({ ...FULL, agents: 'isolated', agentFolder: folder })).toThrow(/modell/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('with tenants the worker reaches tables and bucket only by the role of one tenant; the host still reaches nothing', () => {
  const apart = synthesize({ ...FULL, agents: 'isolated', tenants: { parameterPrefix: '/tenants' } });
  expect(apart.findings).toEqual([]);
  const statements = (part: string) =>
    ofType(apart, 'AWS::IAM::Policy')
      .filter(([id]) => id.includes(part))
      .flatMap(([, policy]) => (policy.Properties.PolicyDocument as { Statement: Statement[] }).Statement);
  const ofWorker = statements('IsolatedWorker').flatMap(({ Action }) => Action);
  expect(ofWorker).toEqual(expect.arrayContaining(['sts:AssumeRole', 'lambda:InvokeFunction']));
  expect(ofWorker.filter((action) => /^s3:/.test(action))).toEqual([]);
  // What its channels share is no tenant's.
  const writes = statements('IsolatedWorker').filter(({ Action }) =>
    [Action].flat().some((action) => /^dynamodb:(?!GetItem)/.test(action)),
  );
  expect(writes).toMatchObject([
    {
      Action: ['dynamodb:GetItem', 'dynamodb:PutItem'],
      Condition: { 'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': ['#notes'] } },
    },
  ]);
  expect(new Set(statements('AgentHost').flatMap(({ Action }) => Action))).toEqual(
    new Set(['logs:CreateLogStream', 'logs:PutLogEvents']),
  );
});

test("with a key of the installation's own every role that reaches tables or objects may use it for them", () => {
  const apart = synthesize({
    ...FULL,
    agents: 'isolated',
    tenants: { parameterPrefix: '/tenants' },
    ownKey: true,
    region: 'eu-central-1',
  });
  expect(apart.findings).toEqual([]);
  const byRole = Map.groupBy(
    ofType(apart, 'AWS::IAM::Policy').flatMap(([, { Properties }]) =>
      (Properties.PolicyDocument as { Statement: Statement[] }).Statement.map((statement) => ({
        role: target((Properties.Roles as unknown[])[0]),
        text: JSON.stringify(statement),
      })),
    ),
    ({ role }) => role,
  );
  const lacking = [...byRole].flatMap(([role, statements]) => {
    const has = (pattern: RegExp) => statements.some(({ text }) => pattern.test(text));
    return [
      ...(has(/dynamodb:(Get|Put|Update|Query)/) && !has(/kms:Decrypt.*dynamodb\.eu-central-1/)
        ? [`${role}: tables`]
        : []),
      ...(has(/s3:(Get|Put)Object/) && !has(/kms:Decrypt.*s3\.eu-central-1/) ? [`${role}: objects`] : []),
    ];
  });
  expect(lacking).toEqual([]);
  expect(byRole.size).toBeGreaterThan(6);
});

test('is what an owner gets who says nothing about it', () => {
  expect(settingsSchema().parse({}).agents).toBe('isolated');
  const plain = synthesize({}, (parent, assets) => {
    const stack = new Stack(parent, 'Plain');
    const props = { model: { provider: 'demo' }, alarmEmail: 'ops@example.org', assets } as const;
    new HybridSessions(stack, 'Bot', props);
    return stack;
  });
  plain.template.hasResourceProperties('AWS::Lambda::Function', {
    TenancyConfig: { TenantIsolationMode: 'PER_TENANT' },
  });
});

test('cdk-nag finds nothing without a reason, and every function has its alarms', () => {
  expect(isolated.findings).toEqual([]);
  const watched = ofType(isolated, 'AWS::CloudWatch::Alarm').filter(
    ([, { Properties }]) => Properties.MetricName === 'Errors',
  );
  expect(watched).toHaveLength(8);
});

test.each(['isolated', 'shared'])(
  'an agent folder whose tool servers cannot be used is refused before anything is deployed (%s)',
  (agents) => {
    const agentFolder = mkdtempSync(join(tmpdir(), 'hybrid-cdk-agent-'));
    try {
      writeFileSync(join(agentFolder, 'system_prompt.md'), 'You help.');
      for (const [server, words] of [
        [
          agents === 'shared'
            ? { type: 'http', url: 'https://a.example/mcp', oauth: true }
            : { type: 'http', url: 'ftp://a.example/mcp', oauth: true },
          agents === 'shared' ? /mcpServers\.far\.oauth: people can sign in where/ : /mcpServers\.far\.url: /,
        ],
        [{ type: 'http', url: 'https://me:pw@a.example/' }, /mcpServers\.far\.url: must hold no user/],
      ] as const) {
        writeFileSync(join(agentFolder, 'mcp.json'), JSON.stringify({ mcpServers: { far: server } }));
        expect(() => synthesize({ ...FULL, agents, agentFolder })).toThrow(words);
      }
    } finally {
      rmSync(agentFolder, { recursive: true });
    }
  },
);
