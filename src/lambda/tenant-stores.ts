// The stores of one tenant, through credentials that open nothing else. A worker's own role reaches neither tables nor
// bucket: whatever goes wrong in a turn, the keys at hand are those of its tenant.
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  createTenantCredentials,
  type TenantCredentials,
  type TenantCredentialsOf,
} from '../aws/tenant-credentials.ts';
import { systemClock } from '../core/clock.ts';
import { DAY_SEC } from '../core/defaults.ts';
import { Invalid } from '../core/errors.ts';
import { type Tenant, tenantOf } from '../core/ids.ts';
import type {
  EventLog,
  ObjectStore,
  ScheduleStore,
  SessionStore,
  StateLimits,
  UsageLedger,
  WebhookStore,
} from '../core/ports.ts';
import type { RetentionOf } from '../core/retention.ts';
import type { TenantRecord } from '../core/tenants.ts';
import { awayOf, claimed } from '../state/away.ts';
import { createSessionState, type StoredState } from '../state/session-state.ts';
import { agentSessionOf, isBlank, redoable, redone, undoable, undone } from '../state/timeline.ts';
import { createDynamoEventLog } from '../stores/dynamodb/event-log.ts';
import { createDynamoSchedules } from '../stores/dynamodb/schedules.ts';
import { createDynamoClient, createDynamoSessionStore } from '../stores/dynamodb/session-store.ts';
import { createDynamoUsageLedger } from '../stores/dynamodb/usage-ledger.ts';
import { createDynamoWebhooks } from '../stores/dynamodb/webhooks.ts';
import type { EncryptionOf } from '../stores/s3/encryption.ts';
import { createS3Client, createS3ObjectStore } from '../stores/s3/object-store.ts';

export interface TenantStoresOptions {
  readonly roleArn: string;
  readonly mappingTable: string;
  readonly stateTable: string;
  readonly bucket: string;
  /** How long events are kept. */
  readonly retentionSec: number;
  readonly limits: StateLimits;
  readonly temporary: string;
  readonly credentials?: TenantCredentialsOf;
  /** Of a tenant whose objects have a key of their own. */
  readonly recordOf: (tenant: Tenant) => Promise<TenantRecord | null>;
}

/** What opens one tenant's items and objects, and no other's. */
export interface TenantKeys {
  readonly dynamo: DynamoDBClient;
  readonly credentials: () => Promise<TenantCredentials>;
}

export interface OpenedTenant extends TenantKeys {
  readonly store: SessionStore;
  readonly events: EventLog;
  readonly objects: ObjectStore;
  readonly state: StoredState;
  readonly usage: UsageLedger;
  readonly schedules: ScheduleStore;
  readonly webhooks: WebhookStore;
}

/** As long as the tenant says: what was shown of a turn goes with it. */
function retentionBy(recordOf: TenantStoresOptions['recordOf']): RetentionOf {
  return async (tenant) => {
    const days = (await recordOf(tenant))?.settings.retentionDays ?? null;
    return days === null ? null : days * DAY_SEC;
  };
}

/** Under the tenant's own key, where it has one. What is there already keeps the key that it was written with. */
export function encryptionBy(recordOf: TenantStoresOptions['recordOf']): (tenant: Tenant) => EncryptionOf {
  return (tenant) => async () => {
    const keyArn = (await recordOf(tenant))?.settings.kmsKey ?? null;
    return keyArn === null ? null : { keyArn, context: { tenant } };
  };
}

const MAX_OPEN = 50;

export function createTenantStores(options: TenantStoresOptions) {
  const { roleArn, mappingTable, stateTable, bucket, limits, temporary, retentionSec } = options;
  const credentialsOf = options.credentials ?? createTenantCredentials({ roleArn });
  const opened = new Map<Tenant, OpenedTenant & { readonly end: () => void }>();

  function open(tenant: Tenant) {
    // The SDK asks again by itself before they end.
    const credentials = () => credentialsOf(tenant);
    const dynamo = createDynamoClient({ credentials });
    const s3 = createS3Client({ credentials });
    const tables = { client: dynamo, mappingTable, stateTable, clock: systemClock };
    const objects = createS3ObjectStore({
      client: s3,
      bucket,
      encryptionOf: encryptionBy(options.recordOf)(tenant),
    });
    const store = createDynamoSessionStore(tables);
    return {
      dynamo,
      credentials,
      objects,
      store,
      events: createDynamoEventLog({ ...tables, retentionSec, retentionOf: retentionBy(options.recordOf) }),
      usage: createDynamoUsageLedger(tables),
      schedules: createDynamoSchedules(tables),
      webhooks: createDynamoWebhooks(tables),
      state: createSessionState({
        objects,
        limits,
        temporaryDirectory: temporary,
        heads: store,
      }),
      end() {
        dynamo.destroy();
        s3.destroy();
      },
    };
  }

  function of(tenant: Tenant): OpenedTenant {
    const known = opened.get(tenant) ?? open(tenant);
    opened.delete(tenant);
    opened.set(tenant, known);
    const oldest = opened.entries().next();
    if (opened.size > MAX_OPEN && !oldest.done) {
      const [whose, stores] = oldest.value;
      opened.delete(whose);
      stores.end();
    }
    return known;
  }

  // For what works for any tenant (channels, hosts, the gateway): each call goes to the stores of the tenant that it names.
  const events: EventLog = {
    append: (tenant, turnId, some) => of(tenant).events.append(tenant, turnId, some),
    read: (tenant, turnId, after, how) => of(tenant).events.read(tenant, turnId, after, how),
  };
  const objects: ObjectStore = {
    put: (key, body) => of(ownerOf(key)).objects.put(key, body),
    get: (key, range) => of(ownerOf(key)).objects.get(key, range),
    stream: (key) => of(ownerOf(key)).objects.stream(key),
    list: (prefix) => of(ownerOf(prefix)).objects.list(prefix),
    delete: (keys) => byTenant(keys, ownerOf, (tenant, own) => of(tenant).objects.delete(own)),
  };
  const state: StoredState = {
    restore: (head, directory) => of(head.tenant).state.restore(head, directory),
    checkpoint: (input) => of(input.head.tenant).state.checkpoint(input),
    follow: (head, saved, turn) => of(head.tenant).state.follow(head, saved, turn),
    compact: (head, fence) => of(head.tenant).state.compact(head, fence),
    collect: (keys, how) => byTenant(keys, ownerOf, (tenant, own) => of(tenant).state.collect(own, how)),
    erase: (tenant, sessionId, last) => of(tenant).state.erase(tenant, sessionId, last),
    lent: (tenant, sessionId) => of(tenant).state.lent(tenant, sessionId),
    branch: (head, sessionId) => of(head.tenant).state.branch(head, sessionId),
    undoable,
    undo: undone,
    redoable,
    redo: redone,
    isBlank,
    awayOf,
    claim: claimed,
    agentSessionOf,
  };
  const usage: UsageLedger = {
    add: (counters, used) => byTenant(counters, whose, (tenant, own) => of(tenant).usage.add(own, used)),
    async read(counters) {
      const [first] = counters;
      if (!first) return [];
      requireOne(counters);
      return await of(first.tenant).usage.read(counters);
    },
    history: (account) => of(account.tenant).usage.history(account),
    erase: (account) => of(account.tenant).usage.erase(account),
    close: async () => {},
  };
  const schedules: ScheduleStore = {
    add: (schedule) => of(tenantOf(schedule.sessionKey)).schedules.add(schedule),
    set: (schedule) => of(tenantOf(schedule.sessionKey)).schedules.set(schedule),
    list: (key) => of(tenantOf(key)).schedules.list(key),
    timeZoneOf: (key) => of(tenantOf(key)).schedules.timeZoneOf(key),
    setTimeZone: (key, timeZone) => of(tenantOf(key)).schedules.setTimeZone(key, timeZone),
    erase: (key) => of(tenantOf(key)).schedules.erase(key),
    close: async () => {},
  };
  return { of, events, objects, state, usage, schedules };
}

const whose = ({ tenant }: { readonly tenant: Tenant }) => tenant;
const ownerOf = (key: string) => key.slice(0, key.indexOf('/')) as Tenant;

async function byTenant<T>(
  all: readonly T[],
  tenantOf: (one: T) => Tenant,
  each: (tenant: Tenant, own: readonly T[]) => Promise<void>,
): Promise<void> {
  const groups = Map.groupBy(all, tenantOf);
  await Promise.all([...groups].map(([tenant, own]) => each(tenant, own)));
}

/** Counters are asked for turn by turn, and a turn has one tenant. */
function requireOne(counters: readonly { readonly tenant: Tenant }[]): void {
  if (new Set(counters.map(whose)).size > 1) {
    throw new Invalid('other-tenant', 'Counters of several tenants were asked for at once.');
  }
}
