// The policies of a synthesized template as an evaluator takes them: what CloudFormation would fill in becomes
// `arn:LogicalId`, so that a resource is known by its logical id.
import type { PolicyStatement } from '../../testing/aws/iam/evaluate.ts';
import type { InstalledRoles } from '../../testing/lambda/installation.ts';
import { ofType, type Synthesized } from '../cdk/synthesize.ts';

const PSEUDO: Readonly<Record<string, string>> = {
  'AWS::Partition': 'aws',
  'AWS::Region': 'eu-central-1',
  'AWS::AccountId': '123456789012',
};

/** All statements of a role, by its logical id. */
export function statementsOf(synthesized: Synthesized, role: string): readonly PolicyStatement[] {
  const attached = Object.values(synthesized.resources).filter(
    ({ Type, Properties }) =>
      Type === 'AWS::IAM::Policy' && (Properties.Roles as { Ref: string }[]).some(({ Ref }) => Ref === role),
  );
  return attached.flatMap(({ Properties }) => documentOf(Properties.PolicyDocument));
}

/** Who may assume a role, without the principal: the evaluator is asked about the conditions. */
export function trustOf(synthesized: Synthesized, role: string): readonly PolicyStatement[] {
  const document = synthesized.resources[role]?.Properties.AssumeRolePolicyDocument;
  return documentOf(document).map((statement) => ({ ...statement, Resource: '*' }));
}

function documentOf(document: unknown): readonly PolicyStatement[] {
  return (filled(document) as { Statement: PolicyStatement[] }).Statement;
}

export function filled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(filled);
  if (typeof value !== 'object' || value === null) return value;
  const one = value as Record<string, unknown>;
  if (typeof one.Ref === 'string') return PSEUDO[one.Ref] ?? one.Ref;
  const attribute = one['Fn::GetAtt'] as [string, string] | undefined;
  if (attribute) return `arn:${attribute[0]}`;
  const join = one['Fn::Join'] as [string, unknown[]] | undefined;
  if (join) return join[1].map(filled).join(join[0]);
  return Object.fromEntries(Object.entries(one).map(([name, inner]) => [name, filled(inner)]));
}

const ENTRIES: Readonly<Record<string, string>> = {
  worker: 'Worker',
  gateway: 'Gateway',
  api: 'Api',
  ingress: 'Ingress',
  stranded: 'StrandedTurns',
  sweep: 'SweepExpired',
  webhooks: 'WebhooksSender',
  setup: 'Setup',
  'agent-host': 'AgentHost',
};

/** The roles of a template with several tenants, for a local installation: each function gets its own rights. */
export function rolesOf(synthesized: Synthesized): InstalledRoles {
  const functions = ofType(synthesized, 'AWS::Lambda::Function');
  const roleOf = (entry: string) => {
    const part = ENTRIES[entry] ?? '';
    const found = functions.find(([id]) => id.includes(part));
    if (!found) throw new Error(`The template has no function ${part}.`);
    return (found[1].Properties.Role as { 'Fn::GetAtt': [string] })['Fn::GetAtt'][0];
  };
  const [tenantRole = ''] =
    ofType(synthesized, 'AWS::IAM::Role').find(([, { Properties }]) =>
      String(Properties.Description).startsWith('What a turn may reach'),
    ) ?? [];
  const arnOf = (type: string, part: string) =>
    `arn:${ofType(synthesized, type).find(([id]) => id.includes(part))?.[0]}`;
  return {
    of: (entry) => statementsOf(synthesized, roleOf(entry)),
    tenant: {
      arn: `arn:${tenantRole}`,
      statements: statementsOf(synthesized, tenantRole),
      trust: trustOf(synthesized, tenantRole),
    },
    names: {
      table: (name) => arnOf('AWS::DynamoDB::GlobalTable', name.endsWith('mapping') ? 'Mapping' : 'State'),
      bucket: () => arnOf('AWS::S3::Bucket', 'Sessions'),
      queue: (url) => arnOf('AWS::SQS::Queue', url.includes('dead') ? 'Dead' : 'Turns'),
      functionArn: () => arnOf('AWS::Lambda::Function', 'AgentHost'),
      timerGroupArn: () =>
        `arn:aws:scheduler:eu-central-1:123456789012:schedule/${arnOf('AWS::Scheduler::ScheduleGroup', 'Timers').slice(4)}`,
      timerRoleArn: arnOf('AWS::IAM::Role', 'Timers'),
    },
  };
}
