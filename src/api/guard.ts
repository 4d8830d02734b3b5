// Decides who may call. Three checks run before any route of the API. The `Host` must be known while the server listens
// on loopback only: that stops web pages which make their own host name point to this machine (DNS rebinding). Requests
// that change something must not have a foreign `Origin`. The bearer key must match where one is set. There is no CORS.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { refuse } from './problems.ts';

const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]']);
const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

export function isLoopbackHost(host: string): boolean {
  return LOOPBACK_NAMES.has(host) || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** `knownHosts`: accepted names in addition to loopback ones; null accepts any name, because a key is required. */
export function checkBrowser(knownHosts: readonly string[] | null): MiddlewareHandler {
  return async (context, next) => {
    const host = context.req.header('host') ?? new URL(context.req.url).host;
    const name = host.replace(/:\d+$/, '').toLowerCase();
    if (knownHosts && !LOOPBACK_NAMES.has(name) && !knownHosts.includes(name)) {
      refuse(403, 'unknown-host', 'This server answers only to its own name on this machine.');
    }
    if (!READS.has(context.req.method)) {
      const origin = context.req.header('origin');
      const foreign = origin !== undefined && !sameHost(origin, host);
      if (foreign || context.req.header('sec-fetch-site') === 'cross-site') {
        refuse(403, 'foreign-origin', 'Pages of other sites may not change anything here.');
      }
    }
    await next();
  };
}

function sameHost(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

/** Requires one of the keys. Without keys nothing is checked. */
export function checkBearer(keys: readonly string[]): MiddlewareHandler {
  const digests = keys.map(digest);
  return async (context, next) => {
    if (digests.length > 0) {
      const given = /^Bearer +(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1];
      // All digests have the same length and every key is compared, so the time taken reveals nothing.
      const offered = digest(given ?? '');
      const matches = digests.map((key) => timingSafeEqual(key, offered)).filter(Boolean).length;
      if (given === undefined || matches === 0) {
        const headers = { 'www-authenticate': 'Bearer realm="hybrid-sessions"' };
        const detail =
          given === undefined ? 'Send authorization: Bearer <key>.' : 'This key is not known here.';
        refuse(401, 'bearer-required', detail, { headers });
      }
    }
    await next();
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
