// The two tables and their keys, as data: tests create tables from it and the deployment does, too.
// Every partition key of both tables begins with the (encoded) tenant, so a role can be bound to one tenant by
// `dynamodb:LeadingKeys`. `#` and `/` never occur inside an encoded id: no id can reach into another's keys.
import { createHash } from 'node:crypto';
import type { CreateTableCommandInput } from '@aws-sdk/client-dynamodb';
import { type SessionId, type SessionKey, type Tenant, type TurnId, tenantOf } from '../../core/ids.ts';
import type { PlaceList } from '../../core/ports/places.ts';
import type { UsageAccount } from '../../core/ports/usage.ts';

export interface TableIndex {
  readonly name: string;
  readonly partitionKey: string;
  /** A number. */
  readonly sortKey: string;
  /** Attributes kept beside the keys. */
  readonly include: readonly string[];
}

export interface TableDefinition {
  /** A string. */
  readonly partitionKey: string;
  /** A string; null when the partition key is the whole key. */
  readonly sortKey: string | null;
  /** Epoch seconds; DynamoDB deletes some time after. Readers compare it themselves. */
  readonly timeToLive: string;
  readonly indexes: readonly TableIndex[];
}

/** Every head is in it and nothing else is: what has expired is found by reading it through. */
export const HEADS_INDEX = 'heads_of_tenant';

/**
 * `mapping`: one item per conversation with exactly seven attributes. `state`: all else (heads, turns, the order of
 * turns within a conversation, event logs). The two indexes list heads by last use, for pages people look at; no
 * promise rests on them, since an index is only eventually consistent.
 */
export const tableDefinitions: { readonly mapping: TableDefinition; readonly state: TableDefinition } = {
  mapping: { partitionKey: 'session_key', sortKey: null, timeToLive: 'ttl', indexes: [] },
  state: {
    partitionKey: 'pk',
    sortKey: 'sk',
    timeToLive: 'ttl',
    indexes: [
      {
        name: HEADS_INDEX,
        partitionKey: 'tenant_list',
        sortKey: 'used_at_ms',
        include: ['conversation_list', 'expires_at'],
      },
      {
        name: 'heads_of_conversation',
        partitionKey: 'conversation_list',
        sortKey: 'used_at_ms',
        include: [],
      },
    ],
  },
};

/** What `CreateTable` wants for a definition; billing on demand. Time-to-live is switched on by a call of its own. */
export function createTableInput(definition: TableDefinition, tableName: string): CreateTableCommandInput {
  const keys = (partition: string, sort: string | null) => [
    { AttributeName: partition, KeyType: 'HASH' as const },
    ...(sort ? [{ AttributeName: sort, KeyType: 'RANGE' as const }] : []),
  ];
  const types = new Map<string, 'S' | 'N'>([[definition.partitionKey, 'S']]);
  if (definition.sortKey) types.set(definition.sortKey, 'S');
  for (const index of definition.indexes) {
    types.set(index.partitionKey, 'S');
    types.set(index.sortKey, 'N');
  }
  return {
    TableName: tableName,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [...types].map(([AttributeName, AttributeType]) => ({
      AttributeName,
      AttributeType,
    })),
    KeySchema: keys(definition.partitionKey, definition.sortKey),
    ...(definition.indexes.length > 0 && {
      GlobalSecondaryIndexes: definition.indexes.map((index) => ({
        IndexName: index.name,
        KeySchema: keys(index.partitionKey, index.sortKey),
        Projection:
          index.include.length > 0
            ? { ProjectionType: 'INCLUDE' as const, NonKeyAttributes: [...index.include] }
            : { ProjectionType: 'KEYS_ONLY' as const },
      })),
    }),
  };
}

export interface StateKey {
  readonly pk: string;
  readonly sk: string;
}

/** DynamoDB allows 2,048 bytes for a partition key; an id of 256 emoji is longer once encoded. */
const MAX_PART = 200;
const MAX_KEY = 1_000;

/** `~` occurs in no encoded id, so a digest can never be taken for one. */
function digest(value: string): string {
  return `~${createHash('sha256').update(value).digest('hex')}`;
}

function storedPart(part: string): string {
  return part.length <= MAX_PART ? part : digest(part);
}

/** A session key as it stands in keys: itself, or (an id far too long) `tenant/channel/~digest`. */
export function storedKey(key: SessionKey): string {
  const [tenant = '', channel = ''] = key.split('/');
  const short = key.length <= MAX_KEY && tenant.length <= MAX_PART && channel.length <= MAX_PART;
  return short ? key : `${storedPart(tenant)}/${storedPart(channel)}/${digest(key)}`;
}

/** True when a stored key no longer tells which conversation it is. */
export function isDigested(stored: string): boolean {
  return stored.includes('~');
}

export function mappingKey(key: SessionKey): { session_key: { S: string } } {
  return { session_key: { S: storedKey(key) } };
}

export function headKey(tenant: Tenant, sessionId: SessionId | string): StateKey {
  return { pk: `${storedPart(tenant)}#session#${sessionId}`, sk: 'head' };
}

/** A turn's line, and beside it its long texts: `text`, `reply`. */
export function turnKey(
  tenant: Tenant,
  turnId: TurnId | string,
  part: 'turn' | 'text' | 'reply' = 'turn',
): StateKey {
  return { pk: `${storedPart(tenant)}#turn#${turnId}`, sk: part };
}

/** Partition of what belongs to a conversation: its counter, and its turns in order. */
export function conversationPartition(key: SessionKey): string {
  return `${storedPart(tenantOf(key))}#conversation#${storedKey(key)}`;
}

/** What every conversation partition of one channel begins with; `channel` as encoded in a session key. */
export function channelPrefix(tenant: Tenant, channel: string): string {
  return `${storedPart(tenant)}#conversation#${storedPart(tenant)}/${storedPart(channel)}/`;
}

export function counterKey(key: SessionKey): StateKey {
  return { pk: conversationPartition(key), sk: 'counter' };
}

export const orderPrefix = 'turn#';

/** Fixed width, so that string order is number order. */
export function orderKey(key: SessionKey, sequence: number): StateKey {
  return { pk: conversationPartition(key), sk: `${orderPrefix}${String(sequence).padStart(16, '0')}` };
}

export function tenantList(tenant: Tenant): string {
  return `${storedPart(tenant)}#sessions`;
}

export function eventsKey(tenant: Tenant, turnId: TurnId | string, sequence: number): StateKey {
  return { pk: `${storedPart(tenant)}#events#${turnId}`, sk: String(sequence).padStart(16, '0') };
}

/** What a worker has said to a host that runs elsewhere. */
export function mailboxKey(tenant: Tenant, name: string, number: number): StateKey {
  return { pk: `${storedPart(tenant)}#mailbox#${name}`, sk: String(number).padStart(16, '0') };
}

/** How the model failed a run of a turn. `trouble` is no scope, so this is nobody's account. */
export function troubleKey(tenant: Tenant, turnId: TurnId | string, run: string): StateKey {
  return { pk: `${storedPart(tenant)}#usage#trouble#${turnId}`, sk: run };
}

/** What the reply of a run of a turn is to end with, one item for each tool server. No account either. */
export function notePartition(tenant: Tenant, turnId: TurnId | string, run: string): string {
  return `${storedPart(tenant)}#usage#note#${turnId}#${run}`;
}

/** Partition of what an account has used. An id comes last, so whatever it holds it reaches into no other's keys. */
export function usagePartition({ tenant, scope, id }: UsageAccount): string {
  const part = scope === 'chat' ? storedKey(id as SessionKey) : storedPart(id);
  return `${storedPart(tenant)}#usage#${scope}#${part}`;
}

/** Partition of an account's lists of places: in each, one item that counts and one for each place. */
export function placesPartition({ tenant, scope, id }: UsageAccount): string {
  const part = scope === 'chat' ? storedKey(id as SessionKey) : storedPart(id);
  return `${storedPart(tenant)}#places#${scope}#${part}`;
}

/** Partition of a conversation's schedules, and of the time zone that it has chosen. */
export function schedulesPartition(key: SessionKey): string {
  return `${storedPart(tenantOf(key))}#schedules#${storedKey(key)}`;
}

/** A tenant's webhooks. */
export function webhookKey(tenant: Tenant, id: string): StateKey {
  return { pk: `${storedPart(tenant)}#webhooks`, sk: id };
}

/** A line of a webhook's log; ids are in the order of time. */
export function deliveryKey(tenant: Tenant, webhook: string, id: string): StateKey {
  return { pk: `${storedPart(tenant)}#deliveries#${webhook}`, sk: id };
}

/** No list's name holds `#`; a holder's may, and comes last. */
export function placeKey({ list, ...account }: PlaceList, holder: string): StateKey {
  return { pk: placesPartition(account), sk: `${list}#${holder === '' ? '' : storedPart(holder)}` };
}

/** No tenant's key begins with `#`: these belong to the installation. */
export const TENANTS_PARTITION = '#tenants';
export const BOTS_PARTITION = '#bots';
export const AUDIT_PARTITION = '#audit';
export const NOTES_PARTITION = '#notes';

export function tenantKey(tenant: Tenant): StateKey {
  return { pk: TENANTS_PARTITION, sk: tenant };
}

/** `#` occurs in no channel's name. */
export function botKeyOf(channel: string, bot: string): StateKey {
  return { pk: BOTS_PARTITION, sk: `${channel}#${bot}` };
}

export function auditKey(id: string): StateKey {
  return { pk: AUDIT_PARTITION, sk: id };
}

/** What the workers of a channel share. */
export function noteKey(name: string): StateKey {
  return { pk: NOTES_PARTITION, sk: name };
}

/** A note on linked conversations. */
export function linkKey(tenant: Tenant, name: string): StateKey {
  return { pk: `${storedPart(tenant)}#links#${name}`, sk: 'link' };
}

/** What every key of a tenant begins with, in both tables; no key of another tenant does. */
export function partitionPrefixes(tenant: Tenant): { readonly mapping: string; readonly state: string } {
  const stored = storedPart(tenant);
  return { mapping: `${stored}/`, state: `${stored}#` };
}
