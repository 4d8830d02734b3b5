// Decides who may call. These checks run before any route of the API. The `Host` must be known while the server listens
// on loopback only: that stops web pages which make their own host name point to this machine (DNS rebinding). Requests
// that change something must not have a foreign `Origin`, and what is posted must call itself JSON, which no form of a
// page can. The bearer key must match where one is set. Origins that may call from elsewhere are listed (cors.ts).
import { createHash, timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { isAllowedOrigin } from '../core/browser-access.ts';
import { OWN, type Owner } from './deps.ts';
import { refuse } from './problems.ts';

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);
/** Far above what a browser sends; the servers before this have limits of their own (src/local/listen.ts). */
const MAX_HEADERS = 100;
const MAX_HEAD_BYTES = 16 * 1024;

export function isLoopbackHost(host: string): boolean {
  return ['localhost', '::1', '[::1]'].includes(host) || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Refuses a request whose address and headers are larger than any that is meant. */
export const checkHead: MiddlewareHandler = async (context, next) => {
  let headers = 0;
  let bytes = context.req.url.length;
  for (const [name, value] of context.req.raw.headers) {
    headers += 1;
    bytes += name.length + value.length + 4;
  }
  if (headers > MAX_HEADERS || bytes > MAX_HEAD_BYTES) {
    const most = `${MAX_HEADERS} headers and ${MAX_HEAD_BYTES} bytes with the address`;
    refuse(431, 'head-too-large', `A request may have at most ${most}.`);
  }
  await next();
};

/** `knownHosts`: accepted names in addition to loopback ones; null accepts any name, because a key is required. */
export function checkBrowser(
  knownHosts: readonly string[] | null,
  origins: readonly string[] = [],
): MiddlewareHandler {
  return async (context, next) => {
    const host = context.req.header('host') ?? new URL(context.req.url).host;
    const name = host.replace(/:\d+$/, '').toLowerCase();
    if (knownHosts && !isLoopbackHost(name) && !knownHosts.includes(name)) {
      refuse(403, 'unknown-host', 'This server answers only to its own name on this machine.');
    }
    if (!READS.has(context.req.method)) {
      const origin = context.req.header('origin');
      const isListed = origin !== undefined && isAllowedOrigin(origins, origin);
      const foreign = origin !== undefined && !sameHost(origin, host);
      if (!isListed && (foreign || context.req.header('sec-fetch-site') === 'cross-site')) {
        refuse(403, 'foreign-origin', 'Pages of other sites may not change anything here.');
      }
    }
    await next();
  };
}

function sameHost(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

/** A page of another site can post a form or plain text without asking; JSON it cannot. An empty body is no exception. */
export const checkJson: MiddlewareHandler = async (context, next) => {
  const type = context.req.header('content-type') ?? '';
  if (context.req.method === 'POST' && !/^application\/json\s*(;|$)/i.test(type)) {
    refuse(415, 'not-json', 'Send a JSON body with content-type: application/json.');
  }
  await next();
};

/** Where `checkBearer` puts whose request it is. */
export interface Caller {
  readonly Variables: { readonly owner?: Owner };
  /** Given with a call of an app that takes its caller's word (`vouched`). */
  readonly Bindings: { readonly owner?: Owner };
}

/** Without an owner nothing is opened: a call that forgot to say whose it is must not be the installation's. */
export const takeOwner: MiddlewareHandler<Caller> = async (context, next) => {
  const owner = context.env?.owner ?? refuse(401, 'bearer-required', 'Nobody said whose request this is.');
  context.set('owner', owner);
  await next();
};

/** Those that are valid; a function is asked at each request, and then one of its keys is always required. */
export type ApiKeys = readonly string[] | (() => Promise<readonly string[]>);

/**
 * Requires one of the keys, or a key of a tenant: only that tells whose request it is. Without keys nothing is checked, and
 * all belongs to the installation.
 */
export function checkBearer(
  keys: ApiKeys,
  ownerOf: (key: string) => Promise<Owner | null> = async () => null,
): MiddlewareHandler<Caller> {
  const fixed = typeof keys === 'function' ? null : keys.map(digest);
  const current = typeof keys === 'function' ? async () => (await keys()).map(digest) : null;
  return async (context, next) => {
    if (current !== null || (fixed?.length ?? 0) > 0) {
      const digests = fixed ?? (await current?.()) ?? [];
      const given = /^Bearer +(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1];
      // All digests have the same length and every key is compared, so the time taken reveals nothing.
      const offered = digest(given ?? '');
      const matches = digests.map((key) => timingSafeEqual(key, offered)).filter(Boolean).length;
      const owner = matches > 0 ? OWN : given === undefined ? null : await ownerOf(given);
      if (owner === null) {
        const headers = { 'www-authenticate': 'Bearer realm="hybrid-sessions"' };
        const detail =
          given === undefined ? 'Send authorization: Bearer <key>.' : 'This key is not known here.';
        refuse(401, 'bearer-required', detail, { headers });
      }
      context.set('owner', owner);
    }
    await next();
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
