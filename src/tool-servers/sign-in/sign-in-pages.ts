// The pages of signing in, for people's browsers: `/sign-in?ticket=...` asks whether the person means it, its button sends them
// to the server's own pages, and `/sign-in/done` is where those send them back. A link is good for the person it was
// made for; who opens another one's is told so in words, because their account would be used for that person.
import { randomBytes } from 'node:crypto';
import { readBody } from '../../bounded-body.ts';
import { Invalid, isHybridError } from '../../core/errors.ts';
import { errorFields, type Log } from '../../core/log.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Vault } from '../../core/ports/vault.ts';
import { createOutgoing, type OutgoingOptions } from '../outgoing.ts';
import type { ServerList } from '../server-list.ts';
import { beginAuthorization, finishAuthorization, PENDING_MS } from './authorization.ts';
import { outgoingFetch } from './outgoing-fetch.ts';
import { DONE_PATH, SIGN_IN_PATH } from './sign-in-link.ts';
import { createSigner, readTicket, type Ticket } from './ticket.ts';

export interface SignInPagesOptions {
  readonly vault: Vault;
  /** Those of the agent folder. */
  readonly list: ServerList;
  /** Under which people's browsers reach this: without a path. */
  readonly publicUrl: string;
  readonly resolve?: NonNullable<OutgoingOptions['resolve']>;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
}

export interface SignInPages {
  /** null: this path is not one of these pages. */
  fetch(request: Request): Promise<Response> | null;
  close(): void;
}

const COOKIE = 'hybrid-sessions-sign-in';
const BODY = { maxBytes: 8 * 1024, maxMs: 10_000 };

export function createSignInPages(options: SignInPagesOptions): SignInPages {
  const { vault, list, clock, log } = options;
  const base = new URL(options.publicUrl);
  const signer = createSigner(vault);
  const outgoing = createOutgoing({
    written: list.servers.map(({ url }) => url),
    allow: list.allow,
    ...(options.resolve && { resolve: options.resolve }),
  });
  const parts = {
    vault,
    clock,
    fetch: outgoingFetch(outgoing),
    redirectUrl: new URL(DONE_PATH, base).href,
  };

  async function ticketOf(text: string | null): Promise<Ticket> {
    const ticket = await readTicket(signer, text ?? '', clock.now());
    if (ticket) return ticket;
    throw new Invalid('sign-in-over', 'This link is no longer good.', {
      advice: 'Ask the agent in your chat once more: it gives you a new one.',
    });
  }

  async function ask(url: URL): Promise<Response> {
    const signed = url.searchParams.get('ticket');
    const { server, person, personName } = await ticketOf(signed);
    return page(
      200,
      'Sign in',
      `<p>The agent wants to use <b>${escaped(server)}</b> for <b>${escaped(personName)}</b> (${escaped(person)}), with an account that you sign in to.</p>
<p>Go on only if that is you. What the agent does for ${escaped(personName)} is then done with your account; nobody else's messages use it.</p>
<form method="post" action="${SIGN_IN_PATH}"><input type="hidden" name="ticket" value="${escaped(signed ?? '')}"><button>Go on</button></form>`,
    );
  }

  async function begin(request: Request): Promise<Response> {
    const origin = request.headers.get('origin');
    const site = request.headers.get('sec-fetch-site');
    if ((origin !== null && origin !== base.origin) || (site !== null && site !== 'same-origin')) {
      throw new Invalid('foreign-origin', 'Another site asked for this.', {
        advice: 'Open the link of the chat yourself.',
      });
    }
    const body = await readBody(request, BODY);
    if (typeof body === 'string') throw new Invalid('bad-form', 'This form cannot be read.');
    const ticket = await ticketOf(new URLSearchParams(Buffer.from(body).toString('utf8')).get('ticket'));
    const server = list.servers.find(({ name, oauth }) => name === ticket.server && oauth);
    if (!server) throw new Invalid('unknown-server', `There is no tool server ${ticket.server} any more.`);
    const browser = randomBytes(24).toString('base64url');
    const to = await beginAuthorization(parts, ticket, server, browser, (nonce) =>
      signer.sign('state', nonce),
    );
    log('info', 'sign-in-begun', { server: server.name, person: ticket.person });
    const attributes = `HttpOnly; SameSite=Lax; Path=${SIGN_IN_PATH}; Max-Age=${PENDING_MS / 1_000}`;
    const secure = base.protocol === 'https:' ? '; Secure' : '';
    return new Response(null, {
      status: 303,
      headers: {
        ...HEADERS,
        location: to.href,
        'set-cookie': `${COOKIE}=${browser}; ${attributes}${secure}`,
      },
    });
  }

  async function finish(request: Request, url: URL): Promise<Response> {
    const { searchParams } = url;
    const nonce = await signer.check('state', searchParams.get('state') ?? '');
    if (nonce === null) throw new Invalid('bad-state', 'This answer belongs to nothing that was begun here.');
    const refused = searchParams.get('error');
    const code = searchParams.get('code');
    if (refused !== null || code === null) {
      const word = /^[a-z_]{1,60}$/.exec(refused ?? '')?.[0] ?? 'no code';
      throw new Invalid('not-signed-in', `The server did not sign you in (${word}).`, {
        advice: 'Open the link of the chat again to try once more.',
      });
    }
    const cookies = request.headers.get('cookie') ?? '';
    const browser = new RegExp(`(?:^|;\\s*)${COOKIE}=([\\w-]{32})`).exec(cookies)?.[1] ?? '';
    const server = await finishAuthorization(parts, {
      nonce,
      code,
      issuer: searchParams.get('iss'),
      browser,
    });
    log('info', 'signed-in', { server });
    return page(
      200,
      'Signed in',
      `<p>The agent can use <b>${escaped(server)}</b> for you now. Go back to your chat and go on.</p>`,
    );
  }

  async function handle(request: Request, url: URL): Promise<Response> {
    try {
      // Another name that leads here is none of ours (DNS rebinding).
      if ((request.headers.get('host') ?? url.host).toLowerCase() !== base.host) {
        throw new Invalid('unknown-host', 'These pages are at another address.');
      }
      if (url.pathname === SIGN_IN_PATH && request.method === 'POST') return await begin(request);
      if (request.method !== 'GET') return page(405, 'Not here', '<p>This address takes GET.</p>');
      return url.pathname === SIGN_IN_PATH ? await ask(url) : await finish(request, url);
    } catch (error) {
      log('warn', 'sign-in-failed', errorFields(error));
      const told = isHybridError(error)
        ? `<p>${escaped(error.message)}</p><p>${escaped(error.advice ?? '')}</p>`
        : '<p>The server could not be asked, or gave an answer that makes no sense. Try again later.</p>';
      return page(400, 'Not signed in', told);
    }
  }

  return {
    fetch(request) {
      const url = new URL(request.url);
      return [SIGN_IN_PATH, DONE_PATH].includes(url.pathname) ? handle(request, url) : null;
    },
    close: () => outgoing.close(),
  };
}

const STYLE = 'body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem}';

const HEADERS = {
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // A form's answer may send the browser on, and that counts as the form's doing.
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' https: http:",
};

function page(status: number, title: string, content: string): Response {
  const html = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>${STYLE}</style>
<h1>${title}</h1>
${content}
</html>`;
  return new Response(html, { status, headers: { ...HEADERS, 'content-type': 'text/html; charset=utf-8' } });
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
