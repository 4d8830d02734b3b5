// SessionStore on two DynamoDB tables (tables.ts has their keys, design/aws.md the writes).
// Promises rest on conditional writes and strongly consistent reads only; lists come from an index and may be a
// moment behind. Throttling and lost connections are retried by the AWS client (bounded, with jitter) before they
// surface as `Refused`. It does not create tables.
import { DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import { timeOuts } from '../../aws/time-outs.ts';
import { tenantOf } from '../../core/ids.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { SessionStore } from '../../core/ports/store.ts';
import { createBegin } from './begin.ts';
import { createDynamo, keyOf } from './client.ts';
import { createCommit } from './commit.ts';
import { createAdoptAndErase } from './erase.ts';
import { createExpired } from './expired.ts';
import { createFenced } from './fenced.ts';
import { isLiveItem, readHead, readMapping } from './items.ts';
import { createLinks } from './links.ts';
import { createLists } from './lists.ts';
import { headKey, mappingKey } from './tables.ts';
import { createTurns } from './turns.ts';
import { createUpkeepLease } from './upkeep-lease.ts';

export interface DynamoConnection {
  /** A ready client; then `region`, `endpoint` and `credentials` are not used, and closing it is the caller's. */
  readonly client?: DynamoDBClient;
  readonly region?: string;
  /** For DynamoDB Local and the like. */
  readonly endpoint?: string;
  readonly credentials?: NonNullable<DynamoDBClientConfig['credentials']>;
}

export interface DynamoSessionStoreOptions extends DynamoConnection {
  readonly mappingTable: string;
  readonly stateTable: string;
  readonly clock: Clock;
  /** A lease that took longer than this (real time) makes begin read the ledger once more. Default 250. */
  readonly rereadAfterMs?: number;
}

/** A client with bounded retries and time-outs that fit inside a turn. */
export function createDynamoClient(options: DynamoConnection): DynamoDBClient {
  return new DynamoDBClient({
    ...(options.region !== undefined && { region: options.region }),
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    ...(options.credentials !== undefined && { credentials: options.credentials }),
    retryMode: 'standard',
    maxAttempts: 5,
    requestHandler: timeOuts(4_000, 4_000),
  });
}

export function createDynamoSessionStore(options: DynamoSessionStoreOptions): SessionStore {
  const { mappingTable, stateTable, clock } = options;
  const client = options.client ?? createDynamoClient(options);
  const dynamo = createDynamo(client);
  const { rereadAfterMs } = options;
  const context = {
    dynamo,
    mappingTable,
    stateTable,
    clock,
    ...(rereadAfterMs !== undefined && { rereadAfterMs }),
  };
  const turns = createTurns(context);
  const fenced = createFenced(context);
  const lists = createLists(context);

  return {
    accept: turns.accept,
    begin: createBegin(context, turns, fenced.release),
    commit: createCommit(context, turns),
    ...fenced,
    ...createLinks(context),
    lease: createUpkeepLease(context),
    requestStop: turns.requestStop,
    reopen: turns.reopen,
    async getTurn(tenant, turnId) {
      return (await turns.read(tenant, turnId))?.turn ?? null;
    },
    async getMapping(key) {
      const item = await dynamo.get(mappingTable, mappingKey(key));
      return isLiveItem(item, clock.now(), 'ttl') ? readMapping(item, key) : null;
    },
    async getHead(tenant, sessionId, { expired = false } = {}) {
      const item = await dynamo.get(stateTable, keyOf(headKey(tenant, sessionId)));
      if (!item || (!expired && !isLiveItem(item, clock.now()))) return null;
      const head = readHead(item);
      return tenantOf(head.sessionKey) === tenant ? head : null;
    },
    listMappings: lists.listMappings,
    listHeads: lists.listHeads,
    listTurns: lists.listTurns,
    ...createAdoptAndErase(context, lists),
    expired: createExpired(context),
    async close() {
      dynamo.close();
      if (!options.client) client.destroy();
    },
  };
}
