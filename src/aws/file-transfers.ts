// URLs by which clients of a back-end on AWS bring and fetch files: signed with the back-end's own credentials, and for a tenant
// that brought a key, bound to it.
import type { Tenant } from '../core/ids.ts';
import type { FileTransfers, TenantRegistry } from '../core/ports.ts';
import { createS3FileTransfers } from '../stores/s3/file-transfers.ts';
import { createS3Presigner } from '../stores/s3/presigner.ts';
import { type AwsInstallation, checkInstallation, readInstallation } from './installation.ts';

const URL_SEC = 15 * 60;

export function openFileTransfers(
  installation: string | AwsInstallation,
  tenants: Pick<TenantRegistry, 'get'>,
): FileTransfers {
  const { region, bucket, endpoints } =
    typeof installation === 'string'
      ? readInstallation(installation)
      : checkInstallation(installation, 'aws');
  const presigner = createS3Presigner({
    region,
    bucket,
    ...(endpoints.s3 !== undefined && { endpoint: endpoints.s3, forcePathStyle: true }),
    expiresInSec: URL_SEC,
    async encryptionOf(key) {
      const tenant = key.slice(0, key.indexOf('/')) as Tenant;
      const keyArn = (await tenants.get(tenant))?.settings.kmsKey ?? null;
      return keyArn === null ? null : { keyArn, context: { tenant } };
    },
  });
  return createS3FileTransfers({ presigner, expiresInSec: URL_SEC, now: () => Date.now() });
}
