// The role that is assumed for one tenant, by workers for a turn and by the API for files: its policy binds it to the tenant that the session is tagged with, and
// nobody can assume it without exactly that tag. The worker's own role then opens neither tables nor bucket.
import { Stack } from 'aws-cdk-lib';
import { ArnPrincipal, PolicyStatement, Role, SessionTagsPrincipal } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { SESSION_TENANT, tenantKeyStatement, tenantStatements } from '../aws/tenant-policy.ts';
import { BOTS_PARTITION, NOTES_PARTITION, TENANTS_PARTITION } from '../stores/dynamodb/tables.ts';
import { allowKey } from './access.ts';
import { acknowledge } from './acknowledge.ts';
import type { Data } from './data.ts';

export class TenantRole extends Construct {
  readonly role: Role;

  constructor(
    scope: Construct,
    id: string,
    { data, worker }: { readonly data: Data; readonly worker: Role },
  ) {
    super(scope, id);
    this.role = new Role(this, 'Role', {
      description: 'What a turn may reach: one tenant, named by the tag of the session.',
      assumedBy: taggedSessionsOf(worker),
    });
    const resources = {
      mappingTableArn: data.mapping.tableArn,
      stateTableArn: data.state.tableArn,
      bucketArn: data.bucket.bucketArn,
    };
    const { partition, region } = Stack.of(this);
    const statements = [
      ...tenantStatements(resources, SESSION_TENANT),
      tenantKeyStatement(partition, region),
    ];
    for (const { Effect: _, Action, Resource, Condition } of statements) {
      this.role.addToPolicy(
        new PolicyStatement({
          actions: [...Action],
          resources: [...Resource],
          ...(Condition && { conditions: Condition }),
        }),
      );
    }
    this.letAssume(worker);
    // Each who asks for something under the installation's key needs a right to the key besides.
    allowKey(this.role, data, 'dynamodb');
    allowKey(this.role, data, 's3');
    allowKey(worker, data, 'dynamodb');
    // Which tenants and bots there are; not what administrators did.
    worker.addToPolicy(
      new PolicyStatement({
        actions: ['dynamodb:GetItem'],
        resources: [data.state.tableArn],
        conditions: {
          'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': [TENANTS_PARTITION, BOTS_PARTITION] },
          Null: { 'dynamodb:LeadingKeys': 'false' },
        },
      }),
    );
    // What workers of a channel share. Nothing in it is a tenant's.
    worker.addToPolicy(
      new PolicyStatement({
        actions: ['dynamodb:GetItem', 'dynamodb:PutItem'],
        resources: [data.state.tableArn],
        conditions: {
          'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': [NOTES_PARTITION] },
          Null: { 'dynamodb:LeadingKeys': 'false' },
        },
      }),
    );
    const idOf = (construct: Construct) => Stack.of(this).getLogicalId(construct.node.defaultChild as never);
    acknowledge(
      this.role,
      `AwsSolutions-IAM5[Resource::<${idOf(data.bucket)}.Arn>/<aws:PrincipalTag/tenant>/*]`,
      "Objects of one tenant's sessions: their names come into being with the sessions.",
    );
    acknowledge(
      this.role,
      'AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:kms:*:*:key/*]',
      "Keys of tenants, which are named after the deployment. A condition binds each use to the tenant and to S3; the key's own policy decides.",
    );
    acknowledge(
      this.role,
      `AwsSolutions-IAM5[Resource::<${idOf(data.state)}.Arn>/index/*]`,
      'Both indexes of this table; a condition binds each query to one tenant.',
    );
  }

  /** Lets another function work for tenants. */
  allow(role: Role): void {
    const statement = taggedSessionsOf(role).policyFragment;
    this.role.assumeRolePolicy?.addStatements(
      new PolicyStatement({
        actions: ['sts:AssumeRole', 'sts:TagSession'],
        principals: [new ArnPrincipal(role.roleArn)],
        conditions: statement.conditions,
      }),
    );
    this.letAssume(role);
  }

  private letAssume(role: Role): void {
    role.addToPolicy(
      new PolicyStatement({
        actions: ['sts:AssumeRole', 'sts:TagSession'],
        resources: [this.role.roleArn],
      }),
    );
  }
}

/** Only with exactly one tag, which names the tenant. */
function taggedSessionsOf(role: Role): SessionTagsPrincipal {
  return new SessionTagsPrincipal(
    new ArnPrincipal(role.roleArn).withConditions({
      StringLike: { 'aws:RequestTag/tenant': '?*' },
      'ForAllValues:StringEquals': { 'aws:TagKeys': ['tenant'] },
    }),
  );
}
