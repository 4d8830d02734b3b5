// Signing in to a tool server by OAuth, as MCP's authorization says: who issues tokens for it (RFC 9728, 8414), as which client we
// ask (RFC 7591, or the one that the owner names), with PKCE; then code for tokens. Between the two steps everything lies in
// the vault, and is taken out once.
import { createHash, randomBytes } from 'node:crypto';
import {
  discoverOAuthServerInfo,
  exchangeAuthorization,
  extractWWWAuthenticateParams,
  registerClient,
  startAuthorization,
} from '@modelcontextprotocol/sdk/client/auth.js';
import { checkResourceAllowed } from '@modelcontextprotocol/sdk/shared/auth-utils.js';
import { z } from 'zod';
import { Invalid } from '../../core/errors.ts';
import type { Tenant } from '../../core/ids.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Vault, VaultEntry } from '../../core/ports/vault.ts';
import type { RemoteServer } from '../remote-server.ts';
import {
  type AuthorizationServer,
  authorizationServerSchema,
  connectionSchema,
  type SignInClient,
  writeConnection,
} from './connection.ts';
import type { Fetch } from './outgoing-fetch.ts';
import { INSTALLATION, type Ticket } from './ticket.ts';

export interface AuthorizationParts {
  readonly vault: Vault;
  readonly fetch: Fetch;
  readonly clock: Pick<Clock, 'now'>;
  /** Where the person's browser comes back to. */
  readonly redirectUrl: string;
}

/** How long a person may take at the server's own pages. */
export const PENDING_MS = 15 * 60_000;

const pendingSchema = connectionSchema
  .pick({ serverUrl: true, server: true, client: true, resource: true })
  .extend({
    tenant: z.string(),
    person: z.string(),
    serverName: z.string(),
    codeVerifier: z.string(),
    browser: z.string(),
    expiresAtMs: z.number(),
  });

const PENDING = 'pending/';

/** Where to send the browser. `browser`: what only this browser knows. */
export async function beginAuthorization(
  parts: AuthorizationParts,
  ticket: Ticket,
  server: RemoteServer,
  browser: string,
  signState: (nonce: string) => Promise<string>,
): Promise<URL> {
  const { vault, fetch, clock, redirectUrl } = parts;
  await dropOld(vault, clock);
  const asked = await challengeOf(fetch, server);
  const info = await discoverOAuthServerInfo(server.url, {
    ...(asked.resourceMetadataUrl && { resourceMetadataUrl: asked.resourceMetadataUrl }),
    fetchFn: fetch,
  });
  const metadata = info.authorizationServerMetadata;
  if (!metadata) throw unfit(server, 'says nothing of how to sign in');
  const stated = info.resourceMetadata?.resource;
  const isItself =
    stated === undefined ||
    checkResourceAllowed({ requestedResource: server.url, configuredResource: stated });
  if (!isItself) throw unfit(server, `speaks for another one, ${stated}`);
  for (const endpoint of [metadata.authorization_endpoint, metadata.token_endpoint]) {
    if (!/^https?:$/.test(new URL(endpoint).protocol))
      throw unfit(server, 'names an address that is no web page');
  }
  if (metadata.code_challenge_methods_supported?.includes('S256') === false) {
    throw unfit(server, 'cannot sign in safely (PKCE is not supported)');
  }
  const known = authorizationServerSchema.parse(metadata);
  const scope =
    (server.oauth?.scope ?? asked.scope ?? info.resourceMetadata?.scopes_supported?.join(' ')) || undefined;
  const client = await clientFor(parts, ticket.tenant, server, known, metadata, scope);
  const nonce = randomBytes(16).toString('hex');
  const { authorizationUrl, codeVerifier } = await startAuthorization(info.authorizationServerUrl, {
    metadata,
    clientInformation: client,
    redirectUrl,
    state: await signState(nonce),
    ...(scope === undefined ? {} : { scope }),
    ...(stated === undefined ? {} : { resource: stated }),
  });
  const pending: z.infer<typeof pendingSchema> = {
    tenant: ticket.tenant,
    person: ticket.person,
    serverName: server.name,
    serverUrl: server.url,
    server: known,
    client,
    ...(stated === undefined ? {} : { resource: stated }),
    codeVerifier,
    browser: digestOf(browser),
    expiresAtMs: clock.now() + PENDING_MS,
  };
  await vault.add(entryOf(nonce), JSON.stringify(pending));
  return authorizationUrl;
}

export interface CameBack {
  readonly nonce: string;
  readonly code: string;
  /** RFC 9207. */
  readonly issuer: string | null;
  readonly browser: string;
}

/** Stores the tokens under the person's name, and says of which server they are. Throws `Invalid` with words for a page. */
export async function finishAuthorization(parts: AuthorizationParts, back: CameBack): Promise<string> {
  const { vault, fetch, clock, redirectUrl } = parts;
  const text = await vault.get(entryOf(back.nonce));
  // Whoever takes it has it; a second visit finds nothing.
  if (text === null || !(await vault.remove(entryOf(back.nonce)))) throw overdue();
  const pending = pendingSchema.parse(JSON.parse(text));
  if (pending.expiresAtMs <= clock.now()) throw overdue();
  if (pending.browser !== digestOf(back.browser)) {
    throw new Invalid('other-browser', 'This was begun in another browser.', {
      advice: 'Open the link of the chat again, and finish in the same browser.',
    });
  }
  if (back.issuer !== null && back.issuer !== pending.server.issuer) {
    throw new Invalid('other-issuer', 'The answer comes from another server than the one that was asked.');
  }
  const tokens = await exchangeAuthorization(pending.server.issuer, {
    metadata: pending.server,
    clientInformation: pending.client,
    authorizationCode: back.code,
    codeVerifier: pending.codeVerifier,
    redirectUri: redirectUrl,
    ...(pending.resource === undefined ? {} : { resource: pending.resource }),
    fetchFn: fetch,
  });
  const of = {
    tenant: pending.tenant as Ticket['tenant'],
    person: pending.person as Ticket['person'],
    server: pending.serverName,
  };
  await writeConnection(vault, of, {
    version: 1,
    serverUrl: pending.serverUrl,
    server: pending.server,
    client: pending.client,
    ...(pending.resource === undefined ? {} : { resource: pending.resource }),
    accessToken: tokens.access_token,
    ...(tokens.refresh_token === undefined ? {} : { refreshToken: tokens.refresh_token }),
    expiresAtMs: tokens.expires_in === undefined ? null : clock.now() + tokens.expires_in * 1_000,
  });
  await vault.remove({ tenant: of.tenant, person: of.person, name: `told/${of.server}` });
  return of.server;
}

/** What the server itself says when nobody is signed in. */
async function challengeOf(fetch: Fetch, server: RemoteServer) {
  const response = await fetch(server.url, {
    method: server.type === 'sse' ? 'GET' : 'POST',
    headers: { accept: 'application/json, text/event-stream', 'content-type': 'application/json' },
    ...(server.type === 'sse' ? {} : { body: '{"jsonrpc":"2.0","id":1,"method":"ping"}' }),
  });
  return response.status === 401 ? extractWWWAuthenticateParams(response) : {};
}

async function clientFor(
  { vault, fetch, clock, redirectUrl }: AuthorizationParts,
  tenant: Tenant,
  server: RemoteServer,
  known: AuthorizationServer,
  metadata: NonNullable<Parameters<typeof registerClient>[1]['metadata']>,
  scope: string | undefined,
): Promise<SignInClient> {
  const { clientId, clientSecret } = server.oauth ?? {};
  if (clientId !== undefined) {
    if (clientSecret === undefined) return { client_id: clientId };
    const secret = await vault.get({ tenant, person: null, name: clientSecret });
    if (secret === null) throw unfit(server, `wants the credential "${clientSecret}", which is not stored`);
    return { client_id: clientId, client_secret: secret };
  }
  const mark = createHash('sha256')
    .update(JSON.stringify([known.issuer, redirectUrl]))
    .digest('hex');
  const entry: VaultEntry = { tenant: INSTALLATION, person: null, name: `client/${mark.slice(0, 40)}` };
  const kept = await vault.get(entry);
  if (kept !== null) {
    const { until, ...client } = registeredSchema.parse(JSON.parse(kept));
    if (until === 0 || until * 1_000 > clock.now()) return client;
  }
  if (metadata.registration_endpoint === undefined) {
    throw unfit(server, 'takes no new clients by itself: the owner has to name one (`oauth.clientId`)');
  }
  const registered = await registerClient(known.issuer, {
    metadata,
    clientMetadata: {
      client_name: 'hybrid-sessions',
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
    ...(scope === undefined ? {} : { scope }),
    fetchFn: fetch,
  });
  const { client_id, client_secret, token_endpoint_auth_method, client_secret_expires_at } = registered;
  const client: SignInClient = {
    client_id,
    ...(client_secret === undefined ? {} : { client_secret }),
    ...(token_endpoint_auth_method === undefined ? {} : { token_endpoint_auth_method }),
  };
  await vault.set(entry, JSON.stringify({ ...client, until: client_secret_expires_at ?? 0 }));
  return client;
}

const registeredSchema = connectionSchema.shape.client.extend({ until: z.number() });

/** Attempts that nobody finished. */
async function dropOld(vault: Vault, clock: Pick<Clock, 'now'>): Promise<void> {
  for (const entry of await vault.list(INSTALLATION)) {
    if (entry.name.startsWith(PENDING) && entry.changedAtMs < clock.now() - PENDING_MS)
      await vault.remove(entry);
  }
}

function entryOf(nonce: string): VaultEntry {
  return { tenant: INSTALLATION, person: null, name: `${PENDING}${nonce}` };
}

function digestOf(browser: string): string {
  return createHash('sha256').update(browser).digest('hex');
}

function unfit(server: RemoteServer, why: string): Invalid {
  return new Invalid('cannot-sign-in', `The tool server ${server.name} ${why}.`);
}

function overdue(): Invalid {
  return new Invalid('sign-in-over', 'This attempt is over, or was finished already.', {
    advice: 'Open the link of the chat again.',
  });
}
