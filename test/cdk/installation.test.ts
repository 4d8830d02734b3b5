import { type App, Stack } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { beforeAll, describe, expect, test } from 'vitest';
import { installationFrom, OUTPUTS } from '../../src/aws/installation.ts';
import { HybridSessions } from '../../src/cdk/index.ts';
import { variableOf } from '../../src/channels/deployed.ts';
import type { ChannelDescriptor } from '../../src/channels/descriptor.ts';
import { CHANNELS } from '../../src/channels/index.ts';
import { DAY_SEC } from '../../src/core/defaults.ts';
import { outageWaitMs } from '../../src/core/waiting.ts';
import { METRICS } from '../../src/lambda/metric-names.ts';
import { VARIABLES } from '../../src/lambda/variables.ts';
import { tableDefinitions } from '../../src/stores/dynamodb/tables.ts';
import { FULL, ofType, type Resource, type Synthesized, synthesize, target } from './synthesize.ts';

let full: Synthesized;

beforeAll(() => {
  full = synthesize(FULL);
});

describe('what lasts', () => {
  test('tables: on demand, point-in-time recovery, time to live, keys as the stores use them; kept once there', () => {
    const tables = ofType(full, 'AWS::DynamoDB::GlobalTable').map(([, table]) => table);
    expect(tables).toHaveLength(2);
    for (const definition of Object.values(tableDefinitions)) {
      const keys = [definition.partitionKey, definition.sortKey].filter((key) => key !== null);
      const table = tables.find(({ Properties }) => {
        const schema = Properties.KeySchema as { AttributeName: string }[];
        return schema.map((key) => key.AttributeName).join() === keys.join();
      });
      expect(table).toMatchObject({
        DeletionPolicy: 'RetainExceptOnCreate',
        UpdateReplacePolicy: 'Retain',
        Properties: {
          BillingMode: 'PAY_PER_REQUEST',
          TimeToLiveSpecification: { AttributeName: definition.timeToLive, Enabled: true },
          Replicas: [{ PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true } }],
        },
      });
      const indexes = (table?.Properties.GlobalSecondaryIndexes ?? []) as { IndexName: string }[];
      expect(indexes.map((index) => index.IndexName)).toEqual(definition.indexes.map((index) => index.name));
    }
  });

  test('bucket: private, encrypted, TLS only, no leftovers of uploads, nothing expires by age; kept once there', () => {
    const [[, bucket] = [undefined, undefined]] = ofType(full, 'AWS::S3::Bucket');
    expect(bucket).toMatchObject({
      DeletionPolicy: 'RetainExceptOnCreate',
      Properties: {
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
        BucketEncryption: expect.anything(),
      },
    });
    const rules = (bucket?.Properties.LifecycleConfiguration as { Rules: object[] } | undefined)?.Rules ?? [];
    expect(rules).toContainEqual(
      expect.objectContaining({ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } }),
    );
    // A pack of any age may still be part of a session in use.
    expect(rules.filter((rule) => 'ExpirationInDays' in rule)).toEqual([]);
    full.template.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Deny',
            Action: 's3:*',
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          }),
        ]),
      },
    });
  });

  test('by choice the bucket keeps versions, and data goes with the stack', () => {
    const other = synthesize({ versionedBucket: true, deleteDataWithStack: true, dashboard: false });
    for (const [, table] of ofType(other, 'AWS::DynamoDB::GlobalTable')) {
      expect(table.DeletionPolicy).toBe('Delete');
    }
    // A bucket that holds anything stays, unless somebody empties it before.
    const [bucketId] = ofType(other, 'AWS::S3::Bucket')[0] ?? [];
    other.template.hasResource('Custom::S3AutoDeleteObjects', {
      Properties: { BucketName: { Ref: bucketId } },
    });
    full.template.resourceCountIs('Custom::S3AutoDeleteObjects', 0);
    other.template.hasResource('AWS::S3::Bucket', {
      DeletionPolicy: 'Delete',
      Properties: { VersioningConfiguration: { Status: 'Enabled' } },
    });
    other.template.resourceCountIs('AWS::CloudWatch::Dashboard', 0);
    // Without a bot there is no webhook to take.
    other.template.resourceCountIs('AWS::Lambda::Url', 1);
    expect(other.findings).toEqual([]);
  });
});

describe('times and retries fit together', () => {
  function timeoutOf(queueId: string): number {
    const mapping = ofType(full, 'AWS::Lambda::EventSourceMapping').find(
      ([, { Properties }]) => target(Properties.EventSourceArn) === queueId,
    );
    expect(mapping?.[1].Properties).toMatchObject({
      BatchSize: 1,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
    const consumer = full.resources[target(mapping?.[1].Properties.FunctionName)];
    return consumer?.Properties.Timeout as number;
  }

  test('every queue is FIFO, and invisible for longer than its function may run', () => {
    const queues = ofType(full, 'AWS::SQS::Queue');
    expect(queues).toHaveLength(4);
    const consumed = queues.filter(([, { Properties }]) => Properties.RedrivePolicy);
    expect(consumed).toHaveLength(2);
    for (const [id, { Properties }] of queues) {
      expect(Properties).toMatchObject({
        FifoQueue: true,
        DeduplicationScope: 'messageGroup',
        FifoThroughputLimit: 'perMessageGroupId',
        MessageRetentionPeriod: 14 * 86_400,
      });
      if (Properties.RedrivePolicy) {
        // Receives count every wait: at ten minutes each they must outlast any outage.
        const { maxReceiveCount } = Properties.RedrivePolicy as { maxReceiveCount: number };
        expect(maxReceiveCount * outageWaitMs(100), id).toBeGreaterThan(6 * DAY_SEC * 1_000);
        // And a worker that dies at its start uses them up before the message is too old to be kept.
        const crashing = maxReceiveCount * (Properties.VisibilityTimeout as number);
        expect(crashing, id).toBeLessThan(Properties.MessageRetentionPeriod as number);
        expect(Properties.VisibilityTimeout as number, id).toBeGreaterThan(timeoutOf(id));
      }
    }
  });

  test('what no worker can take on goes to the function that tells the user, then to a person', () => {
    const redrives = new Map(
      ofType(full, 'AWS::SQS::Queue').map(([id, { Properties }]) => {
        const policy = Properties.RedrivePolicy as { deadLetterTargetArn: unknown } | undefined;
        return [id, policy ? target(policy.deadLetterTargetArn) : null];
      }),
    );
    const turns = [...redrives.keys()].find((id) => id.includes('Turns')) ?? '';
    const stranded = redrives.get(turns) ?? '';
    expect(stranded).toContain('Stranded');
    expect(redrives.get(stranded)).toContain('Dead');
  });

  test('the worker may queue to itself more often than Lambda lets a loop run; nothing else may', () => {
    const loops = ofType(full, 'AWS::Lambda::Function').filter(
      ([, { Properties }]) => Properties.RecursiveLoop !== undefined,
    );
    expect(loops.map(([, { Properties }]) => [Properties.PackageType, Properties.RecursiveLoop])).toEqual([
      ['Image', 'Allow'],
    ]);
  });

  test('workers leave room for ingress among the ten executions of a new account', () => {
    const most = (synthesized: Synthesized) =>
      ofType(synthesized, 'AWS::Lambda::EventSourceMapping').map(
        ([, { Properties }]) =>
          (Properties.ScalingConfig as { MaximumConcurrency: number }).MaximumConcurrency,
      );
    const total = most(full).reduce((sum, one) => sum + one);
    // Two of them send webhooks, and run only where there are some.
    expect(total).toBeLessThanOrEqual(9);
    const reserved = (synthesized: Synthesized) =>
      ofType(synthesized, 'AWS::Lambda::Function')
        .filter(([, { Properties }]) => Properties.ReservedConcurrentExecutions !== undefined)
        .map(([, { Properties }]) => [Properties.Handler, Properties.ReservedConcurrentExecutions]);
    // A new account has nothing to reserve: it would fail the deployment.
    expect(reserved(full)).toEqual([]);
    expect(reserved(synthesize({ ...FULL, ingress: { reservedConcurrency: 3 } }))).toEqual([
      ['ingress.handler', 3],
    ]);
  });

  test('webhooks end within 30 s, no function may run for longer than 15 min', () => {
    const functions = ofType(full, 'AWS::Lambda::Function').map(([, { Properties }]) => Properties);
    for (const one of functions) expect(one.Timeout).toBeLessThanOrEqual(900);
    const ingress = functions.find((one) => one.Handler === 'ingress.handler');
    expect(ingress?.Timeout).toBeLessThan(30);
    const worker = functions.find((one) => one.PackageType === 'Image');
    expect(worker).toMatchObject({
      Timeout: 900,
      EphemeralStorage: { Size: 2048 },
      Architectures: ['arm64'],
      Environment: { Variables: { [VARIABLES.keepSession]: 'true' } },
    });
  });

  test('the worker can be sized and built for x86_64', () => {
    const other = synthesize({
      architecture: 'x86_64',
      worker: {
        memoryMb: 1024,
        timeoutSec: 300,
        ephemeralStorageMb: 4096,
        maxConcurrency: 3,
        keepSession: false,
      },
    });
    other.template.hasResourceProperties('AWS::Lambda::Function', {
      PackageType: 'Image',
      MemorySize: 1024,
      Timeout: 300,
      EphemeralStorage: { Size: 4096 },
      Architectures: ['x86_64'],
      Environment: { Variables: Match.objectLike({ [VARIABLES.keepSession]: 'false' }) },
    });
    other.template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      ScalingConfig: { MaximumConcurrency: 3 },
    });
    expect(() => synthesize({ worker: { timeoutSec: 901 } })).toThrow(/900/);
  });
});

describe('who may do what', () => {
  test('no statement allows every action, and only a list of names every resource; patterns are of objects, timers and credentials of tools', () => {
    const statements = ofType(full, 'AWS::IAM::Policy').flatMap(
      ([, { Properties }]) => (Properties.PolicyDocument as { Statement: Statement[] }).Statement,
    );
    expect(statements.length).toBeGreaterThan(10);
    const patterns = statements
      .flatMap((statement) => [statement.Action, statement.Resource].flat())
      .filter((value) => JSON.stringify(value).includes('*'))
      .map((value) => JSON.stringify(value));
    const [bucketId] = ofType(full, 'AWS::S3::Bucket')[0] ?? [];
    const objects = JSON.stringify({ 'Fn::Join': ['', [{ 'Fn::GetAtt': [bucketId, 'Arn'] }, '/*']] });
    const [group = ''] = ofType(full, 'AWS::Scheduler::ScheduleGroup')[0] ?? [];
    const [timers, ...rest] = [...new Set(patterns)].filter((pattern) => pattern.includes(':schedule/'));
    expect(timers).toContain(`:schedule/",{"Ref":"${group}"},"/*"`);
    expect(rest).toEqual([]);
    const everything = statements.filter(({ Resource }) => [Resource].flat().includes('*'));
    expect([...new Set(everything.map(({ Action }) => Action))]).toEqual(['scheduler:ListSchedules']);
    const [credentials, ...others] = [...new Set(patterns)].filter(
      (pattern) => pattern !== objects && pattern !== timers && pattern !== '"*"',
    );
    expect(patterns).toContain(objects);
    expect(credentials).toMatch(/:parameter\/hybrid-sessions\/[^*]+\/vault\/\*"/);
    expect(others).toEqual([]);
    const scans = statements.filter((statement) => JSON.stringify(statement.Action).includes('Scan'));
    expect(scans.map((statement) => statement.Action)).toEqual(['dynamodb:Scan']);
    expect(JSON.stringify(scans[0]?.Resource)).toContain('/index/heads_of_tenant');
    const actions = statements.flatMap((statement) => statement.Action);
    expect(
      actions.filter((action) => /Table|Bucket(?!$)/.test(action) && action !== 's3:ListBucket'),
    ).toEqual([]);
    expect(
      ofType(full, 'AWS::IAM::Role').flatMap(([, role]) => role.Properties.ManagedPolicyArns ?? []),
    ).toEqual([]);
  });

  test('timers: who sets one can give it one role, which can send to the queue of turns and nothing else', () => {
    const policies = ofType(full, 'AWS::IAM::Policy').map(([id, { Properties }]) => ({
      id,
      roles: (Properties.Roles as { Ref: string }[]).map(({ Ref }) => Ref),
      statements: (Properties.PolicyDocument as { Statement: Statement[] }).Statement,
    }));
    const [roleId = '', role] = ofType(full, 'AWS::IAM::Role').find(([id]) => id.includes('Timers')) ?? [];
    const [groupId] = ofType(full, 'AWS::Scheduler::ScheduleGroup')[0] ?? [];
    const turns = ofType(full, 'AWS::SQS::Queue').find(([id]) => id.includes('Turns'))?.[0];
    expect(policies.filter(({ roles }) => roles.includes(roleId)).flatMap((one) => one.statements)).toEqual([
      { Effect: 'Allow', Action: 'sqs:SendMessage', Resource: { 'Fn::GetAtt': [turns, 'Arn'] } },
    ]);
    expect(role?.Properties.AssumeRolePolicyDocument).toMatchObject({
      Statement: [
        {
          Principal: { Service: 'scheduler.amazonaws.com' },
          Condition: {
            StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } },
            ArnEquals: { 'aws:SourceArn': { 'Fn::GetAtt': [groupId, 'Arn'] } },
          },
        },
      ],
    });
    const holders = policies.flatMap(({ id, statements }) => {
      const own = statements.filter(({ Action }) => /scheduler:|PassRole/.test(JSON.stringify(Action)));
      return own.length === 0 ? [] : [{ id, own }];
    });
    const part = (id: string) => /Worker|Api|SweepExpired/.exec(id)?.[0];
    expect(holders.map(({ id }) => part(id)).sort()).toEqual(['Api', 'SweepExpired', 'Worker']);
    for (const { id, own } of holders) {
      const actions = own.flatMap(({ Action }) => [Action].flat()).sort();
      const mine =
        part(id) === 'SweepExpired'
          ? ['scheduler:GetSchedule']
          : ['scheduler:CreateSchedule', 'scheduler:DeleteSchedule'];
      expect(actions).toEqual(
        ['iam:PassRole', ...mine, 'scheduler:ListSchedules', 'scheduler:UpdateSchedule'].sort(),
      );
      expect(own.find(({ Action }) => Action === 'iam:PassRole')).toMatchObject({
        Resource: { 'Fn::GetAtt': [roleId, 'Arn'] },
        Condition: { StringEquals: { 'iam:PassedToService': 'scheduler.amazonaws.com' } },
      });
    }
    // Messages of timers have no id of their own.
    full.template.hasResourceProperties('AWS::SQS::Queue', { ContentBasedDeduplication: true });
  });

  test('only the worker reads the key of the model', () => {
    const readers = ofType(full, 'AWS::IAM::Policy')
      .filter(([, policy]) => JSON.stringify(policy).includes('parameter/bots/anthropic-key'))
      .map(([id]) => id);
    expect(readers).toHaveLength(1);
    expect(readers[0]).toContain('Worker');
  });

  test('every public function is given the name of the secret its callers must show', () => {
    const urls = ofType(full, 'AWS::Lambda::Url').filter(([, url]) => url.Properties.AuthType === 'NONE');
    const secrets = urls.map(([, url]) => {
      const { Properties } = full.resources[target(url.Properties.TargetFunctionArn)] as Resource;
      const { Variables } = Properties.Environment as { Variables: Record<string, unknown> };
      const named = Object.entries(Variables).filter(([name]) => name.endsWith('_PARAMETER'));
      return [Properties.Handler, ...named.map(([, value]) => value)];
    });
    expect(secrets.sort()).toEqual([
      ['api.handler', expect.stringMatching(/^\/hybrid-sessions\/.+\/api-key$/)],
      ['ingress.handler', expect.stringMatching(/^\/hybrid-sessions\/.+\/telegram-webhook-secret$/)],
    ]);
  });

  test('no variable of a function holds a secret, only names of parameters', () => {
    const variables = ofType(full, 'AWS::Lambda::Function').flatMap(([, { Properties }]) =>
      Object.entries((Properties.Environment as { Variables?: object } | undefined)?.Variables ?? {}),
    );
    const known = new Set<string>([
      ...Object.values(VARIABLES),
      ...CHANNELS.flatMap((channel: ChannelDescriptor) =>
        [...Object.keys(channel.settings), ...(channel.identity ?? [])].map((field) =>
          variableOf(channel, field),
        ),
      ),
    ]);
    expect(variables.length).toBeGreaterThan(20);
    for (const [name, value] of variables) {
      expect(known).toContain(name);
      if (/KEY|SECRET|TOKEN/.test(name)) expect(name).toMatch(/_PARAMETER$/);
      if (name.endsWith('_PARAMETER')) expect(value).toMatch(/^\//);
    }
  });
});

interface Statement {
  readonly Action: string | string[];
  readonly Resource: unknown;
}

test('once a day the sweep runs, which may delete objects and reads none', () => {
  const [, rule] = ofType(full, 'AWS::Events::Rule')[0] ?? [];
  expect(rule?.Properties).toMatchObject({ ScheduleExpression: 'rate(1 day)', State: 'ENABLED' });
  const [{ Arn } = { Arn: null }] = (rule?.Properties.Targets ?? []) as { Arn: unknown }[];
  const sweep = full.resources[target(Arn)];
  expect(sweep?.Properties.Handler).toBe('sweep.handler');
  const role = target(sweep?.Properties.Role);
  const policies = ofType(full, 'AWS::IAM::Policy').filter(([, { Properties }]) =>
    (Properties.Roles as unknown[]).map(target).includes(role),
  );
  const text = JSON.stringify(policies);
  expect(text).toContain('s3:DeleteObject');
  expect(text).not.toMatch(/s3:(Get|Put)Object|ssm:|sqs:/);
  const [[, permission] = [undefined, undefined]] = ofType(full, 'AWS::Lambda::Permission').filter(
    ([, { Properties }]) => Properties.Principal === 'events.amazonaws.com',
  );
  expect(permission?.Properties.SourceArn).toBeDefined();
});

test('the outputs name all that `sessions --aws` needs', () => {
  const outputs = full.template.findOutputs('*');
  expect(Object.keys(outputs)).toEqual(expect.arrayContaining(Object.keys(OUTPUTS)));
  const written = {
    'a-stack': { ...Object.fromEntries(Object.keys(OUTPUTS).map((name) => [name, 'https://x/'])) },
  };
  const stack = { ...written['a-stack'], Region: 'eu-central-1', RetentionDays: '7', Vault: '/x/vault' };
  expect(installationFrom({ other: { Bucket: 'x' }, 'a-stack': stack })).toMatchObject({
    region: 'eu-central-1',
    retentionDays: 7,
    bucket: 'https://x/',
  });
  expect(installationFrom({ other: {} })).toBeNull();
});

describe('what a person hears of', () => {
  test('every alarm goes to a topic that has a subscriber', () => {
    const alarms = ofType(full, 'AWS::CloudWatch::Alarm');
    const [topicId = ''] = ofType(full, 'AWS::SNS::Topic')[0] ?? [];
    for (const [id, { Properties }] of alarms) {
      expect((Properties.AlarmActions as unknown[]).map(target), id).toEqual([topicId]);
      expect(Properties.TreatMissingData, id).toBe('notBreaching');
    }
    full.template.hasResourceProperties('AWS::SNS::Subscription', {
      TopicArn: { Ref: topicId },
      Protocol: 'email',
      Endpoint: { Ref: 'AlarmEmail' },
    });
    full.template.hasParameter('AlarmEmail', { Type: 'String', AllowedPattern: Match.anyValue() });
  });

  test('dead letters, age of the queue, errors, throttles, failed deliveries, outages, refused requests', () => {
    const watched = ofType(full, 'AWS::CloudWatch::Alarm').map(([, { Properties }]) => Properties.MetricName);
    const counts = Object.groupBy(watched, (name) => String(name));
    expect(Object.fromEntries(Object.entries(counts).map(([name, all]) => [name, all?.length]))).toEqual({
      ApproximateNumberOfMessagesVisible: 2,
      ApproximateAgeOfOldestMessage: 1,
      Errors: 6,
      Throttles: 6,
      UndeliverableReplies: 1,
      OutageAge: 1,
      NotReady: 1,
      WorkerExposed: 1,
      RequestsRefused: 1,
      UnreadableStates: 1,
    });
  });

  test('an outage is one alarm as long as it lasts: its period is longer than the wait between two tries', () => {
    const [, outage] = ofType(full, 'AWS::CloudWatch::Alarm').find(
      ([, { Properties }]) => Properties.MetricName === METRICS.outageMs,
    )!;
    expect(outage.Properties).toMatchObject({ Statistic: 'Maximum', Threshold: 120_000 });
    expect((outage.Properties.Period as number) * 1_000).toBeGreaterThan(outageWaitMs(100));
  });

  test('the address in the settings is the subscriber, so that a changed one takes effect', () => {
    const subscriber = (settings: object) => {
      const { template, resources } = synthesize(settings);
      const [id, subscription] = ofType({ resources } as Synthesized, 'AWS::SNS::Subscription')[0]!;
      const { Properties } = subscription;
      return { id, endpoint: Properties.Endpoint, parameters: Object.keys(template.findParameters('*')) };
    };
    const before = subscriber({ alarmEmail: 'first@example.org' });
    const after = subscriber({ alarmEmail: 'second@example.org' });
    expect([before.endpoint, after.endpoint]).toEqual(['first@example.org', 'second@example.org']);
    // Another resource: CloudFormation subscribes the new one and takes the old one's subscription away.
    expect(after.id).not.toBe(before.id);
    expect(after.parameters).not.toContain('AlarmEmail');
  });

  test('logs end, and every function writes to a group of its own', () => {
    const groups = ofType(full, 'AWS::Logs::LogGroup');
    const functions = ofType(full, 'AWS::Lambda::Function');
    expect(groups).toHaveLength(functions.length);
    for (const [, group] of groups) expect(group.Properties.RetentionInDays).toBe(30);
    const used = functions.map(([, one]) =>
      target((one.Properties.LoggingConfig as { LogGroup: unknown }).LogGroup),
    );
    expect(new Set(used).size).toBe(functions.length);
  });
});

describe('the whole', () => {
  test('cdk-nag finds nothing without a reason', () => {
    expect(full.findings).toEqual([]);
  });

  test('Claude on Bedrock: the worker alone may invoke models of Anthropic, and no key is looked for', () => {
    const model = { provider: 'bedrock', model: 'eu.anthropic.claude-sonnet-5' };
    const budgets = { turn: { usd: 1 }, tenant: { month: { usd: 50 } } };
    const app = synthesize({ ...FULL, model, budgets });
    expect(app.findings).toEqual([]);
    const policies = Object.entries(app.resources).filter(
      ([, { Type, Properties }]) =>
        Type === 'AWS::IAM::Policy' && JSON.stringify(Properties).includes('bedrock:InvokeModel'),
    );
    expect(policies.map(([id]) => id)).toEqual([expect.stringMatching(/Worker/)]);
    const text = JSON.stringify(policies);
    expect(text).toContain('foundation-model/anthropic.*');
    // Names of timers are all that everything is said of.
    const { length } = text.split('"Resource":"*"');
    expect(length).toBe(2);
    expect(text).toContain('"scheduler:ListSchedules","Effect":"Allow","Resource":"*"');
    expect(text).not.toContain('anthropic-key');
    app.template.hasResourceProperties('AWS::Lambda::Function', {
      PackageType: 'Image',
      Environment: {
        Variables: Match.objectLike({
          HYBRID_SESSIONS_MODEL_PROVIDER: 'bedrock',
          HYBRID_SESSIONS_MODEL: model.model,
          HYBRID_SESSIONS_BUDGETS: JSON.stringify(budgets),
        }),
      },
    });
  });

  test('a key of its own: tables and bucket are encrypted with it, and no function uses it in another way', () => {
    expect(() => synthesize({ ...FULL, ownKey: true })).toThrow(/Set `region`/);
    const app = synthesize({ ...FULL, ownKey: true, region: 'eu-central-1' });
    expect(app.findings).toEqual([]);
    const keys = Object.keys(
      app.template.findResources('AWS::KMS::Key', { Properties: { EnableKeyRotation: true } }),
    );
    expect(keys).toHaveLength(1);
    const arn = { 'Fn::GetAtt': [keys[0], 'Arn'] };
    app.template.allResourcesProperties('AWS::DynamoDB::GlobalTable', {
      SSESpecification: { SSEEnabled: true, SSEType: 'KMS' },
      Replicas: [Match.objectLike({ SSESpecification: { KMSMasterKeyId: arn } })],
    });
    app.template.hasResourceProperties('AWS::S3::Bucket', {
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [
          {
            BucketKeyEnabled: true,
            ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: arn },
          },
        ],
      },
    });
    app.template.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
        ]),
      },
    });
    const uses = Object.values(app.resources)
      .filter(({ Type }) => Type === 'AWS::IAM::Policy')
      .flatMap(
        ({ Properties }) => (Properties.PolicyDocument as { Statement: { Action: unknown }[] }).Statement,
      )
      .filter(({ Action }) => JSON.stringify(Action).includes('kms:'));
    expect(uses.length).toBeGreaterThan(4);
    for (const use of uses) {
      expect(use).toMatchObject({
        Resource: arn,
        Condition: { StringEquals: { 'kms:ViaService': expect.anything() } },
      });
    }
    expect(full.template.findResources('AWS::KMS::Key')).toEqual({});
  });

  test('limits reach the functions that take messages in', () => {
    const limits = { waiting: { chat: 20 }, turnsPerMinute: { speaker: 6 } };
    const app = synthesize({ ...FULL, limits });
    const told = Object.entries(app.resources).filter(([, { Type, Properties }]) => {
      const { Variables } = (Properties?.Environment ?? {}) as { Variables?: Record<string, string> };
      return Type === 'AWS::Lambda::Function' && Variables?.HYBRID_SESSIONS_LIMITS !== undefined;
    });
    for (const [, { Properties }] of told) {
      const { Variables } = Properties.Environment as { Variables: Record<string, string> };
      expect(JSON.parse(Variables.HYBRID_SESSIONS_LIMITS ?? '')).toMatchObject(limits);
    }
    expect(told.map(([id]) => id).sort()).toEqual([
      expect.stringMatching(/Api/),
      expect.stringMatching(/Ingress/),
    ]);
  });

  test('so does what a message does to a turn that runs', () => {
    const whileRunning = { chats: { 'telegram/-100': 'steer' } } as const;
    const told = Object.values(synthesize({ ...FULL, whileRunning }).resources).flatMap(({ Properties }) => {
      const { Variables } = (Properties?.Environment ?? {}) as { Variables?: Record<string, string> };
      return Variables?.HYBRID_SESSIONS_WHILE_RUNNING ?? [];
    });
    expect(told.map((text) => JSON.parse(text))).toEqual(
      Array(2).fill({ default: 'queue', ...whileRunning }),
    );
  });

  test('cdk-nag does find what is wrong', () => {
    const app = synthesize({}, (parent) => {
      const stack = new Stack(parent, 'Wrong');
      new Bucket(stack, 'Open');
      return stack;
    });
    expect(app.findings.join('\n')).toContain('AwsSolutions-S10');
  });

  test('nothing has a fixed name: two installations fit in one stack, several stacks in an account', () => {
    const pair = synthesize({}, (parent: App, assets: string) => {
      const stack = new Stack(parent, 'Two');
      const props = { model: { provider: 'demo' }, alarmEmail: 'ops@example.org', assets } as const;
      new HybridSessions(stack, 'One', props);
      new HybridSessions(stack, 'Other', props);
      return stack;
    });
    const named = Object.entries(pair.resources).filter(([, { Properties }]) =>
      ['TableName', 'BucketName', 'QueueName', 'FunctionName', 'RoleName', 'TopicName', 'LogGroupName'].some(
        (key) => typeof Properties?.[key] === 'string',
      ),
    );
    expect(named).toEqual([]);
    pair.template.resourceCountIs('AWS::S3::Bucket', 2);
    expect(pair.findings).toEqual([]);
  });

  test('the webhook is registered with the bot, by a function that runs at deployment', () => {
    full.template.hasResourceProperties('Custom::HybridSessionsSetup', {
      step: 'register',
      channel: 'telegram',
      settings: {
        token: '/bots/telegram-token',
        webhookSecret: Match.stringLikeRegexp('telegram-webhook-secret$'),
      },
      url: Match.anyValue(),
    });
    const [, prepare] =
      ofType(full, 'Custom::HybridSessionsSetup').find(
        ([, { Properties }]) => Properties.step === 'prepare',
      ) ?? [];
    expect(prepare?.Properties.secrets).toHaveLength(2);
  });
});
