// People of a product, as the product vouches for them: signed tokens (JWT). `sub` is the person, `tenant` the tenant (left
// out: the installation's own chats). A token names its tenant, and what that tenant's settings say proves it, as with keys:
// an unverified claim only chooses who is asked. What cannot be verified for want of the issuer's keys is `Refused`, not a
// wrong token.
import { createRemoteJWKSet, decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import type { BrowserAccess, UserTokens } from '../core/browser-access.ts';
import { DEFAULT_TENANT } from '../core/defaults.ts';
import { Refused } from '../core/errors.ts';
import { tenantId } from '../core/ids.ts';
import { isPersonId } from '../core/principal.ts';
import { SCOPES, type Scope } from '../core/scopes.ts';
import { tenantNameSchema } from '../core/tenants.ts';
import { oneLine } from '../text/cut-text.ts';
import { harmless } from '../text/harmless.ts';
import { type ApiOwner, type ApiOwnerOf, createApiOwnerOf } from './api-keys.ts';
import type { TenantDirectory } from './directory.ts';
import type { SecretReader } from './secrets.ts';

export interface UserTokenDeps {
  readonly users: BrowserAccess['users'];
  /** null where there is one tenant. */
  readonly directory: Pick<TenantDirectory, 'of'> | null;
  readonly secrets: Pick<SecretReader, 'read'>;
}

const PUBLIC_KEY = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
/** Clocks of two companies. */
const TOLERANCE_SEC = 30;
const MAX_TOKEN = 8_192;
const MIN_SECRET = 32;
const MAX_NAME = 100;
const MAX_ISSUERS = 1_000;

type Keys = ReturnType<typeof createRemoteJWKSet>;

/** Keys of tenants and tokens of people, as one question. A key looks like no token. */
export function createCallers(deps: UserTokenDeps): ApiOwnerOf {
  const ofKey = deps.directory ? createApiOwnerOf(deps.directory) : async () => null;
  const ofToken = createUserOf(deps);
  return async (given) => (await ofKey(given)) ?? (await ofToken(given));
}

/** null: not a token, or one that is not valid (any more). */
function createUserOf({ users, directory, secrets }: UserTokenDeps) {
  const keySets = new Map<string, Keys>();

  function keysAt(address: string): Keys {
    const known = keySets.get(address);
    if (known) return known;
    const keys = createRemoteJWKSet(new URL(address), { timeoutDuration: 5_000, cooldownDuration: 10_000 });
    if (keySets.size >= MAX_ISSUERS) keySets.clear();
    keySets.set(address, keys);
    return keys;
  }

  async function verified(token: string, by: UserTokens): Promise<JWTPayload | null> {
    const { issuer, audience } = by;
    const checks = { issuer, audience, clockTolerance: TOLERANCE_SEC, requiredClaims: ['sub', 'exp'] };
    if (by.jwks !== undefined) {
      return await payloadOf(jwtVerify(token, keysAt(by.jwks), { ...checks, algorithms: PUBLIC_KEY }));
    }
    for (const reference of by.secrets ?? []) {
      const secret = await secrets.read(reference).catch(away);
      if (secret.length < MIN_SECRET) continue;
      const key = new TextEncoder().encode(secret);
      const payload = await payloadOf(jwtVerify(token, key, { ...checks, algorithms: ['HS256'] }));
      if (payload !== null) return payload;
    }
    return null;
  }

  return async (token: string): Promise<ApiOwner | null> => {
    const claimed = claimsOf(token);
    if (claimed === null) return null;
    const { name, isDefault } = claimed;
    const tenant = tenantId(name);
    const record = (await directory?.of(tenant)) ?? null;
    if (record?.status === 'erasing' || (record === null && !isDefault)) return null;
    const by = record?.settings.users ?? (isDefault || users?.tenants ? users : null);
    const payload = by ? await verified(token, by) : null;
    const id = payload?.sub ?? '';
    if (payload === null || !isPersonId(id)) return null;
    return { name, tenant, user: { id, name: nameIn(payload) }, scopes: scopesIn(payload) };
  };
}

/** The tenant that a token says it is for, before anything is verified. */
function claimsOf(token: string): { readonly name: string; readonly isDefault: boolean } | null {
  if (token.length > MAX_TOKEN || token.split('.').length !== 3) return null;
  try {
    const { tenant = DEFAULT_TENANT } = decodeJwt(token);
    const name = tenantNameSchema.safeParse(tenant);
    return name.success ? { name: name.data, isDefault: tenant === DEFAULT_TENANT } : null;
  } catch {
    return null;
  }
}

function nameIn({ name }: JWTPayload): string | null {
  return typeof name === 'string' && name.trim() !== '' ? oneLine(harmless(name), MAX_NAME) : null;
}

/** As OAuth writes them: names with spaces between. Without the claim a person may do all with their own chats. */
function scopesIn({ scope }: JWTPayload): readonly Scope[] | undefined {
  if (scope === undefined) return undefined;
  const named = typeof scope === 'string' ? scope.split(' ') : [];
  return SCOPES.filter((one) => named.includes(one));
}

async function payloadOf(check: Promise<{ readonly payload: JWTPayload }>): Promise<JWTPayload | null> {
  try {
    return (await check).payload;
  } catch (error) {
    const isToken =
      error instanceof errors.JOSEError &&
      !(error instanceof errors.JWKSTimeout) &&
      !(error instanceof errors.JWKSInvalid) &&
      error.code !== 'ERR_JOSE_GENERIC';
    if (isToken) return null;
    return away(error);
  }
}

function away(cause: unknown): never {
  throw new Refused('issuer-away', 'What tokens are checked with cannot be read just now.', { cause });
}
