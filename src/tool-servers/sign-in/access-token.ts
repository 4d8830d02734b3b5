// The access token of one person for one server, renewed when it is over. A refresh token may be good for one use only, and
// using it twice may end the whole connection: so of all processes that want to renew one, exactly one does. Each attempt
// has a turnstile of its own in the vault, named after the refresh token and a number; who adds it, may. An attempt whose
// process died is followed by the next number.
import { createHash } from 'node:crypto';
import { refreshAuthorization } from '@modelcontextprotocol/sdk/client/auth.js';
import { InvalidGrantError, OAuthError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import type { Clock } from '../../core/ports/clock.ts';
import type { Vault } from '../../core/ports/vault.ts';
import { NotReachable } from '../outgoing.ts';
import {
  type Connection,
  type ConnectionOf,
  connectionEntry,
  readConnection,
  writeConnection,
} from './connection.ts';
import type { Fetch } from './outgoing-fetch.ts';

/** A token that ends sooner is renewed first. */
const MARGIN_MS = 60_000;
/** After this long whoever passed a turnstile is taken for dead. Longer than a renewal may take. */
const DEAD_MS = 40_000;
const LOOK_EVERY_MS = 200;
const MAX_ATTEMPTS = 5;

export interface RenewalParts {
  readonly vault: Vault;
  readonly fetch: Fetch;
  readonly clock: Clock;
}

/** `stale`: an access token that the server refused. null: the person has to sign in. */
export async function accessToken(
  parts: RenewalParts,
  of: ConnectionOf,
  serverUrl: string,
  stale: string | null = null,
): Promise<string | null> {
  const connection = await readConnection(parts.vault, of, serverUrl);
  if (!connection) return null;
  const { expiresAtMs } = connection;
  const isOver = expiresAtMs !== null && expiresAtMs - MARGIN_MS <= parts.clock.now();
  if (!isOver && connection.accessToken !== stale) return connection.accessToken;
  if (connection.refreshToken === undefined) {
    await forget(parts.vault, of, connection);
    return null;
  }
  return (await renewed(parts, of, connection, connection.refreshToken))?.accessToken ?? null;
}

async function renewed(
  { vault, fetch, clock }: RenewalParts,
  of: ConnectionOf,
  old: Connection,
  refreshToken: string,
): Promise<Connection | null> {
  const { tenant, person } = of;
  const mark = createHash('sha256').update(refreshToken).digest('hex').slice(0, 40);
  const changed = async (): Promise<Connection | null | 'same'> => {
    const now = await readConnection(vault, of, old.serverUrl);
    return now?.accessToken === old.accessToken ? 'same' : now;
  };
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const turnstile = { tenant, person, name: `renewal/${mark}-${attempt}` };
    if (await vault.add(turnstile, String(clock.now()))) {
      // Somebody may have renewed it between our look and now.
      const now = await changed();
      if (now !== 'same') return now;
      return await renew({ vault, fetch, clock }, of, old, refreshToken, turnstile.name);
    }
    const beganMs = Number((await vault.get(turnstile)) ?? 0);
    for (;;) {
      const now = await changed();
      if (now !== 'same') return now;
      if (clock.now() - beganMs > DEAD_MS) break;
      await clock.sleep(LOOK_EVERY_MS);
    }
  }
  await forget(vault, of, old);
  return null;
}

async function renew(
  { vault, fetch, clock }: RenewalParts,
  of: ConnectionOf,
  old: Connection,
  refreshToken: string,
  turnstile: string,
): Promise<Connection | null> {
  try {
    const tokens = await refreshAuthorization(old.server.issuer, {
      metadata: old.server,
      clientInformation: old.client,
      refreshToken,
      ...(old.resource === undefined ? {} : { resource: old.resource }),
      fetchFn: fetch,
    });
    const connection: Connection = {
      ...old,
      accessToken: tokens.access_token,
      refreshToken: tokens.refresh_token ?? refreshToken,
      expiresAtMs: tokens.expires_in === undefined ? null : clock.now() + tokens.expires_in * 1_000,
      turnstile,
    };
    await writeConnection(vault, of, connection);
    const { tenant, person } = of;
    if (old.turnstile !== undefined) await vault.remove({ tenant, person, name: old.turnstile });
    return connection;
  } catch (cause) {
    // It was revoked, or ran out. Any other refusal may be the server's own trouble.
    if (!(cause instanceof InvalidGrantError)) {
      const answered = cause instanceof OAuthError;
      const code = answered ? ` (${cause.errorCode})` : '';
      // It answered, so the token was not used up: the next one need not wait until this attempt counts as dead.
      if (answered) await vault.remove({ tenant: of.tenant, person: of.person, name: turnstile });
      throw new NotReachable(`The token could not be renewed${code}.`, { cause });
    }
    await forget(vault, of, old);
    return null;
  }
}

/** What is no good any more is removed, unless the person has signed in meanwhile. */
async function forget(vault: Vault, of: ConnectionOf, old: Connection): Promise<void> {
  const now = await readConnection(vault, of, old.serverUrl);
  if (now?.accessToken !== old.accessToken) return;
  await vault.remove(connectionEntry(of));
  const { tenant, person } = of;
  if (old.turnstile !== undefined) await vault.remove({ tenant, person, name: old.turnstile });
}
