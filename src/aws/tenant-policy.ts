// What the keys of one tenant's turn open: that tenant's items, its objects, and nothing else. A pure function makes it,
// for two uses: the role's own policy, in which the tenant is a tag of the session, and a test that walks every request.
//
// `dynamodb:LeadingKeys` holds the partition keys of a request, one or several, so the pattern must hold for all of them.
// `ForAllValues` is also true of a request that has none (a scan): the `Null` condition beside it refuses those.
import type { Tenant } from '../core/ids.ts';

export interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

export interface TenantResources {
  readonly mappingTableArn: string;
  readonly stateTableArn: string;
  readonly bucketArn: string;
}

/** The tenant of the role's session. Nothing that an encoded id can hold has a meaning in a pattern. */
export const SESSION_TENANT = '$' + '{aws:PrincipalTag/tenant}';

const ITEM_ACTIONS = [
  'dynamodb:GetItem',
  'dynamodb:BatchGetItem',
  'dynamodb:Query',
  'dynamodb:ConditionCheckItem',
  'dynamodb:PutItem',
  'dynamodb:UpdateItem',
  'dynamodb:DeleteItem',
  'dynamodb:BatchWriteItem',
];

/**
 * Keys that tenants brought for their objects, by S3 and for what is bound to the tenant. Which keys those are, the registry says
 * later; each key's own policy has to let the role in.
 */
export function tenantKeyStatement(partition: string, region: string): Statement {
  return {
    Effect: 'Allow',
    Action: ['kms:GenerateDataKey', 'kms:Decrypt'],
    Resource: [`arn:${partition}:kms:*:*:key/*`],
    Condition: {
      StringEquals: {
        'kms:EncryptionContext:tenant': SESSION_TENANT,
        'kms:ViaService': `s3.${region}.amazonaws.com`,
      },
    },
  };
}

export function tenantStatements(
  { mappingTableArn, stateTableArn, bucketArn }: TenantResources,
  tenant: Tenant | typeof SESSION_TENANT,
): readonly Statement[] {
  const leading = (pattern: string) => ({
    'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': [pattern] },
    Null: { 'dynamodb:LeadingKeys': 'false' },
  });
  return [
    {
      Effect: 'Allow',
      Action: ITEM_ACTIONS,
      Resource: [mappingTableArn],
      Condition: leading(`${tenant}/*`),
    },
    {
      Effect: 'Allow',
      Action: ITEM_ACTIONS,
      Resource: [stateTableArn],
      Condition: leading(`${tenant}#*`),
    },
    {
      Effect: 'Allow',
      Action: ['dynamodb:Query'],
      Resource: [`${stateTableArn}/index/*`],
      Condition: leading(`${tenant}#*`),
    },
    {
      Effect: 'Allow',
      Action: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload'],
      Resource: [`${bucketArn}/${tenant}/*`],
    },
    {
      Effect: 'Allow',
      Action: ['s3:ListBucket'],
      Resource: [bucketArn],
      Condition: { StringLike: { 's3:prefix': [`${tenant}/*`] }, Null: { 's3:prefix': 'false' } },
    },
  ];
}
