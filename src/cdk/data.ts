// The data: two tables and a bucket. They stay when the stack is deleted, unless the props say otherwise. After a first
// deployment that fails they are deleted, because nobody would look for them. Objects do not expire by age: a session
// in daily use may still need a pack written a year ago. The sweep erases expired sessions (src/core/sweep.ts).
import { Duration, RemovalPolicy, Stack, Token } from 'aws-cdk-lib';
import { AttributeType, Billing, ProjectionType, TableEncryptionV2, TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { Key } from 'aws-cdk-lib/aws-kms';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  HttpMethods,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { type TableDefinition, tableDefinitions } from '../stores/dynamodb/tables.ts';
import { acknowledge } from './acknowledge.ts';

export interface DataProps {
  readonly ownKey: boolean;
  readonly versionedBucket: boolean;
  readonly deleteWithStack: boolean;
}

export class Data extends Construct {
  readonly mapping: TableV2;
  readonly state: TableV2;
  readonly bucket: Bucket;
  /** What both are encrypted with; without it, keys of AWS. */
  readonly key: Key | undefined;
  /** Names of the state table's indexes. */
  readonly indexes: readonly string[] = tableDefinitions.state.indexes.map((index) => index.name);

  constructor(scope: Construct, id: string, props: DataProps) {
    super(scope, id);
    const removalPolicy = props.deleteWithStack
      ? RemovalPolicy.DESTROY
      : RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE;
    if (props.ownKey && Token.isUnresolved(Stack.of(this).region)) {
      throw new Error(
        'ownKey: a table with a key of its own wants the stack to name its region. Set `region`.',
      );
    }
    this.key = props.ownKey
      ? new Key(this, 'Key', {
          description: 'Conversations and files of hybrid-sessions. Without it they cannot be read.',
          enableKeyRotation: true,
          removalPolicy,
        })
      : undefined;
    const options = { removalPolicy, key: this.key };
    this.mapping = table(this, 'Mapping', tableDefinitions.mapping, options);
    this.state = table(this, 'State', tableDefinitions.state, options);
    this.bucket = new Bucket(this, 'Sessions', {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      ...(this.key
        ? { encryption: BucketEncryption.KMS, encryptionKey: this.key, bucketKeyEnabled: true }
        : { encryption: BucketEncryption.S3_MANAGED }),
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      versioned: props.versionedBucket,
      removalPolicy,
      // CloudFormation removes no bucket that holds anything.
      autoDeleteObjects: props.deleteWithStack,
      lifecycleRules: [
        { id: 'abort-unfinished-uploads', abortIncompleteMultipartUploadAfter: Duration.days(1) },
        ...(props.versionedBucket
          ? [
              {
                id: 'forget-old-versions',
                noncurrentVersionExpiration: Duration.days(7),
                expiredObjectDeleteMarker: true,
              },
            ]
          : []),
      ],
    });
    acknowledge(
      this.bucket,
      'AwsSolutions-S1',
      'Access is by the functions of this stack only, whose calls CloudTrail can record; a bucket for access logs would have to be kept and erased beside every session.',
    );
  }

  /**
   * Pages bring and fetch files by URLs that the API signed. Any page may try: a URL is the right to one object, and without
   * one the bucket answers nobody.
   */
  openToBrowsers(): void {
    this.bucket.addCorsRule({
      allowedOrigins: ['*'],
      allowedMethods: [HttpMethods.GET, HttpMethods.PUT],
      allowedHeaders: ['*'],
      exposedHeaders: ['content-disposition'],
      maxAge: 600,
    });
  }
}

function table(
  scope: Construct,
  id: string,
  definition: TableDefinition,
  { removalPolicy, key }: { readonly removalPolicy: RemovalPolicy; readonly key: Key | undefined },
): TableV2 {
  return new TableV2(scope, id, {
    partitionKey: { name: definition.partitionKey, type: AttributeType.STRING },
    ...(definition.sortKey ? { sortKey: { name: definition.sortKey, type: AttributeType.STRING } } : {}),
    billing: Billing.onDemand(),
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    timeToLiveAttribute: definition.timeToLive,
    removalPolicy,
    ...(key && { encryption: TableEncryptionV2.customerManagedKey(key) }),
    globalSecondaryIndexes: definition.indexes.map((index) => ({
      indexName: index.name,
      partitionKey: { name: index.partitionKey, type: AttributeType.STRING },
      sortKey: { name: index.sortKey, type: AttributeType.NUMBER },
      ...(index.include.length > 0
        ? { projectionType: ProjectionType.INCLUDE, nonKeyAttributes: [...index.include] }
        : { projectionType: ProjectionType.KEYS_ONLY }),
    })),
  });
}
