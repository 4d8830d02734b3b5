// What IAM is asked for by a call of an AWS client: actions, resources and condition keys. A transaction and a batch ask
// for each of their parts. A call that is not here fails the test: nobody may pass one by unseen.
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { IamRequest } from './evaluate.ts';

export interface IamNames {
  table(name: string): string;
  bucket(name: string): string;
  queue(url: string): string;
}

type Item = Record<string, AttributeValue>;
type Input = Record<string, unknown>;

export function iamRequestsOf(command: string, input: Input, names: IamNames): readonly IamRequest[] {
  const [, verb = ''] = /^(\w+)Command$/.exec(command) ?? [];
  const request = DYNAMO[verb] ?? S3[verb] ?? SQS[verb] ?? OTHERS[verb];
  if (!request) throw new Error(`Nobody said what IAM is asked for by ${command}.`);
  return request(input, names);
}

const DYNAMO: Record<string, (input: Input, names: IamNames) => readonly IamRequest[]> = {
  GetItem: ({ TableName, Key }, names) => [item('GetItem', names, TableName, [Key])],
  PutItem: ({ TableName, Item }, names) => [item('PutItem', names, TableName, [Item])],
  UpdateItem: ({ TableName, Key }, names) => [item('UpdateItem', names, TableName, [Key])],
  DeleteItem: ({ TableName, Key }, names) => [item('DeleteItem', names, TableName, [Key])],
  Query: (input, names) => {
    const { TableName, IndexName, KeyConditionExpression, ExpressionAttributeValues } = input;
    const [, placeholder = ''] = /=\s*(:\w+)/.exec(String(KeyConditionExpression)) ?? [];
    const leading = (ExpressionAttributeValues as Item)[placeholder]?.S;
    if (leading === undefined) throw new Error(`A query whose key is not seen: ${KeyConditionExpression}`);
    const table = names.table(String(TableName));
    const resource = IndexName === undefined ? table : `${table}/index/${IndexName}`;
    return [{ action: 'dynamodb:Query', resource, context: { 'dynamodb:LeadingKeys': [leading] } }];
  },
  Scan: ({ TableName, IndexName }, names) => {
    const table = names.table(String(TableName));
    return [
      { action: 'dynamodb:Scan', resource: IndexName === undefined ? table : `${table}/index/${IndexName}` },
    ];
  },
  BatchGetItem: ({ RequestItems }, names) =>
    Object.entries(RequestItems as Record<string, { Keys: Item[] }>).map(([table, { Keys }]) =>
      item('BatchGetItem', names, table, Keys),
    ),
  BatchWriteItem: ({ RequestItems }, names) =>
    Object.entries(
      RequestItems as Record<string, { DeleteRequest?: { Key: Item }; PutRequest?: { Item: Item } }[]>,
    ).map(([table, writes]) =>
      item(
        'BatchWriteItem',
        names,
        table,
        writes.map((write) => write.DeleteRequest?.Key ?? write.PutRequest?.Item),
      ),
    ),
  TransactWriteItems: ({ TransactItems }, names) =>
    (TransactItems as Record<string, { TableName: string; Key?: Item; Item?: Item }>[]).flatMap((one) =>
      Object.entries(one).map(([kind, part]) => {
        const action = kind === 'ConditionCheck' ? 'ConditionCheckItem' : `${kind}Item`;
        return item(action, names, part.TableName, [part.Key ?? part.Item]);
      }),
    ),
};

const S3: Record<string, (input: Input, names: IamNames) => readonly IamRequest[]> = {
  GetObject: (input, names) => [object('GetObject', input, names)],
  // Without the right to list, "there is no such object" would be answered as "forbidden".
  HeadObject: (input, names) => [object('GetObject', input, names)],
  PutObject: (input, names) => [object('PutObject', input, names)],
  CreateMultipartUpload: (input, names) => [object('PutObject', input, names)],
  UploadPart: (input, names) => [object('PutObject', input, names)],
  CompleteMultipartUpload: (input, names) => [object('PutObject', input, names)],
  AbortMultipartUpload: (input, names) => [object('AbortMultipartUpload', input, names)],
  DeleteObjects: ({ Bucket, Delete }, names) =>
    (Delete as { Objects: { Key: string }[] }).Objects.map(({ Key }) =>
      object('DeleteObject', { Bucket, Key }, names),
    ),
  ListObjectsV2: ({ Bucket, Prefix }, names) => [
    {
      action: 's3:ListBucket',
      resource: names.bucket(String(Bucket)),
      ...(typeof Prefix === 'string' && { context: { 's3:prefix': [Prefix] } }),
    },
  ],
};

const SQS: Record<string, (input: Input, names: IamNames) => readonly IamRequest[]> = Object.fromEntries(
  ['SendMessage', 'ReceiveMessage', 'DeleteMessage', 'ChangeMessageVisibility', 'GetQueueAttributes'].map(
    (verb) => [
      verb,
      ({ QueueUrl }: Input, names: IamNames) => [
        { action: `sqs:${verb}`, resource: names.queue(String(QueueUrl)) },
      ],
    ],
  ),
);

const OTHERS: Record<string, (input: Input, names: IamNames) => readonly IamRequest[]> = {
  AssumeRole: ({ RoleArn, Tags }) => {
    const tags = (Tags ?? []) as { Key: string; Value: string }[];
    const context = Object.fromEntries(tags.map(({ Key, Value }) => [`aws:RequestTag/${Key}`, [Value]]));
    const actions = tags.length > 0 ? ['sts:AssumeRole', 'sts:TagSession'] : ['sts:AssumeRole'];
    return actions.map((action) => ({
      action,
      resource: String(RoleArn),
      context: { ...context, 'aws:TagKeys': tags.map(({ Key }) => Key) },
    }));
  },
};

function item(action: string, names: IamNames, table: unknown, keys: readonly unknown[]): IamRequest {
  const leading = keys.map((key) => {
    const { pk, session_key } = key as Item;
    const value = (pk ?? session_key)?.S;
    if (value === undefined)
      throw new Error(`An item whose partition key is not seen: ${JSON.stringify(key)}`);
    return value;
  });
  return {
    action: `dynamodb:${action}`,
    resource: names.table(String(table)),
    context: { 'dynamodb:LeadingKeys': [...new Set(leading)] },
  };
}

function object(action: string, { Bucket, Key }: Input, names: IamNames): IamRequest {
  return { action: `s3:${action}`, resource: `${names.bucket(String(Bucket))}/${Key}` };
}
