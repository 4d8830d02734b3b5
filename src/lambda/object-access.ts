// The bucket for the function of the HTTP API: what lies in it, and URLs for clients that bring and fetch files themselves.
// Where there are several tenants, each tenant's objects are opened by credentials that open nothing else, and written under
// the tenant's own key, as workers do it.
import { createTenantCredentials } from '../aws/tenant-credentials.ts';
import { systemClock } from '../core/clock.ts';
import type { Tenant } from '../core/ids.ts';
import type { FileTransfers, ObjectStore } from '../core/ports.ts';
import type { TenantRecord } from '../core/tenants.ts';
import { createS3FileTransfers } from '../stores/s3/file-transfers.ts';
import { createS3ObjectStore } from '../stores/s3/object-store.ts';
import { createS3Presigner } from '../stores/s3/presigner.ts';
import { encryptionBy } from './tenant-stores.ts';

/** Long enough for a large file over a slow line. */
const URL_SEC = 15 * 60;
const MAX_OPEN = 50;

interface ObjectAccess {
  readonly objects: ObjectStore;
  readonly transfers: FileTransfers;
}

export interface ObjectAccessOptions {
  readonly bucket: string;
  /** The function's own role opens the bucket where it is left out. */
  readonly tenantRole: string | undefined;
  readonly recordOf: (tenant: Tenant) => Promise<TenantRecord | null>;
}

export function openObjectAccess({ bucket, tenantRole, recordOf }: ObjectAccessOptions): ObjectAccess {
  if (tenantRole === undefined) return accessTo({ bucket });
  const credentialsOf = createTenantCredentials({ roleArn: tenantRole });
  const encryptionOf = encryptionBy(recordOf);
  const opened = new Map<Tenant, ObjectAccess>();
  const of = (key: string): ObjectAccess => {
    const tenant = key.slice(0, key.indexOf('/')) as Tenant;
    const known =
      opened.get(tenant) ??
      accessTo({ bucket, credentials: () => credentialsOf(tenant), encryptionOf: encryptionOf(tenant) });
    opened.delete(tenant);
    opened.set(tenant, known);
    const [oldest] = opened.keys();
    if (opened.size > MAX_OPEN && oldest) opened.delete(oldest);
    return known;
  };
  return {
    objects: {
      put: (key, body) => of(key).objects.put(key, body),
      get: (key, range) => of(key).objects.get(key, range),
      stream: (key) => of(key).objects.stream(key),
      list: (prefix) => of(prefix).objects.list(prefix),
      async delete(keys) {
        for (const own of Map.groupBy(keys, (key) => key.split('/', 1)[0]).values()) {
          await of(own[0] ?? '').objects.delete(own);
        }
      },
    },
    transfers: {
      uploadTo: async (key, bytes) => await of(key).transfers.uploadTo!(key, bytes),
      downloadFrom: async (key, as) => await of(key).transfers.downloadFrom!(key, as),
    },
  };
}

function accessTo(options: Parameters<typeof createS3ObjectStore>[0]): ObjectAccess {
  const presigner = createS3Presigner({ ...options, expiresInSec: URL_SEC });
  return {
    objects: createS3ObjectStore(options),
    transfers: createS3FileTransfers({ presigner, expiresInSec: URL_SEC, now: () => systemClock.now() }),
  };
}

/** Where a page's requests for files go, for its content policy. */
export function bucketOrigin(bucket: string, region: string | undefined): string {
  return `https://${bucket}.s3.${region ?? 'us-east-1'}.amazonaws.com`;
}
