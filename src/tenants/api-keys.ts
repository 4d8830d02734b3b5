// Keys of the HTTP API, one owner each: `hsk.<tenant>.<id>.<secret>`. The key itself says whose it is, and its secret proves it;
// nothing else of a request can name a tenant. Of a key only a digest is kept.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { Conflict, Gone } from '../core/errors.ts';
import { type Tenant, tenantId } from '../core/ids.ts';
import type { Scope } from '../core/scopes.ts';
import {
  type ApiKeyEntry,
  MAX_API_KEYS,
  type TenantName,
  type TenantSettings,
  tenantNameSchema,
} from '../core/tenants.ts';
import type { TenantDirectory } from './directory.ts';

/** Whose requests these are. */
export interface ApiOwner {
  readonly name: string;
  readonly tenant: Tenant;
  /** The person, where a token says who it is. */
  readonly user?: { readonly id: string; readonly name: string | null };
  /** All of them when left out. */
  readonly scopes?: readonly Scope[] | undefined;
}

/** null: no key of a tenant, or one that is not valid (any more). */
export type ApiOwnerOf = (key: string) => Promise<ApiOwner | null>;

const SHAPE = /^hsk\.([a-z0-9-]{1,40})\.([a-z0-9]{8})\.([A-Za-z0-9_-]{43})$/;

/** The key is shown once, and never again. Conflict('too-many-keys') when there are ten. */
export function withNewKey(
  name: TenantName,
  settings: TenantSettings,
  nowMs: number,
  scopes?: readonly Scope[],
): { readonly settings: TenantSettings; readonly key: string; readonly entry: ApiKeyEntry } {
  if (settings.apiKeys.length >= MAX_API_KEYS) {
    throw new Conflict('too-many-keys', `${name} has ${MAX_API_KEYS} keys already.`, {
      advice: 'Revoke the one that is not in use any more.',
    });
  }
  // Letters of an alphabet without look-alikes are not needed: ids are copied, never read out.
  const id = randomBytes(4).toString('hex');
  const secret = randomBytes(32).toString('base64url');
  const entry = {
    id,
    digest: digestOf(secret).toString('hex'),
    createdAtMs: nowMs,
    ...(scopes && { scopes: [...scopes] }),
  };
  return {
    settings: { ...settings, apiKeys: [...settings.apiKeys, entry] },
    key: `hsk.${name}.${id}.${secret}`,
    entry,
  };
}

/** Gone('unknown-key'). */
export function withoutKey(settings: TenantSettings, id: string): TenantSettings {
  const apiKeys = settings.apiKeys.filter((key) => key.id !== id);
  if (apiKeys.length < settings.apiKeys.length) return { ...settings, apiKeys };
  throw new Gone('unknown-key', `There is no key "${id}".`, { advice: '`tenants keys list` shows the ids.' });
}

/** What is not shaped like such a key costs no look into the registry. A revoked one is refused within seconds. */
export function createApiOwnerOf(directory: Pick<TenantDirectory, 'of'>): ApiOwnerOf {
  return async (key) => {
    const [, name = '', id = '', secret = ''] = SHAPE.exec(key) ?? [];
    if (!tenantNameSchema.safeParse(name).success) return null;
    const tenant = tenantId(name);
    const record = await directory.of(tenant);
    const offered = digestOf(secret);
    const [valid] = (record?.settings.apiKeys ?? []).filter((entry) => {
      const isEqual = timingSafeEqual(Buffer.from(entry.digest, 'hex'), offered);
      return isEqual && entry.id === id;
    });
    if (!valid || record?.status === 'erasing') return null;
    return { name, tenant, ...(valid.scopes && { scopes: valid.scopes }) };
  };
}

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
