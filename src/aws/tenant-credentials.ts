// Credentials that open one tenant, from STS: the role's policy binds whoever has it to the tenant that the session is
// tagged with. They are kept until shortly before they end, for as many tenants as a worker meets.
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { Refused } from '../core/errors.ts';
import type { Tenant } from '../core/ids.ts';
import { timeOuts } from './time-outs.ts';

export interface TenantCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiration: Date;
}

export interface TenantCredentialsOptions {
  /** Role that may be assumed with a tag `tenant` only. */
  readonly roleArn: string;
  readonly client?: STSClient;
  readonly now?: () => number;
}

/** A role that assumed this one cannot ask for longer. */
const DURATION_SEC = 3_600;
/** A turn that begins with the old ones has these left; the SDK asks again by itself during a longer one. */
const RENEWED_BEFORE_MS = 10 * 60_000;
const MAX_REMEMBERED = 1_000;

export type TenantCredentialsOf = (tenant: Tenant) => Promise<TenantCredentials>;

export function createTenantCredentials({
  roleArn,
  client = new STSClient({ maxAttempts: 4, requestHandler: timeOuts(3_000, 3_000) }),
  now = Date.now,
}: TenantCredentialsOptions): TenantCredentialsOf {
  const known = new Map<Tenant, Promise<TenantCredentials>>();

  async function assume(tenant: Tenant): Promise<TenantCredentials> {
    const command = new AssumeRoleCommand({
      RoleArn: roleArn,
      RoleSessionName: sessionName(tenant),
      DurationSeconds: DURATION_SEC,
      Tags: [{ Key: 'tenant', Value: tenant }],
    });
    const { Credentials: given } = await client.send(command).catch((cause: unknown) => {
      throw new Refused('no-tenant-credentials', 'STS gave no credentials for this tenant.', {
        cause,
        retryAfterMs: 2_000,
      });
    });
    const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = given ?? {};
    if (!AccessKeyId || !SecretAccessKey || !SessionToken || !Expiration) {
      throw new Refused('no-tenant-credentials', 'STS gave credentials that lack a part.');
    }
    return {
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      sessionToken: SessionToken,
      expiration: Expiration,
    };
  }

  function renew(tenant: Tenant): Promise<TenantCredentials> {
    const fresh = assume(tenant);
    known.delete(tenant);
    known.set(tenant, fresh);
    fresh.catch(() => {
      if (known.get(tenant) === fresh) known.delete(tenant);
    });
    const oldest = known.keys().next();
    if (known.size > MAX_REMEMBERED && !oldest.done) known.delete(oldest.value);
    return fresh;
  }

  return async function credentialsOf(tenant): Promise<TenantCredentials> {
    const before = known.get(tenant);
    if (!before) return await renew(tenant);
    const given = await before;
    if (given.expiration.getTime() - now() > RENEWED_BEFORE_MS) return given;
    // Whoever waited beside us may have renewed them meanwhile.
    return await (known.get(tenant) === before ? renew(tenant) : credentialsOf(tenant));
  };
}

/** For CloudTrail; it decides nothing. `=` is fine there, other lengths are cut. */
function sessionName(tenant: Tenant): string {
  return `tenant-${tenant}`.slice(0, 64);
}
