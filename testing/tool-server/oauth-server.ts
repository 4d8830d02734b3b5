// A tool server on loopback that people sign in to, with its authorization server beside it: metadata, registration of clients,
// codes with PKCE, refresh tokens that are good for one use. Using one twice ends the whole connection, as good servers do.
import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { type RemoteToolServer, startRemoteToolServer } from './remote-server.ts';

export interface OAuthToolServer extends RemoteToolServer {
  /** How long an access token lives from now on, seconds. */
  lifeSec: number;
  /** Whether answers name the issuer that they come from. */
  issuer: string | null;
  /** Calls of the token endpoint by grant type. */
  readonly grants: string[];
  readonly registered: number;
  /** Ends access tokens, refresh tokens or both. */
  revoke(what: 'access' | 'all'): void;
  /** The user that a token belongs to. */
  userOf(token: string): string | undefined;
  /** Before a refresh is answered. */
  beforeRefresh: () => Promise<void>;
  /** The next refreshes fail like this. */
  failing: { status: number; error: string } | null;
}

interface Code {
  readonly client: string;
  readonly redirect: string;
  readonly challenge: string;
  readonly user: string;
  readonly resource: string | null;
}

/** `user` of the page: who is signed in in this browser, by the query of the authorization URL or `nobody`. */
export async function startOAuthToolServer(
  options: { readonly user?: () => string; readonly path?: string } = {},
): Promise<OAuthToolServer> {
  const clients = new Map<string, readonly string[]>();
  const codes = new Map<string, Code>();
  const access = new Map<string, { readonly user: string; readonly untilMs: number }>();
  const refresh = new Map<string, { readonly user: string; used: boolean }>();
  const state = {
    lifeSec: 3_600,
    issuer: null as string | null,
    grants: [] as string[],
    registered: 0,
    beforeRefresh: async () => {},
    failing: null as OAuthToolServer['failing'],
  };

  const json = (response: ServerResponse, status: number, value: object): void => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  };

  const issue = (response: ServerResponse, user: string): void => {
    const [token, renewal] = [`access-${randomUUID()}`, `refresh-${randomUUID()}`];
    access.set(token, { user, untilMs: Date.now() + state.lifeSec * 1_000 });
    refresh.set(renewal, { user, used: false });
    json(response, 200, {
      access_token: token,
      token_type: 'Bearer',
      expires_in: state.lifeSec,
      refresh_token: renewal,
    });
  };

  async function token(form: URLSearchParams, response: ServerResponse): Promise<void> {
    state.grants.push(form.get('grant_type') ?? '');
    if (form.get('grant_type') === 'refresh_token') {
      await state.beforeRefresh();
      const { failing } = state;
      if (failing) return json(response, failing.status, { error: failing.error });
      const held = refresh.get(form.get('refresh_token') ?? '');
      if (held?.used) {
        // Somebody else has it: nobody keeps anything.
        for (const [name, { user }] of access) if (user === held.user) access.delete(name);
        for (const [name, { user }] of refresh) if (user === held.user) refresh.delete(name);
      }
      if (!held || held.used) return json(response, 400, { error: 'invalid_grant' });
      held.used = true;
      return issue(response, held.user);
    }
    const name = form.get('code') ?? '';
    const code = codes.get(name);
    codes.delete(name);
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    const fits =
      code &&
      code.challenge === challenge &&
      code.client === form.get('client_id') &&
      code.redirect === form.get('redirect_uri') &&
      code.resource === form.get('resource');
    if (!fits) return json(response, 400, { error: 'invalid_grant' });
    issue(response, code.user);
  }

  function authorize(query: URLSearchParams, response: ServerResponse): void {
    const client = query.get('client_id') ?? '';
    const redirect = query.get('redirect_uri') ?? '';
    if (!clients.get(client)?.includes(redirect) || query.get('code_challenge_method') !== 'S256') {
      json(response, 400, { error: 'invalid_request' });
      return;
    }
    const back = new URL(redirect);
    back.searchParams.set('state', query.get('state') ?? '');
    if (state.issuer !== null) back.searchParams.set('iss', state.issuer);
    const user = options.user?.() ?? 'somebody';
    if (user === 'nobody') back.searchParams.set('error', 'access_denied');
    else {
      const code = randomUUID();
      const challenge = query.get('code_challenge') ?? '';
      codes.set(code, { client, redirect, challenge, user, resource: query.get('resource') });
      back.searchParams.set('code', code);
    }
    response.writeHead(302, { location: back.href }).end();
  }

  async function first(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const url = new URL(request.url ?? '/', server.origin);
    switch (url.pathname) {
      case '/.well-known/oauth-protected-resource/mcp':
        json(response, 200, {
          resource: server.url,
          authorization_servers: [server.origin],
          scopes_supported: ['use'],
        });
        return true;
      case '/.well-known/oauth-authorization-server':
        json(response, 200, {
          issuer: server.origin,
          authorization_endpoint: `${server.origin}/authorize`,
          token_endpoint: `${server.origin}/token`,
          registration_endpoint: `${server.origin}/register`,
          response_types_supported: ['code'],
          grant_types_supported: ['authorization_code', 'refresh_token'],
          code_challenge_methods_supported: ['S256'],
          token_endpoint_auth_methods_supported: ['none'],
        });
        return true;
      case '/register': {
        const asked = JSON.parse(await text(request)) as { redirect_uris: string[] };
        const id = `client-${randomUUID()}`;
        clients.set(id, asked.redirect_uris);
        state.registered += 1;
        json(response, 201, { ...asked, client_id: id });
        return true;
      }
      case '/authorize':
        authorize(url.searchParams, response);
        return true;
      case '/token':
        await token(new URLSearchParams(await text(request)), response);
        return true;
      default:
        return false;
    }
  }

  const server: RemoteToolServer = await startRemoteToolServer({
    first,
    admit({ headers }) {
      const held = access.get(/^Bearer (.+)$/.exec(String(headers.authorization))?.[1] ?? '');
      if (held && held.untilMs > Date.now()) return null;
      const metadata = `${server.origin}/.well-known/oauth-protected-resource/mcp`;
      return { status: 401, headers: { 'www-authenticate': `Bearer resource_metadata="${metadata}"` } };
    },
  });
  return Object.assign(state, server, {
    revoke(what: 'access' | 'all') {
      access.clear();
      if (what === 'all') refresh.clear();
    },
    userOf: (name: string) => access.get(name)?.user,
  });
}

/** What a person's browser does with a link of the chat. Stops where `until` says so, and returns the last answer. */
export async function followLink(
  link: string,
  options: { readonly until?: 'page' | 'authorize' | 'back'; readonly cookies?: boolean } = {},
): Promise<{ readonly response: Response; readonly next: string; readonly cookie: string }> {
  const asked = await fetch(link);
  const html = await asked.clone().text();
  if (options.until === 'page' || !asked.ok) return { response: asked, next: html, cookie: '' };
  const ticket = /name="ticket" value="([^"]+)"/.exec(html)?.[1] ?? '';
  const origin = new URL(link).origin;
  const begun = await fetch(`${origin}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin, 'sec-fetch-site': 'same-origin', 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ ticket }),
  });
  const cookie = begun.headers.get('set-cookie')?.split(';')[0] ?? '';
  const there = begun.headers.get('location') ?? '';
  if (options.until === 'authorize' || !there) return { response: begun, next: there, cookie };
  const approved = await fetch(there, { redirect: 'manual' });
  const back = approved.headers.get('location') ?? '';
  if (options.until === 'back') return { response: approved, next: back, cookie };
  const done = await fetch(back, { headers: options.cookies === false ? {} : { cookie } });
  return { response: done, next: back, cookie };
}
