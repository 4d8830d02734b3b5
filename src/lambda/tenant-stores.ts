// The stores of one tenant, through credentials that open nothing else. A worker's own role reaches neither tables nor
// bucket: whatever goes wrong in a turn, the keys at hand are those of its tenant.
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { createTenantCredentials, type TenantCredentialsOf } from '../aws/tenant-credentials.ts';
import { timeOuts } from '../aws/time-outs.ts';
import { systemClock } from '../core/clock.ts';
import type { Tenant } from '../core/ids.ts';
import type { EventLog, SessionState, SessionStore, StateLimits } from '../core/ports.ts';
import { createSessionState } from '../state/session-state.ts';
import { createDynamoEventLog } from '../stores/dynamodb/event-log.ts';
import { createDynamoSessionStore } from '../stores/dynamodb/session-store.ts';
import { createS3ObjectStore } from '../stores/s3/object-store.ts';

export interface TenantStoresOptions {
  readonly roleArn: string;
  readonly mappingTable: string;
  readonly stateTable: string;
  readonly bucket: string;
  readonly limits: StateLimits;
  readonly temporary: string;
  readonly credentials?: TenantCredentialsOf;
}

export interface OpenedTenant {
  readonly store: SessionStore;
  readonly events: EventLog;
  readonly state: SessionState;
}

const MAX_OPEN = 50;

export function createTenantStores(options: TenantStoresOptions) {
  const { roleArn, mappingTable, stateTable, bucket, limits, temporary } = options;
  const credentialsOf = options.credentials ?? createTenantCredentials({ roleArn });
  const opened = new Map<Tenant, OpenedTenant & { readonly end: () => void }>();

  function open(tenant: Tenant) {
    // The SDK asks again by itself before they end.
    const credentials = () => credentialsOf(tenant);
    const dynamo = new DynamoDBClient({
      credentials,
      retryMode: 'standard',
      maxAttempts: 5,
      requestHandler: timeOuts(4_000, 4_000),
    });
    const s3 = new S3Client({ credentials });
    const tables = { client: dynamo, mappingTable, stateTable, clock: systemClock };
    return {
      store: createDynamoSessionStore(tables),
      events: createDynamoEventLog(tables),
      state: createSessionState({
        objects: createS3ObjectStore({ client: s3, bucket }),
        limits,
        temporaryDirectory: temporary,
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

  /** For what works for any tenant, such as a channel: each call goes to the stores of the tenant that it names. */
  const events: EventLog = {
    append: (tenant, turnId, some) => of(tenant).events.append(tenant, turnId, some),
    read: (tenant, turnId, after, how) => of(tenant).events.read(tenant, turnId, after, how),
  };
  return { of, events };
}
