// IAM rights. Each function has its own role, which allows the calls it makes and nothing else. There is no managed
// policy, and a `*` only where a name cannot be known beforehand, with the reason beside it.
import { Stack, Token } from 'aws-cdk-lib';
import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { HEADS_INDEX } from '../stores/dynamodb/tables.ts';
import { acknowledge } from './acknowledge.ts';
import type { Data } from './data.ts';

export function functionRole(scope: Construct, logs: LogGroup): Role {
  const role = new Role(scope, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
  role.addToPolicy(
    new PolicyStatement({
      effect: Effect.ALLOW,
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [logs.logGroupArn],
    }),
  );
  return role;
}

const READS = ['dynamodb:GetItem', 'dynamodb:BatchGetItem', 'dynamodb:Query', 'dynamodb:ConditionCheckItem'];
const WRITES = ['dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem', 'dynamodb:BatchWriteItem'];

/** Allows access to the items of both tables, but no Scan and no change of a table. */
export function allowTables(role: Role, data: Data): void {
  role.addToPolicy(
    new PolicyStatement({
      actions: [...READS, ...WRITES],
      resources: [data.mapping.tableArn, data.state.tableArn],
    }),
  );
  role.addToPolicy(
    new PolicyStatement({
      actions: ['dynamodb:Query'],
      resources: data.indexes.map((name) => `${data.state.tableArn}/index/${name}`),
    }),
  );
  allowKey(role, data, 'dynamodb');
}

const KEY_USES = [
  'Encrypt',
  'Decrypt',
  'ReEncryptFrom',
  'ReEncryptTo',
  'GenerateDataKey',
  'GenerateDataKeyWithoutPlaintext',
  'DescribeKey',
];

/** The installation's key, through the services that hold the data and in no other way. */
export function allowKey(role: Role, { key }: Data, service: 'dynamodb' | 's3'): void {
  if (!key) return;
  role.addToPolicy(
    new PolicyStatement({
      actions: KEY_USES.map((use) => `kms:${use}`),
      resources: [key.keyArn],
      conditions: {
        StringEquals: { 'kms:ViaService': `${service}.${Stack.of(role).region}.amazonaws.com` },
      },
    }),
  );
}

/** The sweep finds expired sessions by reading all of one index, which has only heads in it. */
export function allowReadingHeads(role: Role, data: Data): void {
  role.addToPolicy(
    new PolicyStatement({
      actions: ['dynamodb:Scan'],
      resources: [`${data.state.tableArn}/index/${HEADS_INDEX}`],
    }),
  );
}

/** Allows these actions on the bucket's objects. */
export function allowObjects(role: Role, data: Data, actions: readonly ('Get' | 'Put' | 'Delete')[]): void {
  role.addToPolicy(
    new PolicyStatement({
      actions: [
        ...actions.map((action) => `s3:${action}Object`),
        ...(actions.includes('Put') ? ['s3:AbortMultipartUpload'] : []),
      ],
      resources: [data.bucket.arnForObjects('*')],
    }),
  );
  role.addToPolicy(new PolicyStatement({ actions: ['s3:ListBucket'], resources: [data.bucket.bucketArn] }));
  allowKey(role, data, 's3');
  const id = Stack.of(role).getLogicalId(data.bucket.node.defaultChild as never);
  acknowledge(
    role,
    `AwsSolutions-IAM5[Resource::<${id}.Arn>/*]`,
    'Objects of sessions: their names come into being with the sessions. Only this bucket.',
  );
}

/** What the gateway writes and reads: usage, words for hosts, and whether a turn is over. No session, no conversation. */
export function allowGatewayItems(role: Role, data: Data): void {
  allowKey(role, data, 'dynamodb');
  role.addToPolicy(
    new PolicyStatement({
      actions: ['dynamodb:GetItem', 'dynamodb:BatchGetItem', 'dynamodb:Query', 'dynamodb:UpdateItem'],
      resources: [data.state.tableArn],
      conditions: {
        'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['*#usage#*', '*#mailbox#*', '*#turn#*'] },
        // Without a key the condition above would hold.
        Null: { 'dynamodb:LeadingKeys': 'false' },
      },
    }),
  );
}

export function allowInvoke(role: Role, target: IFunction): void {
  role.addToPolicy(
    new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [target.functionArn] }),
  );
}

export function allowSend(role: Role, queue: Queue): void {
  role.addToPolicy(new PolicyStatement({ actions: ['sqs:SendMessage'], resources: [queue.queueArn] }));
}

export function parameterArn(scope: Construct, name: string): string {
  return Stack.of(scope).formatArn({
    service: 'ssm',
    resource: 'parameter',
    resourceName: name.replace(/^\//, ''),
  });
}

/** Claude on Bedrock: which of its models turns may call is the gateway's business, by the agent folder. */
export function allowModels(role: Role): void {
  // An inference profile sends requests to several regions, and the right is asked for in each.
  const names = [
    ':foundation-model/anthropic.*',
    '*:inference-profile/*',
    '*:application-inference-profile/*',
  ] as const;
  role.addToPolicy(
    new PolicyStatement({
      actions: ['bedrock:InvokeModel', 'bedrock:InvokeModelWithResponseStream'],
      resources: names.map((name) => `arn:${Stack.of(role).partition}:bedrock:*:${name}`),
    }),
  );
  for (const name of names) {
    acknowledge(
      role,
      `AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:bedrock:*:${name}]`,
      'Which models an agent calls is in its folder, which may change with every image. Calling models, and nothing else.',
    );
  }
}

export function allowParameters(role: Role, names: readonly string[]): void {
  if (names.length === 0) return;
  role.addToPolicy(
    new PolicyStatement({
      actions: ['ssm:GetParameters'],
      resources: names.map((name) => parameterArn(role, name)),
    }),
  );
}

/** Allows every parameter below a name: which ones there are, the registry of tenants says later. */
export function allowParametersBelow(role: Role, prefix: string): void {
  const resource = parameterArn(role, `${prefix}/*`);
  role.addToPolicy(new PolicyStatement({ actions: ['ssm:GetParameters'], resources: [resource] }));
  acknowledge(
    role,
    patternFinding(role, 'ssm', `parameter${prefix}/*`),
    "Secrets of tenants' bots, which are added after the deployment. Only those below this name.",
  );
}

/** Credentials of tools: which there are, `vault set` and people say later. A tenant's may be encrypted with its own key. */
export function allowVault(role: Role, prefix: string, hasTenants: boolean): void {
  const resource = parameterArn(role, `${prefix}/*`);
  role.addToPolicy(new PolicyStatement({ actions: ['ssm:GetParameters'], resources: [resource] }));
  acknowledge(
    role,
    patternFinding(role, 'ssm', `parameter${prefix}/*`),
    'Credentials of tools, which are stored after the deployment. Only those of this installation.',
  );
  if (!hasTenants) return;
  role.addToPolicy(
    new PolicyStatement({
      actions: ['kms:Decrypt'],
      resources: ['*'],
      conditions: {
        StringEquals: { 'kms:ViaService': `ssm.${Stack.of(role).region}.amazonaws.com` },
        StringLike: { 'kms:EncryptionContext:PARAMETER_ARN': resource },
      },
    }),
  );
  acknowledge(
    role,
    'AwsSolutions-IAM5[Resource::*]',
    "Keys of tenants, which their own policies have to allow as well. For this installation's parameters and nothing else.",
  );
}

/** As cdk-nag names the finding: what the stack does not know yet stands as the name of its pseudo parameter. */
export function patternFinding(scope: Construct, service: string, resource: string): string {
  const { region, account } = Stack.of(scope);
  const shown = (value: string, name: string) => (Token.isUnresolved(value) ? `<AWS::${name}>` : value);
  const place = `${shown(region, 'Region')}:${shown(account, 'AccountId')}`;
  return `AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:${service}:${place}:${resource}]`;
}

/** What signing in leaves: people's tokens, beside the credentials of tools. A tenant's key encrypts them, too. */
export function allowSignIns(role: Role, prefix: string, hasTenants: boolean): void {
  const resource = parameterArn(role, `${prefix}/*`);
  role.addToPolicy(
    new PolicyStatement({ actions: ['ssm:PutParameter', 'ssm:DeleteParameter'], resources: [resource] }),
  );
  if (!hasTenants) return;
  role.addToPolicy(
    new PolicyStatement({
      actions: ['kms:Encrypt', 'kms:GenerateDataKey'],
      resources: ['*'],
      conditions: {
        StringEquals: { 'kms:ViaService': `ssm.${Stack.of(role).region}.amazonaws.com` },
        StringLike: { 'kms:EncryptionContext:PARAMETER_ARN': resource },
      },
    }),
  );
}
