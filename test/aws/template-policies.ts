// The policies of a synthesized template as an evaluator takes them: what CloudFormation would fill in becomes
// `arn:LogicalId`, so that a resource is known by its logical id.
import type { PolicyStatement } from '../../testing/aws/iam/evaluate.ts';
import type { Synthesized } from '../cdk/synthesize.ts';

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
